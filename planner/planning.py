"""The main job: a workload and a catalog in, the provably cheapest cluster and schedule out."""

from __future__ import annotations

import time
from dataclasses import replace

from hardware_catalog.catalog import Catalog
from planner.assembly import Assembly
from planner.optimizer.problem import Problem
from planner.optimizer.solve import Progress, alternatives, solve
from planner.options import options
from planner.performance.efficiency import Efficiency
from planner.plan import Plan
from planner.run_options import to_problem
from planner.workload import Workload, check_against

ALTERNATIVES_S = 10.0


def plan(
    workload: Workload,
    catalog: Catalog,
    time_limit_s: float = 60.0,
    progress: Progress | None = None,
    constants: Efficiency | None = None,
) -> Plan:
    """The cheapest plan (earliest or least carbon with `minimise`) with its proof, or the reasons why there is none.

    `constants` are those of the performance model; the shipped ones when left out.
    Raises InputError when the workload names providers, regions, accelerators or instance types the catalog lacks.
    """
    started = time.perf_counter()
    check_against(workload, catalog)
    table = options(workload, catalog, constants)
    problem = to_problem(workload, table)
    stop_at = time.monotonic() + time_limit_s
    solution = solve(problem, time_limit_s, progress)
    left_s = min(stop_at - time.monotonic(), ALTERNATIVES_S)
    others = alternatives(_one_run_each(problem), left_s) if solution.runs and left_s > 0 else []
    overlay = constants.overlay if constants else None
    assembly = Assembly(workload, catalog, table, problem, solution, overlay)
    return assembly.plan(others, time.perf_counter() - started)


def _one_run_each(problem: Problem) -> Problem:
    """The same problem with one run per phase, which is exact in milliseconds: enough to compare accelerators."""
    return replace(problem, phases=tuple(replace(phase, max_segments=1) for phase in problem.phases))
