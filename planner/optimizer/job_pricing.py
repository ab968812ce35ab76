"""One job among many: its best schedule when what it shares has prices.

Given prices u(r, t) >= 0 of a unit of resource r in step t, U their sum over time, and a price g >= 0 of a unit of the
total that is not the aim (grams when the aim is cost, micro-USD when it is carbon), a job of phases in a row, one run
each, is the dynamic program of `chain` with

    x(o, t) = value(o, t) + g other(o, t) + sum over r of claim(o, r) (U(r, t + D(o)) - U(r, t))

Only candidates are looked at: options whose least value without prices, with the least of all other phases, is at most
a limit. Prices only add to a value, so a result up to the limit is the optimum over all options; above it the limit
rises. Values are whole numbers below 2^53, so floats hold them exactly; only the prices are rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.problem import Aim, Problem, Run
from planner.optimizer.runs import ceil_div, lateness, limit_s, run_carbon, run_cost
from planner.optimizer.shared import Ints, Shared
from planner.optimizer.ways import CARBON, COST, Ways, money, price_seconds, way_spans, ways_of

Floats = NDArray[np.float64]
Schedule = tuple[Run, ...]
MARGIN = 0.02  # by which the limit of candidates goes beyond the value sought
VALUE = {"cost": COST, "carbon": CARBON}
GROWTH = 1.3  # of the limit at once, where there is no need to be exact
MANY = 256  # candidates of a job
COLUMNS = 3  # schedules that one pricing gives


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of resources summed over time, [row, step], a row of zeros last; `row[r]` is the row of resource r."""

    summed: Floats
    row: Ints
    other: float = 0.0

    @staticmethod
    def of(prices: Mapping[tuple[int, int], float], shared: Shared, other: float = 0.0) -> Prices:
        """From prices by (resource, step)."""
        priced = sorted({resource for (resource, _), price in prices.items() if price > 0})
        row = np.full(len(shared.names) + 1, len(priced), np.int64)
        row[priced] = np.arange(len(priced))
        summed = np.zeros((len(priced) + 1, shared.amounts.shape[1] + 1))
        for (resource, step), price in prices.items():
            if price > 0:
                summed[row[resource], step + 1] += price
        np.cumsum(summed, axis=1, out=summed)
        return Prices(summed, row, other)


@dataclass(frozen=True, slots=True)
class Restriction:
    """What a branch of the search asks of one phase of a job: its option is `option` (or is not), or its run starts on
    a step from `begin` to `end`.
    """

    rank: int  # of the phase in the job's order
    option: int | None = None
    wanted: bool = True
    begin: int = 0
    end: int = 0

    def holds(self, run: Run, step_s: int) -> bool:
        """Whether a run of the phase is as asked."""
        if self.option is not None:
            return (run.option == self.option) == self.wanted
        return self.begin <= run.start_s // step_s <= self.end


