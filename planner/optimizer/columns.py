"""The options of a problem as columns, and the prices of windows as arrays: built once, shared by every stage.

Sizes of an offer may share their windows, so prices are kept by the very tuple of windows and not by option.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.problem import Billing, Problem, RunOption, Window

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Thing = TypeVar("Thing")

MOST_REMEMBERED = 30_000_000  # numbers in prices: 240 MB
_PRICE, _START, _END, _WINDOWS = attrgetter("price"), attrgetter("start"), attrgetter("end"), attrgetter("windows")


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Element o of each column is of option o; `row` says which of the distinct tuples of windows it has."""

    phase: Ints
    nodes: Ints
    rate: Ints
    loss: Ints
    setup: Ints
    grams: Ints
    power: Ints
    leave: Ints
    place: Ints  # number of the place
    billing: Ints  # number of the billing
    row: Ints
    billings: tuple[Billing, ...]
    windows: tuple[tuple[Window, ...], ...]  # by row
    first: Ints  # by row: the step in which its windows begin
    last: Ints  # by row: the step at which they end
    lowest: Ints  # by row: the least price


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Contiguous steps [begin, end) of some windows; `summed` are the prices before each step, None for one price."""

    begin: int
    end: int
    price: int  # in the first step
    prices: Ints
    summed: Ints | None


_COLUMNS: dict[int, tuple[tuple[RunOption, ...], Columns]] = {}  # by identity, which the entry keeps alive
_SPANS: dict[int, tuple[tuple[Window, ...], int, list[Span]]] = {}
_remembered = 0


def columns(problem: Problem) -> Columns:
    """The columns of the problem's options; those of the last few tuples of options are remembered."""
    options = problem.options
    known = _COLUMNS.get(id(options))
    if known is not None and known[0] is options:
        return known[1]
    found = _columns(options)
    while len(_COLUMNS) >= 4:
        _COLUMNS.pop(next(iter(_COLUMNS)))
    _COLUMNS[id(options)] = (options, found)
    return found


def _columns(options: Sequence[RunOption]) -> Columns:
    def column(name: str) -> Ints:
        return np.fromiter(map(attrgetter(name), options), np.int64, len(options))

    windows, row = _distinct(list(map(_WINDOWS, options)))
    billings, billing = _numbered(list(map(attrgetter("billing"), options)))
    _, place = _numbered(list(map(attrgetter("place"), options)))
    return Columns(
        phase=column("phase"),
        nodes=column("nodes"),
        rate=column("rate"),
        loss=column("loss"),
        setup=column("setup"),
        grams=column("carbon_g_step"),
        power=column("power_w"),
        leave=column("leave"),
        place=place,
        billing=billing,
        row=row,
        billings=tuple(billings),
        windows=tuple(windows),
        first=np.array([w[0].start if w else 0 for w in windows], np.int64),
        last=np.array([w[-1].end if w else 0 for w in windows], np.int64),
        lowest=np.array([min(map(_PRICE, w), default=0) for w in windows], np.int64),
    )


def _distinct(things: list[Thing]) -> tuple[list[Thing], Ints]:
    """The distinct objects by identity, and which of them each thing is."""
    _, first, which = np.unique(np.fromiter(map(id, things), np.int64, len(things)), True, True)
    return [things[at] for at in first.tolist()], which.astype(np.int64)


def _numbered(things: list[Thing]) -> tuple[list[Thing], Ints]:
    """The distinct values, and which of them each thing is; most equal ones are the same object."""
    objects, which = _distinct(things)
    numbers = {thing: number for number, thing in enumerate(dict.fromkeys(objects))}
    return list(numbers), np.array([numbers[thing] for thing in objects], np.int64)[which]


def able(problem: Problem) -> Bools:
    """By option: whether some run could use it under the limits on nodes and power alone."""
    c = columns(problem)
    found = c.rate > 0
    if problem.max_nodes is not None:
        found &= c.nodes <= problem.max_nodes
    if problem.max_power_w is not None:
        found &= c.power <= problem.max_power_w
    return found


def times_rounded_up(factor: Ints, number: Ints, divisor: int) -> Ints:
    """factor x number / divisor rounded up, where the product itself may not fit into 64 bits."""
    quotient, rest = np.divmod(number, divisor)
    return np.asarray(factor * quotient - (-(factor * rest) // divisor))


def durations_s(c: Columns, of: Ints, work: int, step_s: int) -> Ints:
    """Seconds in which each of these options does the work in one run."""
    steps, rest = np.divmod(work + c.loss[of], c.rate[of])
    return np.asarray(steps * step_s - (-(rest * step_s) // c.rate[of]))


def bills_s(c: Columns, of: Ints, seconds: Ints) -> Ints:
    """Seconds paid for runs of these options; -1 where a run is longer than the last block."""
    billed = np.empty(len(of), np.int64)
    for number in np.unique(c.billing[of]).tolist():
        billing, mine = c.billings[number], c.billing[of] == number
        if billing.blocks_s:
            blocks = np.array(sorted(billing.blocks_s), np.int64)
            billed[mine] = np.append(blocks, -1)[np.searchsorted(blocks, seconds[mine])]
        else:
            billed[mine] = -(-np.maximum(seconds[mine], billing.minimum_s) // billing.unit_s) * billing.unit_s
    return billed


def spans_of(windows: tuple[Window, ...], horizon: int) -> list[Span]:
    """The maximal contiguous steps of the windows inside [0, horizon), remembered for the very tuple."""
    global _remembered
    known = _SPANS.get(id(windows))
    if known is not None and known[0] is windows and known[1] == horizon:
        return known[2]
    found = _spans(windows, horizon)
    if _remembered > MOST_REMEMBERED:
        _SPANS.clear()
        _remembered = 0
    _remembered += 20 + sum(2 * (span.end - span.begin) for span in found if span.summed is not None)
    _SPANS[id(windows)] = (windows, horizon, found)
    return found


def _spans(windows: tuple[Window, ...], horizon: int) -> list[Span]:
    size = len(windows)
    if size == 1:
        start, end, price = max(windows[0].start, 0), min(windows[0].end, horizon), windows[0].price
        return [Span(start, end, price, np.array([price]), None)] if start < end else []
    starts = np.maximum(np.fromiter(map(_START, windows), np.int64, size), 0)
    ends = np.minimum(np.fromiter(map(_END, windows), np.int64, size), horizon)
    prices = np.fromiter(map(_PRICE, windows), np.int64, size)
    inside = starts < ends
    if not inside.all():
        starts, ends, prices = starts[inside], ends[inside], prices[inside]
    if not len(starts):
        return []
    edges = np.concatenate(([0], np.flatnonzero(starts[1:] != ends[:-1]) + 1, [len(starts)])).tolist()
    found = []
    for a, b in pairwise(edges):
        begin, end, price = int(starts[a]), int(ends[b - 1]), int(prices[a])
        if (prices[a:b] == price).all():
            found.append(Span(begin, end, price, prices[a : a + 1], None))
            continue
        by_step = np.repeat(prices[a:b], ends[a:b] - starts[a:b])
        found.append(Span(begin, end, price, by_step, np.concatenate(([0], np.cumsum(by_step)))))
    return found
