"""Phases in a row, one run each: an exact dynamic program over (phase, start step).

A run's length is fixed by its option: d(o) = ceil((W + l) step / r) seconds, D(o) = ceil(d / step) steps. Backwards
from the last phase, with x(o, t) = (cost, finish, carbon) of running o from step t, compared in the order of the aim,

    best(p, a, t) = min( best(p, a, t + 1),  min over o in place a of  x(o, t) + rest(p, o, t + D(o)) )
    rest(p, o, e) = min( best(p + 1, place(o), e),  min over a of best(p + 1, a, e) + leave(o) )

"start p in place a at t or later", "stay or move". One pass per option over all start steps at once. Every value is an
int64 and a path carries its own three, so the minimum and its ties are exact; of equal plans the first option and the
earliest start stay. The cost of [t, t + d) is a difference of two cumulative prices.

Most options are never priced. At its least price each has a least value, and those whose least value, with the least
of all other phases, is above the value of a plan leave first. A single phase takes them in the order of that value.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.optimizer.columns import (
    Bools,
    Ints,
    columns,
)
from planner.optimizer.problem import Problem, Run
from planner.optimizer.runs import TimeUp, ceil_div, lateness
from planner.optimizer.ways import (
    CARBON,
    COST,
    FINISH,
    ORDERS,
    Way,
    Ways,
    fewest,
    money,
    no_worse,
    price_seconds,
    way_spans,
    ways_of,
)

INFINITE = 1 << 60
MANY = 40  # options of a phase from which on a first plan is worth making
Value = tuple[int, int, int]


def best_chain(
    problem: Problem,
    order: Sequence[int],
    finish_limit_s: int | None = None,
    stop_at: float = math.inf,
    at_most: int | None = None,
) -> tuple[Run, ...] | None:
    """The best plan of one run per phase, or None when there is none; TimeUp when the time is.

    With `at_most`, the value of a plan of one run per phase within the same limits, there is less to look at.
    `order` are the phases in their only order. A budget and a carbon cap are obeyed when there is one phase and
    ignored otherwise: they couple the phases, which a dynamic program over time cannot see.
    """
    ways = [ways_of(problem, p, finish_limit_s) for p in order]
    if not all(len(way.option) for way in ways):
        return None
    if len(order) == 1:
        run = _best_run(problem, ways[0], stop_at)
        return None if run is None else (run,)
    if at_most is None and max(len(way.option) for way in ways) > MANY:
        first = _best_row(problem, order, [fewest(way) for way in ways], stop_at)
        at_most = None if first is None else first[0]
    if at_most is not None:
        ways = no_worse(problem, ways, at_most)
    best = _best_row(problem, order, ways, stop_at)
    return None if best is None else best[1]


def cost_to_go(
    problem: Problem, order: Sequence[int], finish_limit_s: int | None, stop_at: float = math.inf
) -> dict[int, Ints]:
    """For each of the last phases that are allowed one run only: the least cost of it and all after it, by the step at
    which it may start (INFINITE where it cannot end in time). Exact; caps are ignored.
    """
    after = _Rest.nothing(problem.horizon)
    found: dict[int, Ints] = {}
    for p in reversed(order):
        if problem.phases[p].max_segments > 1:
            break
        after = _phase(problem, ways_of(problem, p, finish_limit_s), after, ORDERS["cost"], stop_at)
        found[p] = after.best[COST]
    return found


def _best_run(problem: Problem, ways: Ways, stop_at: float) -> Run | None:
    """The best run of a single phase: options in the order of their least value, until that is above the best."""
    keys = ORDERS[problem.aim]
    within = np.ones(len(ways.option), np.bool_)
    if problem.carbon_cap is not None:
        within &= ways.least[CARBON] <= problem.carbon_cap
    if problem.budget is not None:
        within &= ways.least[COST] <= problem.budget
    ways = ways.only(np.flatnonzero(within))
    primary, c = ways.least[keys[0]], columns(problem)
    best: tuple[Value, Run] | None = None
    order = np.argsort(primary, kind="stable").tolist()
    # at one price the least value is that of a run: with the first of these there is a plan from the start
    sure = next((at for at in order if len(c.windows[c.row[ways.option[at]]]) == 1), None)
    for number, at in enumerate([*([] if sure is None else [sure]), *order]):
        if best is not None and primary[at] > best[0][0]:
            break
        if number % 16 == 1 and time.monotonic() > stop_at:
            raise TimeUp((best[1],) if best is not None else (), int(primary[at]))
        for way in way_spans(problem, ways, at):
            start, cost = _best_start(problem, ways.phase, way)
            if start < 0:
                continue
            end_s = start * problem.step_s + way.seconds
            values = (cost, end_s, int(ways.least[CARBON][at]))
            value = (values[keys[0]], values[keys[1]], values[keys[2]])
            if best is None or (value, way.option) < (best[0], best[1].option):
                best = value, Run(way.option, start * problem.step_s, end_s)
    return None if best is None else best[1]


def _best_start(problem: Problem, p: int, way: Way) -> tuple[int, int]:
    """The best step to start on and the cost from there; -1 when all are over the budget.

    The least cost, and the earliest with it; for the aim finish the earliest within the budget.
    """
    phase, step_s, option = problem.phases[p], problem.step_s, problem.options[way.option]
    high = way.low if way.span.summed is None else way.high  # at one price nothing gets better by waiting
    total = price_seconds(way, step_s, high)
    budget = INFINITE if problem.budget is None else problem.budget
    if phase.late_cost:
        ends = np.arange(way.low, high + 1) + ceil_div(way.seconds, step_s)
        late = phase.late_cost * np.maximum(0, ends - phase.deadline)
        costs = money(option.nodes, total) + option.setup + late
        at = int(np.argmax(costs <= budget) if problem.aim == "finish" else np.argmin(costs))
        cost = int(costs[at])
    elif problem.aim == "finish":
        at = int(np.argmax(money(option.nodes, total) + option.setup <= budget))
        cost = ceil_div(option.nodes * int(total[at]), 3600) + option.setup
    else:
        least = ceil_div(option.nodes * int(total.min()), 3600)
        at = int(np.argmax(total <= least * 3600 // option.nodes))  # the first that costs no more when rounded up
        cost = least + option.setup
    return (way.low + at, cost) if cost <= budget else (-1, cost)


@dataclass(frozen=True, slots=True, eq=False)
class _Rest:
    """The best of a phase and all after it, by the step at which it may start: in any place, and in each place.

    `best` has a row for each of cost, finish and carbon; `start` and `option` say how the phase is then run.
    Places are told apart only where something is paid to leave one.
    """

    best: Ints
    start: Ints
    option: Ints
    places: dict[int, _Rest]

    @staticmethod
    def nothing(horizon: int) -> _Rest:
        none = np.zeros(horizon + 1, np.int64)
        return _Rest(np.zeros((3, horizon + 1), np.int64), none, none, {})


def _best_row(
    problem: Problem, order: Sequence[int], ways: Sequence[Ways], stop_at: float
) -> tuple[int, tuple[Run, ...]] | None:
    """The best plan of these ways by the dynamic program, and its value in the aim."""
    keys, step_s = ORDERS[problem.aim], problem.step_s
    after = _Rest.nothing(problem.horizon)
    table: list[_Rest] = []
    for way in reversed(ways):
        after = _phase(problem, way, after, keys, stop_at, last=way.phase == order[-1])
        table.append(after)
    runs: list[Run] = []
    step, before = 0, -1
    for rest, way in zip(reversed(table), ways, strict=True):
        chosen = rest if before < 0 else _stay_or_move(problem, rest, before, keys, step)
        start, option = int(chosen.start[step]), int(chosen.option[step])
        if option < 0:
            return None
        seconds = int(way.seconds[np.searchsorted(way.option, option)])
        runs.append(Run(option, start * step_s, start * step_s + seconds))
        step, before = start + ceil_div(seconds, step_s), option
    return int(table[-1].best[keys[0], 0]), tuple(runs)


def _phase(
    problem: Problem, ways: Ways, after: _Rest, keys: tuple[int, int, int], stop_at: float, last: bool = False
) -> _Rest:
    """best(p, ., .) from best(p + 1, ., .)."""
    c, step_s, size = columns(problem), problem.step_s, problem.horizon + 1
    late = np.array([lateness(problem.phases[ways.phase], t * step_s, step_s) for t in range(size)], np.int64)
    apart = bool(c.leave.any())
    found: dict[int, tuple[Ints, Ints]] = {}
    rests: dict[tuple[int, int], Ints] = {}
    for at, option in enumerate(ways.option.tolist()):
        if at % 64 == 63 and time.monotonic() > stop_at:
            raise TimeUp
        place, leave = (int(c.place[option]), int(c.leave[option])) if apart else (0, 0)
        if (place, leave) not in rests:
            rests[place, leave] = _rest(after, place, leave, keys)
        if place not in found:
            found[place] = np.full((3, size), INFINITE, np.int64), np.full(size, -1, np.int64)
        best, chosen = found[place]
        rest = rests[place, leave]
        carbon, nodes, setup = int(ways.least[CARBON][at]), int(c.nodes[option]), int(c.setup[option])
        for way in way_spans(problem, ways, at):
            long = ceil_div(way.seconds, step_s)
            ends = slice(way.low + long, way.high + long + 1)
            candidate = rest[:, ends].copy()
            candidate[COST] += money(nodes, price_seconds(way, step_s, way.high)) + (late[ends] + setup)
            candidate[CARBON] += carbon
            if last:
                candidate[FINISH] = np.arange(way.low, way.high + 1) * step_s + way.seconds
            _keep(best[:, way.low : way.high + 1], chosen[way.low : way.high + 1], candidate, option, keys)
    places = {place: _start_or_wait(best, chosen, keys) for place, (best, chosen) in found.items()}
    if len(places) == 1:
        return replace(next(iter(places.values())), places=places)
    return _anywhere(places, size, keys)


def _anywhere(places: dict[int, _Rest], size: int, keys: tuple[int, int, int]) -> _Rest:
    """The best of all places; of equal ones the first option."""
    best, start, option = np.full((3, size), INFINITE, np.int64), np.zeros(size, np.int64), np.full(size, -1, np.int64)
    for rest in places.values():
        better = _before(rest.best, best, keys)
        equal = (rest.best == best).all(axis=0) & (rest.option >= 0)
        better |= equal & ((rest.start < start) | ((rest.start == start) & (rest.option < option)))
        np.copyto(best, rest.best, where=better)
        np.copyto(start, rest.start, where=better)
        np.copyto(option, rest.option, where=better)
    return _Rest(best, start, option, places)


def _rest(after: _Rest, place: int, leave: int, keys: tuple[int, int, int]) -> Ints:
    """rest(p, o, .) for the options in a place: the next phase there, or anywhere once the place is left."""
    if not leave or not after.places:
        return after.best
    moved = after.best.copy()
    moved[COST] += leave
    if place not in after.places:
        return moved
    stayed = after.places[place].best
    return np.where(_before(moved, stayed, keys), moved, stayed)


def _stay_or_move(problem: Problem, rest: _Rest, before: int, keys: tuple[int, int, int], step: int) -> _Rest:
    """Whether the phase after a run of option `before` goes on in its place or anywhere."""
    c = columns(problem)
    stayed, leave = rest.places.get(int(c.place[before])), int(c.leave[before])
    if stayed is None or not leave:
        return rest
    moved = rest.best[:, step : step + 1].copy()
    moved[COST] += leave
    return rest if _before(moved, stayed.best[:, step : step + 1], keys)[0] else stayed


def _before(one: Ints, two: Ints, keys: tuple[int, int, int]) -> Bools:
    """Where the values of the one come before those of the two in the order of the aim."""
    a, b, c = keys
    better = one[a] < two[a]
    equal = (one[a] == two[a]) & (one[a] < INFINITE)
    if equal.any():
        better |= equal & (one[b] < two[b])
        better |= equal & (one[b] == two[b]) & (one[c] < two[c])
    return np.asarray(better)


def _keep(best: Ints, chosen: Ints, candidate: Ints, index: int, keys: tuple[int, int, int]) -> None:
    """Where the candidate comes before the best so far, it takes its place."""
    better = _before(candidate, best, keys)
    np.copyto(best, candidate, where=better)
    chosen[better] = index


def _start_or_wait(best: Ints, chosen: Ints, keys: tuple[int, int, int]) -> _Rest:
    """For every step t the best of starting at t or later."""
    ranking = np.lexsort((np.arange(best.shape[1]), best[keys[2]], best[keys[1]], best[keys[0]]))
    rank = np.empty_like(ranking)
    rank[ranking] = np.arange(len(ranking))
    starts = ranking[np.minimum.accumulate(rank[::-1])[::-1]]
    return _Rest(best[:, starts], starts, chosen[starts], {})
