"""Quotas and the power limits of sites: what runs at the same time may claim of each.

A step in which a limit holds for a part of it is limited as a whole. Own nodes are in nobody's account: a quota that
names a provider, and not the purchase option owned, does not count them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import Offer
from planner.pricing import PricedWindow, horizon_steps, step_at_or_after, step_at_or_before
from planner.selection import accelerator_names, region_names
from planner.workload import PowerLimit, Quota, Workload

Unit = Literal["nodes", "accelerators", "W"]


@dataclass(frozen=True, slots=True)
class Limited:
    """One limit in steps: in [start, end) at most `amount`; `key` is its place in the workload."""

    key: str
    unit: Unit
    amount: int
    start: int
    end: int
    limit: Quota | PowerLimit

    def covers(self, offer: Offer, catalog: Catalog) -> bool:
        """Whether runs on the offer count."""
        limit, kind = self.limit, catalog.instance_types[offer.instance_type]
        here = limit.region is None or limit.region in region_names(catalog.regions[offer.region])
        if not here or limit.provider not in (None, kind.provider):
            return False
        if isinstance(limit, PowerLimit):
            return True
        if limit.purchase_option is None and limit.provider is not None and offer.purchase_option == "owned":
            return False
        names = accelerator_names(catalog.accelerators[kind.accelerator])
        return limit.purchase_option in (None, offer.purchase_option) and limit.accelerator in (None, *names)

    def claim(self, nodes: int, accelerators: int, power_w: float) -> int:
        """What a run of this size claims."""
        return {"nodes": nodes, "accelerators": accelerators, "W": math.ceil(power_w)}[self.unit]

    def leaves(self, windows: tuple[PricedWindow, ...], claim: int) -> bool:
        """Whether a run with this claim has a step of its windows in which the limit allows it."""
        return claim <= self.amount or any(w.start < self.start or w.end > self.end for w in windows)

    @property
    def text(self) -> str:
        """The limit in the words of the file."""
        if isinstance(self.limit, PowerLimit):
            return f"{self.key}.max_mw = {self.limit.max_mw:g}"
        return f"{self.key}.max_{self.unit} = {self.limit.maximum}"


def shared_limits(workload: Workload) -> tuple[Limited, ...]:
    """The quotas and then the power limits of a workload, in file order: the caps of its problem."""
    found: list[Limited] = []
    for i, quota in enumerate(workload.policy.quotas):
        unit: Unit = "nodes" if quota.max_nodes is not None else "accelerators"
        found.append(_limited(workload, f"policy.quotas.{i}", unit, quota.maximum, quota))
    for i, limit in enumerate(workload.policy.power_limits):
        found.append(_limited(workload, f"policy.power_limits.{i}", "W", int(limit.max_mw * 1e6), limit))
    return tuple(found)


def _limited(workload: Workload, key: str, unit: Unit, amount: int, limit: Quota | PowerLimit) -> Limited:
    horizon = horizon_steps(workload)
    start = 0 if limit.since is None else min(horizon, max(0, step_at_or_before(workload, limit.since)))
    end = horizon if limit.until is None else min(horizon, max(0, step_at_or_after(workload, limit.until)))
    return Limited(key, unit, amount, start, end, limit)
