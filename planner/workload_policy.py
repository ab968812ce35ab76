"""The user's own limits: what may be used, how much of it at the same time, and what moving data costs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from planner.errors import Problem
from planner.workload_fields import (
    MOST_ENTRIES,
    Country,
    Egress,
    Entry,
    Flag,
    Fraction,
    Instant,
    Megawatts,
    Minutes,
    Names,
    NotNegative,
    Positive,
    PurchaseOption,
    Text,
    Tonnes,
    day,
    raised,
    some,
)


class AvailabilityLimit(Entry):
    """How many nodes the user can really get of a provider's purchase option, in place of the catalog's default."""

    provider: Text
    purchase_option: PurchaseOption
    maximum_nodes: NotNegative


class SharedLimit(Entry):
    """A limit on what runs at the same time over the offers it names; outside its dates it does not limit."""

    model_config = ConfigDict(validate_by_name=False)

    provider: Text | None = None
    region: Text | None = None  # an id, a name, a country or a group, as in policy.regions
    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = None

    @property
    def selected(self) -> tuple[str | None, ...]:
        """What it names, None for all."""
        return (self.provider, self.region)

    def problems(self) -> Iterator[Problem]:
        """Contradictions inside the limit."""
        if self.since and self.until and self.until <= self.since:
            yield Problem(f"expected a date after from ({day(self.since)}), got {day(self.until)}", field="until")

    @model_validator(mode="after")
    def _consistent(self) -> SharedLimit:
        raised(self.problems())
        return self


class Quota(SharedLimit):
    """At most so many nodes, or accelerators, of the offers named."""

    purchase_option: PurchaseOption | None = None
    accelerator: Text | None = None  # an id, the beginning of one, or a family, as in policy.accelerators
    max_nodes: NotNegative | None = None
    max_accelerators: NotNegative | None = None

    @property
    def selected(self) -> tuple[str | None, ...]:
        """What it names, None for all, and what it counts."""
        counted = "nodes" if self.max_nodes is not None else "accelerators"
        return (self.provider, self.region, self.purchase_option, self.accelerator, counted)

    @property
    def maximum(self) -> int:
        """The most there may be."""
        return self.max_nodes or self.max_accelerators or 0

    def problems(self) -> Iterator[Problem]:
        """Contradictions inside the quota."""
        yield from super().problems()
        given = [key for key in ("max_nodes", "max_accelerators") if getattr(self, key) is not None]
        if not given:
            yield Problem("missing: expected max_nodes or max_accelerators", field="max_nodes")
        elif len(given) > 1:
            yield Problem("expected one of max_nodes and max_accelerators, got both", field="max_accelerators")
        elif self.maximum == 0 and self.since is None and self.until is None:
            yield Problem("expected at least 1: 0 is only for a time (from, until), got 0", field=given[0])


class PowerLimit(SharedLimit):
    """At most so much power at a site: of the offers in a region, of a provider, or both."""

    max_mw: Megawatts

    def problems(self) -> Iterator[Problem]:
        """Contradictions inside the limit."""
        yield from super().problems()
        if self.provider is None and self.region is None:
            yield Problem("missing: expected a region or a provider; of all, policy.max_power_mw", field="region")


class Policy(Entry):
    """The user's own limits; None allows everything."""

    organisation_country: Country | None = None  # of the headquarters; the export rules read it
    regions: Names | None = None  # 'aws/us-east-1', 'us-east-1', a country 'DE' or a group 'eu'
    providers: Names | None = None
    purchase_options: Annotated[tuple[PurchaseOption, ...], AfterValidator(some)] | None = None
    accelerators: Names | None = None  # ids, beginnings of ids ('h100'), or families ('nvidia-hopper')
    max_nodes: Positive | None = None
    max_power_mw: Megawatts | None = None
    max_carbon_t: Tonnes | None = None
    quotas: tuple[Quota, ...] = Field(default=(), max_length=MOST_ENTRIES)
    power_limits: tuple[PowerLimit, ...] = Field(default=(), max_length=MOST_ENTRIES)
    egress_usd_gb: Egress | None = None  # of moving a checkpoint out of any region, in place of the list prices
    on_time_probability: Fraction | None = None
    startup_minutes: Minutes | None = None  # of a run, in place of the estimate
    failures: Flag = True  # False switches goodput off
    remote_access: Literal["allow", "warn", "deny"] = "warn"
    export_rules: Flag = True
    availability: tuple[AvailabilityLimit, ...] = Field(default=(), max_length=MOST_ENTRIES)

    @model_validator(mode="after")
    def _no_limit_twice(self) -> Policy:
        keys = [(limit.provider, limit.purchase_option) for limit in self.availability]
        twice = [i for i in range(len(keys)) if keys[i] in keys[:i]]
        found = [Problem(f"duplicate limit of {keys[i][0]} {keys[i][1]}", field=f"availability.{i}") for i in twice]
        raised([*found, *_twice(self.quotas, "quotas"), *_twice(self.power_limits, "power_limits")])
        return self


def _twice(limits: tuple[SharedLimit, ...], key: str) -> Iterator[Problem]:
    """Limits of the same offers at the same time."""
    for i, limit in enumerate(limits):
        for k, other in enumerate(limits[:i]):
            if limit.selected == other.selected and _overlap(limit, other):
                yield Problem(f"limits the same as {key}.{k} at the same time", field=f"{key}.{i}")
                break


def _overlap(one: SharedLimit, two: SharedLimit) -> bool:
    return _before(one.since, two.until) and _before(two.since, one.until)


def _before(start: datetime | None, end: datetime | None) -> bool:
    return start is None or end is None or start < end
