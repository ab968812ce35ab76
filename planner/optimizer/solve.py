"""The entry of the optimizer: the simplest exact algorithm that fits the problem, its answer checked.

    phases in a row, one run each         `chain`: dynamic program over time
    phases in a row, several runs each    `segments`: label setting under Lagrangian bounds, for every aim
    several jobs of phases in a row       `portfolio`: branch and price
    purchases of terms                    `terms`: branch and bound over what is bought
    everything else                       `direct`: CP-SAT on the model of `formulation`: forks and joins, caps that
                                          bind, ties of carbon, bills that fall when a run gets longer

Budget and carbon cap are left out first; when the best plan without them keeps them, it is the best plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from planner.optimizer.check import check
from planner.optimizer.explain import reasons
from planner.optimizer.in_a_row import InARow
from planner.optimizer.problem import Problem, Run, Solution
from planner.optimizer.prune import undominated
from planner.optimizer.runs import Interrupted, chain_order, clipped, renamed, stated, usable
from planner.optimizer.search import Progress, Search, value_of
from planner.optimizer.side_by_side import SideBySide
from planner.optimizer.terms import solve_with_terms

__all__ = ["Progress", "optimum", "solve"]


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
    search = _search(problem, time_limit_s, progress)
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
        return replace(solution, reasons=_why(problem, search)) if why else solution
    solution = _checked(problem, replace(solution, runs=renamed(solution.runs, index)))
    if progress is not None:
        progress(value_of(problem, solution) if solution.runs else None, solution.bound, search.elapsed_s())
    return solution


def optimum(problem: Problem, time_limit_s: float, progress: Progress | None = None) -> Solution:
    """As `solve`, without reasons where there is no plan, on all options, unchecked."""
    if problem.terms:
        return solve_with_terms(problem, _plain, time_limit_s, progress)
    return _search(clipped(stated(problem)), time_limit_s, progress).optimum()


def _with_terms(problem: Problem, time_limit_s: float, progress: Progress | None, why: bool) -> Solution:
    """`solve` of a problem with terms."""
    search = _search(problem, time_limit_s, progress)
    solution = solve_with_terms(problem, _plain, time_limit_s, progress)
    if solution.status == "infeasible":
        return replace(solution, reasons=_why(problem, search)) if why else solution
    return _checked(problem, solution)


def _plain(problem: Problem, time_limit_s: float, progress: Progress | None = None) -> Solution:
    """The optimum of a problem without terms, without options that others replace."""
    fewer, index = _fewer(clipped(stated(problem)))
    search = _search(fewer, time_limit_s, progress)
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


def _search(problem: Problem, time_limit_s: float, progress: Progress | None) -> Search:
    """The search that fits the problem's phases."""
    kind = SideBySide if chain_order(problem.phases) is None else InARow
    return kind(problem, time_limit_s, progress, optimum)


def _why(problem: Problem, search: Search) -> tuple[str, ...]:
    """Why there is no plan, in what is left of the search's time."""

    def relaxed(problem: Problem) -> Solution:
        return optimum(problem, max(1.0, search.left_s() / 4))

    try:
        return reasons(problem, relaxed)
    except KeyboardInterrupt:
        return ("No plan exists; the search for reasons was stopped.",)
