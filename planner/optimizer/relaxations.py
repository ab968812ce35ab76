"""The smallest changes of limits that give a plan, and how far the limits of a feasible problem could be tightened.

The tightest value of one limit under all others is the cost (the carbon) of the best plan for the budget (the cap), and
else found by bisection: a looser limit never takes a plan away. It is exact: the next tighter value has no plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from planner.optimizer.conflicts import Conflict
from planner.optimizer.feasibility import Feasibility
from planner.optimizer.limits import (
    Kind,
    Limit,
    cap_values,
    furthest,
    is_looser,
    lifted,
    needed,
    value_of,
    with_value,
    with_values,
)
from planner.optimizer.problem import Problem, Solution
from planner.optimizer.runs import chain_order

POINTS = 4  # of a trade-off between two limits
MUCH_CHEAPER = 0.8
TRADED: tuple[set[Kind], ...] = ({"budget", "deadline"}, {"nodes", "power"}, {"budget", "carbon"})


@dataclass(frozen=True, slots=True)
class Change:
    """Limits and their new values, with the cheapest plan under them; `exact`: no value can be tighter, proven."""

    values: tuple[tuple[Limit, int], ...]
    plan: Solution
    exact: bool


@dataclass(frozen=True, slots=True)
class Tightest:
    """The tightest value of a limit that leaves a plan; `exact` when the next tighter one is proven to leave none."""

    value: int
    exact: bool


def single_changes(search: Feasibility, problem: Problem, conflicts: Sequence[Conflict]) -> Iterator[Change]:
    """For each limit that is enough alone, its smallest change: one that is not in every conflict is not enough."""
    if len(conflicts) != 1:
        return
    for limit in reversed(conflicts[0].limits):
        tightest = tightest_value(search, problem, limit) if search.left_s() > 0 else None
        if tightest is not None:
            yield _change(search, problem, [(limit, tightest.value)], tightest.exact)


def joint_changes(
    search: Feasibility,
    problem: Problem,
    limits: Sequence[Limit],
    conflicts: Sequence[Conflict],
    singles: Sequence[Change],
) -> Iterator[Change]:
    """Pairs of changes: all that work when no single one is enough, else what lies between budget and deadline and
    what is much cheaper; and one change of everything in conflict when no pair is enough.
    """
    cheapest = min((change.plan.cost for change in singles), default=None)
    found = bool(singles)
    for one, two in _pairs(limits, conflicts):
        traded = {one.kind, two.kind} in TRADED
        if search.left_s() <= 0:
            break
        if singles and not traded:
            continue
        for change in trade_offs(search, problem, one, two):
            between = {one.kind, two.kind} == {"budget", "deadline"}
            if cheapest is None or between or change.plan.cost < MUCH_CHEAPER * cheapest:
                found = True
                yield change
    if not found:
        yield from _all_at_once(search, problem, [limit for conflict in conflicts for limit in conflict.limits])


def trade_offs(search: Feasibility, problem: Problem, one: Limit, two: Limit) -> list[Change]:
    """Pairs of values of which neither can be tighter while the other stays: from the tightest of the one that the
    other can make up for to the reverse. Only pairs that change both. The other is the budget if one of them is.
    """
    if one.kind == "budget":
        one, two = two, one
    first = tightest_value(search, lifted(problem, [two]), one)
    second = tightest_value(search, lifted(problem, [one]), two)
    if first is None or second is None:
        return []
    last = tightest_value(search, with_value(problem, two, second.value), one)
    found: dict[tuple[int, int], Change] = {}
    for value in _spread(problem, one, first.value, first.value if last is None else last.value):
        tightest = tightest_value(search, with_value(problem, one, value), two)
        if tightest is None:
            continue
        enough = tightest_value(search, with_value(problem, two, tightest.value), one) or Tightest(value, exact=False)
        both = (enough.value, tightest.value)
        if both not in found and all(
            is_looser(limit, new, value_of(problem, limit)) for limit, new in zip((one, two), both, strict=True)
        ):
            found[both] = _change(search, problem, [(one, both[0]), (two, both[1])], tightest.exact and enough.exact)
    return list(found.values())


def tightest_value(search: Feasibility, problem: Problem, limit: Limit) -> Tightest | None:
    """The tightest value of a limit under all others, tighter than now or looser; None when none is known."""
    if limit.kind in ("budget", "carbon"):
        best = search.least(problem, "cost" if limit.kind == "budget" else "carbon")
        value = best.cost if limit.kind == "budget" else best.carbon_g
        return Tightest(value, best.status == "optimal") if best.runs else None
    free = lifted(problem, [limit])
    runs = search.plan(free)
    if not runs:
        return None
    if limit.kind == "segments" and search.plan(problem) == ():
        return Tightest(value_of(free, limit), exact=True)
    values = _values(problem, limit)
    best_at, low, exact = values.index(needed(problem, limit, runs)), 0, True
    while low < best_at:
        middle = (low + best_at) // 2
        runs = search.plan(with_value(problem, limit, values[middle]))
        if runs:
            best_at = min(middle, values.index(needed(problem, limit, runs)))
        else:
            exact &= runs is not None
            low = middle + 1
    return Tightest(values[best_at], exact)


def slack(search: Feasibility, problem: Problem, limits: Sequence[Limit]) -> Iterator[tuple[Limit, Tightest]]:
    """How far each limit of a problem with a plan could be tightened alone: the tightest values found in time."""
    for limit in limits:
        tightest = tightest_value(search, problem, limit) if search.left_s() > 0 else None
        if tightest is not None:
            yield limit, tightest


def _values(problem: Problem, limit: Limit) -> Sequence[int]:
    """The values that make a difference, from tight to loose."""
    if limit.kind == "earliest":
        return range(furthest(problem), -1, -1)
    if limit.kind in ("deadline", "horizon"):
        return range(furthest(problem) + 1)
    if limit.kind == "segments":
        return range(1, value_of(problem, limit) + 2)
    if limit.kind == "cap":
        if chain_order(problem.phases) is not None:
            return sorted(cap_values(problem, limit))
        return range(max(cap_values(problem, limit)) * len(problem.phases) + 2)
    sizes = [option.nodes if limit.kind == "nodes" else option.power_w for option in problem.options]
    if chain_order(problem.phases) is not None:  # never two runs at once
        return sorted(set(sizes))
    return range(max(sizes) * len(problem.phases) + 1)


def _spread(problem: Problem, limit: Limit, tight: int, loose: int) -> list[int]:
    """A few values of a limit between two, both of them included."""
    if limit.kind in ("budget", "carbon"):
        return sorted({tight + (loose - tight) * k // (POINTS - 1) for k in range(POINTS)})
    values = _values(problem, limit)
    low, high = (values.index(value) for value in (tight, loose))
    return [values[at] for at in sorted({low + (high - low) * k // (POINTS - 1) for k in range(POINTS)})]


def _pairs(limits: Sequence[Limit], conflicts: Sequence[Conflict]) -> Iterator[tuple[Limit, Limit]]:
    """Pairs that touch every conflict, those with the budget first."""
    sets = [set(conflict.limits) for conflict in conflicts]
    for pair in combinations(reversed(limits), 2):
        if sets and all(one & set(pair) for one in sets):
            yield pair


def _all_at_once(search: Feasibility, problem: Problem, limits: Sequence[Limit]) -> list[Change]:
    """One change of many limits: each as tight as it can be given those before it, the rest as loose as they can be."""
    values: list[tuple[Limit, int]] = []
    exact = True
    for number, limit in enumerate(limits):
        if search.left_s() <= 0:
            return []
        settled = with_values(lifted(problem, limits[number + 1 :]), values)
        tightest = tightest_value(search, settled, limit)
        if tightest is None:
            return []
        exact &= tightest.exact
        if is_looser(limit, tightest.value, value_of(problem, limit)):
            values.append((limit, tightest.value))
        else:
            values.append((limit, value_of(problem, limit)))
    changed = [(limit, value) for limit, value in values if value != value_of(problem, limit)]
    return [_change(search, problem, changed, exact)] if changed else []


def _change(search: Feasibility, problem: Problem, values: Sequence[tuple[Limit, int]], exact: bool) -> Change:
    """The change with the cheapest plan under it, or with any when the time is up."""
    relaxed = with_values(problem, values)
    plan = search.least(relaxed)
    if not plan.runs or (relaxed.budget is not None and plan.cost > relaxed.budget):
        plan = search.known(relaxed)
    return Change(tuple(values), plan, exact)
