"""What each day costs: the cheapest plans that end some days before the best one, or may end some days after it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from hardware_catalog.catalog import Catalog
from planner.optimizer.alternatives import cheapest_by
from planner.optimizer.problem import Problem, Solution
from planner.options import options
from planner.performance.efficiency import Efficiency
from planner.placements import Placed
from planner.run_options import to_problem
from planner.workload import LONGEST_HORIZON_DAYS, Workload

EARLIER, LATER = (1, 3, 7, 14, 30), (1, 7, 30)  # days
DAY_S = 86_400
SHORTEST_S = 0.02


def earlier(problem: Problem, best: Solution, stop_at: float) -> Iterator[tuple[int, Solution]]:
    """Days (below 0) and the cheapest plan that ends so many days before; the last when there is none any more."""
    found = best
    for number, days in enumerate(EARLIER):
        finish_s = best.finish_s - days * DAY_S
        if found.status != "optimal" or found.finish_s > finish_s:
            part = (stop_at - time.monotonic()) / (len(EARLIER) - number)
            if part <= SHORTEST_S:
                return
            found = cheapest_by(problem, finish_s, part)
        yield -days, found
        if found.status == "infeasible":
            return


def later(
    workload: Workload,
    catalog: Catalog,
    constants: Efficiency | None,
    placed: dict[str, Placed],
    best: Solution,
    stop_at: float,
) -> Iterator[tuple[int, Solution]]:
    """Days and the cheapest plan that ends at most so many days after, deadlines and horizon so much later too.

    The options are made anew: slower ones may do then.
    """
    if stop_at - time.monotonic() <= SHORTEST_S:
        return
    table = options(_postponed(workload, LATER[-1]), catalog, constants, placed)
    for number, days in enumerate(LATER):
        part = (stop_at - time.monotonic()) / (len(LATER) - number)
        if part <= SHORTEST_S:
            return
        problem = to_problem(_postponed(workload, days), table)
        yield days, cheapest_by(problem, best.finish_s + days * DAY_S, part)


def _postponed(workload: Workload, days: int) -> Workload:
    """The workload with every deadline and its horizon some days later."""
    by = timedelta(days=days)
    jobs = tuple(
        job if job.deadline is None else job.model_copy(update={"deadline": job.deadline + by}) for job in workload.jobs
    )
    horizon = min(workload.horizon_days + days, LONGEST_HORIZON_DAYS)
    return workload.model_copy(update={"jobs": jobs, "horizon_days": horizon})
