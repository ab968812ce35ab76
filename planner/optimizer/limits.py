"""What of a problem can be relaxed, one limit at a time, and what a plan needs of each.

A limit is an integer in its own unit: micro-USD, grams, nodes, watts, steps or runs. Of all but `earliest` a higher
value is looser. Lifting a limit sets it to the loosest value there is:

    budget, carbon, nodes, power   none at all
    cap                            enough for all phases; its value is its lowest level, and no other is below it
    deadline                       the horizon; of the only job, the last step in which anything is on sale
    horizon                        the last step in which anything is on sale
    earliest                       the start
    segments                       one run more
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from planner.optimizer.check import evaluate
from planner.optimizer.problem import Level, PhaseTask, Problem, Run, RunOption
from planner.optimizer.runs import ceil_div

Kind = Literal["segments", "horizon", "earliest", "cap", "power", "nodes", "carbon", "deadline", "budget"]
ORDER: tuple[Kind, ...] = ("segments", "horizon", "earliest", "cap", "power", "nodes", "carbon", "deadline", "budget")
NO_LEVEL = -1  # where nothing may be claimed of a cap
FIELDS: dict[Kind, str] = {
    "budget": "budget",
    "carbon": "carbon_cap",
    "nodes": "max_nodes",
    "power": "max_power_w",
    "horizon": "horizon",
    "deadline": "deadline",
    "earliest": "earliest",
    "segments": "max_segments",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit; `phases` are those that a date or a number of runs concerns, `name` their job or phase, or the cap's;
    `cap` is the index of a cap among those of the problem.
    """

    kind: Kind
    phases: tuple[int, ...] = ()
    name: str = ""
    cap: int = 0

    def __str__(self) -> str:
        return f"{self.kind} of {self.name}" if self.name else self.kind


def limits_of(problem: Problem) -> tuple[Limit, ...]:
    """Every limit that could be looser, the least telling first: conflicts are sought in this order."""
    shared: tuple[Kind, ...] = ("budget", "carbon", "nodes", "power")
    found = [Limit(kind) for kind in shared if getattr(problem, FIELDS[kind]) is not None]
    if furthest(problem) > problem.horizon and any(_open_ended(problem, q) for q in problem.phases):
        found.append(Limit("horizon"))
    found += [Limit("cap", name=problem.caps[at].name, cap=at) for at in _claimed(problem)]
    dates: dict[tuple[Kind, str, int], list[int]] = {}
    for index, phase in enumerate(problem.phases):
        job = phase.name.rpartition("/")[0] or phase.name
        if phase.earliest > 0:
            dates.setdefault(("earliest", job, phase.earliest), []).append(index)
        if not _open_ended(problem, phase):
            dates.setdefault(("deadline", job, phase.deadline), []).append(index)
        found.append(Limit("segments", (index,), phase.name))
    found += [Limit(kind, tuple(phases), job) for (kind, job, _), phases in dates.items()]
    return tuple(sorted(found, key=lambda limit: ORDER.index(limit.kind)))


def value_of(problem: Problem, limit: Limit) -> int:
    """The limit's value in the problem."""
    if limit.kind == "cap":
        return min((level.amount for level in problem.caps[limit.cap].levels), default=0)
    holder = problem.phases[limit.phases[0]] if limit.phases else problem
    value: int = getattr(holder, FIELDS[limit.kind])
    return value


def with_value(problem: Problem, limit: Limit, value: int | None) -> Problem:
    """The problem with one limit at a value; None: none at all (budget, carbon, nodes, power and caps only)."""
    if limit.kind == "cap":
        return _with_cap(problem, limit.cap, value)
    field = FIELDS[limit.kind]
    if limit.kind == "horizon":
        assert value is not None
        phases = [
            replace(q, deadline=max(q.deadline, value)) if _open_ended(problem, q) and not q.late_cost else q
            for q in problem.phases
        ]
        return replace(problem, horizon=value, phases=tuple(phases))
    if not limit.phases:
        return replace(problem, **{field: value})  # type: ignore[arg-type]
    assert value is not None
    changed = [replace(q, **{field: value}) if p in limit.phases else q for p, q in enumerate(problem.phases)]  # type: ignore[arg-type]
    horizon = max(problem.horizon, value) if limit.kind == "deadline" else problem.horizon
    return replace(problem, phases=tuple(changed), horizon=horizon)


def with_values(problem: Problem, values: Iterable[tuple[Limit, int | None]]) -> Problem:
    """The problem with several limits at values."""
    for limit, value in sorted(values, key=lambda pair: pair[0].kind != "horizon"):
        problem = with_value(problem, limit, value)
    return problem


def lifted(problem: Problem, limits: Iterable[Limit]) -> Problem:
    """The problem with these limits as loose as they can be; the horizon first, which bounds the deadlines."""
    for limit in sorted(limits, key=lambda limit: limit.kind != "horizon"):
        problem = with_value(problem, limit, loosest(problem, limit))
    return problem


