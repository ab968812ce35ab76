"""Nodes of one's own: those that are there, and those that could be bought."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import model_validator

from planner.errors import Problem
from planner.workload_fields import (
    Entry,
    Instant,
    LeadDays,
    NodeHour,
    NodePrice,
    Positive,
    Share,
    Text,
    Years,
    day,
    raised,
)


class NodePurchase(Entry):
    """What a new node costs, when it arrives, how long it lasts and what it is worth then."""

    price_usd_node: NodePrice  # installed: network and installation included
    lead_time_days: LeadDays
    life_years: Years
    residual_share: Share = 0.0  # of the price, at the end of its life


class OwnedNodes(Entry):
    """Nodes of one kind in one place: there already (what they cost is sunk), or with `purchase` to be bought.

    `usd_node_hour` is what an hour of use costs: electricity, cooling, staff.
    """

    name: Text | None = None
    instance_type: Text
    region: Text  # an id, or the name of one of the instance type's provider
    nodes: Positive
    available_from: Instant | None = None
    available_until: Instant | None = None
    usd_node_hour: NodeHour | None = None  # None: taken as 0, which the plan says
    purchase: NodePurchase | None = None

    @property
    def offer(self) -> str:
        """Its name as an offer."""
        return self.name or f"owned/{self.instance_type}/{self.region}"

    @model_validator(mode="after")
    def _consistent(self) -> OwnedNodes:
        raised(self._problems())
        return self

    def _problems(self) -> Iterator[Problem]:
        since, until = self.available_from, self.available_until
        if since and until and until <= since:
            yield Problem(
                f"expected a date after available_from ({day(since)}), got {day(until)}", field="available_until"
            )
        if self.purchase is None:
            return
        if self.purchase.price_usd_node == 0:
            yield Problem(
                "expected a price above 0: nodes that are paid already have no purchase",
                field="purchase.price_usd_node",
            )
        if until is not None:
            yield Problem("only without a purchase: nodes bought stay", field="available_until")
