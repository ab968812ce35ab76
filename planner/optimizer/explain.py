"""Why there is no plan: the limits that conflict and the smallest changes that give one, with numbers.

`explain` is the whole answer. `reasons` are the sentences that come with every infeasible solution, at little cost: one
limit is relaxed at a time, the budget, the carbon cap, then the dates. Dates are judged by `reach`, which is exact for
phases in a row; phases that may overlap are judged one by one, after their earliest predecessors.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from planner.optimizer.conflicts import Conflict, conflicts_of
from planner.optimizer.feasibility import Feasibility
from planner.optimizer.limits import Limit, lifted, limits_of, value_of
from planner.optimizer.problem import Problem, Solution
from planner.optimizer.reach import earliest_finish, most_work
from planner.optimizer.relaxations import Change, Tightest, joint_changes, single_changes, slack
from planner.optimizer.runs import ancestors, ceil_div, chain_order, limit_s, longest_s, usable

Optimum = Callable[[Problem], Solution]
CONFLICT_S = 1.0  # that the conflict among the reasons of a solution may take
MANY_LIMITS = 100  # above this the reasons name no conflict


@dataclass(frozen=True, slots=True)
class Explanation:
    """What stands in the way of a plan and the changes that give one, cheapest first; or how much room is left.

    `feasible` is None when that was not decided in time. Without conflicts an infeasible problem has no plan whatever
    its limits: `hard` says why.
    """

    feasible: bool | None
    conflicts: tuple[Conflict, ...] = ()
    changes: tuple[Change, ...] = ()
    slack: tuple[tuple[Limit, Tightest], ...] = ()
    hard: tuple[str, ...] = ()


def explain(problem: Problem, time_limit_s: float = 60.0) -> Explanation:
    """The conflict and the smallest single and joint changes of an infeasible problem, the slack of a feasible one."""
    search = Feasibility(time.monotonic() + time_limit_s)
    limits = limits_of(problem)
    runs = search.plan(problem)
    if runs is None:
        return Explanation(None)
    if runs:
        return Explanation(True, slack=tuple(slack(search, problem, limits)))
    conflicts = conflicts_of(search, problem, limits)
    if not conflicts:
        return Explanation(False, hard=whatever_the_limits(lifted(problem, limits)))
    singles = list(single_changes(search, problem, conflicts))
    changes = [*singles, *joint_changes(search, problem, limits, conflicts, singles)]
    return Explanation(False, conflicts, tuple(by_cost(changes)))


def by_cost(changes: list[Change]) -> list[Change]:
    """Changes with the cheapest plan first, those with fewer limits before those with more."""
    return sorted(changes, key=lambda change: (change.plan.cost, len(change.values)))


def reasons(problem: Problem, optimum: Optimum) -> tuple[str, ...]:
    """Sentences that say why the problem has no plan and what would change it, and which limits conflict.

    `optimum` solves a relaxed problem; it is asked at most three times, and for the conflict during a second.
    """
    return missing(problem, optimum) + _conflict(problem)


def missing(problem: Problem, optimum: Optimum) -> tuple[str, ...]:
    """What is missing for a plan when one limit after the other is relaxed, the first kind that says something."""
    return (
        _no_option(problem)
        or _caps(problem, optimum)
        or _dates(problem)
        or ("No plan fits: the phases cannot share the offers, nodes and power within their dates.",)
    )


def _conflict(problem: Problem) -> tuple[str, ...]:
    """The conflicts of several limits, in sentences; those of one are told by what would change it."""
    limits = limits_of(problem)
    found = (
        conflicts_of(Feasibility(time.monotonic() + CONFLICT_S), problem, limits) if len(limits) < MANY_LIMITS else ()
    )
    return tuple(
        ("These limits conflict: " if conflict.minimal else "Among these limits is a conflict: ")
        + ", ".join(_limit(problem, limit) for limit in conflict.limits)
        + "."
        for conflict in found
        if len(conflict.limits) > 1
    )


def _limit(problem: Problem, limit: Limit) -> str:
    value = value_of(problem, limit)
    amount = {
        "budget": f"the budget of {_usd(value)}",
        "carbon": f"the carbon cap of {_tonnes(value)}",
        "nodes": f"the limit of {value:,} nodes",
        "power": f"the limit of {value / 1e6:,.3f} MW",
        "cap": f"{limit.name} of {value:,}",
        "horizon": f"the horizon at {_time(value * problem.step_s)}",
        "deadline": f"the deadline of {limit.name} at {_time(value * problem.step_s)}",
        "earliest": f"the start of {limit.name} at {_time(value * problem.step_s)} at the earliest",
        "segments": f"at most {value} {'run' if value == 1 else 'runs'} of {limit.name}",
    }
    return amount[limit.kind]


def _no_option(problem: Problem) -> tuple[str, ...]:
    found = []
    fits = set(usable(problem))
    for p, phase in enumerate(problem.phases):
        mine = [index for index, option in enumerate(problem.options) if option.phase == p]
        if not mine:
            found.append(f"Phase {phase.name} has no option at all.")
        elif not fits & set(mine):
            found.append(
                f"Phase {phase.name}: all {len(mine)} options are over the limit on nodes or power; "
                f"the smallest takes {min(problem.options[i].nodes for i in mine)} nodes and "
                f"{min(problem.options[i].power_w for i in mine) / 1e6:.3f} MW."
            )
        elif not any(
            w.end > max(phase.earliest, 0) and w.start < problem.horizon
            for i in fits & set(mine)
            for w in problem.options[i].windows
        ):
            found.append(
                f"Phase {phase.name}: none of its {len(mine)} options is available between step "
                f"{phase.earliest} and the horizon."
            )
    return tuple(found)


def whatever_the_limits(free: Problem) -> tuple[str, ...]:
    return _no_option(free) or _dates(free) or ("The phases cannot share the offers, whatever their limits.",)


def _caps(problem: Problem, optimum: Optimum) -> tuple[str, ...]:
    """What the budget and the carbon cap need, when the rest allows a plan."""
    budget, cap = problem.budget, problem.carbon_cap
    if budget is None and cap is None:
        return ()
    cheapest = optimum(replace(problem, aim="cost", budget=None))
    greenest = optimum(replace(problem, aim="carbon", carbon_cap=None)) if cap is not None else None
    found = []
    if budget is not None and cheapest.runs:
        found.append(
            f"The cheapest plan costs {_usd(cheapest.cost)}, {_usd(cheapest.cost - budget)} more than the budget of "
            f"{_usd(budget)}: raise the budget to {_usd(cheapest.cost)}."
        )
    if cap is not None and greenest is not None and greenest.runs:
        found.append(
            f"The plan with the least carbon emits {_tonnes(greenest.carbon_g)}, {_tonnes(greenest.carbon_g - cap)} "
            f"more than the cap of {_tonnes(cap)}: raise the cap to {_tonnes(greenest.carbon_g)}."
        )
    if not found and budget is not None and cap is not None:
        free = optimum(replace(problem, aim="cost", budget=None, carbon_cap=None))
        if free.runs:
            found.append(
                f"No single change of budget or carbon cap is enough: without both the cheapest plan costs "
                f"{_usd(free.cost)} (budget {_usd(budget)}) and emits {_tonnes(free.carbon_g)} (cap {_tonnes(cap)})."
            )
    return tuple(found)


def _dates(problem: Problem) -> tuple[str, ...]:
    """How much work fits before the deadline of the phase that fails first, and how much later it would have to be."""
    order, before = chain_order(problem.phases), ancestors(problem.phases)
    rows = (
        [order] if order is not None else [[*sorted(q, key=lambda r: len(before[r])), p] for p, q in enumerate(before)]
    )
    found: list[str] = []
    for row in rows:
        begin = 0
        for p in row:
            alone = _alone(problem, p, begin)
            runs = earliest_finish(alone, [0])
            if runs is None:
                found += _one_phase(alone)
                break
            begin = ceil_div(runs[-1].end_s, problem.step_s)
    return tuple(dict.fromkeys(found))


def _alone(problem: Problem, p: int, begin: int) -> Problem:
    """One phase from a step on, with its options."""
    phase = replace(problem.phases[p], earliest=max(begin, problem.phases[p].earliest), after=())
    options = tuple(replace(option, phase=0) for option in problem.options if option.phase == p)
    return replace(problem, phases=(phase,), options=options)


def _one_phase(alone: Problem) -> list[str]:
    (phase,), step_s = alone.phases, alone.step_s
    limit, begin = limit_s(phase, alone), phase.earliest
    end = limit // step_s
    found = []
    word = "horizon" if phase.late_cost or phase.deadline >= alone.horizon else "deadline"
    most = int(most_work(alone, 0, begin, end, phase.max_segments)[-1].work[-1]) if end > begin else 0
    if most < phase.work:
        found.append(
            f"Phase {phase.name}: the most work any plan can do before the {word} at {_time(limit)} is "
            f"{most:,} of {phase.work:,} tokens ({100 * most / phase.work:.1f} %)"
            + (f", starting at {_time(begin * step_s)} at the earliest." if begin else ".")
        )
    else:
        found.append(f"Phase {phase.name}: no run that its offers sell ends by the {word} at {_time(limit)}.")
    without = earliest_finish(replace(alone, phases=(replace(phase, deadline=alone.horizon),)), [0])
    if without is not None:
        finish = without[-1].end_s
        found.append(
            f"Phase {phase.name} can end at {_time(finish)} at the earliest: "
            f"the deadline would have to be {ceil_div(finish - limit, 3600):,} hours later."
        )
    else:
        longest = [longest_s(option.billing) for option in alone.options]
        blocks = [seconds for seconds in longest if seconds is not None]
        found.append(
            f"Phase {phase.name} does not end within the horizon of {alone.horizon:,} steps on any of its options"
            + (
                f"; no run may be longer than {max(blocks) / 3600:,.0f} hours."
                if blocks and len(blocks) == len(longest)
                else "."
            )
        )
    return found


def _usd(micro: int) -> str:
    return f"{micro / 1e6:,.2f} USD"


def _tonnes(grams: int) -> str:
    return f"{grams / 1e6:,.3f} t"


def _time(seconds: int) -> str:
    """Hours after the start, and days when there are many."""
    hours = seconds / 3600
    return f"hour {hours:,.2f}" if hours < 96 else f"hour {hours:,.2f} (day {hours / 24:,.2f})"
