"""Which limits conflict: an irreducible set, by the deletion filter.

Lift one limit after the other. When there is still no plan the limit had no part in that and stays lifted; when there
is one it is put back. What is left conflicts, and lifting any one of it gives a plan under the rest of it (Chinneck and
Dravnieks, Locating minimal infeasible constraint sets in linear programs, 1991).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from planner.optimizer.feasibility import Feasibility
from planner.optimizer.limits import Limit, lifted
from planner.optimizer.problem import Problem


@dataclass(frozen=True, slots=True)
class Conflict:
    """Limits that no plan keeps together; `minimal` when it is proven that all are needed for that."""

    limits: tuple[Limit, ...]
    minimal: bool


def conflict_of(search: Feasibility, problem: Problem, limits: Sequence[Limit]) -> Conflict | None:
    """A minimal conflict among the limits of a problem without a plan; None when there is none with all of them lifted.

    Limits of one kind are tried together first. What could not be decided in time stays in the set, which is then not
    proven to be minimal.
    """
    if search.plan(lifted(problem, limits)) == ():
        return None
    kept: list[Limit] = []
    gone: list[Limit] = []
    minimal = True
    for _, alike in groupby(limits, key=lambda limit: limit.kind):
        group = list(alike)
        if len(group) > 1 and search.plan(lifted(problem, [*gone, *group])) == ():
            gone += group
            continue
        for limit in group:
            runs = search.plan(lifted(problem, [*gone, limit])) if search.left_s() > 0 else None
            minimal &= runs is not None
            (gone if runs == () else kept).append(limit)
    return Conflict(tuple(kept), minimal)


def conflicts_of(search: Feasibility, problem: Problem, limits: Sequence[Limit]) -> tuple[Conflict, ...]:
    """Conflicts that share no limit: lifting the first leaves the second, and so on until there is a plan."""
    found: list[Conflict] = []
    rest = list(limits)
    while True:
        over = [limit for conflict in found for limit in conflict.limits]
        relaxed = lifted(problem, over)
        if found and search.plan(relaxed) != ():
            return tuple(found)
        conflict = conflict_of(search, relaxed, rest)
        if conflict is None:
            return tuple(found)
        found.append(conflict)
        rest = [limit for limit in rest if limit not in conflict.limits]
