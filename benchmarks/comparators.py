"""What one would do without this optimizer: plain models for ready solvers, a greedy scheduler, a rule of thumb.

All take the optimizer's own problem and give runs, which `evaluate` prices: jobs of phases in a row, aim cost, hard
deadlines, no caps but the nodes an offer has, which its windows must say where jobs share it. The scheduler and the
rule place the jobs in the order of their deadlines, each on what the ones before it have left.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.plain_model import jobs_of, plain_cp_sat, plain_highs
from benchmarks.rules_of_thumb import cheapest_per_token, greedy
from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import Problem, Run, Solution, Window
from planner.optimizer.runs import ceil_div

Runs = tuple[Run, ...]
Method = Callable[[Problem, float], Runs]


@dataclass(frozen=True, slots=True)
class Answer:
    """Runs (none found: empty) with their true cost in micro-USD, None without; a note when something went wrong."""

    runs: Runs = ()
    cost: int | None = None
    seconds: float = 0.0
    note: str = ""


def coarse(problem: Problem, hours: int) -> Problem:
    """The same problem on steps of so many hours: windows shrink to whole steps, rates are per step."""
    k = hours * 3600 // problem.step_s
    if k == 1:
        return problem
    options = []
    for option in problem.options:
        windows = [replace(w, start=ceil_div(w.start, k), end=w.end // k) for w in _merged(option.windows)]
        kept = tuple(window for window in windows if window.start < window.end)
        grams = option.carbon_g_step * k
        options.append(replace(option, rate=option.rate * k, carbon_g_step=grams, windows=kept))
    phases = tuple(
        replace(q, earliest=ceil_div(q.earliest, k), deadline=q.deadline // k, late_cost=q.late_cost * k)
        for q in problem.phases
    )
    return replace(
        problem, phases=phases, options=tuple(options), horizon=problem.horizon // k, step_s=problem.step_s * k
    )


def timed(method: Method, problem: Problem, limit_s: float) -> Answer:
    """One comparator's answer within a time limit, priced and checked by the rules of the class."""
    started = time.monotonic()
    try:
        runs = method(problem, limit_s)
    except MemoryError as error:
        return Answer(note=str(error))
    seconds = time.monotonic() - started
    if not runs:
        return Answer(seconds=seconds, note="no plan")
    cost, finish_s, carbon = evaluate(problem, runs)
    wrong = check(*_of_the_used(problem, Solution("feasible", runs, cost, finish_s, carbon)))
    return Answer(runs, cost, seconds, wrong[0] if wrong else "")


def by_deadline(method: Method) -> Method:
    """The method for one job, for many: the next deadline first, on the nodes that are left."""

    def place(problem: Problem, limit_s: float) -> Runs:
        of_phase: dict[int, list[int]] = defaultdict(list)
        for i, option in enumerate(problem.options):
            of_phase[option.phase].append(i)
        used: dict[str, NDArray[np.int64]] = {}
        runs: list[Run] = []
        for job in sorted(jobs_of(problem), key=lambda phases: (problem.phases[phases[-1]].deadline, phases)):
            index = [i for p in job for i in of_phase[p]]
            found = method(_alone(problem, job, index, used), limit_s)
            if not found:
                return ()
            for run in found:
                option = problem.options[index[run.option]]
                taken = used.setdefault(option.offer, np.zeros(problem.horizon, np.int64))
                taken[run.start_s // problem.step_s : ceil_div(run.end_s, problem.step_s)] += option.nodes
                runs.append(replace(run, option=index[run.option]))
        return tuple(sorted(runs, key=lambda run: (run.start_s, run.option)))

    return place


METHODS: dict[str, Method] = {
    "plain model, CP-SAT": plain_cp_sat,
    "plain model, HiGHS": plain_highs,
    "greedy scheduler": by_deadline(greedy),
    "cheapest per token first": by_deadline(cheapest_per_token),
}


def _of_the_used(problem: Problem, solution: Solution) -> tuple[Problem, Solution]:
    """The same with the options that run alone: a check of a few in place of millions."""
    used = sorted({run.option for run in solution.runs})
    runs = tuple(replace(run, option=used.index(run.option)) for run in solution.runs)
    return replace(problem, options=tuple(problem.options[i] for i in used)), replace(solution, runs=runs)


def _alone(problem: Problem, job: list[int], index: list[int], used: dict[str, NDArray[np.int64]]) -> Problem:
    """One job on the nodes that are not used."""
    place = {p: position for position, p in enumerate(job)}
    options = []
    cut: dict[tuple[int, int], tuple[Window, ...]] = {}  # by calendar, whose windows the options keep alive, and size
    for i in index:
        option = problem.options[i]
        windows = option.windows
        if option.offer in used:
            key = (id(windows), option.nodes)
            if key not in cut:
                cut[key] = _left(windows, used[option.offer], option.nodes)
            windows = cut[key]
        options.append(replace(option, phase=place[option.phase], windows=windows))
    phases = tuple(replace(problem.phases[p], after=tuple(place[q] for q in problem.phases[p].after)) for p in job)
    return replace(problem, phases=phases, options=tuple(options))


def _left(windows: tuple[Window, ...], used: NDArray[np.int64], nodes: int) -> tuple[Window, ...]:
    """The steps of the windows in which so many nodes are left."""
    edges = (np.flatnonzero(np.diff(used)) + 1).tolist()
    found = []
    for window in windows:
        inside = [edge for edge in edges if window.start < edge < window.end]
        for start, end in pairwise([window.start, *inside, window.end]):
            if used[start] + nodes <= window.capacity:
                found.append(replace(window, start=start, end=end))
    return tuple(found)


def _merged(windows: tuple[Window, ...]) -> list[Window]:
    """Neighbours of one price and capacity put together, so that they lose less to coarse steps."""
    found: list[Window] = []
    for window in windows:
        last = found[-1] if found else None
        if last is not None and (last.end, last.price, last.capacity) == (window.start, window.price, window.capacity):
            found[-1] = replace(last, end=window.end)
        else:
            found.append(window)
    return found
