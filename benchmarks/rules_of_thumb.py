"""How one plans without an optimizer: the cheapest price per token, and a greedy scheduler; phases in a row.

Costs are estimated in floats, from prices summed up over time once for every calendar of windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.check import evaluate
from planner.optimizer.problem import Problem, Run, RunOption, Window
from planner.optimizer.runs import (
    billed_s,
    ceil_div,
    chain_order,
    duration_s,
    limit_s,
    longest_s,
    stretches,
    usable,
    work_done,
)

Runs = tuple[Run, ...]


def cheapest_per_token(problem: Problem, limit_s: float = math.inf) -> Runs:
    """The rule of thumb: the option with the lowest price per token that is in time, in the first window that fits.

    Offers sold for longer than the run takes are passed over, as anyone would.
    """
    runs: list[Run] = []
    begin = 0
    prices = _Prices(problem)
    for p in chain_order(problem.phases) or []:
        mine = (i for i in usable(problem) if problem.options[i].phase == p and problem.options[i].windows)
        ranked = sorted(mine, key=lambda i: prices.per_token(problem.options[i]))
        first = next((run for i in ranked for run in _whole(problem, p, i, begin)), None)
        if first is None:
            return ()
        runs.append(first)
        begin = ceil_div(first.end_s, problem.step_s)
    return tuple(runs)


def greedy(problem: Problem, limit_s: float = math.inf) -> Runs:
    """Again and again the run with the lowest cost per token it trains, from now or from its next window on.

    Tried with every allowed number of runs; the cheapest plan is taken.
    """
    runs: list[Run] = []
    begin = 0
    prices = _Prices(problem)
    for p in chain_order(problem.phases) or []:
        work, most = problem.phases[p].work, problem.phases[p].max_segments
        tried = [_greedy_phase(problem, prices, p, begin, work, segments) for segments in range(1, most + 1)]
        mine = min(filter(None, tried), key=lambda found: evaluate(problem, tuple(found))[0], default=[])
        if not mine:
            return ()
        runs += mine
        begin = ceil_div(mine[-1].end_s, problem.step_s)
    return tuple(runs)


class _Prices:
    """What a node costs over time, by calendar of windows."""

    def __init__(self, problem: Problem) -> None:
        self.horizon, self.step_s = problem.horizon, problem.step_s
        self.known: dict[int, tuple[NDArray[np.float64], NDArray[np.float64], float]] = {}

    def of(self, windows: tuple[Window, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Micro-USD of a node per second in every step, until every step, and the lowest."""
        if id(windows) not in self.known:  # the options keep the windows alive
            price = np.zeros(self.horizon)
            for window in windows:
                price[window.start : window.end] = window.price / 3600
            until = np.concatenate([[0.0], np.cumsum(price * self.step_s)])
            self.known[id(windows)] = price, until, min(window.price for window in windows) / 3600
        return self.known[id(windows)]

    def per_token(self, option: RunOption) -> float:
        """Micro-USD per token at the lowest price."""
        return option.nodes * self.of(option.windows)[2] * self.step_s / option.rate

    def cost(self, option: RunOption, run: Run) -> float:
        """Micro-USD of a run."""
        price, until, _ = self.of(option.windows)
        whole, rest = divmod(run.end_s, self.step_s)
        inside = until[whole] - until[run.start_s // self.step_s] + (rest * price[whole] if rest else 0)
        seconds = run.end_s - run.start_s
        beyond = (billed_s(option.billing, seconds) or seconds) - seconds
        return float(option.nodes * (inside + beyond * price[(run.end_s - 1) // self.step_s]) + option.setup)


def _spans(problem: Problem, p: int, option: RunOption, begin: int) -> Iterator[tuple[int, int]]:
    """Seconds from and until which the option is there without a break, in the time of its phase."""
    first, last = max(begin, problem.phases[p].earliest), limit_s(problem.phases[p], problem) // problem.step_s
    for stretch in stretches(option.windows, problem.horizon):
        start, end = max(stretch[0].start, first), min(stretch[-1].end, last)
        if start < end:
            yield start * problem.step_s, end * problem.step_s


def _whole(problem: Problem, p: int, i: int, begin: int) -> Iterator[Run]:
    """The first run of an option that does the whole phase, in each stretch that holds it."""
    option = problem.options[i]
    seconds = duration_s(option, problem.phases[p].work, problem.step_s)
    if option.billing.minimum_s > seconds or billed_s(option.billing, seconds) is None:
        return
    for start, end in _spans(problem, p, option, begin):
        if start + seconds <= end:
            yield Run(i, start, start + seconds)


def _greedy_phase(problem: Problem, prices: _Prices, p: int, begin: int, left: int, segments: int) -> list[Run]:
    """Runs that do the work that is left, or none when greed found no way."""
    h = problem.step_s
    found: list[tuple[float, bool, Run]] = []
    for i in usable(problem):
        option = problem.options[i]
        longest = longest_s(option.billing)
        for start, end in _spans(problem, p, option, begin) if option.phase == p else ():
            room = end - start if longest is None else min(end - start, longest)
            need = duration_s(option, left, h)
            seconds = need if need <= room else room // h * h
            tokens = min(left, work_done(option, seconds, h)) if seconds > 0 else 0
            if tokens > 0 and (need <= room or segments > 1):
                run = Run(i, start, start + seconds)
                found.append((prices.cost(option, run) / tokens, need <= room, run))
    for _, done, run in sorted(found, key=lambda one: (one[0], one[2].start_s, one[2].option)):
        if done:
            return [run]
        rest = left - work_done(problem.options[run.option], run.end_s - run.start_s, h)
        more = _greedy_phase(problem, prices, p, run.end_s // h, rest, segments - 1)
        if more:
            return [run, *more]
    return []
