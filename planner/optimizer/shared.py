"""What jobs side by side share: amounts per step, and what a run claims of them while it runs.

Shared are the nodes of an offer, the nodes and the power of everything that runs, and the caps of the problem. What
no choice of runs can exceed is left out.

Cuts: runs come whole, so with claims a(o) <= b(t) in sum, also floor(a(o) / d) <= floor(b(t) / d) in sum, for every
whole number d (a Chvatal-Gomory cut): of runs that want more than half of the nodes, d = floor(b / 2) + 1, one may run.
Plans keep them anyway, mixtures of plans need not. They are resources of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.problem import Problem, Run, RunOption
from planner.optimizer.runs import ceil_div

Ints = NDArray[np.int64]
Claims = tuple[tuple[int, int], ...]
PARTS = (2, 3, 4, 5)  # of which a claim takes more than one in a cut
MOST_CUTS = 8  # of a resource


@dataclass(frozen=True, slots=True)
class Shared:
    """`amounts[r, t]` of resource r can be claimed in step t; `claims[o]` are (resource, amount) of option o.

    The first `real` resources are given, the others are cuts.
    """

    names: tuple[str, ...]
    amounts: Ints
    claims: dict[int, Claims]
    step_s: int
    real: int

    @property
    def free(self) -> Ints:
        """What can be claimed of the given resources when nothing runs."""
        return self.amounts[: self.real].copy()

    def of(self, option: int) -> Claims:
        """What a run of the option claims."""
        return self.claims.get(option, ())

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
    part_of = {phase: number for number, phases in enumerate(parts) for phase in phases}
    table = _Table(problem, [part_of[option.phase] for option in problem.options])
    by_offer: dict[str, list[int]] = defaultdict(list)
    for index, option in enumerate(problem.options):
        if option.offer:
            by_offer[option.offer].append(index)
    for offer, mine in by_offer.items():
        if len({table.part[index] for index in mine}) > 1:
            amounts = _capacity([problem.options[index] for index in mine], problem.horizon)
            table.add(offer, amounts, [(index, problem.options[index].nodes) for index in mine])
    everything = range(len(problem.options))
    for name, cap in (("nodes", problem.max_nodes), ("power_w", problem.max_power_w)):
        if cap is not None:
            claims = [(index, getattr(problem.options[index], name)) for index in everything]
            table.add(name, np.full(problem.horizon, cap, np.int64), claims)
    for number, limit in enumerate(problem.caps):
        amounts = np.zeros(problem.horizon, np.int64)
        for level in limit.levels:
            amounts[max(level.start, 0) : max(level.end, 0)] = level.amount
        claims = [
            (index, amount)
            for index in everything
            for at, amount in problem.options[index].claims
            if at == number and amount
        ]
        table.add(limit.name, amounts, claims)
    return table.shared()


class _Table:
    """Resources found so far."""

    def __init__(self, problem: Problem, part: list[int]) -> None:
        self.problem, self.part = problem, part
        self.names: list[str] = []
        self.amounts: list[Ints] = []
        self.claims: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def add(self, name: str, amounts: Ints, claims: list[tuple[int, int]]) -> None:
        """A resource, unless the largest claims of all parts fit together at all times."""
        most: dict[int, int] = defaultdict(int)
        for option, claim in claims:
            most[self.part[option]] = max(most[self.part[option]], claim)
        if sum(most.values()) <= int(amounts.min(initial=0)):
            return
        for option, claim in claims:
            if claim:
                self.claims[option].append((len(self.names), claim))
        self.names.append(name)
        self.amounts.append(amounts)

    def cut(self) -> None:
        """The cuts of every resource that can cut anything off."""
        users: dict[int, dict[int, int]] = defaultdict(dict)
        for option, found in self.claims.items():
            for resource, claim in found:
                users[resource][option] = claim
        for resource in range(len(self.names)):
            amounts, claims = self.amounts[resource], users[resource]
            levels = np.unique(amounts[amounts > 0]).tolist()
            seen: set[tuple[object, object]] = set()
            for divisor in sorted({level // parts + 1 for level in levels for parts in PARTS} - {1}, reverse=True):
                of_claim = {claim: claim // divisor for claim in set(claims.values())}
                key = (tuple(sorted(of_claim.items())), tuple(level // divisor for level in levels))
                if key in seen or len(seen) == MOST_CUTS:
                    continue
                seen.add(key)
                name = f"{self.names[resource]} / {divisor}"
                self.add(name, amounts // divisor, [(option, of_claim[claim]) for option, claim in claims.items()])

    def shared(self) -> Shared:
        real = len(self.names)
        self.cut()
        amounts = np.array(self.amounts, np.int64).reshape(len(self.amounts), self.problem.horizon)
        claims = {option: tuple(found) for option, found in self.claims.items()}
        return Shared(tuple(self.names), amounts, claims, self.problem.step_s, real)


def _capacity(options: Sequence[RunOption], horizon: int) -> Ints:
    """Nodes of an offer by step: what its windows state, else the largest option that may run then."""
    stated, largest = np.zeros(horizon, np.int64), np.zeros(horizon, np.int64)
    most: dict[int, RunOption] = {}  # of the options that share their windows the largest says all
    for option in options:
        known = most.get(id(option.windows))
        if known is None or option.nodes > known.nodes:
            most[id(option.windows)] = option
    for option in most.values():
        for window in option.windows:
            span = slice(max(window.start, 0), max(window.end, 0))
            np.maximum(stated[span], window.capacity, out=stated[span])
            np.maximum(largest[span], option.nodes, out=largest[span])
    return np.where(stated > 0, stated, largest)
