"""The options that may do a whole phase in one run: how long each takes, what it costs at least, and from each step.

The length of a run is fixed by its option, and so is its bill. At its least price an option has a least cost, before
its prices are looked at. The cost of [t, t + d) is a difference of two cumulative prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from planner.optimizer.columns import Ints, Span, able, bills_s, columns, durations_s, spans_of, times_rounded_up
from planner.optimizer.problem import Problem
from planner.optimizer.runs import limit_s

COST, FINISH, CARBON = 0, 1, 2
ORDERS = {"cost": (COST, FINISH, CARBON), "finish": (FINISH, COST, CARBON), "carbon": (CARBON, COST, FINISH)}
FEW = 8  # options of a phase, of each kind, for a first plan


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """The options that may do a whole phase in one run, with what is known before prices are looked at."""

    phase: int
    end_s: int  # by which the phase must have ended
    option: Ints
    seconds: Ints
    billed: Ints
    least: tuple[Ints, Ints, Ints]  # cost, finish and carbon that no run of it is below

    def only(self, which: Ints) -> Ways:
        least = self.least
        return Ways(
            self.phase,
            self.end_s,
            self.option[which],
            self.seconds[which],
            self.billed[which],
            (least[0][which], least[1][which], least[2][which]),
        )


def ways_of(problem: Problem, p: int, finish_limit_s: int | None) -> Ways:
    """Every option that does a phase in one run, as far as its first and last window tell."""
    phase, step_s, c = problem.phases[p], problem.step_s, columns(problem)
    end_s = limit_s(phase, problem, finish_limit_s)
    of = np.flatnonzero((c.phase == p) & able(problem))
    seconds = durations_s(c, of, phase.work, step_s)
    billed = bills_s(c, of, seconds)
    row = c.row[of]
    finish = np.maximum(c.first[row], phase.earliest) * step_s + seconds
    fits = (billed >= 0) & (finish <= np.minimum(c.last[row] * step_s, end_s))
    of, seconds, billed, row, finish = of[fits], seconds[fits], billed[fits], row[fits], finish[fits]
    cost = times_rounded_up(c.nodes[of], c.lowest[row] * billed, 3600) + c.setup[of]
    if phase.late_cost:
        cost = cost + phase.late_cost * np.maximum(0, -(-finish // step_s) - phase.deadline)
    carbon = times_rounded_up(c.grams[of], seconds, step_s)
    return Ways(p, end_s, of, seconds, billed, (cost, finish, carbon))


def least_costs(problem: Problem, p: int, end_s: int) -> tuple[Ints, Ints]:
    """The options that may do a phase in one run by a second, and what it costs at least."""
    ways = ways_of(problem, p, end_s)
    return ways.option, ways.least[COST]


def fewest(ways: Ways) -> Ways:
    """The options that are least in something: a first plan is made of them."""
    least = [np.argsort(column, kind="stable")[:FEW] for column in (*ways.least, ways.seconds)]
    return ways.only(np.unique(np.concatenate(least)))


def no_worse(problem: Problem, ways: Sequence[Ways], value: int) -> list[Ways]:
    """The options whose least value, with the least of the other phases, is not above a value."""
    key = ORDERS[problem.aim][0]
    if key == FINISH:  # after its end, the shortest runs of the phases that follow
        shortest = [int(way.seconds.min()) for way in ways]
        return [
            way.only(np.flatnonzero(way.least[FINISH] + sum(shortest[rank + 1 :]) <= value))
            for rank, way in enumerate(ways)
        ]
    least = [int(way.least[key].min()) for way in ways]
    return [
        way.only(np.flatnonzero(way.least[key] + (sum(least) - own) <= value))
        for way, own in zip(ways, least, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Way:
    """An option that does a whole phase in one run inside a span, starting on a step low..high."""

    option: int
    span: Span
    seconds: int
    billed: int
    low: int
    high: int


def way_spans(problem: Problem, ways: Ways, at: int) -> Iterator[Way]:
    option, seconds, billed = int(ways.option[at]), int(ways.seconds[at]), int(ways.billed[at])
    earliest, step_s = problem.phases[ways.phase].earliest, problem.step_s
    for span in spans_of(problem.options[option].windows, problem.horizon):
        low = max(span.begin, earliest)
        high = (min(span.end * step_s, ways.end_s) - seconds) // step_s
        if low <= high:
            yield Way(option, span, seconds, billed, low, high)


def price_seconds(way: Way, step_s: int, high: int) -> Ints:
    """What one node costs, in price x seconds, from each start step low..high."""
    span = way.span
    if span.summed is None:
        return np.full(high - way.low + 1, span.price * way.billed, np.int64)
    whole, rest = divmod(way.seconds, step_s)
    i, j = way.low - span.begin, high - span.begin + 1
    total: Ints = (span.summed[i + whole : j + whole] - span.summed[i:j]) * step_s
    beyond = rest + way.billed - way.seconds  # in the last step and after the end, at the price of the last window
    if beyond:
        last = span.prices[i + whole : j + whole] if rest else span.prices[i + whole - 1 : j + whole - 1]
        total = total + last * beyond
    return total


def money(nodes: int, price_seconds: Ints) -> Ints:
    """Micro-USD, exact without overflow: n P / 3600 = n (P div 3600) + n (P mod 3600) / 3600."""
    quotient = price_seconds // 3600
    rest = nodes * (price_seconds - 3600 * quotient)
    return np.asarray(nodes * quotient - (-rest // 3600))
