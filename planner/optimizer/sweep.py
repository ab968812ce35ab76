"""One sweep over the steps of one phase: every partial plan that can still cost no more than the guess.

See `segments` for what labels are and why they may go.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.bound import RELATIVE_ERROR, PhaseBound
from planner.optimizer.problem import Problem
from planner.optimizer.runs import TimeUp, ceil_div
from planner.optimizer.supply import Floats
from planner.optimizer.timetable import Bools, Ints, bills, money, timetable

Columns = TypeVar("Columns", "Labels", "Going")
NEVER = np.iinfo(np.int64).max // 4
MOST_LABELS = 30_000_000  # memory: about 40 bytes each


@dataclass(slots=True)
class Labels:
    """Idle labels as columns."""

    k: Ints
    work: Ints
    cost: Ints
    grams: Ints
    number: Ints  # in the log
    fresh: Bools  # idle since this step only


@dataclass(slots=True)
class Going:
    """Runs under way as columns: what their label had, their option (row of the timetable) and start."""

    k: Ints  # runs left after this one
    work: Ints
    cost: Ints
    grams: Ints
    number: Ints
    o: Ints
    start: Ints


@dataclass(slots=True)
class Log:
    """Where labels come from, in chunks: the label before and the run; for an entry -1 - the step it entered from."""

    chunks: list[tuple[Ints, Ints, Ints, Ints]] = field(default_factory=list)
    size: int = 0

    def add(self, parent: Ints, option: Ints, start: Ints, end: Ints) -> Ints:
        self.chunks.append((parent, option, start, end))
        self.size += len(parent)
        if self.size > MOST_LABELS:
            raise TimeUp
        return np.arange(self.size - len(parent), self.size, dtype=np.int64)


@dataclass(slots=True)
class Ends:
    """By end step the best (cost, grams) of having ended a phase, with its last label, option, start and second."""

    cost: Ints
    grams: Ints
    link: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)


def above(guess: int) -> float:
    """What a float bound must exceed to be above the guess for certain."""
    return guess * (1 + RELATIVE_ERROR) + 1


class Sweep:
    """One phase under one guess."""

    def __init__(
        self,
        problem: Problem,
        p: int,
        bound: PhaseBound,
        starts: list[tuple[Floats, Floats]],
        guess: int,
        final: bool,
        stop_at: float,
    ) -> None:
        self.phase, self.horizon, self.step_s = problem.phases[p], problem.horizon, problem.step_s
        self.bound, self.guess, self.final, self.stop_at = bound, guess, final, stop_at
        limit = self.limit = above(guess)
        rows: dict[int, int] = {}
        for piece, (last, other) in zip(bound.pieces, starts, strict=True):
            if min(last.min(), other.min()) <= limit:
                rows.setdefault(piece.index, len(rows))
        self.table = timetable(problem, list(rows))
        shape = (len(rows), self.horizon + 1)
        self.may_close, self.may_start = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        prices = np.array([v.price for v in bound.values])
        self.prices, self.rest = prices, np.array([v.rows for v in bound.values])  # rest[price, k, t]
        few = self.few = _spread(prices)
        self.going_rest = np.full((len(few), self.phase.max_segments, *shape), np.inf)  # [price, k, o, t]
        for piece, (last, other) in zip(bound.pieces, starts, strict=True):
            if piece.index not in rows:
                continue
            row, span, wide = rows[piece.index], slice(piece.begin, piece.end), slice(piece.begin, piece.end + 1)
            self.may_close[row, span] = last <= limit
            self.may_start[row, span] = other <= limit
            if self.phase.max_segments == 1:
                continue
            for i, v in enumerate(few):
                net = piece.spent - prices[v] * piece.of.rate * np.arange(piece.end - piece.begin + 1)
                for k in range(1, self.phase.max_segments):
                    ahead = np.minimum.accumulate((net + self.rest[v, k, wide])[::-1])[::-1]
                    # a piece may begin where the one before it ends: keep the lower
                    part = self.going_rest[i, k, row, wide]
                    np.minimum(part, ahead - net, out=part)
        self.log = Log()
        self.ends = Ends(np.full(self.horizon + 1, NEVER), np.full(self.horizon + 1, NEVER))
        self.best_end: tuple[int, int, int] | None = None  # cost, second, grams of the best plan, in the last phase

    def run(self, entries: Ends) -> None:
        """Sweep over time from the first entry on."""
        none = np.zeros(0, np.int64)
        idle = Labels(none, none, none, none, none, none.astype(np.bool_))
        going = Going(none, none, none, none, none, none, none)
        waiting = self._entries(entries)
        last_step = ceil_div(self.bound.limit, self.step_s)
        for t in range(min(waiting, default=last_step), last_step):
            if time.monotonic() > self.stop_at:
                raise TimeUp
            idle.fresh[:] = False
            going, stopped = self._stop(going, t)
            if t in waiting:
                step, cost, grams = waiting.pop(t)
                stopped.append(self._entry(step, cost, grams))
            if not len(idle.k) and not stopped and not len(going.k) and not waiting:
                break
            idle = self._keep(_joined([idle, *stopped]), t)
            self._close(idle, t)
            going = self._start(going, idle, t)

    def _entries(self, entries: Ends) -> dict[int, tuple[int, int, int]]:
        """By step the (end step, cost, grams) of ends of the phase before that beat all earlier ones."""
        found: dict[int, tuple[int, int, int]] = {}
        best = (NEVER, NEVER)
        for step in sorted(entries.link):
            pair = (int(entries.cost[step]), int(entries.grams[step]))
            if pair < best:
                best = pair
                found[max(step, self.phase.earliest)] = (step, *pair)
        return found

    def _entry(self, step: int, cost: int, grams: int) -> Labels:
        one = np.ones(1, np.int64)
        number = self.log.add(one * (-1 - step), one * -1, one * 0, one * 0)
        return Labels(one * self.phase.max_segments, one * 0, one * cost, one * grams, number, one > 0)

    def _stop(self, going: Going, t: int) -> tuple[Going, list[Labels]]:
        """Runs that go on from step t, and the labels of those that stop there."""
        if not len(going.k):
            return going, []
        table, steps = self.table, t - going.start
        seconds = steps * self.step_s
        trained = table.rate[going.o] * steps - table.loss[going.o]
        work = going.work + trained
        billed = bills(table, going.o, seconds)
        on = (work < self.phase.work) & (billed >= 0)
        on &= table.until[going.o, going.start] >= t
        spent = table.summed[going.o, t] - table.summed[going.o, going.start]
        cost = going.cost + table.setup[going.o] + table.nodes[going.o] * (spent // 3600)  # at least
        for i, v in enumerate(self.few):
            rest = self.going_rest[i, going.k, going.o, t] + self.prices[v] * (self.phase.work - work)
            on &= cost + rest <= self.limit
        going, billed, seconds, work, trained = _taken(going, on), billed[on], seconds[on], work[on], trained[on]
        if not len(going.k):
            return going, []
        paid = going.cost + money(self.table, going.o, going.start, seconds, billed)
        grams = going.grams + table.grams[going.o] * (t - going.start)
        fine = trained > 0
        fine[fine] = self._within(going.k[fine], work[fine], paid[fine], t)
        going_on = self._unbeaten(going, work, paid, grams, seconds)
        labels = Labels(going.k, work, paid, grams, going.number, fine)
        stopped = _taken(labels, fine)
        stopped.number = np.nonzero(fine)[0]  # resolved to numbers in the log once the label is kept
        stopped = _taken(stopped, self._pareto(stopped))
        at = stopped.number
        stopped.number = self.log.add(going.number[at], going.o[at], going.start[at], np.full(len(at), t))
        return _taken(going, going_on & (table.until[going.o, going.start] > t)), [stopped]

    def _within(self, k: Ints, work: Ints, cost: Ints, t: int) -> Bools:
        """Whether labels at step t can lead to a plan of cost <= guess."""
        rest = self.rest[:, k, t] + self.prices[:, None] * (self.phase.work - work)[None, :]
        return np.asarray(cost + rest.max(axis=0) <= self.limit)

    def _keep(self, labels: Labels, t: int) -> Labels:
        labels = _taken(labels, self._within(labels.k, labels.work, labels.cost, t))
        return _taken(labels, self._pareto(labels))

    def _pareto(self, labels: Labels) -> Bools:
        """Labels that no other has as much work, as many runs left and no higher (cost, grams) than."""
        keep = np.ones(len(labels.k), np.bool_)
        if len(keep) < 2:
            return keep
        rank = _ranks(labels.cost, labels.grams)
        order = np.lexsort((labels.number, rank, -labels.k, -labels.work))
        for k in range(1, self.phase.max_segments + 1):
            rivals = order[labels.k[order] >= k]
            before = np.minimum.accumulate(np.concatenate(([NEVER], rank[rivals][:-1])))
            mine = labels.k[rivals] == k
            keep[rivals[mine & (before <= rank[rivals])]] = False
        return keep

    def _unbeaten(self, going: Going, work: Ints, cost: Ints, grams: Ints, seconds: Ints) -> Bools:
        """Runs that no other run of the same option with as many runs left beats; only ripe ones compare exactly."""
        keep = np.ones(len(going.k), np.bool_)
        ripe = np.nonzero(seconds >= self.table.ripe_s[going.o])[0]
        if len(ripe) < 2:
            return keep
        rank = _ranks(cost[ripe], grams[ripe])
        group = going.o[ripe] * (self.phase.max_segments + 1) + going.k[ripe]
        order = np.lexsort((going.start[ripe], rank, -work[ripe], group))
        level = rank[order] - group[order] * (len(ripe) + 1)  # lower in every later group: the minimum starts anew
        before = np.minimum.accumulate(np.concatenate(([NEVER], level[:-1])))
        keep[ripe[order[before <= level]]] = False
        return keep

    def _pairs(self, idle: Labels, able: Bools, t: int) -> tuple[Ints, Ints]:
        """Labels and options worth a start at t: a label that was idle before only where waiting can have paid."""
        fresh, stale = np.nonzero(idle.fresh)[0], np.nonzero(~idle.fresh)[0]
        all_of, some_of = np.nonzero(able)[0], np.nonzero(able & ~self.table.patient[:, t])[0]
        labels = np.concatenate((np.repeat(fresh, len(all_of)), np.repeat(stale, len(some_of))))
        return labels, np.concatenate((np.tile(all_of, len(fresh)), np.tile(some_of, len(stale))))

    def _close(self, idle: Labels, t: int) -> None:
        """Last runs from step t; the best ends are kept."""
        i, o = self._pairs(idle, self.may_close[:, t], t)
        if not len(i):
            return
        table, h = self.table, self.step_s
        seconds = -(-(self.phase.work - idle.work[i] + table.loss[o]) * h // table.rate[o])
        billed = bills(table, o, seconds)
        second = t * h + seconds
        fits = (second <= np.minimum(table.until[o, t] * h, self.bound.limit)) & (billed >= 0)
        i, o, seconds, billed, second = i[fits], o[fits], seconds[fits], billed[fits], second[fits]
        step = -(-second // h)
        late = self.phase.late_cost * np.maximum(0, step - self.phase.deadline)
        paid = idle.cost[i] + money(table, o, np.full(len(o), t), seconds, billed)
        good = paid + self.bound.ending[step] <= self.limit
        cost, i, o = (paid + late)[good], i[good], o[good]
        seconds, second, step = seconds[good], second[good], step[good]
        if not len(i):
            return
        grams = idle.grams[i] - (-(table.grams[o] * seconds) // h)
        if self.final:
            first = np.lexsort((grams, second, cost))[0]
            key = (int(cost[first]), int(second[first]), int(grams[first]))
            if key[0] <= self.guess and (self.best_end is None or key < self.best_end):
                self.best_end = key
                self.ends.link = {int(step[first]): (int(idle.number[i[first]]), int(o[first]), t, int(second[first]))}
                self.limit = above(key[0])
            return
        order = np.lexsort((grams, cost, step))
        for at in order[np.unique(step[order], return_index=True)[1]].tolist():
            where, pair = int(step[at]), (int(cost[at]), int(grams[at]))
            if pair < (int(self.ends.cost[where]), int(self.ends.grams[where])):
                self.ends.cost[where], self.ends.grams[where] = pair
                self.ends.link[where] = (int(idle.number[i[at]]), int(o[at]), t, int(second[at]))

    def _start(self, going: Going, idle: Labels, t: int) -> Going:
        """The runs under way and those that start at step t and are not the last of their phase."""
        several = _taken(idle, idle.k >= 2)
        i, o = self._pairs(several, self.may_start[:, t], t)
        if not len(i):
            return going
        k, table = several.k[i] - 1, self.table
        able = np.ones(len(i), np.bool_)
        missing = self.phase.work - several.work[i] + table.loss[o]
        for at, v in enumerate(self.few):
            rest = self.going_rest[at, k, o, t] + table.setup[o] + self.prices[v] * missing
            able &= several.cost[i] + rest <= self.limit
        i, o, k = i[able], o[able], k[able]
        new = Going(
            k, several.work[i], several.cost[i], several.grams[i], several.number[i], o, np.full(len(o), t, np.int64)
        )
        return Going(*(np.concatenate((getattr(going, f.name), getattr(new, f.name))) for f in fields(Going)))


def _taken(columns: Columns, which: Bools) -> Columns:
    return replace(columns, **{f.name: getattr(columns, f.name)[which] for f in fields(columns)})


def _joined(parts: Sequence[Labels]) -> Labels:
    return Labels(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Labels)))


def _ranks(cost: Ints, grams: Ints) -> Ints:
    """Equal pairs get equal ranks, greater pairs greater ones."""
    order = np.lexsort((grams, cost))
    steps = np.ones(len(order), np.int64)
    steps[0] = 0
    steps[1:] = (np.diff(cost[order]) != 0) | (np.diff(grams[order]) != 0)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.cumsum(steps)
    return rank


def _spread(prices: NDArray[np.float64]) -> list[int]:
    """The best price of work (the first) and its nearest neighbours at least a fifth below and above."""
    best = float(prices[0])
    below = [i for i, price in enumerate(prices) if price <= 0.8 * best]
    above = [i for i, price in enumerate(prices) if price >= 1.25 * best]
    found = [0]
    if below:
        found.append(max(below, key=lambda i: float(prices[i])))
    if above:
        found.append(min(above, key=lambda i: float(prices[i])))
    return found
