"""CP-SAT on the direct model: the aim first, then the ties, one solve each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from ortools.sat.python import cp_model

from planner.optimizer.check import evaluate
from planner.optimizer.formulation import build
from planner.optimizer.problem import Problem, Run, Status
from planner.optimizer.prune import undominated
from planner.optimizer.runs import Interrupted, TimeUp, ceil_div, clipped, usable
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
    Raises Interrupted, with what was found, on a KeyboardInterrupt.
    """
    started = time.monotonic()
    problem = clipped(problem)
    unproven: Status = "unknown" if known is None else "feasible"
    value_of = {"cost": 0, "finish": 1, "carbon": 2}[problem.aim]
    best = known or ()
    best_value = evaluate(problem, known)[value_of] if known is not None else None
    if options is None:
        options = undominated(problem, usable(problem))
    try:
        model = build(problem, options, best_value if problem.aim == "cost" else None, started + time_limit_s)
    except TimeUp:
        return unproven, best, least
    if any(not choices for choices in model.choices.values()):
        return ("infeasible", (), least) if known is None else ("feasible", known, least)
    goals = _goals(model)
    unit = model.unit if problem.aim == "cost" else 1
    model.cp.add(goals[0] >= least // unit)
    status, bound = unproven, least
    for rank, goal in enumerate(goals):
        left = time_limit_s - (time.monotonic() - started)
        if left <= 0:
            break
        if best:
            model.cp.clear_hints()
            _hint(model, best)
        model.cp.minimize(goal)
        solver = _solver(left)
        watch = _Watch(solver, model, progress if rank == 0 else None, bound, started if since is None else since)
        result, stopped = _searched(solver, model, watch)
        if result in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            runs = _runs_of(model, solver.value)
            value = evaluate(problem, runs)[value_of]
            if rank > 0 or best_value is None or value <= best_value:
                best, best_value = runs, value
        if rank == 0:
            if result == cp_model.MODEL_INVALID:
                raise AssertionError(model.cp.validate())
            if result == cp_model.INFEASIBLE:
                return ("feasible" if best else "infeasible"), best, bound
            bound = _proven(model, solver.best_objective_bound, bound, best_value)
            if best_value is not None:
                status = "optimal" if bound == best_value else "feasible"
        if isinstance(stopped, KeyboardInterrupt):
            raise Interrupted(best, bound) from stopped
        if stopped is not None:
            raise stopped
        if result != cp_model.OPTIMAL or status != "optimal":
            break
        model.cp.add(goal <= round(solver.objective_value))
    return status, best, bound


def _proven(model: Model, said: float, least: int, best_value: int | None) -> int:
    """The bound on the aim by what CP-SAT says and what was known; at most the value of the best plan."""
    cost = model.problem.aim == "cost"
    bound = max(least, (round(said) - model.rounding()) * model.unit if cost else round(said))
    if best_value is not None and bound > best_value:
        return least  # the solver contradicts a plan: nothing it says is proven
    return bound


def _searched(solver: Any, model: Model, watch: _Watch) -> tuple[Any, BaseException | None]:
    """CP-SAT's status, and what was raised meanwhile, which stops it without losing what it has found.

    It runs in a thread of its own: in the main one Python cannot see the keyboard before CP-SAT has ended.
    """
    raised: BaseException | None = None
    with ThreadPoolExecutor(1) as pool:
        search = pool.submit(solver.solve, model.cp, watch)
        while not search.done():
            try:
                wait([search], None if raised is None else 0.01)
            except KeyboardInterrupt as stop:
                raised = stop
            if raised is not None:
                solver.stop_search()  # again and again: it may not have started yet
    return search.result(), raised or watch.raised


def _hint(m: Model, runs: tuple[Run, ...]) -> None:
    """Offer a plan to the search."""
    h = m.problem.step_s
    for p in range(len(m.problem.phases)):
        own = [run for run in runs if m.problem.options[run.option].phase == p]
        for s, run in zip(m.segments(p), [*own, *[None] * len(m.segments(p))], strict=False):
            m.cp.add_hint(m.use[s], run is not None)
            m.cp.add_hint(m.start[s], 0 if run is None else run.start_s // h)
            m.cp.add_hint(m.seconds[s], 0 if run is None else run.end_s - run.start_s)
            m.cp.add_hint(m.steps[s], 0 if run is None else ceil_div(run.end_s - run.start_s, h))
            for i, c in enumerate(m.choices[p]):
                mine = run is not None and c.option == run.option
                mine = mine and run is not None and c.stretch[0].start * h <= run.start_s < c.stretch[-1].end * h
                m.cp.add_hint(m.pick[*s, i], mine)
                m.cp.add_hint(m.run[*s, i], run.end_s - run.start_s if mine and run is not None else 0)


def _runs_of(m: Model, value: Callable[[Any], int]) -> tuple[Run, ...]:
    """The plan that a solution of the model says, in order of start."""
    found = []
    for (p, k, i), pick in m.pick.items():
        if value(pick):
            start = value(m.start[p, k]) * m.problem.step_s
            found.append(Run(m.choices[p][i].option, start, start + value(m.seconds[p, k])))
    return tuple(sorted(found, key=lambda run: (run.start_s, run.option)))


def _goals(model: Model) -> list[Any]:
    money, grams = model.total_cost(), model.total_carbon()
    return {
        "cost": [money, model.finish, grams],
        "finish": [model.finish, money, grams],
        "carbon": [grams, money, model.finish],
    }[model.problem.aim]


def new_solver(time_limit_s: float) -> Any:
    """CP-SAT with a time limit, the same on every call, and Ctrl-C left to the caller."""
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.num_workers = WORKERS
    solver.parameters.catch_sigint_signal = False
    solver.parameters.random_seed = SEED
    solver.parameters.symmetry_level = 0  # OR-Tools 9.15 can fail in its detection of symmetry
    return solver


def _solver(time_limit_s: float) -> Any:
    solver = new_solver(time_limit_s)
    solver.parameters.linearization_level = 2
    # OR-Tools 9.15 can certify a wrong optimum through its presolve: github.com/google/or-tools/issues/5293
    solver.parameters.cp_model_probing_level = 0
    solver.parameters.presolve_inclusion_work_limit = 0
    solver.parameters.relative_gap_limit = 0.0
    solver.parameters.absolute_gap_limit = 0.0
    return solver


class _Watch(cp_model.CpSolverSolutionCallback):
    """Tells `progress` of every better plan and bound; what it raises stops the search and is kept."""

    def __init__(self, solver: Any, model: Model, progress: Progress | None, bound: int, started: float) -> None:
        super().__init__()
        self.solver, self.model, self.progress, self.bound, self.started = solver, model, progress, bound, started
        self.unit = model.unit if model.problem.aim == "cost" else 1
        self.best: int | None = None
        self.raised: BaseException | None = None
        if progress is not None:
            solver.best_bound_callback = self.bounded

    def on_solution_callback(self) -> None:
        self.best = round(self.objective_value) * self.unit
        self.bounded(self.best_objective_bound)

    def bounded(self, bound: float) -> None:
        self.bound = _proven(self.model, bound, self.bound, self.best)
        if self.progress is None:
            return
        try:
            stop = self.progress(self.best, self.bound, time.monotonic() - self.started)
        except BaseException as error:  # none may pass through CP-SAT
            self.raised, stop = error, True
        if stop:
            self.solver.stop_search()  # not that of the callback, which fails before the first plan