Restrictions = tuple[Restriction, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """A candidate: an option that does its phase in one run; `at` is its place among the ways, cheapest first."""

    at: int
    option: int
    seconds: int


@dataclass(frozen=True, slots=True)
class _Table:
    """Candidates of one phase: by candidate and start step, infinite where it cannot start."""

    rows: list[_Row]
    values: Floats
    other: Floats  # one column where it is the same for every start
    ends: NDArray[np.int32]
    resources: list[Ints]  # per claim of a candidate, its resource (the number of resources: none) and amount
    amounts: list[Ints]
    places: list[str]
    leave: Floats


class Totals:
    """What schedules of a part of the problem add to the aim and to the other total."""

    def __init__(self, problem: Problem, order: Sequence[int], shared: Shared) -> None:
        self.problem, self.order, self.shared = problem, order, shared
        self._costs_of_runs: dict[Run, int] = {}

    def value(self, schedule: Schedule) -> int:
        """What the schedule adds to the aim: micro-USD with lateness and moves, or grams."""
        return self.carbon(schedule) if self.problem.aim == "carbon" else self.cost(schedule)

    def other(self, schedule: Schedule) -> int:
        """What it adds to the total that is not the aim."""
        return self.cost(schedule) if self.problem.aim == "carbon" else self.carbon(schedule)

    def cost(self, schedule: Schedule) -> int:
        """Micro-USD of the schedule: runs, moves and lateness."""
        phases, h = self.problem.phases, self.problem.step_s
        ends = {self.problem.options[run.option].phase: run.end_s for run in schedule}
        return self.money(schedule) + sum(lateness(phases[p], end_s, h) for p, end_s in ends.items())

    def money(self, schedule: Schedule) -> int:
        """Micro-USD of its runs and moves."""
        problem, h = self.problem, self.problem.step_s
        total = 0
        for number, run in enumerate(schedule):
            option = problem.options[run.option]
            if run not in self._costs_of_runs:
                self._costs_of_runs[run] = run_cost(option, run.start_s, run.end_s, h)
            total += self._costs_of_runs[run]
            if number + 1 < len(schedule) and problem.options[schedule[number + 1].option].place != option.place:
                total += option.leave
        return total

    def carbon(self, schedule: Schedule) -> int:
        """Grams of the schedule."""
        h = self.problem.step_s
        return sum(run_carbon(self.problem.options[run.option], run.end_s - run.start_s, h) for run in schedule)


class Job(Totals):
    """A part of the problem, phases in a row with one run each."""

    def __init__(self, problem: Problem, order: Sequence[int], shared: Shared) -> None:
        super().__init__(problem, order, shared)
        self.ways = [cheapest_first(ways_of(problem, p, None), problem.aim) for p in order]
        self.possible = all(len(ways.option) for ways in self.ways)
        self.late = [_lateness(problem, p) for p in order]
        self.loaded = [0] * len(order)
        self.tables = [self._table([], np.empty((0, problem.horizon + 1)), np.empty((0, 1))) for _ in order]
        self.limit = -1.0
        if self.possible:
            self._raise_limit(sum(self._leasts()) * (1 + MARGIN) + 1)

    def best(
        self,
        prices: Prices,
        free: Ints | None = None,
        restrictions: Restrictions = (),
        proven: bool = True,
        patient: bool = True,
    ) -> tuple[float, list[Schedule]]:
        """The least value under prices and the best schedules, the best first; infinite and none when there is none.

        The value is always `proven`. With `free` amounts by resource and step only schedules whose runs claim no more
        are looked at. Unless `patient`, prices that are high for the moment do not make every option a candidate: the
        value may then be a lower bound.
        """
        raised = False
        while True:
            value, schedules = self._program(prices, free, restrictions)
            if value <= self.limit or self._all_loaded():
                if free is None and not restrictions:
                    self._forget_dear(value)
                return value, schedules
            limit = value * (1 + MARGIN) if np.isfinite(value) else 2 * self.limit
            if not patient and np.isfinite(value):
                if raised:
                    return self.limit, schedules  # options that are no candidates are above it
                limit, raised = min(limit, GROWTH * self.limit), True
            self._raise_limit(limit)

    def fix(self, prices: Prices, most: float) -> None:
        """Forget every candidate and start that no schedule of a value up to `most` under these prices uses."""
        self._raise_limit(max(most, self.limit))
        costs = self._costs(prices, None, ())
        before: Floats = np.zeros(self.problem.horizon + 1)  # least value of the phases before, by the step they end
        for rank, table in enumerate(self.tables):
            useless = before + costs[rank] > most
            after_it = before + self._priced(table, prices, None)
            before = np.full(self.problem.horizon + 1, np.inf)
            np.minimum.at(before, table.ends.ravel(), after_it.ravel())
            before = np.minimum.accumulate(before)
            table.values[useless] = np.inf
            self.tables[rank] = self._kept(table, np.flatnonzero(~useless.all(axis=1)))
            self.loaded[rank] = len(self.ways[rank].option)
        self.limit = math.inf

    @property
    def room(self) -> float:
        """By how many times the time there is exceeds the least the job needs."""
        needed = sum(int(ways.seconds.min()) for ways in self.ways)
        return limit_s(self.problem.phases[self.order[-1]], self.problem) / needed

    def dearest(self) -> int:
        """A value that no schedule exceeds."""
        return sum(self._dearest(rank) for rank in range(len(self.order)))

    def _dearest(self, rank: int) -> int:
        problem, ways = self.problem, self.ways[rank]
        if problem.aim == "carbon":
            return int(ways.least[CARBON].max())
        phase = problem.phases[self.order[rank]]
        most = 0
        for at, billed in zip(ways.option.tolist(), ways.billed.tolist(), strict=True):
            option = problem.options[at]
            price = max(window.price for window in option.windows)
            most = max(most, ceil_div(option.nodes * price * billed, 3600) + option.setup + option.leave)
        return most + phase.late_cost * max(0, problem.horizon - phase.deadline)

    def _leasts(self) -> list[int]:
        """The least value of each phase."""
        return [int(ways.least[VALUE[self.problem.aim]][0]) for ways in self.ways]

    def _all_loaded(self) -> bool:
        return all(loaded == len(ways.option) for loaded, ways in zip(self.loaded, self.ways, strict=True))

    def _raise_limit(self, limit: float) -> None:
        """Every option whose least value is at most the limit becomes a candidate."""
        self.limit = limit
        for rank, upto in enumerate(self._within(limit)):
            found = [self._row(rank, at) for at in range(self.loaded[rank], upto)]
            new = [one for one in found if one is not None]
            self.loaded[rank] = max(self.loaded[rank], upto)
            if new:
                table = self.tables[rank]
                values = np.concatenate([table.values, [value for _, value, _ in new]])
                others = [other for _, _, other in new]
                other = np.concatenate([table.other, others]) if len(table.rows) else np.array(others)
                self.tables[rank] = self._table([*table.rows, *(row for row, _, _ in new)], values, other)

    def _within(self, limit: float) -> list[int]:
        """How many ways of each phase, with the least of the others, are at most a limit."""
        leasts = self._leasts()
        rooms = [limit - sum(leasts) + least for least in leasts]
        column = VALUE[self.problem.aim]
        return [
            int(np.searchsorted(ways.least[column], room, side="right"))
            for ways, room in zip(self.ways, rooms, strict=True)
        ]

    def _forget_dear(self, value: float) -> None:
        """Candidates far above a value are none any more, where they are many: they take memory."""
        limit = value * (1 + 2 * MARGIN)
        if math.isinf(self.limit) or self.limit <= limit or sum(len(table.rows) for table in self.tables) <= MANY:
            return
        self.limit = limit
        for rank, upto in enumerate(self._within(limit)):
            table = self.tables[rank]
            self.loaded[rank] = min(self.loaded[rank], upto)
            self.tables[rank] = self._kept(
                table, np.array([a for a, r in enumerate(table.rows) if r.at < upto], np.int64)
            )

    def _row(self, rank: int, at: int) -> tuple[_Row, Floats, Floats] | None:
        """A way with its value and other total by start step (one number where it is the same); None when it fits
        nowhere.
        """
        problem, h, ways, late = self.problem, self.problem.step_s, self.ways[rank], self.late[rank]
        option = problem.options[int(ways.option[at])]
        seconds, carbon = int(ways.seconds[at]), float(ways.least[CARBON][at])
        cost = np.full(problem.horizon + 1, np.inf)
        for way in way_spans(problem, ways, at):
            cost[way.low : way.high + 1] = money(option.nodes, price_seconds(way, h, way.high)) + option.setup
            if late is not None:
                long = ceil_div(seconds, h)
                cost[way.low : way.high + 1] += late[way.low + long : way.high + long + 1]
        starts = np.isfinite(cost)
        if not starts.any():
            return None
        row = _Row(at, int(ways.option[at]), seconds)
        if problem.aim == "carbon":
            return row, np.where(starts, carbon, np.inf), np.where(starts, cost, 0.0)
        return row, cost, np.array([carbon])

    def _kept(self, table: _Table, which: Ints) -> _Table:
        """A table of some of the candidates."""
        return self._table([table.rows[a] for a in which.tolist()], table.values[which], table.other[which])

    def _table(self, rows: list[_Row], values: Floats, other: Floats) -> _Table:
        steps = self.problem.horizon + 1
        options = [self.problem.options[row.option] for row in rows]
        long = np.array([ceil_div(row.seconds, self.problem.step_s) for row in rows], np.int32)
        claims = [self.shared.of(row.option) for row in rows]
        most = max(map(len, claims), default=0)
        nothing = (len(self.shared.names), 0)
        padded = [(*claim, *([nothing] * (most - len(claim)))) for claim in claims]
        return _Table(
            rows,
            values,
            other,
            np.minimum(np.arange(steps, dtype=np.int32) + long[:, None], steps - 1, dtype=np.int32),
            [np.array([claim[k][0] for claim in padded], np.int64) for k in range(most)],
            [np.array([claim[k][1] for claim in padded], np.int64) for k in range(most)],
            [option.place for option in options],
            np.array([float(option.leave) for option in options]),
        )

    def _program(self, prices: Prices, free: Ints | None, restrictions: Restrictions) -> tuple[float, list[Schedule]]:
        """The dynamic program over the candidates: the least value and good schedules."""
        costs = self._costs(prices, free, restrictions)
        value = float(costs[0].min(initial=np.inf))
        return value, list(self._schedules(costs, self._money_weight(prices))) if np.isfinite(value) else []

    def _money_weight(self, prices: Prices) -> float:
        """What a micro-USD counts in the value under prices."""
        return prices.other if self.problem.aim == "carbon" else 1.0

    def _costs(self, prices: Prices, free: Ints | None, restrictions: Restrictions) -> list[Floats]:
        """By phase, candidate and start: the least value of the phase's run and all that follows; backwards."""
        after = _After(np.zeros(self.problem.horizon + 1), None)
        costs: list[Floats] = []
        for rank in range(len(self.tables) - 1, -1, -1):
            table = self.tables[rank]
            x = self._priced(table, prices, free)
            for restriction in restrictions:
                if restriction.rank == rank:
                    _restrict(x, table, restriction)
            x = x + after.beyond(table, self._money_weight(prices))
            costs.append(x)
            moves = rank > 0 and self.tables[rank - 1].leave.any()
            after = _After.of(x, table.places if moves else [])
        return costs[::-1]

    def _priced(self, table: _Table, prices: Prices, free: Ints | None) -> Floats:
        """Value of every candidate and start under prices, infinite where the free amounts do not suffice."""
        x = table.values + prices.other * table.other if prices.other else table.values.copy()
        for resources, amounts in zip(table.resources, table.amounts, strict=True):
            rows = prices.row[resources]
            dear = np.flatnonzero(rows < len(prices.summed) - 1)
            if len(dear):
                summed = prices.summed[rows[dear]]
                x[dear] += amounts[dear, None] * (np.take_along_axis(summed, table.ends[dear], axis=1) - summed)
            if free is not None:
                claimed = np.flatnonzero(resources < len(free))
                short = np.zeros((len(claimed), x.shape[1]), np.int64)
                np.cumsum(free[resources[claimed]] < amounts[claimed, None], axis=1, out=short[:, 1:])
                x[claimed] = np.where(
                    np.take_along_axis(short, table.ends[claimed], axis=1) > short, np.inf, x[claimed]
                )
        return x

    def _schedules(self, costs: list[Floats], weight: float) -> Iterator[Schedule]:
        """The best schedules that begin with different candidates."""
        first = costs[0].min(axis=1)
        for candidate in np.argsort(first, kind="stable")[:COLUMNS]:
            if not np.isfinite(first[candidate]):
                break
            start = int(costs[0][candidate].argmin())
            yield self._path(costs, int(candidate), start, weight)

    def _path(self, costs: list[Floats], candidate: int, start: int, weight: float) -> Schedule:
        """The schedule that begins with a candidate at a step, and goes on as well as it can."""
        runs = []
        h = self.problem.step_s
        for rank, table in enumerate(self.tables):
            if rank:
                before = self.tables[rank - 1]
                leave = weight * before.leave[candidate]
                move = [0.0 if place == before.places[candidate] else leave for place in table.places]
                begin = int(before.ends[candidate, start])
                left = costs[rank][:, begin:] + np.array(move)[:, None]
                # of equal ones the earliest start
                start = begin + int(left.min(axis=0).argmin())
                candidate = int(left[:, start - begin].argmin())
            row = table.rows[candidate]
            runs.append(Run(row.option, start * h, start * h + row.seconds))
        return tuple(runs)


@dataclass(frozen=True, slots=True)
class _After:
    """The least value of the phases that follow, by the step from which they may start: wherever the first run of them
    is, and by its place; no places: nothing follows.
    """

    any: Floats
    at: dict[str, Floats] | None

    @staticmethod
    def of(x: Floats, places: list[str]) -> _After:
        """From the values by candidate and start."""
        at = {
            place: _from_then_on(x[[number for number, q in enumerate(places) if q == place]].min(axis=0))
            for place in set(places)
        }
        return _After(_from_then_on(x.min(axis=0, initial=np.inf)), at)

    def beyond(self, table: _Table, weight: float) -> Floats:
        """What follows each candidate and start, the move to another place included."""
        if self.at is None:
            return self.any
        if not table.leave.any():
            return np.asarray(self.any[table.ends])
        nowhere = np.full_like(self.any, np.inf)
        stay = np.array([self.at.get(place, nowhere) for place in table.places])
        return np.take_along_axis(np.minimum(stay, self.any + weight * table.leave[:, None]), table.ends, axis=1)


def _restrict(x: Floats, table: _Table, restriction: Restriction) -> None:
    """Make infinite what a restriction forbids."""
    if restriction.option is None:
        x[:, : restriction.begin] = np.inf
        x[:, restriction.end + 1 :] = np.inf
        return
    chosen = np.array([row.option == restriction.option for row in table.rows], np.bool_)
    x[chosen != restriction.wanted] = np.inf


def _lateness(problem: Problem, p: int) -> Floats | None:
    """What a phase pays for lateness by the step at which it ends; None when nothing."""
    phase, h = problem.phases[p], problem.step_s
    if not phase.late_cost:
        return None
    return np.array([float(lateness(phase, t * h, h)) for t in range(problem.horizon + 1)])


def cheapest_first(ways: Ways, aim: Aim) -> Ways:
    """The ways by the value that no run of them is below."""
    return ways.only(np.argsort(ways.least[VALUE[aim]], kind="stable"))


def _from_then_on(values: Floats) -> Floats:
    return np.asarray(np.minimum.accumulate(values[::-1])[::-1])
