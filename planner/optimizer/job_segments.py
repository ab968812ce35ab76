"""One job among many whose phases may be run in several stretches: a bound and good schedules when what it shares has
prices.

The bound is that of `bound`, with the prices of resources in what a step costs: prices only add, so a piece that gains
nothing at a price of work without them gains nothing with them, and `Supply.near` still names every piece that matters.
All pieces are priced at once, a row each. Schedules are spliced from the best runs at a few prices of work (`primal`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.bound import lowest_ahead
from planner.optimizer.job_pricing import Floats, Job, Prices, Restrictions, Schedule, Totals
from planner.optimizer.primal import Stretch, spliced, trimmed
from planner.optimizer.problem import Problem
from planner.optimizer.runs import ceil_div, limit_s, run_cost, usable
from planner.optimizer.shared import Ints, Shared
from planner.optimizer.supply import Piece, supply

ACTIVE = 24  # pieces of a phase on which a price of work is sought
FIRST = 80  # of them at first
UNKNOWN = 3  # times the least cost, what the work of a phase may cost
ROUNDS = 4  # of finding better ones, at first
SETTLED = 1e-3  # of a bound, by which all pieces may make it lower than these
CLOSE = 1e-5  # of a bound: a price of work is as good as the best
MOST_PRICES = 14  # of work that are tried
PATHS = 6  # different ones, whose runs are spliced
COLUMNS = 3


class SegmentJob(Totals):
    """A part of the problem, phases in a row, at least one of them with several runs; the aim is cost."""

    def __init__(self, problem: Problem, order: Sequence[int], shared: Shared) -> None:
        super().__init__(problem, order, shared)
        self.single = Job(problem, order, shared)  # one run each is a schedule too
        allowed = usable(problem)
        self.supplies = {p: supply(problem, p, allowed, limit_s(problem.phases[p], problem)) for p in order}
        self.active: dict[int, dict[tuple[int, int], Piece]] = {p: {} for p in order}
        self.price: dict[int, float] = {}
        self.fresh = dict.fromkeys(order, ROUNDS)
        self.possible = all(len(mine.option) for mine in self.supplies.values())
        if self.possible:
            self._guess()

    def _guess(self) -> None:
        """Prices of work to start from: what it costs in one run, or some times the least where no run can do it."""
        alone = self.single.best(Prices.of({}, self.shared))[1] if self.single.possible else []
        phases, h = self.problem.phases, self.problem.step_s
        for p in self.order:
            mine = self.supplies[p]
            guess = UNKNOWN * mine.least_cost(phases[p].work)
            for run in alone[0] if alone else ():
                if self.problem.options[run.option].phase == p:
                    guess = run_cost(self.problem.options[run.option], run.start_s, run.end_s, h)
            self.price[p] = max(1e-9, guess / phases[p].work)
            self.active[p] = {(piece.index, piece.begin): piece for piece in mine.best(self.price[p], FIRST)}

    def best(
        self,
        prices: Prices,
        free: Ints | None = None,
        restrictions: Restrictions = (),
        proven: bool = True,
        patient: bool = True,
    ) -> tuple[float, list[Schedule]]:
        """A lower bound on the value under prices, and good schedules, the best first.

        With `free` amounts by resource and step the schedules claim no more. Then, and unless `proven`, the value is
        no bound but that of the best schedule.
        """
        proven &= free is None
        after: Floats = np.zeros(self.problem.horizon + 1)
        found: dict[int, _Phase] = {}
        for p in reversed(self.order):
            begin = max(self.problem.phases[q].earliest for q in self.order[: self.order.index(p) + 1])
            phase = found[p] = self._phase(p, prices, free, self._ending(p, after), begin, proven)
            after = np.maximum.accumulate(np.maximum(phase.least(self.problem.horizon), 0.0))
        value = float(after[0])
        schedules = self._schedules(found, prices)
        if self.single.possible:
            schedules += self.single.best(prices, free, patient=patient)[1]
        schedules = sorted(set(schedules), key=lambda runs: self._priced(runs, prices) + self._late(runs))[:COLUMNS]
        if not proven:
            value = self._priced(schedules[0], prices) + self._late(schedules[0]) if schedules else math.inf
        return value, schedules

    @property
    def room(self) -> float:
        """By how many times the time there is exceeds the least the job needs."""
        h = self.problem.step_s
        needed = sum(self.problem.phases[p].work / self.supplies[p].rate.max() * h for p in self.order)
        return limit_s(self.problem.phases[self.order[-1]], self.problem) / max(1.0, float(needed))

    def dearest(self) -> int:
        """A value that no schedule exceeds."""
        problem, total = self.problem, 0
        for p in self.order:
            phase = problem.phases[p]
            most = 0
            for at in self.supplies[p].option.tolist():
                option = problem.options[at]
                price = max(window.price for window in option.windows)
                billing = option.billing
                billed = problem.horizon * problem.step_s + max(billing.minimum_s, billing.unit_s, *billing.blocks_s, 0)
                most = max(most, ceil_div(option.nodes * price * billed, 3600) + option.setup + option.leave)
            total += phase.max_segments * most + phase.late_cost * max(0, problem.horizon - phase.deadline)
        return total

    def _ending(self, p: int, after: Floats) -> Floats:
        """What the end of a phase at a step costs at least."""
        problem, phase = self.problem, self.problem.phases[p]
        ending = after + phase.late_cost * np.maximum(0, np.arange(problem.horizon + 1) - phase.deadline)
        ending[ceil_div(limit_s(phase, problem), problem.step_s) + 1 :] = np.inf
        return np.asarray(ending)

    def _phase(self, p: int, prices: Prices, free: Ints | None, ending: Floats, begin: int, proven: bool) -> _Phase:
        """The values of a phase at the best price of work; `proven`: they hold for all options."""
        mine, phase = self.supplies[p], self.problem.phases[p]
        last = ceil_div(limit_s(phase, self.problem), self.problem.step_s)
        while True:
            rows = self._rows(list(self.active[p].values()), prices, free, begin, last)
            tried = _search(rows, ending, phase.max_segments, phase.work, self.price[p])
            best = tried[0]
            if free is None:
                self.price[p] = best.price
            if not proven:
                return _Phase(p, begin, phase.work, ending, tried, best)
            near = self._rows(mine.near(best.price, 0.0), prices, None, begin, last)
            best = near.values(best.price, ending, phase.max_segments, phase.work)
            self.active[p] = {(piece.index, piece.begin): piece for piece in near.closest(best, ACTIVE)}
            self.fresh[p] -= 1
            if self.fresh[p] < 0 or tried[0].value - best.value <= SETTLED * abs(best.value):
                self.fresh[p] = 0
                return _Phase(p, begin, phase.work, ending, tried, best)

    def _rows(self, pieces: Sequence[Piece], prices: Prices, free: Ints | None, first: int, last: int) -> _Rows:
        """The pieces with the prices of what they claim, cut to where that is free."""
        cut: list[tuple[Piece, Piece]] = []
        for origin in pieces:
            piece = _from(origin, first)
            if piece.begin >= piece.end:
                continue
            spent, inside = piece.spent, slice(piece.begin, piece.end + 1)
            enough = None
            for resource, amount in self.shared.of(piece.index):
                row = prices.row[resource]
                if row < len(prices.summed) - 1:
                    summed = prices.summed[row, inside]
                    spent = spent + amount * (summed - summed[0])
                if free is not None and resource < len(free):
                    here = free[resource, piece.begin : piece.end] >= amount
                    enough = here if enough is None else enough & here
            if prices.other:
                spent = spent + prices.other * piece.of.carbon_g_step * np.arange(len(spent))
            whole = [(piece.begin, piece.end)]
            for begin, end in whole if enough is None or enough.all() else _spans(enough, piece.begin):
                part = spent[begin - piece.begin : end - piece.begin + 1]
                cut.append((origin, replace(piece, begin=begin, end=end, spent=part)))
        return _Rows(cut, first, last)

    def _schedules(self, found: dict[int, _Phase], prices: Prices) -> list[Schedule]:
        """Good schedules of the whole job, the best first."""
        partial: list[Schedule] = [()]
        for p in self.order:
            longer = []
            for schedule in partial:
                entry = ceil_div(schedule[-1].end_s, self.problem.step_s) if schedule else 0
                longer += [(*schedule, *runs) for runs in self._plans(found[p], max(entry, found[p].begin), prices)]
            ending = found[p].ending
            partial = sorted(longer, key=lambda runs: self._priced(runs, prices) + self._end(runs, ending))[:COLUMNS]
        return partial

    def _late(self, schedule: Schedule) -> float:
        return float(self.cost(schedule) - self.money(schedule))

    def _end(self, schedule: Schedule, ending: Floats) -> float:
        return float(ending[ceil_div(schedule[-1].end_s, self.problem.step_s)])

    def _plans(self, phase: _Phase, entry: int, prices: Prices) -> list[Schedule]:
        """Runs that do a phase's work from a step on."""
        problem, p = self.problem, phase.p
        limit = limit_s(problem.phases[p], problem)
        if entry > problem.horizon:
            return []
        paths: list[list[Stretch]] = []
        for v in phase.tried:
            path = [_later(stretch, entry) for stretch in v.path if stretch.end > entry]
            if path and path not in paths and len(paths) < PATHS:
                paths.append(path)
        plans = [trimmed(problem, p, path) for path in paths]
        plans += [spliced(problem, p, one, two, entry) for one in paths for two in paths if one is not two]
        good = {runs for runs in plans if runs is not None and runs[-1].end_s <= limit}
        return sorted(good, key=lambda runs: self._priced(runs, prices) + self._end(runs, phase.ending))[:COLUMNS]

    def _priced(self, schedule: Schedule, prices: Prices) -> float:
        """The value of runs under prices, without their lateness, which the ending has."""
        total = float(self.money(schedule)) + prices.other * self.carbon(schedule)
        for run in schedule:
            span = self.shared.span(run)
            for resource, amount in self.shared.of(run.option):
                summed = prices.summed[prices.row[resource]]
                total += amount * float(summed[span.stop] - summed[span.start])
        return total


