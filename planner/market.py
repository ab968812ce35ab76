"""The allowed offers with what is the same for every phase of every job, worked out once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import InstanceType, Offer, Region
from planner.allowed_offers import Offered
from planner.energy import Power, power
from planner.moves import egress_price
from planner.offer_windows import SharedWindows
from planner.pricing import MOST_COST, PricedWindow
from planner.shared_limits import Limited, shared_limits
from planner.workload import Policy, Workload

Claims = tuple[tuple[int, int], ...]  # (index of a shared limit of the workload, what is claimed of it)


@dataclass(frozen=True, slots=True)
class Sold:
    """An allowed offer with what is the same for every phase."""

    offer: Offer
    instance_type: InstanceType
    region: Region
    windows: tuple[PricedWindow, ...]
    watts: Power
    shared: tuple[tuple[int, Limited], ...]  # the shared limits that cover it, each with its index
    leave_usd_gb: Decimal

    def claims(self, nodes: int, accelerators: int, power_w: float) -> Claims:
        """What a run of this size claims of each shared limit that covers the offer."""
        return tuple([(index, limit.claim(nodes, accelerators, power_w)) for index, limit in self.shared])

    def broken(
        self, policy: Policy, windows: tuple[PricedWindow, ...], claims: Claims, power_w: float, dearest: int
    ) -> str:
        """The limit that a run of one size breaks in all these windows, '' when none.

        `dearest` is what it would cost from the start to the end of the plan.
        """
        if policy.max_power_mw is not None and power_w > policy.max_power_mw * 1e6:
            return f"draws more than policy.max_power_mw = {policy.max_power_mw:g}"
        for (_, limit), (_, claim) in zip(self.shared, claims, strict=True):
            if not limit.leaves(windows, claim):
                return f"is more than {limit.text} allows"
        return "costs more than can be counted: over 100 billion USD" if dearest > MOST_COST else ""


@dataclass(frozen=True, slots=True)
class Market:
    """What every phase chooses from."""

    sold: tuple[Sold, ...]
    most: dict[str, int]  # by instance type: the most nodes any offer has
    named: dict[str, set[int]]  # by instance type: node counts that offers name
    windows: SharedWindows
    claims: dict[Claims, Claims]  # each distinct one once


def market_of(workload: Workload, catalog: Catalog, offered: list[Offered]) -> Market:
    """What the allowed offers are for every phase, worked out once."""
    limits = tuple(enumerate(shared_limits(workload)))
    sold = tuple(
        Sold(
            offer,
            instance_type,
            region,
            windows,
            power(catalog.accelerators[instance_type.accelerator], region),
            tuple((index, limit) for index, limit in limits if limit.covers(offer, catalog)),
            egress_price(workload, catalog, offer).usd_gb,
        )
        for offer, instance_type, region, windows in offered
    )
    return Market(sold, *_sizes_wanted(offered, workload.policy.max_nodes), SharedWindows(), {})


def _sizes_wanted(offered: list[Offered], max_nodes: int | None) -> tuple[dict[str, int], dict[str, set[int]]]:
    """Per instance type: the most nodes any offer has, and the node counts that offers name."""
    most: dict[str, int] = defaultdict(int)
    named: dict[str, set[int]] = defaultdict(set)
    for offer, instance_type, _, windows in offered:
        limit = max(window.maximum_nodes for window in windows)
        most[instance_type.id] = max(most[instance_type.id], min(limit, max_nodes or limit))
        named[instance_type.id].update(window.minimum_nodes for window in windows)
        named[instance_type.id].update(window.maximum_nodes for window in windows if window.maximum_nodes <= 64)
        named[instance_type.id].update(offer.node_counts)
    return most, named