def loosest(problem: Problem, limit: Limit) -> int | None:
    """The loosest value of a limit, None for none at all."""
    if limit.kind == "horizon":
        return furthest(problem)
    if limit.kind == "deadline":
        return furthest(problem) if len(limit.phases) == len(problem.phases) else problem.horizon
    if limit.kind == "earliest":
        return 0
    return value_of(problem, limit) + 1 if limit.kind == "segments" else None


def is_looser(limit: Limit, one: int, two: int) -> bool:
    """Whether the first value allows more than the second."""
    return one < two if limit.kind == "earliest" else one > two


def needed(problem: Problem, limit: Limit, runs: Sequence[Run]) -> int:
    """The tightest value of a limit that these runs keep."""
    if limit.kind in ("budget", "carbon"):
        return evaluate(problem, tuple(runs))[0 if limit.kind == "budget" else 2]
    if limit.kind == "cap":
        return _needed_of_cap(problem, limit, runs)
    if limit.kind in ("nodes", "power"):
        return max(_at_once(problem, limit, runs, run.start_s) for run in runs)
    mine = [run for run in runs if not limit.phases or problem.options[run.option].phase in limit.phases]
    if limit.kind == "earliest":
        return min(run.start_s for run in mine) // problem.step_s
    if limit.kind == "segments":
        return len(mine)
    return ceil_div(max(run.end_s for run in mine), problem.step_s)


def furthest(problem: Problem) -> int:
    """The last step in which anything is on sale, not before the horizon."""
    return max([problem.horizon, *(option.windows[-1].end for option in problem.options if option.windows)])


def cap_values(problem: Problem, limit: Limit) -> set[int]:
    """The values of a cap that make a difference when no two runs are at once."""
    least = value_of(problem, limit)
    return {0, least, least + 1} | {claim_on(option, limit.cap) for option in problem.options}


def claim_on(option: RunOption, cap: int) -> int:
    """What an option claims of a cap."""
    return sum(amount for index, amount in option.claims if index == cap)


def _claimed(problem: Problem) -> list[int]:
    """The caps that some option claims of."""
    return sorted({cap for option in problem.options for cap, amount in option.claims if amount})


def _with_cap(problem: Problem, cap: int, value: int | None) -> Problem:
    """The problem with the lowest levels of a cap at a value, all others at least there; None: enough for all phases.

    Steps without a level count as levels of 0 that rise when the value does.
    """
    lowest = value_of(problem, Limit("cap", cap=cap))
    if value is None:
        most = max((claim_on(option, cap) for option in problem.options), default=0)
        value = max(lowest + 1, most * len(problem.phases))
    levels = []
    for level in _everywhere(problem, cap):
        amount = value if level.amount == lowest else max(level.amount, value if value > lowest else 0)
        levels.append(replace(level, amount=amount))
    caps = list(problem.caps)
    caps[cap] = replace(caps[cap], levels=tuple(level for level in levels if level.amount))
    return replace(problem, caps=tuple(caps))


def _everywhere(problem: Problem, cap: int) -> list[Level]:
    """The levels of a cap, with levels of -1 in the steps that have none."""
    found, at = [], 0
    for level in problem.caps[cap].levels:
        found += [Level(at, level.start, NO_LEVEL)] if level.start > at else []
        found.append(level)
        at = level.end
    end = furthest(problem)
    return found + ([Level(at, end, NO_LEVEL)] if end > at else [])


def _needed_of_cap(problem: Problem, limit: Limit, runs: Sequence[Run]) -> int:
    """The least value of a cap at which the claims of the runs are within its levels at every moment."""
    step_s, lowest = problem.step_s, value_of(problem, limit)
    needed = 0
    for level in _everywhere(problem, limit.cap):
        start, end = level.start * step_s, level.end * step_s
        inside = [run for run in runs if run.start_s < end and run.end_s > start]
        for moment in {max(start, run.start_s) for run in inside}:
            now = sum(claim_on(problem.options[r.option], limit.cap) for r in inside if r.start_s <= moment < r.end_s)
            if level.amount == lowest:
                needed = max(needed, now)
            elif now > max(level.amount, 0):
                needed = max(needed, now, lowest + 1)
    return needed


def _at_once(problem: Problem, limit: Limit, runs: Sequence[Run], moment: int) -> int:
    now = [problem.options[run.option] for run in runs if run.start_s <= moment < run.end_s]
    return sum(option.nodes if limit.kind == "nodes" else option.power_w for option in now)


def _open_ended(problem: Problem, phase: PhaseTask) -> bool:
    """Whether the phase is bounded by the horizon alone: a deadline at it is none, unless others lie beyond it."""
    beyond = any(q.deadline > problem.horizon for q in problem.phases)
    return phase.late_cost > 0 or phase.deadline > problem.horizon - (not beyond)