@dataclass(frozen=True, slots=True)
class _Values:
    """V(k, t) for k = 0..S under one price of work, see `bound`, and the best runs from the begin on."""

    price: float
    rows: list[Floats]
    path: list[Stretch]
    value: float  # the bound it proves for these pieces
    slope: float  # of that bound: the work that is not done


@dataclass(frozen=True, slots=True)
class _Phase:
    """A phase under prices: its rows, the prices of work that were tried, the best first, and the proven values."""

    p: int
    begin: int
    work: int
    ending: Floats
    tried: list[_Values]
    best: _Values

    def least(self, horizon: int) -> Floats:
        """What the phase and all after it cost at least, by the step from which it may start."""
        found = np.full(horizon + 1, np.inf)
        row = self.best.rows[-1] + self.best.price * self.work
        found[: self.begin] = row[0]
        found[self.begin : self.begin + len(row)] = row
        return found


class _Rows:
    """Pieces as rows of tables over the steps from `first` to `last`, what a run starts from and ends at."""

    def __init__(self, pieces: list[tuple[Piece, Piece]], first: int, last: int) -> None:
        """`pieces` as they are without prices, and with."""
        self.first, self.last = first, last
        self.origins = [origin for origin, _ in pieces]
        self.pieces = [piece for _, piece in pieces]
        size, width = len(pieces), last - first + 1
        self.steps = np.arange(width)
        self.spent = np.zeros((size, width))
        self.may_end = np.full((size, width), np.inf)  # 0 where a run may end
        self.may_start = np.full((size, width), np.inf)
        for a, piece in enumerate(self.pieces):
            begin, end = piece.begin - first, piece.end - first
            self.spent[a, begin : end + 1] = piece.spent
            self.may_end[a, begin + 1 : end + 1] = 0.0
            self.may_start[a, begin:end] = 0.0
        self.rate = np.array([float(piece.of.rate) for piece in self.pieces]).reshape(size, 1)
        self.setup = np.array([float(piece.of.setup) for piece in self.pieces]).reshape(size, 1)
        self.loss = np.array([float(piece.of.loss) for piece in self.pieces]).reshape(size, 1)
        self.long = [a for a, piece in enumerate(self.pieces) if piece.least_steps > 1]

    def values(self, price: float, ending: Floats, runs: int, work: int) -> _Values:
        """V(k, .) for k = 0..runs on the steps of the table, and the runs of least value from its first step on."""
        earned = price * self.rate * self.steps
        net = self.spent - earned
        rows = [ending[self.first : self.last + 1]]
        chosen: list[tuple[Ints, Floats]] = []  # by start step the best piece and its value
        for _ in range(runs):
            starts = self._starts(price, rows[-1], earned, net)
            choice = starts.argmin(axis=0) if len(starts) else np.zeros(len(self.steps), np.int64)
            best = starts[choice, self.steps] if len(starts) else np.full(len(self.steps), np.inf)
            chosen.append((choice, best))
            rows.append(np.minimum.accumulate(np.minimum(rows[-1], best)[::-1])[::-1])
        path = self._path(rows, chosen, net)
        done = sum(stretch.piece.of.rate * (stretch.end - stretch.start) - stretch.piece.of.loss for stretch in path)
        return _Values(price, rows, path, float(rows[-1][0]) + price * work, float(work - done))

    def _starts(self, price: float, after: Floats, earned: Floats, net: Floats) -> Floats:
        """value(o, s; after) by piece and start step, infinite where it cannot start."""
        ahead = np.minimum.accumulate((net + self.may_end + after)[:, ::-1], axis=1)[:, ::-1]
        found = np.full_like(net, np.inf)
        found[:, :-1] = ahead[:, 1:] - net[:, :-1]
        for a in self.long:  # ends within m steps cost the least bill, later ones what is spent
            m = self.pieces[a].least_steps
            ends = (self.may_end[a] + after - earned[a])[1:]
            found[a, :-1] = self.pieces[a].least_cost + earned[a, :-1] + lowest_ahead(ends, m)
            later = ahead[a, m:] - net[a, : max(0, len(net[a]) - m)]
            found[a, : len(later)] = np.minimum(found[a, : len(later)], later)
        found += self.setup + price * self.loss
        found += self.may_start
        return found

    def _path(self, rows: list[Floats], chosen: list[tuple[Ints, Floats]], net: Floats) -> list[Stretch]:
        """The runs of least value from the first step on."""
        path: list[Stretch] = []
        t = 0
        for k in range(len(chosen), 0, -1):
            if rows[k][t] >= rows[k - 1][t]:
                continue  # a run less is as good
            choice, best = chosen[k - 1]
            start = t + int((best[t:] <= rows[k][t]).argmax())
            a = int(choice[start])
            ends = (net[a] + self.may_end[a] + rows[k - 1])[start + 1 :]
            t = start + 1 + int(ends.argmin())
            path.append(Stretch(self.pieces[a], start + self.first, t + self.first))
        return path

    def closest(self, v: _Values, number: int) -> list[Piece]:
        """The pieces that come closest to being used."""
        earned = v.price * self.rate * self.steps
        idle = np.where(np.isfinite(v.rows[-1]), v.rows[-1], 0.0)
        starts = self._starts(v.price, v.rows[-2], earned, self.spent - earned)
        slack = (starts - idle).min(axis=1, initial=np.inf)
        return [self.origins[a] for a in np.argsort(slack, kind="stable")[:number].tolist()]


