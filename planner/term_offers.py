"""From an offer whose nodes are bought for a time to the optimizer's terms: lengths, sizes, starts and price.

Times are in whole steps: what starts at 11:30 is planned from 12:00, half an hour late at both ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

from hardware_catalog.records import Offer
from planner.optimizer.problem import Term
from planner.optimizer.runs import ceil_div
from planner.pricing import STEP_S, PricedWindow, horizon_steps, micro_usd
from planner.workload import Workload

DAY_STEPS = 86_400 // STEP_S


def term_of(workload: Workload, offer: Offer, window: PricedWindow) -> Term:
    """The term of one window: a purchase starts inside it and has its price, however long it lasts."""
    last = window.end - 1
    if offer.ahead_hours is not None:
        last = min(last, math.floor(offer.ahead_hours * 3600 / STEP_S))
    every, offset = _starts(workload, offer)
    return Term(
        offer=offer.id,
        price=window.price - use_price(offer),
        lengths=tuple(_lengths(offer, horizon_steps(workload) - window.start)),
        first=window.start,
        last=last,
        capacity=window.maximum_nodes,
        sizes=_sizes(offer, window),
        every=every,
        offset=offset,
    )


def use_price(offer: Offer) -> int:
    """Micro-USD that an hour of use of a node costs on top of its purchase."""
    return micro_usd(offer.use_usd_node_hour)


def _lengths(offer: Offer, room: int) -> Iterator[int]:
    """Steps that can be bought, up to the least that reaches the end of the horizon from the first start."""
    for seconds in offer.blocks_seconds or _multiples(offer):
        yield seconds // STEP_S
        if seconds >= room * STEP_S:
            return


def _multiples(offer: Offer) -> Iterator[int]:
    unit = offer.billing_unit_seconds
    least = max(1, ceil_div(offer.minimum_seconds, unit))
    return (number * unit for number in count(least))


def _sizes(offer: Offer, window: PricedWindow) -> tuple[int, ...]:
    """The node counts sold, () when every number up to the capacity is."""
    least, most = window.minimum_nodes, window.maximum_nodes
    if offer.node_counts:
        return tuple(nodes for nodes in offer.node_counts if least <= nodes <= most)
    return () if least == 1 else tuple(range(least, most + 1))


def _starts(workload: Workload, offer: Offer) -> tuple[int, int]:
    """Every how many steps, and at which of them, a purchase may start."""
    if offer.start_hour_utc is None:
        return 1, 0
    midnight = workload.start.replace(hour=0, minute=0, second=0, microsecond=0)
    since_midnight_s = (workload.start - midnight).total_seconds()
    return DAY_STEPS, math.ceil((offer.start_hour_utc * 3600 - since_midnight_s) / STEP_S) % DAY_STEPS
