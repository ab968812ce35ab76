"""Limits of the optimizer as keys, values and words of a workload file.

Values are rounded so that the file allows at least what the optimizer found to be needed: money up to the cent, the
horizon up to the day.
"""

from __future__ import annotations

import math

from planner.explanation import ChangedLimit, LimitFact, SlackFact, Value, date, money
from planner.optimizer.limits import Kind, Limit
from planner.optimizer.relaxations import Tightest
from planner.pricing import STEP_S, instant
from planner.workload import Workload

KEYS: dict[Kind, str] = {
    "budget": "budget_usd",
    "carbon": "policy.max_carbon_t",
    "nodes": "policy.max_nodes",
    "power": "policy.max_power_mw",
    "cap": "policy",
    "deadline": "deadline",
    "earliest": "earliest_start",
    "segments": "max_segments",
    "horizon": "horizon_days",
}
DAY_STEPS = 86400 // STEP_S


def in_file(workload: Workload, limit: Limit, value: int) -> Value:
    """The optimizer's value as the file writes it."""
    if limit.kind == "budget":
        return math.ceil(value / 10_000) / 100
    if limit.kind in ("carbon", "power"):
        millions = value / 1e6
        return millions if int(millions * 1e6) >= value else math.nextafter(millions, math.inf)
    if limit.kind in ("deadline", "earliest"):
        return instant(workload, value * STEP_S)
    return math.ceil(value / DAY_STEPS) if limit.kind == "horizon" else value


def stands(workload: Workload, limit: Limit, value: int) -> LimitFact:
    """A limit at its present value."""
    shown = amount(workload, limit, value)
    text = {
        "budget": f"the budget of {shown}",
        "carbon": f"the carbon cap of {shown}",
        "nodes": f"policy.max_nodes {shown}",
        "power": f"policy.max_power_mw {shown}",
        "cap": f"{limit.name} of {shown}",
        "deadline": f"the deadline of {limit.name} on {shown}",
        "earliest": f"the earliest start of {limit.name} on {shown}",
        "segments": f"max_segments {shown} of {limit.name}",
        "horizon": f"the horizon of {shown}",
    }[limit.kind]
    return LimitFact(limit=KEYS[limit.kind], of=limit.name, value=in_file(workload, limit, value), text=text)


def changed(workload: Workload, limit: Limit, now: int, to: int) -> ChangedLimit:
    """A limit with a new value and how far that is away."""
    shown, days = amount(workload, limit, to), f"{abs(to - now) / DAY_STEPS:,.1f}"
    by, text = {
        "budget": ((to - now) / 1e6, f"raise the budget to {shown} ({money((to - now) / 1e6)} more)"),
        "carbon": ((to - now) / 1e6, f"raise the carbon cap to {shown} ({(to - now) / 1e6:,.3f} t more)"),
        "nodes": (to - now, f"allow {shown} nodes ({to - now:,} more)"),
        "power": ((to - now) / 1e6, f"allow {shown} ({(to - now) / 1e6:,.3f} MW more)"),
        "cap": (to - now, f"raise {limit.name} to {shown} ({to - now:,} more)"),
        "deadline": ((to - now) / DAY_STEPS, f"extend the deadline of {limit.name} by {days} days (to {shown})"),
        "earliest": ((now - to) / DAY_STEPS, f"let {limit.name} start {days} days earlier (on {shown})"),
        "segments": (to - now, f"let {limit.name} run in up to {shown} stretches (max_segments)"),
        "horizon": ((to - now) / DAY_STEPS, f"extend the horizon to {shown}"),
    }[limit.kind]
    was, will = in_file(workload, limit, now), in_file(workload, limit, to)
    return ChangedLimit(limit=KEYS[limit.kind], of=limit.name, now=was, to=will, by=by, text=text)


def room(workload: Workload, limit: Limit, now: int, tightest: Tightest) -> SlackFact:
    """How far a limit is from its tightest value."""
    least = amount(workload, limit, tightest.value)
    gap, days = now - tightest.value, f"{abs(now - tightest.value) / DAY_STEPS:,.1f} days"
    shorter = now // DAY_STEPS - math.ceil(tightest.value / DAY_STEPS)
    text = {
        "budget": f"{money(gap / 1e6)} left: {least} is enough",
        "carbon": f"{gap / 1e6:,.3f} t left: {least} is enough",
        "nodes": f"{gap:,} nodes unused: {least} {'is' if tightest.value == 1 else 'are'} enough",
        "power": f"{gap / 1e6:,.3f} MW unused: {least} is enough",
        "cap": f"{gap:,} unused: {least} {'is' if tightest.value == 1 else 'are'} enough",
        "deadline": f"{days} before it: {least} can be met",
        "earliest": f"{days} later is early enough: {least}",
        "segments": f"{least} is enough",
        "horizon": f"{shorter:,} days less are enough",
    }[limit.kind]
    return SlackFact(
        limit=KEYS[limit.kind],
        of=limit.name,
        value=in_file(workload, limit, now),
        tightest=in_file(workload, limit, tightest.value),
        exact=tightest.exact,
        text=text if gap else f"none: {least} is needed",
    )


def amount(workload: Workload, limit: Limit, value: int) -> str:
    """The value with its unit."""
    if limit.kind == "budget":
        return money(math.ceil(value / 1e6) if value >= 10_000 * 10**6 else math.ceil(value / 10_000) / 100)
    if limit.kind in ("deadline", "earliest"):
        return date(instant(workload, value * STEP_S))
    unit = {"carbon": " t", "power": " MW", "horizon": " days"}.get(limit.kind, "")
    if limit.kind in ("carbon", "power"):
        return f"{math.ceil(value / 1000) / 1000:,.3f}{unit}"
    return f"{math.ceil(value / DAY_STEPS) if limit.kind == 'horizon' else value:,}{unit}"
