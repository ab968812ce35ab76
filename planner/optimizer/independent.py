"""Jobs that wait for nothing of each other: solved apart, put together, and fitted where they want the same nodes.

The optima of the parts, each alone in the world, add up to a lower bound (for the finish: the latest is one). When the
parts together keep what they share, the bound is reached. When not, parts are placed one after the other into what the
ones before have left: a plan, and a start for CP-SAT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.check import capacity_at, check, evaluate
from planner.optimizer.problem import Problem, Run, RunOption, Solution, Window
from planner.optimizer.runs import ancestors, ceil_div, renamed

Solve = Callable[[Problem], Solution]
ORDERS = 4  # in which parts are placed one after the other


def parts_of(problem: Problem) -> list[list[int]]:
    """The phases in groups that no `after` connects."""
    group = list(range(len(problem.phases)))
    for p, phase in enumerate(problem.phases):
        for q in phase.after:
            old, new = group[p], group[q]
            group = [new if g == old else g for g in group]
    return [[p for p in range(len(group)) if group[p] == g] for g in sorted(set(group))]


def part(problem: Problem, phases: Sequence[int], options: Sequence[RunOption]) -> tuple[Problem, list[int]]:
    """The problem of some phases alone, without caps, and which option of the whole each of its options is."""
    place = {p: position for position, p in enumerate(phases)}
    index = [i for i, option in enumerate(options) if option.phase in place]
    tasks = tuple(
        replace(problem.phases[p], after=tuple(place[q] for q in problem.phases[p].after if q in place)) for p in phases
    )
    mine = tuple(replace(options[i], phase=place[options[i].phase]) for i in index)
    return replace(problem, phases=tasks, options=mine, budget=None, carbon_cap=None), index


def in_a_row(problem: Problem) -> Problem:
    """The same phases, each after the one before it in an order that every `after` allows."""
    before = ancestors(problem.phases)
    order = sorted(range(len(problem.phases)), key=lambda p: len(before[p]))
    phases = list(problem.phases)
    for one, two in pairwise(order):
        phases[two] = replace(phases[two], after=(one,))
    return replace(problem, phases=tuple(phases))


def apart(problem: Problem, solve: Solve) -> tuple[list[Solution], tuple[Run, ...] | None, int]:
    """The solution of every part, their runs together (None when one has none), and the bound they prove."""
    solutions: list[Solution] = []
    runs: list[Run] = []
    for phases in parts_of(problem):
        alone, index = part(problem, phases, problem.options)
        solution = solve(alone)
        solutions.append(solution)
        runs += renamed(solution.runs, index)
    bounds = [solution.bound for solution in solutions]
    bound = max(bounds) if problem.aim == "finish" else sum(bounds)
    together = tuple(sorted(runs, key=lambda run: (run.start_s, run.option)))
    return solutions, together if all(solution.runs for solution in solutions) else None, bound


def one_after_the_other(problem: Problem, solve: Solve) -> tuple[Run, ...] | None:
    """The best of a few plans in which each part takes what the parts before it have left; None when all fail."""
    parts = parts_of(problem)
    best: tuple[tuple[int, ...], tuple[Run, ...]] | None = None
    for number, order in enumerate(permutations(parts)):
        if number == ORDERS:
            break
        runs: list[Run] = []
        for phases in order:
            alone, index = part(problem, phases, _left(problem, runs))
            solution = solve(alone)
            if not solution.runs:
                break
            runs += renamed(solution.runs, index)
        else:
            plan = tuple(sorted(runs, key=lambda run: (run.start_s, run.option)))
            if fits(problem, plan):
                cost, finish_s, carbon = evaluate(problem, plan)
                value = {"cost": (cost, finish_s), "finish": (finish_s, cost), "carbon": (carbon, cost)}[problem.aim]
                if best is None or value < best[0]:
                    best = (value, plan)
    return None if best is None else best[1]


def fits(problem: Problem, runs: tuple[Run, ...]) -> bool:
    """Whether the runs are a plan of the whole problem, caps and shared nodes included."""
    cost, finish_s, carbon = evaluate(problem, runs)
    return not check(problem, Solution("feasible", runs, cost, finish_s, carbon))


def _left(problem: Problem, runs: Sequence[Run]) -> list[RunOption]:
    """The options of the problem with their windows cut to the steps in which these runs leave enough."""
    if not runs:
        return list(problem.options)
    nodes, power = np.zeros(problem.horizon, np.int64), np.zeros(problem.horizon, np.int64)
    of_offer: dict[str, NDArray[np.int64]] = {}
    for run in runs:
        option = problem.options[run.option]
        span = slice(run.start_s // problem.step_s, ceil_div(run.end_s, problem.step_s))
        nodes[span] += option.nodes
        power[span] += option.power_w
        if option.offer:
            of_offer.setdefault(option.offer, np.zeros(problem.horizon, np.int64))[span] += option.nodes
    for offer, used in of_offer.items():  # from used to free
        mine = [option for option in problem.options if option.offer == offer]
        windows = [w for option in mine for w in option.windows]
        free = np.zeros(problem.horizon, np.int64)
        edges = sorted({min(max(edge, 0), problem.horizon) for w in windows for edge in (w.start, w.end)})
        for a, b in pairwise(edges):
            free[a:b] = capacity_at(mine, a)
        of_offer[offer] = free - used
    left = []
    for option in problem.options:
        able = np.ones(problem.horizon, np.bool_)
        if problem.max_nodes is not None:
            able &= nodes + option.nodes <= problem.max_nodes
        if problem.max_power_w is not None:
            able &= power + option.power_w <= problem.max_power_w
        if option.offer in of_offer:
            able &= of_offer[option.offer] >= option.nodes
        left.append(option if able.all() else replace(option, windows=tuple(_cut(option.windows, able))))
    return left


def _cut(windows: tuple[Window, ...], able: NDArray[np.bool_]) -> list[Window]:
    edges = np.flatnonzero(np.diff(able)) + 1
    found = []
    for window in windows:
        inside = [int(edge) for edge in edges if window.start < edge < window.end]
        for a, b in pairwise([window.start, *inside, window.end]):
            if 0 <= a < len(able) and able[a]:
                found.append(replace(window, start=a, end=b))
    return found
