"""From the files of offers/ and terms/ to offers: dated prices in any currency become USD per node-hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from hardware_catalog.errors import Problem
from hardware_catalog.read import Row, csv_rows, unique
from hardware_catalog.records import (
    FLAGS,
    PURCHASE_OPTIONS,
    Availability,
    InstanceType,
    Offer,
    Provider,
    Rate,
    Region,
    Window,
)
from hardware_catalog.units import UNITS, currencies, rate_near, usd_node_hour

UNKNOWN_BILLING_SECONDS = 3600  # of the catalog's own offers where no source says how a provider bills: a guess
HOUR, DAY, HOURS_PER_DAY = 3600, 86400, 24

OFFER_COLUMNS = (
    "offer", "instance_type", "region", "zone", "purchase_option", "price", "currency", "per", "price_date",
    "minimum_nodes", "maximum_nodes", "flags", "source", "date_checked", "notes",
)  # fmt: skip
TERM_RULES = ("minimum_hours", "billing_hours", "blocks_days", "node_counts", "lead_time_hours")
TERM_COLUMNS = (*OFFER_COLUMNS[:11], *TERM_RULES, *OFFER_COLUMNS[11:])
START_RULES = ("ahead_hours", "start_hour_utc")  # a table of terms may leave them out


@dataclass(frozen=True, slots=True)
class TermRules:
    """How long, how many and when nodes can be bought for a time; None where the table does not say."""

    minimum_s: int | None = None
    unit_s: int | None = None
    blocks_s: tuple[int, ...] = ()
    node_counts: tuple[int, ...] = ()
    lead_time_hours: float = 0.0
    ahead_hours: float | None = None
    start_hour_utc: float | None = None


def availability_of(
    known: Sequence[Availability], instance_type: InstanceType, provider: Provider, purchase_option: str
) -> Availability | None:
    """The most particular row: of the instance type, else of the provider, else of its tier."""
    rows = {row.scope: row for row in known if row.purchase_option == purchase_option}
    return rows.get(instance_type.id) or rows.get(provider.id) or rows.get(provider.tier)


class Offers:
    """Reads files of offers and of terms against the other tables; of rows with one id the newest price is used."""

    def __init__(
        self, problems: list[Problem], providers: Mapping[str, Provider], regions: Mapping[str, Region],
        instance_types: Mapping[str, InstanceType], availabilities: Sequence[Availability], rates: Sequence[Rate],
    ) -> None:  # fmt: skip
        self._problems, self._providers, self._regions = problems, providers, regions
        self._instance_types, self._availabilities, self._rates = instance_types, availabilities, rates
        self._currencies = currencies(rates)
        self._newest: dict[str, tuple[Row, Offer]] = {}

    def read(self, path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> None:
        """Add the offers of one file."""
        for row in unique(csv_rows(path, columns, self._problems, optional), "offer", "price_date"):
            offer = self._offer(row)
            if offer is None:
                continue
            before = self._newest.get(offer.id)
            if before is not None:
                self._same_thing(row, offer, before)
            if before is None or offer.price_date > before[1].price_date:
                self._newest[offer.id] = row, offer

    def sorted(self) -> tuple[Offer, ...]:
        """All offers by id."""
        return tuple(self._newest[offer_id][1] for offer_id in sorted(self._newest))

    def _same_thing(self, row: Row, offer: Offer, before: tuple[Row, Offer]) -> None:
        for field in ("instance_type", "region", "purchase_option"):
            if getattr(offer, field) != getattr(before[1], field):
                place = f"{before[0].file}:{before[0].line}"
                row.problem(field, f"offer '{offer.id}' has another {field} at {place}: '{getattr(before[1], field)}'")
        if row.file != before[0].file:
            row.problem("offer", f"offer '{offer.id}' stands at {before[0].file}:{before[0].line} too")

    def _offer(self, row: Row) -> Offer | None:
        problems_before = len(self._problems)
        instance_type = self._instance_types.get(row.known("instance_type", self._instance_types, "an instance type"))
        region = row.known("region", self._regions, "a region of regions.csv")
        option = row.choice("purchase_option", PURCHASE_OPTIONS)
        currency, per = row.choice("currency", self._currencies), row.choice("per", UNITS)
        price, priced = row.decimal("price"), row.maybe_day("price_date")
        minimum, maximum = row.maybe_integer("minimum_nodes", 1) or 1, row.maybe_integer("maximum_nodes", 1)
        flags, source = row.choices("flags", FLAGS), row.text("source")
        if priced is None and "price_date_unknown" not in flags:
            row.problem("price_date", "is empty without the flag price_date_unknown")
        term = term_of(row)
        row.text("offer"), row.day("date_checked")
        if instance_type is None or len(self._problems) > problems_before:
            return None
        provider = self._providers[instance_type.provider]
        if self._regions[region].provider != provider.id:
            row.problem("region", f"is not a region of {provider.id}")
        basis = source
        if maximum is None:
            default = availability_of(self._availabilities, instance_type, provider, option)
            if default is None:
                row.problem("maximum_nodes", f"is empty and availability.csv has no row for {provider.tier} {option}")
                return None
            maximum, basis = default.maximum_nodes, default.basis
        if minimum > maximum:
            row.problem("minimum_nodes", f"{minimum} is above maximum_nodes {maximum}")
        usd = usd_node_hour(price, per, instance_type.accelerators, self._per_usd(currency, priced))
        return Offer(
            id=row.cells["offer"], instance_type=instance_type.id, region=region, purchase_option=option,
            windows=(Window(None, None, minimum, maximum, usd),),
            minimum_seconds=_first(term.minimum_s, provider.minimum_seconds, UNKNOWN_BILLING_SECONDS),
            billing_unit_seconds=_first(term.unit_s, provider.billing_unit_seconds, UNKNOWN_BILLING_SECONDS),
            blocks_seconds=term.blocks_s, node_counts=term.node_counts, lead_time_hours=term.lead_time_hours,
            ahead_hours=term.ahead_hours, start_hour_utc=term.start_hour_utc, zone=row.optional("zone"),
            price_date=row.cells["price_date"], source=source, date_checked=row.cells["date_checked"],
            availability_basis=basis, flags=flags, notes=row.optional("notes"),
        )  # fmt: skip

    def _per_usd(self, currency: str, day: date | None) -> Decimal:
        return rate_near(self._rates, currency, day)


def term_of(row: Row) -> TermRules:
    """The rules of a row, those of no term where its table has no such columns."""
    if TERM_RULES[0] not in row.cells:
        return TermRules()
    least, unit = row.maybe_number("minimum_hours"), row.maybe_number("billing_hours")
    if unit == 0:
        row.problem("billing_hours", "expected a number above 0, got 0")
    lead, ahead = row.maybe_number("lead_time_hours") or 0.0, row.maybe_number("ahead_hours")
    if ahead is not None and ahead < lead:
        row.problem("ahead_hours", f"{ahead:g} is below lead_time_hours {lead:g}")
    hour = row.maybe_number("start_hour_utc")
    if hour is not None and hour >= HOURS_PER_DAY:
        row.problem("start_hour_utc", f"expected an hour of the day from 0 up to 24, got {hour:g}")
    return TermRules(
        minimum_s=None if least is None else round(least * HOUR),
        unit_s=None if unit is None else round(unit * HOUR),
        blocks_s=tuple(days * DAY for days in row.integers("blocks_days")),
        node_counts=row.integers("node_counts"),
        lead_time_hours=lead,
        ahead_hours=ahead,
        start_hour_utc=hour,
    )


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
