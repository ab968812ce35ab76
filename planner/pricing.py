"""From an offer and a policy to the steps in which its nodes can be had, and what a node-hour costs in each.

Prices become integers here (micro-USD per node-hour) and instants become steps; nothing downstream sees a float price.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import Offer
from planner.workload import Policy, Workload

STEP_S = 3600
TERM_S = 86_400  # what is sold by less is billed by the run
MICRO = 1_000_000
MOST_COST = 100_000_000_000 * MICRO  # of one run: the optimizer counts micro-USD in 64 bits


_START, _TERMS = attrgetter("start"), attrgetter("price", "minimum_nodes", "maximum_nodes")


@dataclass(frozen=True, slots=True)
class PricedWindow:
    """Steps [start, end) in which `minimum_nodes` to `maximum_nodes` can be had, at `price` micro-USD a node-hour."""

    start: int
    end: int
    price: int
    minimum_nodes: int
    maximum_nodes: int


def micro_usd(usd: Decimal) -> int:
    """USD as whole micro-USD, halves away from zero."""
    return int((usd * MICRO).to_integral_value(rounding=ROUND_HALF_UP))


def usd(micro: int) -> float:
    """Micro-USD as USD to the cent."""
    return float((Decimal(micro) / MICRO).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))


def horizon_steps(workload: Workload) -> int:
    """Whole steps between the workload's start and its horizon."""
    return workload.horizon_days * 24 * 3600 // STEP_S


def instant(workload: Workload, seconds: int) -> datetime:
    """The UTC instant a number of seconds after the workload's start."""
    return workload.start + timedelta(seconds=seconds)


def step_at_or_after(workload: Workload, when: datetime) -> int:
    """The first step boundary not before an instant (may be negative)."""
    return -int((workload.start - when).total_seconds() // STEP_S)


def step_at_or_before(workload: Workload, when: datetime) -> int:
    """The last step boundary not after an instant."""
    return int((when - workload.start).total_seconds() // STEP_S)


def availability_limit(policy: Policy, offer: Offer, catalog: Catalog) -> int | None:
    """The user's own limit in place of the catalog's default, if any; a stated limit of an offer stays."""
    if not offer.availability_basis.startswith("default"):
        return None
    provider = catalog.instance_types[offer.instance_type].provider
    for limit in policy.availability:
        if (limit.provider, limit.purchase_option) == (provider, offer.purchase_option):
            return limit.maximum_nodes
    return None


def priced_windows(workload: Workload, catalog: Catalog, offer: Offer) -> tuple[PricedWindow, ...]:
    """The offer's windows inside the horizon in whole steps, not before its lead time or its chip's release.

    A stated limit (a quote, a documented maximum) is kept; a default one gives way to `policy.availability`.
    """
    limit = availability_limit(workload.policy, offer, catalog)
    first = max(0, math.ceil(offer.lead_time_hours * 3600 / STEP_S))
    release = catalog.accelerators[catalog.instance_types[offer.instance_type].accelerator].release_date
    if release is not None:
        first = max(first, step_at_or_after(workload, datetime.combine(release, time(), UTC)))
    horizon = horizon_steps(workload)
    windows = []
    for window in offer.windows:
        start = first if window.start is None else max(first, step_at_or_after(workload, window.start))
        end = horizon if window.end is None else min(horizon, step_at_or_before(workload, window.end))
        maximum = window.maximum_nodes if limit is None else limit
        if is_term(offer) and offer.ahead_hours is not None and start * STEP_S > offer.ahead_hours * 3600:
            continue  # too far ahead to be bought
        if start < end and maximum > 0:
            price = micro_usd(window.price_usd_node_hour)
            windows.append(PricedWindow(start, end, price, window.minimum_nodes, maximum))
    return _joined(sorted(windows, key=_START))


def is_term(offer: Offer) -> bool:
    """Whether nodes of an offer are bought for a fixed time of whole days, to be used by any number of runs.

    On demand and spot are billed by the run, whatever their minimum; so is what is sold by less than a day.
    """
    if offer.purchase_option in ("on_demand", "spot"):
        return False
    lengths = offer.blocks_seconds or (offer.minimum_seconds, offer.billing_unit_seconds)
    return all(length >= TERM_S and length % STEP_S == 0 for length in lengths)


def _joined(windows: Iterable[PricedWindow]) -> tuple[PricedWindow, ...]:
    """Windows in their order, equal neighbours made one."""
    found: list[PricedWindow] = []
    for window in windows:
        if found and found[-1].end == window.start and _TERMS(found[-1]) == _TERMS(window):
            found[-1] = replace(found[-1], end=window.end)
        else:
            found.append(window)
    return tuple(found)


def age_days(price_date: str, today: datetime) -> int | None:
    """Days between the date of a price and a day, or None when the price has no date."""
    try:
        return (today - datetime.fromisoformat(price_date[:10]).replace(tzinfo=UTC)).days
    except ValueError:
        return None
