"""What every search has: its clock, the best plan within the caps and the bound known so far, and CP-SAT at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import PhaseTask, Problem, Run, Solution, Status
from planner.optimizer.prune import undominated
from planner.optimizer.runs import Interrupted, TimeUp, chain_order, longest_s, usable
from planner.optimizer.segments import carbon_as_money, suited, useful_options

Progress = Callable[[int | None, int, float], object]  # best value or None, bound, seconds since the start
NEVER = 1 << 62
TIES_S = 3.0  # what a proven optimum may cost in time to break its ties


class Search:
    """One search for the best plan of a problem without terms."""

    def __init__(
        self,
        problem: Problem,
        time_limit_s: float,
        progress: Progress | None,
        optimum: Callable[[Problem, float], Solution],
    ) -> None:
        """`optimum(problem, seconds)` solves a part or another form of the problem."""
        self.started = time.monotonic()
        self.time_limit_s, self.progress, self.optimum_of = time_limit_s, progress, optimum
        self.stop_at = self.started + time_limit_s
        self.take(problem)
        self.best: Solution | None = None
        self.single: dict[tuple[str, int | None], tuple[Run, ...] | None] = {}  # best plans of one run per phase
        self.bound = 0
        self.order = chain_order(problem.phases) or []
        self.one_run = all(phase.max_segments == 1 for phase in problem.phases)

    def take(self, problem: Problem) -> None:
        """Search this problem, which has the same phases."""
        self.problem = problem
        self.free = replace(problem, phases=each_after_one(problem), budget=None, carbon_cap=None)

    def elapsed_s(self) -> float:
        return time.monotonic() - self.started

    def left_s(self) -> float:
        return self.time_limit_s - self.elapsed_s()

    def so_far(self) -> Solution:
        if self.best is None:
            return Solution("unknown", bound=self.bound)
        return bounded(self.problem, self.best, self.bound)

    def learn(self, runs: tuple[Run, ...]) -> Solution:
        """Values of a plan, which becomes the best so far if it keeps the caps and is better."""
        found = valued(self.problem, runs)
        if within_totals(self.problem, found) and (self.best is None or self._key(found) < self._key(self.best)):
            self.best = found
        return found

    def _key(self, solution: Solution) -> tuple[int, ...]:
        return (value_of(self.problem, solution), solution.cost, solution.finish_s, solution.carbon_g)

    def told(self, runs: tuple[Run, ...], bound: int) -> object:
        """Report a plan and a bound on the aim; a true answer means stop."""
        if runs:
            self.learn(runs)
        self.bound = max(self.bound, bound)
        if self.progress is None:
            return None
        best = None if self.best is None else value_of(self.problem, self.best)
        return self.progress(best, self.bound, self.elapsed_s())

    def kept(self, runs: tuple[Run, ...], bound: int) -> None:
        """Learn a plan whose bound says nothing of the aim."""
        self.learn(runs)

    def as_free(self, runs: tuple[Run, ...]) -> bool:
        """Whether runs cost the same where every phase leaves its place for the next phase alone."""
        return self.free.phases == self.problem.phases or evaluate(self.free, runs) == evaluate(self.problem, runs)

    @cached_property
    def suited(self) -> list[int]:
        return suited(self.problem)

    def all_suited(self) -> bool:
        return self.one_run or len(self.suited) == len(usable(self.problem))

    def start_from(self, known: tuple[Run, ...], whole: Problem, index: Sequence[int]) -> None:
        """Learn runs of the whole problem if they are a plan of it on options that are left, which `index` names."""
        number = {option: at for at, option in enumerate(index)}
        if is_plan(whole, known) and all(run.option in number for run in known):
            self.learn(tuple(replace(run, option=number[run.option]) for run in known))

    def too_dear(self) -> bool:
        """Whether the bound says that no plan keeps the budget."""
        budget = self.problem.budget
        return self.problem.aim == "cost" and budget is not None and self.bound > budget

    def optimum(self) -> Solution:
        """The optimum without reasons, or what is known when the time is up."""
        try:
            return self.searched()
        except TimeUp as up:
            if up.runs:
                self.learn(up.runs)
            return self.so_far()

    def searched(self) -> Solution:
        """The optimum; TimeUp may end it."""
        raise NotImplementedError

    def direct(self) -> Solution:
        """CP-SAT, from what is known."""
        from planner.optimizer.direct import solve_direct  # OR-Tools takes half a second to import

        best, limit_s = self.best, self.left_s()
        if best is not None and self.bound == value_of(self.problem, best):
            limit_s = min(limit_s, TIES_S)
        if limit_s <= 0:
            return self.so_far()
        started = time.monotonic()
        options = self.worthwhile()
        limit_s -= time.monotonic() - started
        known = None if best is None else best.runs
        try:
            status, runs, bound = solve_direct(
                self.problem, limit_s, known, self.bound, options, self.progress, self.started
            )
        except Interrupted as stop:
            self.told(stop.runs, stop.bound)
            raise
        if status in ("infeasible", "unknown"):
            return Solution(status, bound=0 if status == "infeasible" else bound)
        return bounded(self.problem, valued(self.problem, runs), None if status == "optimal" else bound)

    def worthwhile(self) -> list[int]:
        """The options that a better plan than the best so far can use, as far as a quick bound tells."""
        problem, best = self.problem, self.best
        options = usable(problem)
        carbon = carbon_as_money(problem) if problem.aim == "carbon" else None
        priced = problem if problem.aim == "cost" else carbon
        if self.order and best is not None and priced is not None:
            try:
                stop_at = time.monotonic() + self.left_s() / 2
                options, bound = useful_options(priced, self.order, options, value_of(problem, best), stop_at)
                self.bound = max(self.bound, min(bound, value_of(problem, best)))
            except TimeUp:
                pass
        return undominated(problem, options)


def each_after_one(problem: Problem) -> tuple[PhaseTask, ...]:
    """Phases in a row, each after the one before it alone; others as they are."""
    phases = list(problem.phases)
    for before, p in pairwise(chain_order(problem.phases) or []):
        phases[p] = replace(phases[p], after=(before,))
    return tuple(phases)


def valued(problem: Problem, runs: tuple[Run, ...]) -> Solution:
    """The runs with their values, nothing proven."""
    cost, finish_s, carbon_g = evaluate(problem, runs)
    return Solution(
        "feasible", tuple(sorted(runs, key=lambda run: (run.start_s, run.option))), cost, finish_s, carbon_g
    )


def bounded(problem: Problem, solution: Solution, bound: int | None) -> Solution:
    """The solution with its bound; None: it is optimal."""
    value = value_of(problem, solution)
    proven = value if bound is None else min(bound, value)
    status: Status = "optimal" if proven == value else "feasible"
    return replace(solution, status=status, bound=proven)


def value_of(problem: Problem, solution: Solution) -> int:
    return {"cost": solution.cost, "finish": solution.finish_s, "carbon": solution.carbon_g}[problem.aim]


def is_plan(problem: Problem, runs: tuple[Run, ...]) -> bool:
    """Whether runs, which may be of another problem, are a plan of this one."""
    for run in runs:
        if not 0 <= run.option < len(problem.options):
            return False
        longest = longest_s(problem.options[run.option].billing)
        if longest is not None and run.end_s - run.start_s > longest:
            return False
    return bool(runs) and not check(problem, valued(problem, runs))


def within_totals(problem: Problem, solution: Solution) -> bool:
    return (problem.budget is None or solution.cost <= problem.budget) and (
        problem.carbon_cap is None or solution.carbon_g <= problem.carbon_cap
    )
