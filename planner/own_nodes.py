"""Own nodes as offers: those that are there, and those that could be bought for the rest of the plan.

A node that is bought costs the plan its price less what it is worth when the plan ends. Its worth falls in a straight
line from the price P to the residual value r P over its life L, so that the time h from its arrival to the end of the
horizon costs

    P (1 - r) min(h, L) / L

paid at once and whether it is used or not: spread over h, a price per node-hour. An hour of use costs more on top.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import Offer, Window
from planner.selection import owned_region
from planner.workload import NodePurchase, OwnedNodes, Workload

HOUR_S = 3600
YEAR_HOURS = 8760  # of a life: 365 days


def own_offers(workload: Workload, catalog: Catalog) -> tuple[Offer, ...]:
    """The offers of the workload's own nodes, in file order; their names must be known to the catalog."""
    return tuple(_offer(workload, catalog, nodes) for nodes in workload.owned)


def use_of_capital(purchase: NodePurchase, hours: int) -> Decimal:
    """USD that a node loses of its worth in its first hours."""
    life = Decimal(str(purchase.life_years)) * YEAR_HOURS
    lost = purchase.price_usd_node * (1 - Decimal(str(purchase.residual_share)))
    return lost * min(Decimal(hours), life) / life


def _offer(workload: Workload, catalog: Catalog, nodes: OwnedNodes) -> Offer:
    region = owned_region(nodes, catalog)
    assert region is not None, "check_against knows every own node"
    use = nodes.usd_node_hour or Decimal(0)
    day = workload.start.date().isoformat()
    offer = Offer(
        id=nodes.offer,
        instance_type=nodes.instance_type,
        region=region,
        purchase_option="owned",
        windows=(Window(nodes.available_from, nodes.available_until, 1, nodes.nodes, use),),
        price_date=day,
        source="owned nodes of the workload",
        date_checked=day,
        availability_basis=f"owned: {nodes.nodes} nodes of the workload",
    )
    return offer if nodes.purchase is None else _bought(workload, nodes, nodes.purchase, offer, use)


def _bought(workload: Workload, nodes: OwnedNodes, purchase: NodePurchase, offer: Offer, use: Decimal) -> Offer:
    """The offer with the price of holding the nodes from their arrival to the end of the horizon."""
    ordered = workload.start + timedelta(days=purchase.lead_time_days)
    arrival = ordered if nodes.available_from is None else max(ordered, nodes.available_from)
    lead = -(-max(0, (arrival - workload.start) // timedelta(seconds=1)) // HOUR_S)
    hours = max(1, workload.horizon_days * 24 - lead)
    held = use_of_capital(purchase, hours) / hours
    price = (held + use).quantize(Decimal("0.000001"))
    return Offer(
        id=offer.id,
        instance_type=offer.instance_type,
        region=offer.region,
        purchase_option="owned",
        windows=(Window(None, None, 1, nodes.nodes, price),),
        minimum_seconds=hours * HOUR_S,
        blocks_seconds=(hours * HOUR_S,),
        lead_time_hours=lead,
        ahead_hours=lead,
        use_usd_node_hour=use,
        price_date=offer.price_date,
        source=f"owned: {purchase.price_usd_node:,f} USD a node, {purchase.life_years:g} years, "
        f"residual {purchase.residual_share:.0%}",
        date_checked=offer.date_checked,
        availability_basis=f"owned: up to {nodes.nodes} nodes to be bought, {purchase.lead_time_days} days to wait",
    )
