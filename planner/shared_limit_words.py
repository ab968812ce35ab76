"""Quotas and power limits of sites as keys, values and words of a workload file."""

from __future__ import annotations

import math

from planner.explanation import ChangedLimit, LimitFact, SlackFact
from planner.shared_limits import Limited
from planner.workload_policy import PowerLimit, Quota


def stands(limited: Limited, value: int) -> LimitFact:
    """The limit at its present value."""
    text = f"the {_name(limited)} of {_amount(limited, value)} ({_where(limited)})"
    return LimitFact(limit=_key(limited), value=_in_file(limited, value), text=text)


def changed(limited: Limited, now: int, to: int) -> ChangedLimit:
    """The limit with a new value and how far that is away."""
    more = _amount(limited, to - now)
    return ChangedLimit(
        limit=_key(limited),
        now=_in_file(limited, now),
        to=_in_file(limited, to),
        by=_in_file(limited, to - now),
        text=f"raise the {_name(limited)} to {_amount(limited, to)} ({more} more; {_where(limited)})",
    )


def room(limited: Limited, now: int, least: int, exact: bool) -> SlackFact:
    """How far the limit is from its tightest value."""
    enough, gap = _amount(limited, least), now - least
    return SlackFact(
        limit=_key(limited),
        value=_in_file(limited, now),
        tightest=_in_file(limited, least),
        exact=exact,
        text=f"{_amount(limited, gap)} unused: {enough} {'is' if least == 1 else 'are'} enough"
        if gap
        else f"none: {enough} {'is' if least == 1 else 'are'} needed",
    )


def _key(limited: Limited) -> str:
    return f"{limited.key}.max_{'mw' if limited.unit == 'W' else limited.unit}"


def _name(limited: Limited) -> str:
    return "power limit" if isinstance(limited.limit, PowerLimit) else "quota"


def _where(limited: Limited) -> str:
    """'policy.quotas.0: aws, eu, on demand'."""
    limit = limited.limit
    more = (limit.purchase_option, limit.accelerator) if isinstance(limit, Quota) else ()
    named = [name.replace("_", " ") for name in (limit.provider, limit.region, *more) if name]
    return f"{limited.key}: {', '.join(named)}" if named else limited.key


def _in_file(limited: Limited, value: int) -> int | float:
    """The optimizer's value as the file writes it, at least as much."""
    if limited.unit != "W":
        return value
    megawatts = value / 1e6
    return megawatts if int(megawatts * 1e6) >= value else math.nextafter(megawatts, math.inf)


def _amount(limited: Limited, value: int) -> str:
    if limited.unit == "W":
        return f"{math.ceil(value / 1000) / 1000:,.3f} MW"
    return f"{value:,} {limited.unit[:-1] if value == 1 else limited.unit}"
