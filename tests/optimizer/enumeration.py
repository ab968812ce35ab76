"""The best plan of the class by trying every plan: the oracle of the random tests.

It shares no code with the planner beyond the records, and knows no algorithm beyond two remarks:

    A run starts on a step. So what is used at any moment of a step is used at its start, and it is enough to look at
    whole steps when runs share something.

    Of two ways to run a phase between which no other phase can tell a difference, one that costs no more, ends no later
    and emits no more is enough. `Way.seen` is all that another phase can see.

Purchases are tried apart: for given runs, every partition of those of a term into groups, and for every group every
purchase that holds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from planner.optimizer.problem import Bought, Problem, Run, RunOption, Solution, Term

Value = tuple[int, int, int]  # cost, finish, carbon
ORDER = {"cost": (0, 1, 2), "finish": (1, 0, 2), "carbon": (2, 0, 1)}  # of the values, by aim
NEVER = 1 << 99
Use = tuple[int, int, int]  # first step, step after the last begun one, nodes


@dataclass(frozen=True)
class Way:
    """One way to run a phase: its own costs, moves within the phase and lateness included, without purchases."""

    cost: int
    end_s: int
    carbon: int
    runs: tuple[Run, ...]
    seen: tuple[object, ...]


def best_plan(problem: Problem) -> Solution | None:
    """A best plan, its values those of the enumeration; None when there is none."""
    search = _Search(problem)
    search.add(0, [])
    return search.best


class _Search:
    """Every combination of ways, phase by phase; a part of one goes when no rest of it can beat the best so far."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.order = problem, ORDER[problem.aim]
        self.best: Solution | None = None
        self.best_key: tuple[int, ...] = (NEVER,)
        self.ways = [distinct(ways(problem, p)) for p in range(len(problem.phases))]
        for found in self.ways:
            found.sort(key=lambda way: self.key((way.cost, way.end_s, way.carbon)))
        self.load = Load(problem)

    def key(self, value: Value) -> tuple[int, ...]:
        return tuple(value[k] for k in self.order)

    def least(self, picked: list[Way]) -> Value:
        """No plan with these ways has a lower cost, an earlier finish or less carbon."""
        rest = self.ways[len(picked) :]
        if not all(rest):
            return NEVER, NEVER, NEVER
        return (
            sum(way.cost for way in picked) + sum(min(way.cost for way in found) for found in rest),
            max([way.end_s for way in picked] + [min(way.end_s for way in found) for found in rest]),
            sum(way.carbon for way in picked) + sum(min(way.carbon for way in found) for found in rest),
        )

    def add(self, p: int, picked: list[Way]) -> None:
        problem = self.problem
        least = self.least(picked)
        if self.key(least) >= self.best_key or not within(problem, least):
            return
        if p == len(problem.phases):
            self.finish(picked)
            return
        h = problem.step_s
        for way in self.ways[p]:
            before = [picked[q] for q in problem.phases[p].after]
            if any(math.ceil(other.end_s / h) * h > way.runs[0].start_s for other in before):
                continue
            if self.load.add(way):
                self.add(p + 1, [*picked, way])
            self.load.remove(way)

    def finish(self, picked: list[Way]) -> None:
        """All phases have their runs: moves from phase to phase, and purchases."""
        problem = self.problem
        cost = sum(way.cost for way in picked)
        for p, phase in enumerate(problem.phases):
            for q in phase.after:
                cost += move(problem.options[picked[q].runs[-1].option], problem.options[picked[p].runs[0].option])
        value = (cost, max(way.end_s for way in picked), sum(way.carbon for way in picked))
        if self.key(value) >= self.best_key or not within(problem, value):
            return
        runs = tuple(run for way in picked for run in way.runs)
        purchases = cheapest_purchases(problem, runs)
        if purchases is None:
            return
        paid, runs, bought = purchases
        value = (cost + paid, *value[1:])
        if self.key(value) < self.best_key and within(problem, value):
            runs = tuple(sorted(runs, key=lambda run: (run.start_s, run.option)))
            self.best_key = self.key(value)
            self.best = Solution("optimal", runs, *value, bound=value[self.order[0]], bought=bought)


def within(problem: Problem, value: Value) -> bool:
    return (problem.budget is None or value[0] <= problem.budget) and (
        problem.carbon_cap is None or value[2] <= problem.carbon_cap
    )


# What one run costs


