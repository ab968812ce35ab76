"""Dominance: options that some other option can replace in every plan, for no more money, time or carbon.

A replaces B of the same phase in any run [s, e) of B when all of these hold:

    [speed]      r(A) >= r(B) and l(A) / r(A) <= l(B) / r(B): after its start-up A trains r (d - l / r), so at least as
                 much at every duration d. A then ends as early or earlier, and what follows has less to do.
    [windows]    A is available in every step in which B is, so a run of B fits into the windows of A.
    [price]      n(A) price(A, t) <= n(B) price(B, t) in all those steps, and f(A) <= f(B).
    [billing]    A's bill is no longer than B's at every duration: the same terms, or a minimum no longer and a unit
                 that divides B's, without blocks; a longest run no shorter.
    [shorter]    A's last run may be shorter than B's: A's cost must not rise when a run gets shorter, see `monotone`.
    [carbon]     g(A) <= g(B); or carbon is only a last tie, and A is cheaper by at least a micro-USD in every second.
    [claims]     when phases may overlap in time: the same offer, no more nodes, power and claims on any cap than B.
    [moves]      where leaving a place costs: the place of B. A may do so much that later runs fall away and A is the
                 last, left from: leave(A) is no more than that of any option of the phase there; and nothing when
                 several phases come after a phase of several runs, each of which would pay it.

Of options that replace each other the first is kept: the relation is transitive, so the kept ones replace all others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from planner.optimizer.columns import Bools, Ints, columns
from planner.optimizer.problem import Billing, Problem, RunOption
from planner.optimizer.runs import chain_order, longest_s, stretches

NEVER = np.iinfo(np.int64).max
SECOND = 3600  # micro-USD an hour that are one in every second


def undominated(problem: Problem, options: Sequence[int]) -> list[int]:
    """The options (indices, ascending) that no other option of the same phase replaces."""
    c, of = columns(problem), np.asarray(options, np.int64)
    alone = chain_order(problem.phases) is not None
    group = c.phase[of]
    if not alone:  # nothing replaces an option of another offer
        offers = {offer: number for number, offer in enumerate(dict.fromkeys(o.offer for o in problem.options))}
        offer = np.array([offers[problem.options[at].offer] for at in of.tolist()], np.int64)
        group = group * (len(offers) + 1) + offer
    order = np.argsort(group, kind="stable")
    groups = np.split(of[order], np.flatnonzero(np.diff(group[order])) + 1)
    return sorted(at for mine in groups if len(mine) for at in _of_group(problem, mine, alone))


def monotone(option: RunOption, step_s: int, horizon: int) -> bool:
    """Whether the cost of a run never falls as it gets longer.

    What is billed beyond the end is priced at the last window. That can make a longer run cheaper, but only where the
    price falls inside a stretch and the bill reaches beyond the step in which the run ends.
    """
    billing = option.billing
    if not billing.blocks_s and step_s % billing.unit_s == 0 and billing.minimum_s <= step_s:
        return True
    return all(
        one.price <= two.price for stretch in stretches(option.windows, horizon) for one, two in pairwise(stretch)
    )


def _of_group(problem: Problem, mine: Ints, alone: bool) -> list[int]:
    c = columns(problem)
    if len(mine) == 1:
        return [int(mine[0])]
    prices, row = _prices(problem, mine)
    nodes, setup, grams, power = c.nodes[mine], c.setup[mine], c.grams[mine], c.power[mine]
    rate, loss, term = c.rate[mine].astype(np.float64), c.loss[mine].astype(np.float64), c.billing[mine]
    delay = loss / rate
    place = c.place[mine] if c.leave.any() else 0 * mine
    replacing = _steady(problem, mine) & _left_cheaply(problem, mine)
    no_longer = np.array([[_no_longer(a, b) for b in c.billings] for a in c.billings])
    carbon_matters = problem.aim == "carbon" or problem.carbon_cap is not None
    claims = _Claims(problem, mine, None if alone else power)
    # those that can replace come before those they replace, as far as one order can say it
    bill = np.array([(max(b.minimum_s, *b.blocks_s, 0), b.unit_s) for b in c.billings], np.int64)[term]
    there = prices < NEVER
    highest = 2.0 * float((prices.max(axis=1, where=there, initial=0)[row] * nodes).max())
    known = prices.sum(axis=1, where=there).astype(float)
    total = known[row] * nodes + highest * (~there).sum(axis=1)[row]
    order = np.lexsort((np.arange(len(mine)), bill[:, 1], bill[:, 0], setup, grams, delay, total, -rate))
    sample = np.linspace(0, prices.shape[1] - 1, min(24, prices.shape[1])).astype(int)
    few = np.where(there[:, sample][row], prices[:, sample][row] * nodes[:, None], NEVER)
    dearer = _Dearer(prices, there)
    kept = np.empty(len(mine), np.int64)  # of those, that may replace; others are only listed
    size, listed = 0, []
    for b in order.tolist():
        rivals = kept[:size]
        # ratios are compared as floats with a margin on the safe side
        fits = (rate[rivals] >= rate[b]) & (setup[rivals] <= setup[b]) & (place[rivals] == place[b])
        fits &= (delay[rivals] < delay[b] * (1 - 1e-12)) | ((loss[rivals] == loss[b]) | (loss[rivals] == 0))
        fits &= no_longer[term[rivals], term[b]]
        if carbon_matters:
            fits &= grams[rivals] <= grams[b]
        rivals = rivals[fits]
        rivals = rivals[(few[rivals] <= few[b]).all(axis=1)]
        for a in rivals.tolist():
            margin = 0 if carbon_matters or grams[a] <= grams[b] else SECOND  # rounding cannot hide it
            if claims.no_more(a, b) and dearer.by(int(row[b]), int(nodes[b]), int(row[a]), int(nodes[a]), margin):
                break
        else:
            listed.append(int(mine[b]))
            if replacing[b]:
                kept[size] = b
                size += 1
    return listed


def _steady(problem: Problem, mine: Ints) -> Bools:
    """Which options are monotone; those of one row of windows and one billing are alike."""
    c = columns(problem)
    known: dict[tuple[int, int], bool] = {}
    found = []
    for at, row, billing in zip(mine.tolist(), c.row[mine].tolist(), c.billing[mine].tolist(), strict=True):
        if (row, billing) not in known:
            known[row, billing] = monotone(problem.options[at], problem.step_s, problem.horizon)
        found.append(known[row, billing])
    return np.array(found, np.bool_)


@dataclass(slots=True, eq=False)
class _Dearer:
    """Whether nodes of one row of prices cost at least as much as nodes of another wherever the one is there."""

    prices: Ints
    there: Bools
    ratio: dict[tuple[int, int], float] = field(default_factory=dict)  # the greatest of the second to the first

    def by(self, b: int, nodes_b: int, a: int, nodes_a: int, margin: int) -> bool:
        if not margin:
            if (b, a) not in self.ratio:
                here = self.there[b]
                one, two = self.prices[b][here], self.prices[a][here].astype(float)
                self.ratio[b, a] = float((two / np.maximum(one, 1)).max(initial=0.0)) if (one > 0).all() else np.nan
            ratio = self.ratio[b, a] * nodes_a / nodes_b
            if ratio < 1 - 1e-12 or ratio > 1 + 1e-12:  # clear enough for floats
                return ratio < 1
        here = self.there[b]
        if not self.there[a][here].all():
            return False
        return bool((self.prices[a][here] * nodes_a + margin <= self.prices[b][here] * nodes_b).all())


@dataclass(frozen=True, slots=True, eq=False)
class _Claims:
    """Whether an option claims no more of what phases share than another; `power` is None where they share nothing."""

    problem: Problem
    mine: Ints
    power: Ints | None

    def no_more(self, a: int, b: int) -> bool:
        if self.power is None:
            return True
        one, two = (self.problem.options[int(self.mine[at])] for at in (a, b))
        return one.nodes <= two.nodes and self.power[a] <= self.power[b] and _claims_no_more(one, two)


def _claims_no_more(a: RunOption, b: RunOption) -> bool:
    """Whether `a` claims at most what `b` claims, on every cap."""
    most: dict[int, int] = defaultdict(int)
    for cap, amount in b.claims:
        most[cap] += amount
    for cap, amount in a.claims:
        most[cap] -= amount
    return all(rest >= 0 for rest in most.values())


def _left_cheaply(problem: Problem, mine: Ints) -> Bools:
    """Which options of a phase may be the last in their place whatever was, see [moves]."""
    c = columns(problem)
    if not c.leave.any():
        return np.ones(len(mine), np.bool_)
    phase = int(c.phase[mine[0]])
    followers = sum(phase in after.after for after in problem.phases)
    if followers > 1 and problem.phases[phase].max_segments > 1:
        return np.asarray(c.leave[mine] <= 0)
    least = np.full(int(c.place.max()) + 1, NEVER)
    same = c.phase == phase
    np.minimum.at(least, c.place[same], c.leave[same])
    return np.asarray(c.leave[mine] <= least[c.place[mine]])


def _prices(problem: Problem, mine: Ints) -> tuple[Ints, Ints]:
    """Prices by distinct row of windows and period between edges of windows, NEVER where there are none; and the row
    of each option.
    """
    c = columns(problem)
    rows, of = np.unique(c.row[mine], return_inverse=True)
    tables = [
        np.array([(max(w.start, 0), min(w.end, problem.horizon), w.price) for w in c.windows[row]], np.int64)
        for row in rows.tolist()
    ]
    tables = [table[table[:, 0] < table[:, 1]] if len(table) else table.reshape(0, 3) for table in tables]
    edges = np.unique(np.concatenate([[0, problem.horizon], *(table[:, :2].ravel() for table in tables)]))
    prices = np.full((len(tables), len(edges) - 1), NEVER, np.int64)
    distinct: dict[bytes, int] = {}
    which = np.empty(len(tables), np.int64)
    for at, table in enumerate(tables):
        row = prices[len(distinct)]
        starts, stops = np.searchsorted(edges, table[:, 0]), np.searchsorted(edges, table[:, 1])
        lengths = stops - starts
        periods = np.repeat(starts - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths) if len(table) else starts
        row[periods + np.arange(len(periods))] = np.repeat(table[:, 2], lengths)
        which[at] = distinct.setdefault(row.tobytes(), len(distinct))
        if which[at] != len(distinct) - 1:
            row[:] = NEVER
    return prices[: len(distinct)], which[of.ravel()]


def _no_longer(a: Billing, b: Billing) -> bool:
    """Whether terms `a` bill at most what `b` bills at every duration, and sell runs as long."""
    if a == b:
        return True
    if a.blocks_s:
        return False
    longest = longest_s(b)
    if longest is not None:
        return a.unit_s == 1 and a.minimum_s <= min(b.blocks_s)
    return b.unit_s % a.unit_s == 0 and a.minimum_s <= -(-max(b.minimum_s, 1) // b.unit_s) * b.unit_s
