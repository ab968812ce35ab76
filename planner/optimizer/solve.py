"""The entry of the optimizer: the simplest exact algorithm that fits the problem, its answer checked.

    phases in a row, one run each         `chain`: dynamic program over time
    phases in a row, several runs each    `segments`: label setting under Lagrangian bounds, for every aim
    everything else                       `direct`: CP-SAT on the model of `formulation`: phases side by side, caps that
                                          bind, ties of carbon, bills that fall when a run gets longer

Budget and carbon cap are left out first; when the best plan without them keeps them, it is the best plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

from planner.optimizer.chain import best_chain
from planner.optimizer.check import check, evaluate
from planner.optimizer.coarse import by_day
from planner.optimizer.explain import reasons
from planner.optimizer.independent import apart, fits, in_a_row, one_after_the_other, part, parts_of
from planner.optimizer.least import least_cost
from planner.optimizer.problem import PhaseTask, Problem, Run, Solution, Status
from planner.optimizer.prune import undominated
from planner.optimizer.reach import earliest_finish
from planner.optimizer.runs import (
    Interrupted,
    TimeUp,
    chain_order,
    chain_order_of,
    clipped,
    longest_s,
    renamed,
    stated,
    usable,
)
from planner.optimizer.segments import best_segments, carbon_as_money, suited, useful_options
from planner.optimizer.terms import solve_with_terms

Progress = Callable[[int | None, int, float], object]
NEVER = 1 << 62
TIES_S = 3.0  # what a proven optimum may cost in time to break its ties
SMALL = 3000  # runs x windows: so many CP-SAT can deal with at once
TINY = 400  # and these at once
SHARE_OF_SMALL = 0.15  # of the time for column generation where CP-SAT can prove more


def solve(
    problem: Problem,
    time_limit_s: float = 60.0,
    progress: Progress | None = None,
    why: bool = True,
    known: tuple[Run, ...] | None = None,
) -> Solution:
    """The best plan of the class, with a proven bound on the aim's value, or the reasons why there is none (if `why`).

    `progress(best value or None, bound, seconds)` is called as the search goes on; a true answer stops it. A
    KeyboardInterrupt stops it too, and the best plan so far is returned. Status 'unknown': no plan was found in time.
    A `known` plan, of a problem before a small change of it, is a start where it is a plan of this one; ties of the
    optimum do not depend on it.
    """
    if problem.terms:
        return _with_terms(problem, time_limit_s, progress, why)
    search = _Search(problem, time_limit_s, progress)
    index: Sequence[int] = range(len(problem.options))
    try:
        fewer, index = _fewer(clipped(stated(problem)))
        search.take(fewer)
        search.start_from(known or (), problem, index)
        solution = search.optimum()
    except KeyboardInterrupt:
        solution = replace(search.so_far(), stopped=True)
    if solution.status == "infeasible":
        search.take(problem)
        return replace(solution, reasons=search.why()) if why else solution
    solution = _checked(problem, replace(solution, runs=renamed(solution.runs, index)))
    if progress is not None:
        progress(_value(problem, solution) if solution.runs else None, solution.bound, search.elapsed_s())
    return solution


def optimum(problem: Problem, time_limit_s: float, progress: Progress | None = None) -> Solution:
    """As `solve`, without reasons where there is no plan, on all options, unchecked."""
    if problem.terms:
        return solve_with_terms(problem, _plain, time_limit_s, progress)
    return _Search(clipped(stated(problem)), time_limit_s, progress).optimum()


def _with_terms(problem: Problem, time_limit_s: float, progress: Progress | None, why: bool) -> Solution:
    """`solve` of a problem with terms."""
    search = _Search(problem, time_limit_s, progress)
    solution = solve_with_terms(problem, _plain, time_limit_s, progress)
    if solution.status == "infeasible":
        return replace(solution, reasons=search.why()) if why else solution
    return _checked(problem, solution)


def _plain(problem: Problem, time_limit_s: float, progress: Progress | None = None) -> Solution:
    """The optimum of a problem without terms, without options that others replace."""
    fewer, index = _fewer(clipped(stated(problem)))
    search = _Search(fewer, time_limit_s, progress)
    try:
        solution = search.optimum()
    except KeyboardInterrupt as stop:
        raise Interrupted(renamed(search.so_far().runs, index), search.bound) from stop
    return replace(solution, runs=renamed(solution.runs, index))


def _checked(problem: Problem, solution: Solution) -> Solution:
    wrong = check(problem, solution)
    if wrong:
        raise AssertionError("the solver found a plan that is none: " + "; ".join(wrong))
    return solution


def _fewer(problem: Problem) -> tuple[Problem, Sequence[int]]:
    """The problem without options that others replace, and the index of each in the whole one.

    Phases in a row or of one run each are fast enough with all of them.
    """
    one_run = all(phase.max_segments == 1 for phase in problem.phases)
    if one_run or chain_order(problem.phases) is not None:
        return problem, range(len(problem.options))
    kept = undominated(problem, usable(problem))
    return replace(problem, options=tuple(problem.options[at] for at in kept)), kept


class _Search:
    """One call of `solve`: its clock, and the best plan within the caps and the bound known so far."""

    def __init__(self, problem: Problem, time_limit_s: float, progress: Progress | None) -> None:
        self.started = time.monotonic()
        self.time_limit_s, self.progress = time_limit_s, progress
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
        self.free = replace(problem, phases=_each_after_one(problem), budget=None, carbon_cap=None)

    def elapsed_s(self) -> float:
        return time.monotonic() - self.started

    def left_s(self) -> float:
        return self.time_limit_s - self.elapsed_s()

    def so_far(self) -> Solution:
        if self.best is None:
            return Solution("unknown", bound=self.bound)
        return _bounded(self.problem, self.best, self.bound)

    def why(self) -> tuple[str, ...]:
        def relaxed(problem: Problem) -> Solution:
            return optimum(problem, max(1.0, self.left_s() / 4))

        try:
            return reasons(self.problem, relaxed)
        except KeyboardInterrupt:
            return ("No plan exists; the search for reasons was stopped.",)

    def learn(self, runs: tuple[Run, ...]) -> Solution:
        """Values of a plan, which becomes the best so far if it keeps the caps and is better."""
        found = _solution(self.problem, runs)
        if _within_caps(self.problem, found) and (self.best is None or self._key(found) < self._key(self.best)):
            self.best = found
        return found

    def _key(self, solution: Solution) -> tuple[int, ...]:
        return (_value(self.problem, solution), solution.cost, solution.finish_s, solution.carbon_g)

    def told(self, runs: tuple[Run, ...], bound: int) -> object:
        """Report a plan and a bound on the aim; a true answer means stop."""
        if runs:
            self.learn(runs)
        self.bound = max(self.bound, bound)
        if self.progress is None:
            return None
        best = None if self.best is None else _value(self.problem, self.best)
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
        if _is_plan(whole, known) and all(run.option in number for run in known):
            self.learn(tuple(replace(run, option=number[run.option]) for run in known))

    def optimum(self) -> Solution:
        """The optimum without reasons, or what is known when the time is up."""
        try:
            return self.searched()
        except TimeUp as up:
            if up.runs:
                self.learn(up.runs)
            return self.so_far()

    def searched(self) -> Solution:
        problem = self.problem
        if not self.order:
            return self.side_by_side()
        if self.one_run:
            # the dynamic program sees the caps when there is one run in all
            sought = problem if len(self.order) == 1 else self.free
            at_most = None if self.best is None else _value(problem, self.best)
            try:
                runs = best_chain(sought, self.order, None, self.stop_at, at_most)
            except TimeUp as up:
                self.bound = up.bound
                raise
            if runs is None:
                return Solution("infeasible")
            solution = self.learn(runs)
            self.bound = _value(problem, _solution(self.free, runs))
            if _within_caps(problem, solution) and self.as_free(runs):
                return _bounded(problem, solution, None)
            return self.capped(runs)
        return self.several_runs()

    def several_runs(self) -> Solution:
        """Phases in a row, several runs each."""
        problem = self.problem
        first = self.first_plan()
        if first is None:
            return Solution("infeasible")
        self.learn(first)
        self.bound = (least_cost(problem) or 0) if problem.aim == "cost" else 0
        runs, bound = self.relaxed(first)
        self.bound = max(self.bound, bound)
        solution = self.learn(runs)
        if not _within_caps(problem, solution):
            return self.capped(first)
        if problem.aim != "carbon" and self.all_suited() and self.as_free(runs):
            return self.so_far()
        return self.direct()  # not proven, or for the ties

    def first_plan(self) -> tuple[Run, ...] | None:
        """A plan of one run per phase in half of the time, or the one that ends first, caps left out; None when there
        is none.
        """
        if self.problem.aim != "finish":
            runs = self.one_run_each(self.free, None, self.started + self.time_limit_s / 2)
            if runs is not None:
                return runs
        return earliest_finish(self.free, self.order, stop_at=self.stop_at)

    def one_run_each(self, problem: Problem, finish_limit_s: int | None, stop_at: float) -> tuple[Run, ...] | None:
        """The best plan of one run per phase; what was found of it, or None, when the time is up."""
        question = (problem.aim, finish_limit_s)
        if question not in self.single:
            single = replace(problem, phases=tuple(replace(phase, max_segments=1) for phase in problem.phases))
            try:
                self.single[question] = best_chain(single, self.order, finish_limit_s, stop_at)
            except TimeUp as up:
                self.single[question] = up.runs or None
        return self.single[question]

    def by_day(self, options: list[int]) -> tuple[Run, ...]:
        """A plan of some of the options on steps of a day, in a third of the time: good where prices stand still for
        days.
        """
        few = replace(self.problem, options=tuple(self.problem.options[at] for at in options))
        coarse = by_day(few)
        if coarse is None or self.left_s() <= 0:
            return ()
        found = renamed(optimum(coarse, self.left_s() / 3).runs, options)
        return found if found and not check(self.problem, _solution(self.problem, found)) else ()

    def relaxed(self, soonest: tuple[Run, ...]) -> tuple[tuple[Run, ...], int]:
        """The best plan without caps, several runs per phase, and the proven bound on its value."""
        if self.problem.aim == "carbon":
            return self.greenest(soonest)
        if self.problem.aim == "finish":
            finish_s = max(run.end_s for run in soonest)
            return self.cheapest(soonest, finish_s)[0], finish_s
        return self.cheapest(soonest, None, self.told)

    def cheapest(
        self,
        soonest: tuple[Run, ...],
        finish_limit_s: int | None,
        report: Callable[[tuple[Run, ...], int], object] | None = None,
    ) -> tuple[tuple[Run, ...], int]:
        """The cheapest plan that ends by a second, caps left out, and a bound on its cost."""
        cheap = replace(self.free, aim="cost")
        if self.one_run:
            runs = best_chain(cheap, self.order, finish_limit_s, self.stop_at)
            # none can end by then only when nothing can
            return (soonest, NEVER) if runs is None else (runs, evaluate(cheap, runs)[0])
        runs = self.one_run_each(cheap, finish_limit_s, self.stop_at)
        if runs is not None:
            self.learn(runs)
        plans = [runs, soonest, self.best.runs if self.best and finish_limit_s is None else None]
        known = min((plan for plan in plans if plan is not None), key=lambda plan: evaluate(cheap, plan)[0])
        options = self.suited
        if self.all_suited():
            if report is None:
                return best_segments(cheap, self.order, options, known, self.left_s(), finish_limit_s, self.kept)
            return best_segments(cheap, self.order, options, known, self.left_s(), finish_limit_s, report, self.by_day)
        # a good plan of some of the options, whose bound says nothing of the others
        found, _ = best_segments(cheap, self.order, options, known, self.left_s() / 2, finish_limit_s)
        return found, 0

    def greenest(self, soonest: tuple[Run, ...]) -> tuple[tuple[Run, ...], int]:
        """The plan with the least carbon, caps left out, and a bound on its carbon."""
        if self.one_run:
            green = best_chain(replace(self.free, aim="carbon"), self.order, None, self.stop_at)
            return (green or soonest), evaluate(self.free, green or soonest)[2]
        carbon = carbon_as_money(self.free)
        if carbon is None:
            return soonest, 0
        return best_segments(carbon, self.order, usable(carbon), soonest, self.left_s())

    def capped(self, soonest: tuple[Run, ...]) -> Solution:
        """Phases in a row when the best plan without caps breaks one or is not proven."""
        problem = self.problem
        if problem.budget is not None:
            runs, bound = self.cheapest(soonest, None)
            self.learn(runs)
            if bound > problem.budget:
                return Solution("infeasible")
        if problem.carbon_cap is not None:
            runs, bound = self.greenest(soonest)
            self.learn(runs)
            if bound > problem.carbon_cap:
                return Solution("infeasible")
        elif problem.aim == "finish" and self.best is not None and self.all_suited():
            return self.soonest_within_budget(soonest)
        return self.direct()

    def soonest_within_budget(self, soonest: tuple[Run, ...]) -> Solution:
        """Bisection on the finish: the cheapest plan that ends by a second is no dearer when that second is later."""
        assert self.best is not None
        assert self.problem.budget is not None
        while self.bound < self.best.finish_s and self.left_s() > 0:
            middle = (self.bound + self.best.finish_s) // 2
            runs, bound = self.cheapest(soonest, middle)
            if evaluate(self.free, runs)[0] <= self.problem.budget:
                self.learn(runs)
            elif bound > self.problem.budget:
                self.bound = middle + 1
            else:  # not decided in time
                break
            self.told(runs, self.bound)
        runs, _ = self.cheapest(soonest, self.best.finish_s)
        found = _solution(self.problem, runs)
        same = _within_caps(self.problem, found) and found.finish_s == self.best.finish_s
        return _bounded(self.problem, found if same else self.best, self.bound)

    def side_by_side(self) -> Solution:
        """Phases that may overlap in time: the jobs apart, then what they share."""
        problem = self.problem
        parts = parts_of(problem)
        orders = [order for phases in parts if (order := chain_order_of(problem, phases)) is not None]
        one_run = self.one_run and problem.aim != "finish"
        several_runs = not self.one_run and problem.aim == "cost" and self.size() > TINY
        if len(orders) == len(parts) > 1 and (one_run or several_runs):
            return self.portfolio(orders)

        def share(number: int) -> Callable[[Problem], Solution]:
            return lambda alone: optimum(alone, max(0.1, self.left_s() / number))

        if len(parts) == 1:  # one after the other is a plan, if it is in time
            serial = share(2)(in_a_row(self.free))
            if serial.runs:
                self.learn(serial.runs)
            return self.direct()
        solutions, runs, bound = apart(problem, share(2 * len(parts)))
        if any(solution.status == "infeasible" for solution in solutions):
            return Solution("infeasible")
        self.bound = max(self.bound, bound)
        if runs is not None and problem.aim == "finish":
            runs = self.cheapest_parts(runs)
        if runs is None or not fits(problem, runs):
            runs = one_after_the_other(problem, share(8 * len(parts)))
        if runs is not None:
            self.learn(runs)
        self.told((), self.bound)
        return self.direct()

    def portfolio(self, orders: Sequence[Sequence[int]]) -> Solution:
        """Several jobs of phases in a row: branch and price; if small, CP-SAT for the ties and what is left open."""
        from planner.optimizer.portfolio import Portfolio  # OR-Tools takes half a second to import

        problem, told = self.problem, None

        def report(plan: tuple[Run, ...] | None, bound: int) -> object:
            nonlocal told
            news, told = plan if plan is not told else (), plan
            return bool(self.told(news or (), bound)) or self.too_dear()

        small = self.size() <= SMALL
        share = 1.0 if self.one_run or not small else SHARE_OF_SMALL
        try:
            search = Portfolio(problem, orders, optimum, report, self.started + share * self.time_limit_s)
            search.search(self.best.runs if self.best else ())
        except TimeUp:
            return self.so_far()
        if not search.possible or self.too_dear():
            return Solution("infeasible")
        found = self.so_far()
        return self.direct() if small or not found.runs else found

    def size(self) -> int:
        """Runs x windows: the size of the direct model."""
        return sum(self.problem.phases[o.phase].max_segments * len(o.windows) for o in self.problem.options)

    def too_dear(self) -> bool:
        """Whether the bound says that no plan keeps the budget."""
        budget = self.problem.budget
        return self.problem.aim == "cost" and budget is not None and self.bound > budget

    def cheapest_parts(self, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        """The jobs apart, each as cheap as it can be by the finish of all."""
        finish_s, found = evaluate(self.problem, runs)[1], []
        for phases in parts_of(self.problem):
            alone, index = part(self.problem, phases, self.problem.options)
            search = _Search(alone, self.left_s() / 4, None)
            mine = [run for run in runs if self.problem.options[run.option].phase in phases]
            if search.order and search.all_suited():
                here = tuple(replace(run, option=index.index(run.option)) for run in mine)
                mine = [*renamed(search.cheapest(here, finish_s)[0], index)]
            found += mine
        return tuple(sorted(found, key=lambda run: (run.start_s, run.option)))

    def direct(self) -> Solution:
        """CP-SAT, from what is known."""
        from planner.optimizer.direct import solve_direct  # OR-Tools takes half a second to import

        best, limit_s = self.best, self.left_s()
        if best is not None and self.bound == _value(self.problem, best):
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
        return _bounded(self.problem, _solution(self.problem, runs), None if status == "optimal" else bound)

    def worthwhile(self) -> list[int]:
        """The options that a better plan than the best so far can use, as far as a quick bound tells."""
        problem, best = self.problem, self.best
        options = usable(problem)
        carbon = carbon_as_money(problem) if problem.aim == "carbon" else None
        priced = problem if problem.aim == "cost" else carbon
        if self.order and best is not None and priced is not None:
            try:
                stop_at = time.monotonic() + self.left_s() / 2
                options, bound = useful_options(priced, self.order, options, _value(problem, best), stop_at)
                self.bound = max(self.bound, min(bound, _value(problem, best)))
            except TimeUp:
                pass
        return undominated(problem, options)


def _each_after_one(problem: Problem) -> tuple[PhaseTask, ...]:
    """Phases in a row, each after the one before it alone; others as they are."""
    phases = list(problem.phases)
    for before, p in pairwise(chain_order(problem.phases) or []):
        phases[p] = replace(phases[p], after=(before,))
    return tuple(phases)


def _solution(problem: Problem, runs: tuple[Run, ...]) -> Solution:
    """The runs with their values, nothing proven."""
    cost, finish_s, carbon_g = evaluate(problem, runs)
    return Solution(
        "feasible", tuple(sorted(runs, key=lambda run: (run.start_s, run.option))), cost, finish_s, carbon_g
    )


def _bounded(problem: Problem, solution: Solution, bound: int | None) -> Solution:
    """The solution with its bound; None: it is optimal."""
    value = _value(problem, solution)
    proven = value if bound is None else min(bound, value)
    status: Status = "optimal" if proven == value else "feasible"
    return replace(solution, status=status, bound=proven)


def _value(problem: Problem, solution: Solution) -> int:
    return {"cost": solution.cost, "finish": solution.finish_s, "carbon": solution.carbon_g}[problem.aim]


def _is_plan(problem: Problem, runs: tuple[Run, ...]) -> bool:
    """Whether runs, which may be of another problem, are a plan of this one."""
    for run in runs:
        if not 0 <= run.option < len(problem.options):
            return False
        longest = longest_s(problem.options[run.option].billing)
        if longest is not None and run.end_s - run.start_s > longest:
            return False
    return bool(runs) and not check(problem, _solution(problem, runs))


def _within_caps(problem: Problem, solution: Solution) -> bool:
    return (problem.budget is None or solution.cost <= problem.budget) and (
        problem.carbon_cap is None or solution.carbon_g <= problem.carbon_cap
    )
