"""CP-SAT on the direct model: the aim first, then the ties, one solve each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ortools.sat.python import cp_model

from planner.optimizer.check import evaluate
from planner.optimizer.formulation import build, hint, runs_of
from planner.optimizer.problem import Problem, Run, Status
from planner.optimizer.prune import undominated
from planner.optimizer.runs import TimeUp, usable
from planner.optimizer.variables import Model

Progress = Callable[[int | None, int, float], object]  # best value or None, bound, seconds since the start
WORKERS, SEED = 2, 1


def solve_direct(
    problem: Problem,
    time_limit_s: float,
    known: tuple[Run, ...] | None = None,
    least: int = 0,
    options: Sequence[int] | None = None,
    progress: Progress | None = None,
    since: float | None = None,
) -> tuple[Status, tuple[Run, ...], int]:
    """Status, runs and a proven lower bound on the aim's value.

    `known` is a plan to start from, `least` a bound already proven. 'unknown' means that the time was too short.
    """
    started = time.monotonic()
    value_of = {"cost": 0, "finish": 1, "carbon": 2}[problem.aim]
    best = known
    best_value = evaluate(problem, known)[value_of] if known is not None else None
    if options is None:
        options = undominated(problem, usable(problem))
    try:
        model = build(problem, options, best_value if problem.aim == "cost" else None, started + time_limit_s)
    except TimeUp:
        return ("unknown", (), least) if known is None else ("feasible", known, least)
    if any(not choices for choices in model.choices.values()):
        return ("infeasible", (), least) if known is None else ("feasible", known, least)
    goals = _goals(model)
    unit = model.unit if problem.aim == "cost" else 1
    model.cp.add(goals[0] >= least // unit)
    status: Status = "unknown"
    bound = least
    for rank, goal in enumerate(goals):
        left = time_limit_s - (time.monotonic() - started)
        if left <= 0:
            break
        if best is not None:
            model.cp.clear_hints()
            hint(model, best)
        model.cp.minimize(goal)
        solver = _solver(left)
        watch = None
        if progress is not None and rank == 0:
            watch = _Watch(progress, unit, bound, started if since is None else since)
            solver.best_bound_callback = watch.bounded
        result = solver.solve(model.cp, watch)
        found = result in (cp_model.OPTIMAL, cp_model.FEASIBLE)
        if found:
            runs = runs_of(model, solver.value)
            value = evaluate(problem, runs)[value_of]
            if rank > 0 or best_value is None or value <= best_value:
                best, best_value = runs, value
        if rank == 0:
            if result == cp_model.MODEL_INVALID:
                raise AssertionError(model.cp.validate())
            if result == cp_model.INFEASIBLE:
                return ("infeasible", (), bound) if best is None else ("feasible", best, bound)
            proven = round(solver.best_objective_bound) * unit
            bound = max(bound, proven - unit * model.rounding() if problem.aim == "cost" else proven)
            if best_value is not None and bound > best_value:
                bound = least  # the solver contradicts a plan: nothing it says is proven
            if best is None or best_value is None:
                return "unknown", (), bound
            bound = min(bound, best_value)
            status = "optimal" if bound == best_value else "feasible"
            if status != "optimal":
                break
        if result != cp_model.OPTIMAL:
            break
        model.cp.add(goal <= round(solver.objective_value))
    if best is None:
        return "unknown", (), bound
    return ("feasible" if status == "unknown" else status), best, bound


def _goals(model: Model) -> list[Any]:
    money, grams = model.total_cost(), model.total_carbon()
    return {
        "cost": [money, model.finish, grams],
        "finish": [model.finish, money, grams],
        "carbon": [grams, money, model.finish],
    }[model.problem.aim]


def _solver(time_limit_s: float) -> Any:
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.num_workers = WORKERS
    solver.parameters.random_seed = SEED
    solver.parameters.linearization_level = 2
    # OR-Tools 9.15 can certify a wrong optimum through its presolve: github.com/google/or-tools/issues/5293
    solver.parameters.cp_model_probing_level = 0
    solver.parameters.presolve_inclusion_work_limit = 0
    solver.parameters.relative_gap_limit = 0.0
    solver.parameters.absolute_gap_limit = 0.0
    return solver


class _Watch(cp_model.CpSolverSolutionCallback):
    """Tells `progress` of every better plan and bound."""

    def __init__(self, progress: Progress, unit: int, bound: int, started: float) -> None:
        super().__init__()
        self.progress, self.unit, self.bound, self.started = progress, unit, bound, started
        self.best: int | None = None

    def on_solution_callback(self) -> None:
        self.best = round(self.objective_value) * self.unit
        self.bound = max(self.bound, round(self.best_objective_bound) * self.unit)
        self.tell()

    def bounded(self, bound: float) -> None:
        self.bound = max(self.bound, round(bound) * self.unit)
        self.tell()

    def tell(self) -> None:
        if self.progress(self.best, self.bound, time.monotonic() - self.started):
            self.stop_search()
