"""What a workload's names select in a catalog, and the check that they select something.

A region is selected by its id (`aws/us-east-1`), the id without the provider, its name (`N. Virginia`), its country
(`DE`, capitals) or a group (`eu`, `europe`, small letters). An accelerator is selected by its id, by the beginning of
its id up to a hyphen (`h100` selects `h100-sxm5-80` and `h100-pcie-80`, not `h1000-x`) or by its family
(`nvidia-hopper`). None selects everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from planner.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from planner.workload import Workload
    from planner.workload_owned import OwnedNodes
    from planner.workload_policy import SharedLimit

ANYWHERE = "on-premises"  # its machines may stand in any region, and any machine in its regions


class RegionRecord(Protocol):
    """What of a catalog's region is read here."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def country(self) -> str: ...
    @property
    def groups(self) -> Sequence[str]: ...
    @property
    def provider(self) -> str: ...


class AcceleratorRecord(Protocol):
    """What of a catalog's accelerator is read here."""

    @property
    def id(self) -> str: ...
    @property
    def family(self) -> str: ...


class InstanceTypeRecord(Protocol):
    """What of a catalog's instance type is read here."""

    @property
    def provider(self) -> str: ...


class OfferRecord(Protocol):
    """What of a catalog's offer is read here."""

    @property
    def id(self) -> str: ...


class CatalogRecords(Protocol):
    """What of a catalog is read here."""

    @property
    def providers(self) -> Mapping[str, object]: ...
    @property
    def regions(self) -> Mapping[str, RegionRecord]: ...
    @property
    def accelerators(self) -> Mapping[str, AcceleratorRecord]: ...
    @property
    def instance_types(self) -> Mapping[str, InstanceTypeRecord]: ...
    @property
    def offers(self) -> Sequence[OfferRecord]: ...


def region_matches(region: RegionRecord, selectors: Sequence[str] | None) -> bool:
    """Whether any selector names the region, its country or one of its groups; None matches all."""
    return selectors is None or not region_names(region).isdisjoint(selectors)


def accelerator_matches(accelerator: AcceleratorRecord, selectors: Sequence[str] | None) -> bool:
    """Whether any selector is the accelerator's id, the beginning of it or its family; None matches all."""
    return selectors is None or not accelerator_names(accelerator).isdisjoint(selectors)


def check_against(workload: Workload, catalog: CatalogRecords) -> None:
    """InputError with file:line and the nearest name for every name of the workload that the catalog does not know."""
    if problems := list(_unknown_names(workload, catalog)):
        raise InputError(problems)


def _unknown_names(workload: Workload, catalog: CatalogRecords) -> Iterator[Problem]:
    policy = workload.policy
    regions = set[str]().union(*map(region_names, catalog.regions.values()))
    accelerators = set[str]().union(*map(accelerator_names, catalog.accelerators.values()))
    yield from _unknown(workload, "policy.providers", policy.providers, catalog.providers, "a provider")
    yield from _unknown(workload, "policy.regions", policy.regions, regions, "a region, country or group")
    yield from _unknown(workload, "policy.accelerators", policy.accelerators, accelerators, "an accelerator or family")
    for i, limit in enumerate(policy.availability):
        place = f"policy.availability.{i}.provider"
        yield from _unknown(workload, place, limit.provider, catalog.providers, "a provider")
    shared: dict[str, Sequence[SharedLimit]] = {"quotas": policy.quotas, "power_limits": policy.power_limits}
    for key, limits in shared.items():
        for i, one in enumerate(limits):
            yield from _unknown_in_limit(workload, f"policy.{key}.{i}", one, catalog)
    for i, nodes in enumerate(workload.owned):
        yield from _unknown_owned(workload, f"owned.{i}", nodes, catalog)
    for i, job in enumerate(workload.jobs):
        for k, row in enumerate(job.measured):
            place = f"jobs.{i}.measured.{k}.instance_type"
            yield from _unknown(workload, place, row.instance_type, catalog.instance_types, "an instance type")


def _unknown_in_limit(workload: Workload, path: str, limit: SharedLimit, catalog: CatalogRecords) -> Iterator[Problem]:
    """Names of a quota or a power limit, and a region that its provider does not have."""
    regions = set[str]().union(*map(region_names, catalog.regions.values()))
    accelerators = set[str]().union(*map(accelerator_names, catalog.accelerators.values()))
    yield from _unknown(workload, f"{path}.provider", limit.provider, catalog.providers, "a provider")
    yield from _unknown(workload, f"{path}.region", limit.region, regions, "a region, country or group")
    accelerator = getattr(limit, "accelerator", None)
    yield from _unknown(workload, f"{path}.accelerator", accelerator, accelerators, "an accelerator or family")
    if limit.provider in catalog.providers and limit.region in regions:
        own = [region for region in catalog.regions.values() if region.provider == limit.provider]
        if not any(region_matches(region, [limit.region]) for region in own):
            near = nearest(limit.region, sorted(set[str]().union(*map(region_names, own))))
            yield workload.problem(f"{path}.region", f"'{limit.region}' is not a place of {limit.provider}", near)


def _unknown_owned(workload: Workload, path: str, nodes: OwnedNodes, catalog: CatalogRecords) -> Iterator[Problem]:
    """The kind and place of own nodes, and a name that an offer has."""
    yield from _unknown(
        workload, f"{path}.instance_type", nodes.instance_type, catalog.instance_types, "an instance type"
    )
    kind = catalog.instance_types.get(nodes.instance_type)
    if kind is not None and owned_region(nodes, catalog) is None:
        own = [region for region in catalog.regions.values() if region.provider == kind.provider]
        near = nearest(
            nodes.region, sorted(part for region in own for part in (region.id, region.id.rpartition("/")[2]))
        )
        place = f"'{nodes.region}' is not a region of {kind.provider} or {ANYWHERE}"
        yield workload.problem(f"{path}.region", place, near)
    if any(offer.id == nodes.offer for offer in catalog.offers):
        yield workload.problem(f"{path}.name", f"'{nodes.offer}' is the name of an offer: choose another")


def owned_region(nodes: OwnedNodes, catalog: CatalogRecords) -> str | None:
    """The id of the region of own nodes: of their instance type's provider, or anywhere of no provider."""
    provider = catalog.instance_types[nodes.instance_type].provider
    for region in (nodes.region, f"{provider}/{nodes.region}"):
        known = catalog.regions.get(region)
        if known is not None and (known.provider == provider or ANYWHERE in (known.provider, provider)):
            return region
    return None


def _unknown(
    workload: Workload, field: str, given: str | Sequence[str] | None, known: Iterable[str], kind: str
) -> Iterator[Problem]:
    names = sorted(known)
    listed = isinstance(given, str) or given is None
    for i, name in enumerate([given] if isinstance(given, str) else given or ()):
        if name not in names:
            place = field if listed else f"{field}.{i}"
            yield workload.problem(place, f"'{name}' is not {kind} of the catalog", nearest(name, names))


def region_names(region: RegionRecord) -> set[str]:
    """Every name that selects a region."""
    short = region.id.rpartition("/")[2]
    return {region.id, short, region.name, region.country, *region.groups} - {""}  # a source may not name the country


def accelerator_names(accelerator: AcceleratorRecord) -> set[str]:
    """Every name that selects an accelerator."""
    parts = accelerator.id.split("-")
    return {accelerator.family, *("-".join(parts[:n]) for n in range(1, len(parts) + 1))} - {""}
