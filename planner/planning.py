"""The main job: a workload and a catalog in, the provably cheapest cluster and schedule out."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

from hardware_catalog.catalog import Catalog
from planner.assembly import Assembly
from planner.delay import earlier, later
from planner.explaining import reasons
from planner.optimizer.alternatives import Nearby, by_family, one_run_each
from planner.optimizer.problem import Problem, Solution
from planner.optimizer.solve import Progress, solve
from planner.options import OptionsTable, options
from planner.other_plans import OtherPlans, kinds_of
from planner.performance.efficiency import Efficiency
from planner.placements import Placed
from planner.plan import Plan
from planner.run_options import to_problem
from planner.workload import Workload, check_against

WITHIN = 0.05
EXTRAS_S = 10.0  # that reasons, or alternatives, or the cost of delay may take each
FAMILIES_SHARE = 0.5  # of that, for the plans on other accelerators
EARLIER_SHARE = 0.6  # of that, for plans that end earlier
LEAST_SHARE = 0.1  # of the time limit, for the solver when making the options took all of it
NOT_SOUGHT = "No plan exists; the search for reasons was stopped."


def plan(
    workload: Workload,
    catalog: Catalog,
    time_limit_s: float = 60.0,
    progress: Progress | None = None,
    constants: Efficiency | None = None,
    within: float = WITHIN,
    delay: bool = False,
) -> Plan:
    """The cheapest plan (earliest or least carbon with `minimise`) with its proof, or the reasons why there is none.

    `constants` are those of the performance model; the shipped ones when left out. Alternatives of another kind are
    sought up to a share `within` above the optimum, 0 for none; with `delay` also what every day of the finish costs.
    An interrupt ends the search: the plan is the best so far. The time limit holds for all of it.
    Raises InputError when the workload names providers, regions, accelerators or instance types the catalog lacks.
    """
    started = time.monotonic()
    stop_at = started + time_limit_s
    check_against(workload, catalog)
    placed: dict[str, Placed] = {}
    table = options(workload, catalog, constants, placed)
    problem = to_problem(workload, table)
    solving = time.monotonic()
    solution = solve(problem, max(stop_at - solving, LEAST_SHARE * time_limit_s), progress, why=False)
    extras = _Extras(workload, catalog, constants, placed, table, problem, solution)
    if not solution.stopped:
        extras.find(stop_at, time.monotonic() - solving, within, delay)
    if solution.status == "infeasible":
        solution = replace(solution, reasons=extras.reasons or (NOT_SOUGHT,))
    overlay = constants.overlay if constants else None
    assembly = Assembly(workload, catalog, table, problem, solution, overlay)
    return assembly.plan(time.monotonic() - started).model_copy(update=extras.facts())


class _Extras:
    """What comes with a solution, filled as it is found: reasons, other plans, the cost of delay."""

    def __init__(
        self,
        workload: Workload,
        catalog: Catalog,
        constants: Efficiency | None,
        placed: dict[str, Placed],
        table: OptionsTable,
        problem: Problem,
        solution: Solution,
    ) -> None:
        self.workload, self.catalog, self.constants = workload, catalog, constants
        self.placed, self.table, self.problem, self.solution = placed, table, problem, solution
        self.reasons: tuple[str, ...] = ()
        self.families: list[tuple[str, Solution]] = []
        self.delays: list[tuple[int, Solution]] = []
        self.near: Nearby | None = None
        self.within = 0.0

    def find(self, stop_at: float, usual_s: float, within: float, delay: bool) -> None:
        """Everything there is time for; `usual_s` is what the solution took."""
        with suppress(KeyboardInterrupt):
            if self.solution.status == "infeasible":
                left = _until(stop_at) - time.monotonic()
                self.reasons = reasons(self.workload, self.catalog, self.problem, left, self.constants, self.placed)
            if self.solution.runs:
                self._alternatives(_until(stop_at), usual_s, within)
                if delay:
                    self._delays(_until(stop_at))

    def _alternatives(self, until: float, usual_s: float, within: float) -> None:
        for one in by_family(one_run_each(self.problem), _between(until, FAMILIES_SHARE)):
            self.families.append(one)
        if within > 0:
            self.within = within
            self.near = Nearby(self.problem, self.solution, kinds_of(self.table), within)
            self.near.search(until, usual_s)

    def _delays(self, until: float) -> None:
        for one in earlier(self.problem, self.solution, _between(until, EARLIER_SHARE)):
            self.delays.append(one)
        for one in later(self.workload, self.catalog, self.constants, self.placed, self.solution, until):
            self.delays.append(one)

    def facts(self) -> dict[str, object]:
        """The fields of the plan document."""
        if not self.solution.runs:
            return {}
        others = OtherPlans(self.workload, self.table, self.problem, self.solution)
        nearby = others.nearby(near.plan for near in self.near.plans) if self.near else []
        return {
            "alternatives": (*nearby, *others.on_other_accelerators(self.families)),
            "within": self.within,
            "within_complete": self.near is not None and self.near.complete,
            "delay": tuple(others.delays(self.delays)),
        }


def _until(stop_at: float) -> float:
    """The end of one kind of extras."""
    return min(stop_at, time.monotonic() + EXTRAS_S)


def _between(until: float, share: float) -> float:
    """The moment after a share of the time from now."""
    now = time.monotonic()
    return now + share * (until - now)
