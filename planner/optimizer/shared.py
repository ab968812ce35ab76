"""What jobs side by side share: amounts per step, and what a run claims of them while it runs.

Shared are the nodes of an offer, the nodes and the power of everything that runs, and the caps of the problem. What
no choice of runs can exceed is left out.

Cuts: runs come whole, so with claims a(o) <= b(t) in sum, also floor(a(o) / d) <= floor(b(t) / d) in sum, for every
whole number d (a Chvatal-Gomory cut): of runs that want more than half of the nodes, d = floor(b / 2) + 1, one may run.
Plans keep them anyway, mixtures of plans need not. They are resources of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.columns import Columns, columns
from planner.optimizer.independent import part
from planner.optimizer.problem import Problem, Run, Window
from planner.optimizer.runs import capacities, ceil_div

Ints = NDArray[np.int64]
Claims = tuple[tuple[int, int], ...]
PARTS = (2, 3, 4, 5)  # of which a claim takes more than one in a cut
MOST_CUTS = 8  # of a resource


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """`amounts[r, t]` of resource r can be claimed in step t. Options that claim the same are of one kind, and
    `claims[kind[o]]` are (resource, amount) of option o. The first `real` resources are given, the others are cuts.
    """

    names: tuple[str, ...]
    amounts: Ints
    kind: Ints
    claims: list[tuple[tuple[int, int], ...]]
    step_s: int
    real: int

    @property
    def free(self) -> Ints:
        """What can be claimed of the given resources when nothing runs."""
        return self.amounts[: self.real].copy()

    def of(self, option: int) -> Claims:
        """What a run of the option claims."""
        return self.claims[int(self.kind[option])]

    def take(self, free: Ints, runs: Sequence[Run], times: int = 1) -> None:
        """Take what these runs claim from the free amounts of the given resources; -1 times: put it back."""
        for run in runs:
            span = self.span(run)
            for resource, amount in self.of(run.option):
                if resource < self.real:
                    free[resource, span] -= times * amount

    def span(self, run: Run) -> slice:
        """The steps in which a run claims: those it runs in, the last one begun included."""
        return slice(run.start_s // self.step_s, ceil_div(run.end_s, self.step_s))


def shared_of(problem: Problem, parts: Sequence[Sequence[int]]) -> Shared:
    """The resources that runs of different parts (groups of phases, of which one runs at a time) could exceed."""
    part_of = np.zeros(len(problem.phases), np.int64)
    for number, phases in enumerate(parts):
        part_of[list(phases)] = number
    table = _Table(problem, part_of)
    table.add_offers()
    for name, cap, claims in (
        ("nodes", problem.max_nodes, table.nodes),
        ("power_w", problem.max_power_w, table.power),
    ):
        if cap is not None:
            table.add(name, np.full(problem.horizon, cap, np.int64), np.arange(len(claims)), claims)
    for number, limit in enumerate(problem.caps):
        amounts = np.zeros(problem.horizon, np.int64)
        for level in limit.levels:
            amounts[max(level.start, 0) : max(level.end, 0)] = level.amount
        claims = np.array([dict(claims).get(number, 0) for claims in table.of_caps], np.int64)
        table.add(limit.name, amounts, np.arange(len(claims)), claims)
    return table.shared()


class _Table:
    """Kinds of options, and the resources found so far."""

    def __init__(self, problem: Problem, part_of: Ints) -> None:
        self.problem = problem
        c = self.columns = columns(problem)
        self.offers, self.offer = _numbered([option.offer for option in problem.options])
        caps, cap = _numbered([option.claims for option in problem.options])
        power = c.power if problem.max_power_w is not None else np.zeros_like(c.power)
        key = self.offer
        for column in (c.nodes, power, cap):
            key = key * (len(column) + 1) + np.unique(column, return_inverse=True)[1]
            key = np.unique(key, return_inverse=True)[1]
        _, first, self.kind = np.unique(key, return_index=True, return_inverse=True)
        self.nodes, self.power, self.kind_offer = c.nodes[first], power[first], self.offer[first]
        self.of_caps: list[Claims] = [caps[at] for at in cap[first].tolist()]
        # the parts that have options of kind k are users[begin[k] : begin[k + 1]]
        pairs = np.unique(self.kind * (len(part_of) + 1) + part_of[c.phase])
        kinds, self.users = np.divmod(pairs, len(part_of) + 1)
        self.begin = np.searchsorted(kinds, np.arange(len(first) + 1))
        self.names: list[str] = []
        self.amounts: list[Ints] = []
        self.claimed: list[tuple[Ints, Ints]] = []  # by resource: kinds, and what each claims
        self.used_by: list[tuple[Ints, Ints]] = []  # by resource: positions in its kinds, and the parts that have them

    def add_offers(self) -> None:
        """The nodes of every offer."""
        order = np.argsort(self.kind_offer, kind="stable")
        kinds_of = np.split(order, np.flatnonzero(np.diff(self.kind_offer[order])) + 1) if len(order) else []
        capacity = _capacities(self.problem, self.columns, self.offer)
        for kinds in kinds_of:
            offer = int(self.kind_offer[kinds[0]])
            if self.offers[offer]:
                self.add(self.offers[offer], capacity[offer], kinds, self.nodes[kinds])

    def add(self, name: str, amounts: Ints, kinds: Ints, claims: Ints, of: int | None = None) -> None:
        """A resource (or a cut `of` one), unless it is one part's alone or the parts' largest claims fit together."""
        if of is None:
            positions = np.repeat(np.arange(len(kinds)), self.begin[kinds + 1] - self.begin[kinds])
            users = [self.users[self.begin[k] : self.begin[k + 1]] for k in kinds.tolist()]
            used_by = positions, np.concatenate([np.zeros(0, np.int64), *users])
        else:
            used_by = self.used_by[of]
        most = np.zeros(int(used_by[1].max(initial=0)) + 1, np.int64)
        np.maximum.at(most, used_by[1], claims[used_by[0]])
        if np.count_nonzero(most) < 2 or int(most.sum()) <= int(amounts.min(initial=0)):
            return
        self.names.append(name)
        self.amounts.append(amounts)
        self.claimed.append((kinds, claims))
        self.used_by.append(used_by)

    def cut(self) -> None:
        """The cuts of every resource that can cut anything off."""
        for resource in range(len(self.names)):
            amounts, (kinds, claims) = self.amounts[resource], self.claimed[resource]
            levels = np.array(sorted(set(amounts.tolist()) - {0}), np.int64)
            seen: set[bytes] = set()
            for divisor in sorted({level // parts + 1 for level in levels.tolist() for parts in PARTS} - {1})[::-1]:
                key = (claims // divisor).tobytes() + (levels // divisor).tobytes()
                if key not in seen and len(seen) < MOST_CUTS:
                    seen.add(key)
                    name = f"{self.names[resource]} / {divisor}"
                    self.add(name, amounts // divisor, kinds, claims // divisor, resource)

    def shared(self) -> Shared:
        real = len(self.names)
        self.cut()
        found: list[list[tuple[int, int]]] = [[] for _ in self.nodes]
        for resource, (kinds, claims) in enumerate(self.claimed):
            for kind, claim in zip(kinds.tolist(), claims.tolist(), strict=True):
                if claim:
                    found[kind].append((resource, claim))
        amounts = np.array(self.amounts, np.int64).reshape(len(self.amounts), self.problem.horizon)
        return Shared(tuple(self.names), amounts, self.kind, [tuple(c) for c in found], self.problem.step_s, real)


Thing = TypeVar("Thing", bound=Hashable)


def _numbered(things: Sequence[Thing]) -> tuple[list[Thing], Ints]:
    """The distinct things, and which of them each is."""
    numbers: dict[Thing, int] = {}
    which = np.fromiter((numbers.setdefault(thing, len(numbers)) for thing in things), np.int64, len(things))
    return list(numbers), which


def _capacities(problem: Problem, c: Columns, offer: Ints) -> dict[int, Ints]:
    """Nodes of each offer by step, from the largest of the options that share their windows: it says all."""
    by_size = np.lexsort((-c.nodes, c.row, offer))
    fresh = np.diff(offer[by_size], prepend=-1) | np.diff(c.row[by_size], prepend=-1)
    largest = by_size[np.flatnonzero(fresh)]
    found: dict[int, Ints] = {}
    for mine in np.split(largest, np.flatnonzero(np.diff(offer[largest])) + 1) if len(largest) else []:
        nodes = np.zeros(problem.horizon, np.int64)
        for level in capacities([problem.options[at] for at in mine.tolist()]):
            nodes[max(level.start, 0) : max(level.end, 0)] = level.amount
        found[int(offer[mine[0]])] = nodes
    return found


def priced_part(
    problem: Problem, order: Sequence[int], shared: Shared, prices: Mapping[tuple[int, int], float]
) -> tuple[Problem, list[int]]:
    """Some phases alone, their options dearer by what they claim, rounded down; and which option each of them is.

    Options that may be billed beyond the step in which a run ends keep their prices, since nothing is claimed there.
    What a plan costs in it is then at most what it costs with the prices of resources.
    """
    alone, index = part(problem, order, problem.options)
    steps: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for (resource, step), price in sorted(prices.items()):
        steps[resource].append((step, price))
    known: dict[tuple[int, tuple[tuple[int, float], ...]], tuple[Window, ...]] = {}
    options = []
    for option, at in zip(alone.options, index, strict=True):
        billing = option.billing
        plain = not billing.blocks_s and billing.unit_s == 1 and billing.minimum_s <= problem.step_s
        claims = tuple((r, amount / option.nodes) for r, amount in shared.of(at) if r in steps) if plain else ()
        if claims:
            key = (id(option.windows), claims)
            if key not in known:
                known[key] = _dearer(option.windows, claims, steps, problem.step_s)
            option = replace(option, windows=known[key])
        options.append(option)
    return replace(alone, options=tuple(options)), index


def _dearer(
    windows: tuple[Window, ...],
    claims: Sequence[tuple[int, float]],
    steps: Mapping[int, list[tuple[int, float]]],
    step_s: int,
) -> tuple[Window, ...]:
    """Windows with what a node claims in priced steps added to the price of a node-hour."""
    extra: dict[int, float] = defaultdict(float)
    for resource, amount in claims:
        for step, price in steps[resource]:
            extra[step] += amount * price * 3600 / step_s
    found = []
    for window in windows:
        inside = sorted(step for step in extra if window.start <= step < window.end)
        at = window.start
        for step in inside:
            if at < step:
                found.append(replace(window, start=at, end=step))
            found.append(replace(window, start=step, end=step + 1, price=window.price + int(extra[step])))
            at = step + 1
        if at < window.end:
            found.append(replace(window, start=at))
    return tuple(found)