def run_cost(problem: Problem, option: RunOption, start_s: int, end_s: int) -> int | None:
    """Micro-USD of a run, summed second by second; None when it is not allowed."""
    prices = [price_at(option, second // problem.step_s) for second in range(start_s, end_s)]
    if None in prices:
        return None
    seconds, billing = end_s - start_s, option.billing
    if billing.blocks_s:
        holding = [block for block in sorted(billing.blocks_s) if block >= seconds]
        if not holding:
            return None
        paid = holding[0]
    else:
        paid = max(seconds, billing.minimum_s)
        while paid % billing.unit_s:
            paid += 1
    total = sum(price or 0 for price in prices) + (prices[-1] or 0) * (paid - seconds)
    return math.ceil(Fraction(option.nodes * total, 3600)) + option.setup


def price_at(option: RunOption, step: int) -> int | None:
    """Price per node-hour in a step, None where the option is not available."""
    for window in option.windows:
        if window.start <= step < window.end:
            return window.price
    return None


def run_carbon(problem: Problem, option: RunOption, seconds: int) -> int:
    return math.ceil(Fraction(option.carbon_g_step * seconds, problem.step_s))


def move(one: RunOption, two: RunOption) -> int:
    return one.leave if one.place != two.place else 0


# The ways to run one phase


@dataclass(frozen=True)
class Row:
    """Runs of a phase so far, none of which is the last: idle from `step` on, `left` tokens missing."""

    step: int
    left: int
    cost: int
    carbon: int
    runs: tuple[Run, ...]
    seen: tuple[object, ...]


def ways(problem: Problem, p: int) -> Iterator[Way]:
    """Every way to run a phase, except for rows of runs that a cheaper one with less carbon stands for."""
    phase, h = problem.phases[p], problem.step_s
    last_step = problem.horizon if phase.late_cost else min(phase.deadline, problem.horizon)
    options = [at for at, option in enumerate(problem.options) if option.phase == p and option.rate > 0]
    sight = Sight(problem, p)

    @cache
    def run(at: int, start_s: int, end_s: int) -> tuple[int, int] | None:
        """Cost and carbon of one run, None when it may not be."""
        cost = run_cost(problem, problem.options[at], start_s, end_s)
        if cost is None or not alone(problem, problem.options[at], start_s // h, math.ceil(end_s / h)):
            return None
        return cost, run_carbon(problem, problem.options[at], end_s - start_s)

    @cache
    def needed_s(at: int, left: int) -> int:
        """Seconds until a run has done what is left, counted one by one; more than there are when it never does."""
        option, seconds = problem.options[at], 1
        while option.rate * seconds // h - option.loss < left and seconds <= last_step * h:
            seconds += 1
        return seconds

    def follow(row: Row, at: int, start_s: int, end_s: int) -> Row | None:
        """The row with one run more; `left` is what it was."""
        paid = run(at, start_s, end_s)
        if paid is None:
            return None
        moved = move(problem.options[row.runs[-1].option], problem.options[at]) if row.runs else 0
        seen = (*row.seen, *sight.of(at, start_s // h, math.ceil(end_s / h)))
        runs = (*row.runs, Run(at, start_s, end_s))
        return Row(end_s // h, row.left, row.cost + paid[0] + moved, row.carbon + paid[1], runs, seen)

    rows = [Row(phase.earliest, phase.work, 0, 0, (), ())]
    for number in range(phase.max_segments):
        longer: list[Row] = []
        for row in rows:
            for at in options:
                option = problem.options[at]
                for start in range(row.step, last_step):
                    end_s = start * h + needed_s(at, row.left)  # as the last run
                    last = follow(row, at, start * h, end_s) if end_s <= last_step * h else None
                    if last is not None:
                        late = phase.late_cost * max(0, math.ceil(end_s / h) - phase.deadline)
                        yield Way(last.cost + late, end_s, last.carbon, last.runs, sight.whole(last))
                    if number + 1 == phase.max_segments:
                        continue
                    for end in range(start + 1, last_step + 1):
                        work = option.rate * (end - start) - option.loss
                        more = follow(row, at, start * h, end * h) if 0 < work < row.left else None
                        if more is not None:
                            longer.append(Row(end, row.left - work, more.cost, more.carbon, more.runs, more.seen))
        rows = fewer_rows(problem, sight, longer)


def alone(problem: Problem, option: RunOption, start: int, end: int) -> bool:
    """Whether a run in these steps keeps by itself what all runs must keep together."""
    if problem.max_nodes is not None and option.nodes > problem.max_nodes:
        return False
    if problem.max_power_w is not None and option.power_w > problem.max_power_w:
        return False
    return all(
        sum(amount for other, amount in option.claims if other == cap) <= level_at(problem, cap, step)
        for cap, _ in option.claims
        for step in range(start, end)
    )


def level_at(problem: Problem, cap: int, step: int) -> int:
    return sum(level.amount for level in problem.caps[cap].levels if level.start <= step < level.end)


def distinct(found: Iterable[Way]) -> list[Way]:
    """The ways, without those for which another stands."""
    groups: dict[tuple[object, ...], list[Way]] = {}
    for way in found:
        groups.setdefault(way.seen, []).append(way)
    return [way for group in groups.values() for way in smallest(group, lambda way: (way.cost, way.end_s, way.carbon))]


def fewer_rows(problem: Problem, sight: Sight, rows: list[Row]) -> list[Row]:
    """The rows, without those for which another stands that goes on in the same way."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        last = problem.options[row.runs[-1].option]
        same = (row.step, row.left, sight.entry(row), last.place, last.leave, row.seen)
        groups.setdefault(same, []).append(row)
    return [row for group in groups.values() for row in smallest(group, lambda row: (row.cost, row.carbon))]


def smallest(group: list[Any], values: Callable[[Any], tuple[int, ...]]) -> list[Any]:
    """Those of a group than which no other is as small in every value; of equals the first."""
    kept: list[Any] = []
    for one in sorted(group, key=values):
        if not any(all(a <= b for a, b in zip(values(other), values(one), strict=True)) for other in kept):
            kept.append(one)
    return kept


# What phases see of each other


class Sight:
    """What other phases can see of the runs of one phase: nothing of it matters to them beyond this."""

    def __init__(self, problem: Problem, p: int) -> None:
        self.problem = problem
        self.follows = bool(problem.phases[p].after)
        self.followed = any(p in phase.after for phase in problem.phases)
        mine = [(at, option) for at, option in enumerate(problem.options) if option.phase == p]
        self.taken = {at: tuple(demands(problem, option)) for at, option in mine}

    def of(self, at: int, start: int, end: int) -> tuple[object, ...]:
        """Of a run in these steps: what it takes from others, and its use of a term."""
        option, taken = self.problem.options[at], self.taken[at]
        use = ("term", option.term, option.nodes) if option.term is not None else ()
        return ((start, end, taken, use),) if taken or use else ()

    def entry(self, row: Row) -> tuple[object, ...]:
        """When and where the first run starts, if the phase comes after others."""
        return (row.runs[0].start_s, self.problem.options[row.runs[0].option].place) if self.follows else ()

    def whole(self, row: Row) -> tuple[object, ...]:
        """Of all runs of the phase."""
        run = row.runs[-1]
        last = self.problem.options[run.option]
        leaving = (math.ceil(run.end_s / self.problem.step_s), last.place, last.leave) if self.followed else ()
        return (*row.seen, self.entry(row), leaving)


def side_by_side(problem: Problem) -> bool:
    return any(phase.after != ((p - 1,) if p else ()) for p, phase in enumerate(problem.phases))


def demands(problem: Problem, option: RunOption) -> Iterator[tuple[object, int]]:
    """What a run takes from runs of other phases at the same time, and how much of it."""
    if not side_by_side(problem):
        return
    if problem.max_nodes is not None:
        yield "nodes", option.nodes
    if problem.max_power_w is not None:
        yield "power", option.power_w
    if option.offer and any(other.offer == option.offer and other.phase != option.phase for other in problem.options):
        yield ("offer", option.offer), option.nodes
    for cap, amount in option.claims:
        yield ("cap", cap), amount


class Load:
    """What the runs of the phases so far take together in every step.

    A run alone never takes more of its offer than there is: its windows hold only steps with enough nodes.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.taken: dict[tuple[int, object], int] = {}
        self.limit = cache(self._limit)

    def _limit(self, step: int, what: Any) -> int:
        problem = self.problem
        if what == "nodes":
            return problem.max_nodes or 0
        if what == "power":
            return problem.max_power_w or 0
        kind, which = what
        return level_at(problem, which, step) if kind == "cap" else capacity_at(problem, which, step)

    def add(self, way: Way) -> bool:
        """Whether there is enough; it is added in any case."""
        enough = True
        for key, amount in self._steps(way):
            self.taken[key] = self.taken.get(key, 0) + amount
            enough = enough and self.taken[key] <= self.limit(*key)
        return enough

    def remove(self, way: Way) -> None:
        for key, amount in self._steps(way):
            self.taken[key] -= amount

    def _steps(self, way: Way) -> Iterator[tuple[tuple[int, object], int]]:
        for start, end, taken, _ in way.seen[:-2]:  # type: ignore[misc]
            for what, amount in taken:
                for step in range(start, end):
                    yield (step, what), amount


def capacity_at(problem: Problem, offer: str, step: int) -> int:
    """Nodes of an offer in a step: the most that a window states, else those of the largest option."""
    there = [
        (window.capacity, option.nodes)
        for option in problem.options
        if option.offer == offer
        for window in option.windows
        if window.start <= step < window.end
    ]
    return max(capacity for capacity, _ in there) or max(nodes for _, nodes in there)


# Purchases


def cheapest_purchases(
    problem: Problem, runs: tuple[Run, ...]
) -> tuple[int, tuple[Run, ...], tuple[Bought, ...]] | None:
    """The least cost of purchases for these runs, the runs inside them, and the purchases; None when there are none."""
    paid, inside, bought = 0, list(runs), []
    for number, term in enumerate(problem.terms):
        mine = [at for at, run in enumerate(runs) if problem.options[run.option].term == number]
        uses = tuple(use_of(problem, runs[at]) for at in mine)
        found = cheapest(term, number, problem.step_s, uses)
        if found is None:
            return None
        paid += found[0]
        for purchase, members in found[1]:
            for member in members:
                inside[mine[member]] = replace(runs[mine[member]], bought=len(bought))
            bought.append(purchase)
    return paid, tuple(inside), tuple(bought)


def use_of(problem: Problem, run: Run) -> Use:
    h = problem.step_s
    return run.start_s // h, math.ceil(run.end_s / h), problem.options[run.option].nodes


Purchases = tuple[tuple[Bought, tuple[int, ...]], ...]  # each with the numbers of its uses


@lru_cache(maxsize=20_000)
def cheapest(term: Term, number: int, step_s: int, uses: tuple[Use, ...]) -> tuple[int, Purchases] | None:
    """The cheapest purchases of one term for these uses: every partition, every purchase that holds each part."""
    best: tuple[int, Purchases] | None = None

    def buy(groups: list[list[int]], paid: int, bought: Purchases) -> None:
        nonlocal best
        if best is not None and paid >= best[0]:
            return
        if not groups:
            best = (paid, bought)
            return
        for purchase in holding(term, number, [uses[at] for at in groups[0]]):
            more = (*bought, (purchase, tuple(groups[0])))
            if all(
                held(more, step) <= term.capacity for step in range(purchase.start, purchase.start + purchase.length)
            ):
                buy(groups[1:], paid + price_of(term, step_s, purchase), more)

    for groups in partitions(list(range(len(uses)))):
        buy(groups, 0, ())
    return best


def partitions(members: list[int]) -> Iterator[list[list[int]]]:
    """Every way to put the members into groups."""
    if not members:
        yield []
        return
    for groups in partitions(members[1:]):
        yield [[members[0]], *groups]
        for at in range(len(groups)):
            yield [*groups[:at], [members[0], *groups[at]], *groups[at + 1 :]]


def holding(term: Term, number: int, uses: list[Use]) -> Iterator[Bought]:
    """The purchases that hold these uses, at the smallest size that is enough: more nodes cost no less."""
    first, last = min(start for start, _, _ in uses), max(end for _, end, _ in uses)
    peak = max(sum(nodes for start, end, nodes in uses if start <= step < end) for step in range(first, last))
    enough = [nodes for nodes in term.sizes or range(1, term.capacity + 1) if nodes >= peak]
    for start in range(term.first, term.last + 1):
        for length in term.lengths:
            if enough and (start - term.offset) % term.every == 0 and start <= first and last <= start + length:
                yield Bought(number, min(enough), start, length)


def held(purchases: Purchases, step: int) -> int:
    return sum(one.nodes for one, _ in purchases if one.start <= step < one.start + one.length)


def price_of(term: Term, step_s: int, purchase: Bought) -> int:
    return math.ceil(Fraction(purchase.nodes * purchase.length * step_s * term.price, 3600))