def _from(piece: Piece, first: int) -> Piece:
    """The part of a piece from a step on."""
    if piece.begin >= first:
        return piece
    begin = min(first, piece.end)
    spent = piece.spent[begin - piece.begin :]
    return replace(piece, begin=begin, spent=spent - spent[0])


def _later(stretch: Stretch, entry: int) -> Stretch:
    """The part of a run from a step on."""
    return stretch if stretch.start >= entry else replace(stretch, start=entry)


def _spans(enough: NDArray[np.bool_], offset: int) -> list[tuple[int, int]]:
    """The maximal rows of steps that are enough."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], enough, [False])).astype(np.int8)))
    return [(int(a) + offset, int(b) + offset) for a, b in edges.reshape(-1, 2)]


def _search(rows: _Rows, ending: Floats, runs: int, work: int, guess: float) -> list[_Values]:
    """Values under prices of work that close in on the best bound; the best first.

    The bound is concave and piecewise linear in the price: where the lines through a price with work left to do and
    through one with too much done meet is the next price, until the bound lies on the lines.
    """
    known = [rows.values(guess, ending, runs, work)]
    low = known[0] if known[0].slope > 0 else None
    high = None if low is not None else known[0]
    step = 1.05
    while len(known) < MOST_PRICES:
        if low is None or high is None:
            known.append(
                rows.values(known[-1].price * step if high is None else known[-1].price / step, ending, runs, work)
            )
            step = min(step * step, 4.0)
        else:
            meet = (high.value - low.value + low.price * low.slope - high.price * high.slope) / (low.slope - high.slope)
            known.append(rows.values(meet, ending, runs, work))
            line = low.value + low.slope * (meet - low.price)
            if known[-1].value >= line - CLOSE * abs(line):
                break
        if known[-1].slope > 0:
            low = known[-1]
        else:
            high = known[-1]
    return sorted(known, key=lambda v: -v.value)
