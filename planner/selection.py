"""What a workload's names select in a catalog, and the check that they select something.

A region is selected by its id (`aws/us-east-1`), its name (`us-east-1`), its country (`DE`, capitals) or a group
(`eu`, `europe`, small letters). An accelerator is selected by its id, by the beginning of its id up to a hyphen (`h100`
selects `h100-sxm5-80` and `h100-pcie-80`, not `h1000-x`) or by its family (`nvidia-hopper`). None selects everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from planner.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from planner.workload import Workload


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


class AcceleratorRecord(Protocol):
    """What of a catalog's accelerator is read here."""

    @property
    def id(self) -> str: ...
    @property
    def family(self) -> str: ...


class CatalogRecords(Protocol):
    """What of a catalog is read here."""

    @property
    def providers(self) -> Mapping[str, object]: ...
    @property
    def regions(self) -> Mapping[str, RegionRecord]: ...
    @property
    def accelerators(self) -> Mapping[str, AcceleratorRecord]: ...
    @property
    def instance_types(self) -> Mapping[str, object]: ...


def region_matches(region: RegionRecord, selectors: Sequence[str] | None) -> bool:
    """Whether any selector names the region, its country or one of its groups; None matches all."""
    return selectors is None or not _region_names(region).isdisjoint(selectors)


def accelerator_matches(accelerator: AcceleratorRecord, selectors: Sequence[str] | None) -> bool:
    """Whether any selector is the accelerator's id, the beginning of it or its family; None matches all."""
    return selectors is None or not _accelerator_names(accelerator).isdisjoint(selectors)


def check_against(workload: Workload, catalog: CatalogRecords) -> None:
    """InputError with file:line and the nearest name for every name of the workload that the catalog does not know."""
    if problems := list(_unknown_names(workload, catalog)):
        raise InputError(problems)


def _unknown_names(workload: Workload, catalog: CatalogRecords) -> Iterator[Problem]:
    policy = workload.policy
    regions = set[str]().union(*map(_region_names, catalog.regions.values()))
    accelerators = set[str]().union(*map(_accelerator_names, catalog.accelerators.values()))
    yield from _unknown(workload, "policy.providers", policy.providers, catalog.providers, "a provider")
    yield from _unknown(workload, "policy.regions", policy.regions, regions, "a region, country or group")
    yield from _unknown(workload, "policy.accelerators", policy.accelerators, accelerators, "an accelerator or family")
    for i, limit in enumerate(policy.availability):
        place = f"policy.availability.{i}.provider"
        yield from _unknown(workload, place, limit.provider, catalog.providers, "a provider")
    for i, job in enumerate(workload.jobs):
        for k, row in enumerate(job.measured):
            place = f"jobs.{i}.measured.{k}.instance_type"
            yield from _unknown(workload, place, row.instance_type, catalog.instance_types, "an instance type")


def _unknown(
    workload: Workload, field: str, given: str | Sequence[str] | None, known: Iterable[str], kind: str
) -> Iterator[Problem]:
    names = sorted(known)
    listed = isinstance(given, str) or given is None
    for i, name in enumerate([given] if isinstance(given, str) else given or ()):
        if name not in names:
            place = field if listed else f"{field}.{i}"
            yield workload.problem(place, f"'{name}' is not {kind} of the catalog", nearest(name, names))


def _region_names(region: RegionRecord) -> set[str]:
    return {region.id, region.name, region.country, *region.groups} - {""}  # a source may not name the country


def _accelerator_names(accelerator: AcceleratorRecord) -> set[str]:
    parts = accelerator.id.split("-")
    return {accelerator.family, *("-".join(parts[:n]) for n in range(1, len(parts) + 1))} - {""}
