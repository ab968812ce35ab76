"""The offers that policy, law and calendar leave, and why not the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from hardware_catalog.catalog import Catalog
from hardware_catalog.export_rules import Review, review
from hardware_catalog.records import InstanceType, Offer, Region
from planner.own_nodes import own_offers
from planner.pricing import PricedWindow, priced_windows
from planner.workload import Workload, accelerator_matches, region_matches

Offered = tuple[Offer, InstanceType, Region, tuple[PricedWindow, ...]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an offer (or some of its sizes) cannot run a phase. `phase` is '' when the reason holds for every phase."""

    kind: str
    offer: str
    reason: str
    phase: str = ""
    nodes: tuple[int, ...] = ()


def allowed_offers(
    workload: Workload, catalog: Catalog, refusals: list[Refusal], warnings: dict[str, tuple[str, ...]]
) -> Iterator[Offered]:
    """Offers that policy, law and calendar leave, with their windows in steps."""
    judge = _law(workload, catalog)
    there = {nodes.offer for nodes in workload.owned if nodes.purchase is None}  # no law takes them away
    for offer in (*catalog.offers, *own_offers(workload, catalog)):
        instance_type = catalog.instance_types[offer.instance_type]
        region = catalog.regions[offer.region]
        against = _policy_refusal(workload, catalog, offer, instance_type, region)
        if against:
            refusals.append(Refusal("policy", offer.id, against))
            continue
        if workload.policy.export_rules and region.country and offer.id not in there:
            bought = offer.purchase_option == "owned"
            day = (workload.start + timedelta(hours=offer.lead_time_hours if bought else 0)).date()
            law = judge(instance_type.accelerator, region.country, instance_type.provider, offer.purchase_option, day)
            if law.warnings:
                warnings[offer.id] = law.warnings
            if law.refused:
                refusals.append(Refusal("export rule", offer.id, law.reason))
                continue
        windows = priced_windows(workload, catalog, offer)
        if windows:
            yield offer, instance_type, region, windows
        else:
            refusals.append(Refusal("no offer in time", offer.id, _absence(workload, catalog, instance_type)))


def _law(workload: Workload, catalog: Catalog) -> Callable[[str, str, str, str, date], Review]:
    """The export rules' review of an offer on a day, each distinct case judged once.

    Rentals are judged on the day the plan starts, purchases on the day of their delivery.
    """

    @cache
    def judge(accelerator: str, country: str, provider: str, purchase_option: str, on: date) -> Review:
        return review(
            catalog.accelerators[accelerator],
            destination_country=country,
            provider_headquarters=catalog.providers[provider].country
            or workload.policy.organisation_country
            or country,
            tenant_headquarters=workload.policy.organisation_country,
            on=on,
            purchase_option=purchase_option,
            remote_access=workload.policy.remote_access,
        )

    return judge


def _absence(workload: Workload, catalog: Catalog, instance_type: InstanceType) -> str:
    release = catalog.accelerators[instance_type.accelerator].release_date
    if release is not None and release > workload.start.date():
        return f"{instance_type.accelerator} is released on {release}"
    return "not available between the workload's start and its horizon"


def _policy_refusal(
    workload: Workload, catalog: Catalog, offer: Offer, instance_type: InstanceType, region: Region
) -> str:
    """Which of the user's own limits an offer breaks; '' when none."""
    policy = workload.policy
    if policy.purchase_options is not None and offer.purchase_option not in policy.purchase_options:
        return f"purchase option {offer.purchase_option} is not among policy.purchase_options"
    if policy.providers is not None and instance_type.provider not in policy.providers:
        return f"provider {instance_type.provider} is not among policy.providers"
    accelerator = catalog.accelerators[instance_type.accelerator]
    if policy.accelerators is not None and not accelerator_matches(accelerator, policy.accelerators):
        return f"accelerator {instance_type.accelerator} is not among policy.accelerators"
    if policy.regions is not None and not region_matches(region, policy.regions):
        place = region.country or "a country the source does not name"
        return f"region {region.id} ({place}) is not among policy.regions"
    return ""
