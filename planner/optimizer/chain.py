"""Phases in a row, one run each: an exact dynamic program over (phase, start step).

A run's length is fixed by its option: d(o) = ceil((W + l) step / r) seconds, D(o) = ceil(d / step) steps. Backwards
from the last phase, with x(o, t) = (cost, finish, carbon) of running o from step t, compared in the order of the aim,

    best(p, t) = min( best(p, t + 1),  min over o of  x(o, t) + best(p + 1, t + D(o)) )        "start p at t or later"

One pass per option over all start steps at once. Every value is an int64 and a path carries its own three, so the
minimum and its ties are exact. The cost of [t, t + d) is a difference of two cumulative prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.problem import Problem, Run, RunOption, Window
from planner.optimizer.runs import (
    Stretch,
    billed_s,
    ceil_div,
    duration_s,
    lateness,
    limit_s,
    run_carbon,
    stretches,
    usable,
)

Ints = NDArray[np.int64]
INFINITE = 1 << 60
COST, FINISH, CARBON = 0, 1, 2
ORDERS = {"cost": (COST, FINISH, CARBON), "finish": (FINISH, COST, CARBON), "carbon": (CARBON, COST, FINISH)}


def best_chain(problem: Problem, order: Sequence[int], finish_limit_s: int | None = None) -> tuple[Run, ...] | None:
    """The best plan of one run per phase, or None when there is none.

    `order` are the phases in their only order. A budget and a carbon cap are obeyed when there is one phase and
    ignored otherwise: they couple the phases, which a dynamic program over time cannot see.
    """
    steps, step_s = problem.horizon, problem.step_s
    rows = ORDERS[problem.aim]
    after: Ints = np.zeros((3, steps + 1), np.int64)  # best(p + 1, t) by key; nothing is left after the last phase
    plans: list[tuple[Ints, Ints]] = []
    for rank in range(len(order) - 1, -1, -1):
        phase_index = order[rank]
        last, first = rank == len(order) - 1, rank == 0
        best: Ints = np.full((3, steps + 1), INFINITE, np.int64)
        chosen: Ints = np.full(steps + 1, -1, np.int64)
        late = _lateness(problem, phase_index)
        for way in _ways(problem, phase_index, finish_limit_s):
            option, seconds, low, high = problem.options[way.index], way.seconds, way.low, way.high
            carbon = run_carbon(option, seconds, step_s)
            if len(order) == 1 and problem.carbon_cap is not None and carbon > problem.carbon_cap:
                continue
            if first and len(way.stretch) == 1:
                high = low  # nothing gets better by waiting
            cost = start_costs(option, way.stretch, low, high, seconds, way.billed, step_s)
            ends = slice(low + ceil_div(seconds, step_s), high + ceil_div(seconds, step_s) + 1)
            candidate = np.empty((3, high - low + 1), np.int64)
            candidate[COST] = cost + late[ends] + after[COST, ends]
            candidate[CARBON] = carbon + after[CARBON, ends]
            candidate[FINISH] = np.arange(low, high + 1) * step_s + seconds if last else after[FINISH, ends]
            if len(order) == 1 and problem.budget is not None:
                candidate[:, candidate[COST] > problem.budget] = INFINITE
            _keep(best[:, low : high + 1], chosen[low : high + 1], candidate, way.index, rows)
        after, starts = _start_or_wait(best, rows)
        plans.append((chosen, starts))
    return _path(problem, order, plans[::-1])


def cost_to_go(problem: Problem, order: Sequence[int], finish_limit_s: int | None) -> dict[int, Ints]:
    """For each of the last phases that are allowed one run only: the least cost of it and all after it, by the step at
    which it may start (INFINITE where it cannot end in time). Exact; caps are ignored.
    """
    step_s, steps = problem.step_s, problem.horizon
    after: Ints = np.zeros(steps + 1, np.int64)
    found: dict[int, Ints] = {}
    for p in reversed(order):
        if problem.phases[p].max_segments > 1:
            break
        after = after + _lateness(problem, p)
        best: Ints = np.full(steps + 1, INFINITE, np.int64)
        for way in _ways(problem, p, finish_limit_s):
            low, high, long = way.low, way.high, ceil_div(way.seconds, step_s)
            cost = start_costs(problem.options[way.index], way.stretch, low, high, way.seconds, way.billed, step_s)
            part = best[low : high + 1]
            np.minimum(part, cost + after[low + long : high + long + 1], out=part)
        after = np.minimum(np.minimum.accumulate(best[::-1])[::-1], INFINITE)
        found[p] = after
    return found


@dataclass(frozen=True, slots=True)
class _Way:
    """An option that does a whole phase in one run inside a stretch, starting on a step low..high."""

    index: int
    stretch: Stretch
    seconds: int
    billed: int
    low: int
    high: int


def _ways(problem: Problem, p: int, finish_limit_s: int | None) -> Iterator[_Way]:
    """Every way to do a phase in one run, by option and stretch."""
    phase, step_s = problem.phases[p], problem.step_s
    end_limit = limit_s(phase, problem, finish_limit_s)
    for index in usable(problem):
        option = problem.options[index]
        if option.phase != p:
            continue
        seconds = duration_s(option, phase.work, step_s)
        billed = billed_s(option.billing, seconds)
        if billed is None:
            continue
        for stretch in stretches(option.windows, problem.horizon):
            low = max(stretch[0].start, phase.earliest)
            high = (min(stretch[-1].end * step_s, end_limit) - seconds) // step_s
            if low <= high:
                yield _Way(index, stretch, seconds, billed, low, high)


def _lateness(problem: Problem, p: int) -> Ints:
    """Micro-USD of lateness by the step at which a phase ends."""
    phase, step_s = problem.phases[p], problem.step_s
    return np.array([lateness(phase, t * step_s, step_s) for t in range(problem.horizon + 1)], np.int64)


def start_costs(
    option: RunOption, stretch: Sequence[Window], low: int, high: int, seconds: int, billed: int, step_s: int
) -> Ints:
    """Micro-USD of the runs of `seconds` that start on the steps low..high of one stretch, `billed` seconds paid.

    Exact without overflow: with P the price-seconds of one node, n P / 3600 = n (P div 3600) + n (P mod 3600) / 3600.
    """
    whole, rest = divmod(seconds, step_s)
    prices = np.repeat([w.price for w in stretch], [w.end - w.start for w in stretch]).astype(np.int64)
    if len(stretch) == 1:
        total = np.full(high - low + 1, prices[0] * billed, np.int64)
    else:
        summed = np.concatenate(([0], np.cumsum(prices)))
        i, j = low - stretch[0].start, high - stretch[0].start + 1
        total = (summed[i + whole : j + whole] - summed[i:j]) * step_s
        last = prices[i + whole : j + whole] if rest else prices[i + whole - 1 : j + whole - 1]
        total = total + last * (rest + billed - seconds)
    quotient, remainder = np.divmod(total, 3600)
    costs: Ints = option.nodes * quotient - (-(option.nodes * remainder) // 3600) + option.setup
    return costs


def _keep(best: Ints, chosen: Ints, candidate: Ints, index: int, rows: tuple[int, int, int]) -> None:
    """Where the candidate comes before the best so far in the order of the aim, it takes its place."""
    one, two, three = rows
    better = candidate[one] < best[one]
    equal = (candidate[one] == best[one]) & (candidate[one] < INFINITE)
    if equal.any():
        better |= equal & (candidate[two] < best[two])
        better |= equal & (candidate[two] == best[two]) & (candidate[three] < best[three])
    np.copyto(best, candidate, where=better)
    chosen[better] = index


def _start_or_wait(best: Ints, rows: tuple[int, int, int]) -> tuple[Ints, Ints]:
    """For every step t the best of starting at t or later, and when it then starts."""
    ranking = np.lexsort((np.arange(best.shape[1]), best[rows[2]], best[rows[1]], best[rows[0]]))
    rank = np.empty_like(ranking)
    rank[ranking] = np.arange(len(ranking))
    starts: Ints = ranking[np.minimum.accumulate(rank[::-1])[::-1]]
    return best[:, starts], starts


def _path(problem: Problem, order: Sequence[int], plans: list[tuple[Ints, Ints]]) -> tuple[Run, ...] | None:
    runs = []
    step = 0
    for phase_index, (chosen, starts) in zip(order, plans, strict=True):
        if step > problem.horizon:
            return None
        start = int(starts[step])
        index = int(chosen[start])
        if index < 0:
            return None
        seconds = duration_s(problem.options[index], problem.phases[phase_index].work, problem.step_s)
        runs.append(Run(index, start * problem.step_s, start * problem.step_s + seconds))
        step = start + ceil_div(seconds, problem.step_s)
    return tuple(runs)
