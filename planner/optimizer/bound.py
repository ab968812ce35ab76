"""Lagrangian lower bounds for phases in a row: what the work costs at best when it has a price.

Relax "the runs of a phase train W tokens" with a price of work m >= 0 (micro-USD per token). Backwards in time, with
after(e) = what the end of the phase at step e costs at least (lateness and the phases after it) and V(0, .) = after,

    value(o, s; V) = min over ends e of o's stretch of  cost(s, e) + f - m (r (e - s) - l) + V(e)
    V(k, t)        = min( V(k - 1, t), V(k, t + 1), min over o of value(o, t; V(k - 1, .)) )      at most k runs from t

and V(S, begin) + m W is a lower bound for every m, of the rest of a plan V(k, t) + m (W - w) when w tokens are done.

Why it holds although runs end in seconds: the value of a last run is linear between two whole steps while V does not
fall with time, so one of the two ends is no worse. Work is rounded down and money up in plans and neither here. A run
is billed at least its seconds, and at least its smallest bill. Floats only guide: a bound counts after `safe_floor`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from planner.optimizer.chain import INFINITE, cost_to_go
from planner.optimizer.columns import Ints
from planner.optimizer.problem import Problem
from planner.optimizer.runs import TimeUp, ceil_div, limit_s
from planner.optimizer.supply import Floats, Piece, Supply, supply
from planner.optimizer.ways import least_costs

ACTIVE = 80  # pieces on which a price is sought
ROUNDS = 4  # of adding pieces to them
RELATIVE_ERROR = 1e-9  # of a bound; see `best_prices` for why the floats lose less


@dataclass(frozen=True, slots=True)
class Values:
    """V(k, t) for k = 0..S under one price of work; t = 0..horizon."""

    price: float
    rows: list[Floats]


def start_values(piece: Piece, price: float, after: Floats) -> Floats:
    """value(o, s; after) for the steps s = begin..end-1 of a piece."""
    option, size = piece.of, piece.end - piece.begin
    net = piece.spent - price * option.rate * np.arange(size + 1)
    ahead = np.minimum.accumulate((net + after[piece.begin : piece.end + 1])[::-1])[::-1]
    m = piece.least_steps
    if m <= 1:
        best = ahead[:-1] - net[:-1]
    else:  # ends within m steps cost the least bill, later ones what is spent
        earned = price * option.rate * np.arange(size + 1)
        ends = after[piece.begin + 1 : piece.end + 1] - earned[1:]
        best = piece.least_cost + earned[:-1] + lowest_ahead(ends, m)
        if m <= size:
            best[: size - m + 1] = np.minimum(best[: size - m + 1], ahead[m:] - net[: size - m + 1])
    return best + option.setup + price * option.loss


def lowest_ahead(numbers: Floats, width: int) -> Floats:
    """The least of numbers[i : i + width] for every i, in two passes over blocks of that width (van Herk)."""
    size = len(numbers)
    if width >= size:
        return np.minimum.accumulate(numbers[::-1])[::-1]
    padded = np.concatenate((numbers, np.full(width - size % width + width, np.inf)))
    blocks = padded[: len(padded) // width * width].reshape(-1, width)
    since = np.minimum.accumulate(blocks, axis=1).ravel()
    until = np.minimum.accumulate(blocks[:, ::-1], axis=1)[:, ::-1].ravel()
    return np.minimum(until[:size], since[width - 1 : width - 1 + size])


def values(pieces: Sequence[Piece], price: float, after: Floats, runs: int, stop_at: float = math.inf) -> Values:
    """V(k, .) for k = 0..runs."""
    rows = [after]
    for _ in range(runs):
        row = rows[-1].copy()
        for number, piece in enumerate(pieces):
            if number % 64 == 63 and time.monotonic() > stop_at:
                raise TimeUp
            part = row[piece.begin : piece.end]
            np.minimum(part, start_values(piece, price, rows[-1]), out=part)
        rows.append(np.minimum.accumulate(row[::-1])[::-1])
    return Values(price, rows)


def reaching(
    pieces: Sequence[Piece], price: float, entry: Floats, runs: int, stop_at: float = math.inf
) -> list[Floats]:
    """F(j, t): the least value of being idle at step t after at most j runs, entered at `entry`."""
    rows = [np.minimum.accumulate(entry)]
    for _ in range(runs):
        row = rows[-1].copy()
        for number, piece in enumerate(pieces):
            if number % 64 == 63 and time.monotonic() > stop_at:
                raise TimeUp
            size, m = piece.end - piece.begin, piece.least_steps
            earned = price * piece.of.rate * np.arange(size + 1)
            net, here = piece.spent - earned, rows[-1][piece.begin : piece.end + 1]
            value = np.minimum.accumulate(here - net)
            if m <= 1:
                value = value + net
            else:  # starts within m steps cost the least bill, earlier ones what is spent
                longer, value = value, np.full(size + 1, np.inf)
                value[1:] = piece.least_cost - earned[1:] + lowest_ahead((here + earned)[:-1][::-1], m)[::-1]
                if m <= size:
                    value[m:] = np.minimum(value[m:], longer[: size - m + 1] + net[m:])
            part = row[piece.begin : piece.end + 1]
            np.minimum(part, value + piece.of.setup + price * piece.of.loss, out=part)
        rows.append(np.minimum.accumulate(row))
    return rows


def best_prices(
    pieces: Sequence[Piece], after: Floats, runs: int, begin: int, work: int, guess: float, stop_at: float = math.inf
) -> list[Values]:
    """Values under prices of work that close in on the best bound V(runs, begin) + price * work; the best comes first.

    The bound is concave in the price: a bracket around `guess` (money / work) is cut by golden sections. A value is a
    difference of terms of up to price x rate x time, so a price that makes these more than 1e5 times the money is not
    tried: what the floats lose of 16 digits then stays below RELATIVE_ERROR.
    """
    known: dict[float, Values] = {}
    widest = max((piece.of.rate * (piece.end - piece.begin) for piece in pieces), default=1)
    highest = max(4 * guess, 1e5 * guess * work / widest)

    def bound(price: float) -> float:
        if price not in known:
            if time.monotonic() > stop_at:
                raise TimeUp
            known[price] = values(pieces, price, after, runs)
        return float(known[price].rows[runs][begin]) + price * work

    low, middle, high = guess / 2, guess, guess * 2
    for _ in range(30):
        if bound(low) > bound(middle):
            low, middle, high = low / 4, low, middle
        elif bound(high) > bound(middle) and 4 * high <= highest:
            low, middle, high = middle, high, high * 4
        else:
            break
    golden = (math.sqrt(5) - 1) / 2
    one, two = high - golden * (high - low), low + golden * (high - low)
    for _ in range(16):
        if bound(one) >= bound(two):
            high, two = two, one
            one = high - golden * (high - low)
        else:
            low, one = one, two
            two = low + golden * (high - low)
        if high - low < 1e-4 * high:
            break
    known.setdefault(0.0, values(pieces, 0.0, after, runs))
    return sorted(known.values(), key=lambda v: -(float(v.rows[runs][begin]) + v.price * work))


def good_price(
    supply: Supply, after: Floats, runs: int, begin: int, work: int, guess: float, stop_at: float = math.inf
) -> tuple[list[Piece], Values]:
    """One price with a good bound, sought on the few pieces that gain most or come close to being used, and the values
    under it, which hold for all options; with the pieces that gain anything."""
    active = {(piece.index, piece.begin): piece for piece in supply.best(guess, ACTIVE)}
    best: tuple[list[Piece], Values] | None = None

    def bound(found: Values) -> float:
        return float(found.rows[runs][begin]) + found.price * work

    try:
        for _ in range(ROUNDS):
            price = best_prices(list(active.values()), after, runs, begin, work, guess, stop_at)[0].price
            pieces = supply.near(price, 0.0)
            found = values(pieces, price, after, runs, stop_at)
            if best is None or bound(found) > bound(best[1]):
                best = pieces, found
            idle = np.where(np.isfinite(found.rows[runs]), found.rows[runs], 0.0)
            slack = [
                float((start_values(piece, price, found.rows[runs - 1]) - idle[piece.begin : piece.end]).min())
                for piece in pieces
            ]
            size = len(active)
            nearest = [pieces[at] for at in np.argsort(slack, kind="stable")[:ACTIVE].tolist()]
            active.update({(piece.index, piece.begin): piece for piece in nearest})
            guess = price
            if len(active) == size:
                break
    except TimeUp:
        if best is None:
            raise
    assert best is not None
    return best


def safe_floor(value: float) -> int:
    """An integer that the exact value behind a float bound does not fall below."""
    return max(0, math.ceil(value - RELATIVE_ERROR * abs(value) - 1e-3))


@dataclass(frozen=True, slots=True)
class PhaseBound:
    """What the label setting needs of a phase: its pieces, `values` with the best price first, what its end costs."""

    pieces: list[Piece]
    values: list[Values]
    ending: Floats  # by end step: lateness and at least what the phases after it cost; infinite after `limit`
    limit: int  # second by which it must have ended
    begin: int  # step before which it cannot start
    taken: Floats  # by start step: at least what it and the phases after it cost
    exact: bool  # whether that is the exact cost to go


def bound_of(problem: Problem, order: Sequence[int], bounds: dict[int, PhaseBound]) -> int:
    """The bound that the values of the first phase prove for the whole chain."""
    phase, first = problem.phases[order[0]], bounds[order[0]]
    return safe_floor(max(float(v.rows[phase.max_segments][first.begin]) + v.price * phase.work for v in first.values))


def chain_supplies(
    problem: Problem,
    order: Sequence[int],
    options: Sequence[int],
    finish_limit_s: int | None,
    stop_at: float = math.inf,
) -> dict[int, Supply]:
    """The supply of every phase."""
    return {p: supply(problem, p, options, limit_s(problem.phases[p], problem, finish_limit_s), stop_at) for p in order}


def chain_bounds(
    problem: Problem,
    order: Sequence[int],
    pieces: dict[int, list[Piece]],
    guess_cost: int,
    finish_limit_s: int | None,
    stop_at: float = math.inf,
    exact: dict[int, Ints] | None = None,
) -> dict[int, PhaseBound]:
    """The bounds of every phase on these pieces, the last first: each is the `after` of the one before it.

    `exact` is what `cost_to_go` says of the problem, for callers that ask for bounds again and again.
    """

    def search(p: int, ending: Floats, begin: int, price: float) -> tuple[list[Piece], list[Values]]:
        phase = problem.phases[p]
        return pieces[p], best_prices(pieces[p], ending, phase.max_segments, begin, phase.work, price, stop_at)

    return _chain(problem, order, guess_cost, finish_limit_s, exact, search, stop_at)


def rough_bounds(
    problem: Problem,
    order: Sequence[int],
    supplies: dict[int, Supply],
    guess_cost: int,
    finish_limit_s: int | None,
    stop_at: float = math.inf,
    exact: dict[int, Ints] | None = None,
) -> dict[int, PhaseBound]:
    """The same under one price of work for each phase, which holds for all options of the supplies."""

    def search(p: int, ending: Floats, begin: int, price: float) -> tuple[list[Piece], list[Values]]:
        phase = problem.phases[p]
        pieces, found = good_price(supplies[p], ending, phase.max_segments, begin, phase.work, price, stop_at)
        return pieces, [found]

    return _chain(problem, order, guess_cost, finish_limit_s, exact, search, stop_at)


def near_pieces(
    problem: Problem,
    order: Sequence[int],
    supplies: dict[int, Supply],
    rough: dict[int, PhaseBound],
    guess: int,
    slack: int,
) -> dict[int, list[Piece]]:
    """The pieces that a plan of cost <= guess can use, which is `slack` above the rough bound, as far as gains tell.

    For a phase of which the chain takes the exact cost to go, not the values: those whose run, with the least cost of
    the phases before it and after it, costs no more.
    """
    found = {}
    before = 0.0
    for rank, p in enumerate(order):
        phase, b = problem.phases[p], rough[p]
        values = b.values[0].rows[phase.max_segments] + b.values[0].price * phase.work
        if b.exact:
            option, cost = least_costs(problem, p, b.limit)
            after = rough[order[rank + 1]].taken[0] if rank + 1 < len(order) else 0.0
            allowed = option[before + cost + after <= guess + 1.0]
            found[p] = [
                piece
                for at in np.flatnonzero(np.isin(supplies[p].option, allowed)).tolist()
                for piece in supplies[p].pieces(at)
            ]
        else:
            lost = max(0.0, -float(values[b.begin]))  # where the values are negative the chain takes nothing
            found[p] = supplies[p].near(b.values[0].price, slack + lost)
        before += supplies[p].least_cost(phase.work)
    return found


Search = Callable[[int, Floats, int, float], tuple[list[Piece], list[Values]]]


def _chain(
    problem: Problem,
    order: Sequence[int],
    guess_cost: int,
    finish_limit_s: int | None,
    exact: dict[int, Ints] | None,
    search: Search,
    stop_at: float,
) -> dict[int, PhaseBound]:
    step_s, steps = problem.step_s, np.arange(problem.horizon + 1)
    after: Floats = np.zeros(problem.horizon + 1)
    found: dict[int, PhaseBound] = {}
    exact = cost_to_go(problem, order, finish_limit_s, stop_at) if exact is None else exact
    for rank in range(len(order) - 1, -1, -1):
        p = order[rank]
        phase, limit = problem.phases[p], limit_s(problem.phases[p], problem, finish_limit_s)
        ending = after + phase.late_cost * np.maximum(0, steps - phase.deadline)
        ending[ceil_div(limit, step_s) + 1 :] = np.inf
        begin = max([phase.earliest, *(problem.phases[q].earliest for q in order[:rank])])
        price = max(1e-9, guess_cost / len(order) / phase.work)
        pieces, table = search(p, ending, begin, price)
        after = np.max([v.rows[phase.max_segments] + v.price * phase.work for v in table], axis=0)
        if p in exact:  # relaxing the work of a phase with one run loses much: nothing can be mixed in it
            after = np.maximum(after, np.where(exact[p] >= INFINITE, np.inf, exact[p].astype(float)))
        after = np.maximum.accumulate(np.maximum(after, 0.0))
        found[p] = PhaseBound(pieces, table, ending, limit, begin, after, p in exact)
    return found
