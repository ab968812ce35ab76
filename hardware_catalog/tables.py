"""From the files of a catalog directory to records: a function and the columns of each (prices: `offer_tables`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

from hardware_catalog.errors import Problem
from hardware_catalog.read import Row, csv_rows, unique
from hardware_catalog.records import (
    EGRESS_FLAGS,
    PURCHASE_OPTIONS,
    TIERS,
    Accelerator,
    Availability,
    Country,
    Egress,
    InstanceType,
    Provider,
    Rate,
    Region,
    TpuSlice,
)

ACCELERATOR_COLUMNS = tuple(field.name for field in fields(Accelerator))
COUNTRY_COLUMNS = ("country", "name", "groups", "grid_gco2e_kwh", "elec_usd_kwh", "source", "date_checked")
PROVIDER_COLUMNS = (
    "provider", "name", "country", "tier", "billing_unit_seconds", "minimum_seconds", "source", "date_checked",
)  # fmt: skip
REGION_COLUMNS = (
    "region", "provider", "name", "country", "grid_gco2e_kwh", "grid_basis", "pue", "pue_basis", "elec_usd_kwh",
    "elec_basis", "source", "date_checked",
)  # fmt: skip
INSTANCE_TYPE_COLUMNS = (
    "instance_type", "provider", "name", "accelerator", "accelerators", "vcpus", "memory_gib", "network_gbps",
    "network_basis", "multi_node", "slice_hosts", "maximum_slices", "source", "date_checked", "notes",
)  # fmt: skip
TPU_SLICE_COLUMNS = (
    "generation", "slice", "chips", "topology", "hosts", "chips_per_host", "machine_type", "is_default", "sold",
    "maximum_slice_chips", "pod_chips", "interconnect", "source", "date_checked", "notes",
)  # fmt: skip
AVAILABILITY_COLUMNS = ("scope", "purchase_option", "maximum_nodes", "basis", "date_checked")
EGRESS_COLUMNS = ("scope", "usd_gb", "flags", "source", "date_checked")
RATE_COLUMNS = ("currency", "date", "per_usd", "source", "date_checked")
_NUMBERS = (
    "process_nm", "die_area_mm2", "memory_bw_gbs", "fp32_tflops", "tf32_tflops", "fp16_tflops", "bf16_tflops",
    "fp8_tflops", "fp4_tflops", "int8_tops", "tdp_w", "intra_node_bw_gbs", "io_bw_total_gbs",
    "scale_out_bw_gbps_per_chip", "host_overhead_w_per_chip", "price_usd", "tpp", "performance_density",
)  # fmt: skip


def accelerators(path: Path, problems: list[Problem]) -> dict[str, Accelerator]:
    """accelerators.csv by id."""
    rows = list(unique(csv_rows(path, ACCELERATOR_COLUMNS, problems), "id"))
    ids = [row.cells["id"] for row in rows]
    found = {}
    for row in rows:
        if row.optional("export_variant_of"):
            row.known("export_variant_of", ids, "an accelerator of this table")
        numbers = {name: row.maybe_number(name) for name in _NUMBERS}
        found[row.text("id")] = Accelerator(**{**row.cells, **numbers, **_accelerator_cells(row)})  # type: ignore[arg-type]
    return found


def countries(path: Path, problems: list[Problem]) -> dict[str, Country]:
    """countries.csv by ISO 3166-1 code."""
    found = {}
    for row in unique(csv_rows(path, COUNTRY_COLUMNS, problems), "country"):
        code = row.text("country")
        if not (len(code) == 2 and code.isascii() and code.isalpha() and code.isupper()):
            row.problem("country", f"expected a country code of two capital letters such as DE, got '{code}'")
        found[code] = Country(
            code, row.text("name"), row.words("groups"), row.number("grid_gco2e_kwh"), row.number("elec_usd_kwh"),
            row.text("source"), row.day("date_checked"),
        )  # fmt: skip
    return found


def providers(path: Path, problems: list[Problem], known_countries: Mapping[str, Country]) -> dict[str, Provider]:
    """providers.csv by id."""
    found = {}
    for row in unique(csv_rows(path, PROVIDER_COLUMNS, problems), "provider"):
        tier = row.choice("tier", TIERS)
        if row.optional("country") or tier != "owned":
            row.known("country", known_countries, "a country of countries.csv")
        found[row.text("provider")] = Provider(
            row.cells["provider"], row.text("name"), row.cells["country"], tier,
            row.maybe_integer("billing_unit_seconds", 1), row.maybe_integer("minimum_seconds"), row.text("source"),
            row.day("date_checked"),
        )  # fmt: skip
    return found


def regions(
    path: Path, problems: list[Problem], known_providers: Mapping[str, Provider], known_countries: Mapping[str, Country]
) -> dict[str, Region]:
    """regions.csv by id; an empty country means that the place is not known."""
    found = {}
    for row in unique(csv_rows(path, REGION_COLUMNS, problems), "region"):
        provider = row.known("provider", known_providers, "a provider of providers.csv")
        _prefixed(row, "region", provider)
        country = row.optional("country")
        if country:
            row.known("country", known_countries, "a country of countries.csv")
        found[row.cells["region"]] = Region(
            row.cells["region"], provider, row.text("name"), country,
            known_countries[country].groups if country in known_countries else (), row.number("grid_gco2e_kwh"),
            row.text("grid_basis"), row.number("pue", 1.0), row.text("pue_basis"), row.number("elec_usd_kwh"),
            row.text("elec_basis"), row.text("source"), row.day("date_checked"),
        )  # fmt: skip
    return found


def instance_types(
    path: Path, problems: list[Problem], known_providers: Mapping[str, Provider], known: Mapping[str, Accelerator]
) -> dict[str, InstanceType]:
    """instance_types.csv by id."""
    found = {}
    for row in unique(csv_rows(path, INSTANCE_TYPE_COLUMNS, problems), "instance_type"):
        provider = row.known("provider", known_providers, "a provider of providers.csv")
        _prefixed(row, "instance_type", provider)
        if row.cells["instance_type"] != f"{provider}/{row.cells['name']}":
            row.problem("name", f"expected the part of the id after '{provider}/'")
        network = row.maybe_number("network_gbps")
        found[row.cells["instance_type"]] = InstanceType(
            row.cells["instance_type"], provider, row.text("name"), row.known("accelerator", known, "an accelerator"),
            row.integer("accelerators", 1), row.maybe_number("vcpus"), row.maybe_number("memory_gib"), network,
            row.optional("network_basis") if network is None else row.text("network_basis"), row.yes("multi_node"),
            row.integers("slice_hosts"), row.integer("maximum_slices", 1), row.text("source"),
            row.day("date_checked"), row.optional("notes"),
        )  # fmt: skip
    return found


def tpu_slices(path: Path, problems: list[Problem]) -> tuple[TpuSlice, ...]:
    """tpu_slices.csv in its order."""
    found = []
    for row in unique(csv_rows(path, TPU_SLICE_COLUMNS, problems), "generation", "topology", "machine_type"):
        chips, topology = row.integer("chips", 1), row.integers("topology", "x")
        hosts, chips_per_host = row.integer("hosts", 1), row.integer("chips_per_host", 1)
        if not chips == math.prod(topology) == hosts * chips_per_host:
            row.problem("chips", f"{chips} chips are not the topology {row.cells['topology']} or the hosts' chips")
        found.append(TpuSlice(
            row.text("generation"), row.text("slice"), chips, topology, hosts, chips_per_host,
            row.text("machine_type"), row.yes("is_default"), row.yes("sold"), row.integer("maximum_slice_chips", 1),
            row.integer("pod_chips", 1), row.text("interconnect"), row.text("source"), row.day("date_checked"),
            row.optional("notes"),
        ))  # fmt: skip
    return tuple(found)


def availabilities(path: Path, problems: list[Problem], scopes: Sequence[str]) -> tuple[Availability, ...]:
    """availability.csv; a scope is an instance type, a provider or a tier."""
    found = []
    for row in unique(csv_rows(path, AVAILABILITY_COLUMNS, problems), "scope", "purchase_option"):
        scope = row.known("scope", (*TIERS, *scopes), "a tier, a provider or an instance type")
        option, basis = row.choice("purchase_option", PURCHASE_OPTIONS), row.text("basis")
        if not basis.startswith("default"):
            row.problem("basis", "expected 'default: ' and the reason")
        row.day("date_checked")
        found.append(Availability(scope, option, row.integer("maximum_nodes", 1), basis))
    return tuple(found)


def egress(path: Path, problems: list[Problem], known_providers: Sequence[str]) -> tuple[Egress, ...]:
    """egress.csv; a scope is a provider or, as a default of those without a row, a tier."""
    found = []
    for row in unique(csv_rows(path, EGRESS_COLUMNS, problems), "scope"):
        scope = row.known("scope", (*TIERS, *known_providers), "a tier or a provider")
        flags, source = row.choices("flags", EGRESS_FLAGS), row.text("source")
        if (scope in TIERS) != ("default" in flags):
            row.problem("flags", "expected 'default' on a tier, and on a tier alone")
        row.day("date_checked")
        found.append(Egress(scope, Decimal(str(row.number("usd_gb"))), flags, source))
    for tier in TIERS:
        if tier not in {row.scope for row in found}:
            problems.append(Problem(f"has no row for the tier {tier}", str(path)))
    return tuple(found)


def rates(path: Path, problems: list[Problem]) -> tuple[Rate, ...]:
    """exchange_rates.csv: dated rates, units of the currency per USD."""
    found = []
    for row in unique(csv_rows(path, RATE_COLUMNS, problems), "currency", "date"):
        row.day("date_checked")
        found.append(Rate(row.text("currency"), row.day("date"), row.decimal("per_usd"), row.text("source")))
    return tuple(found)


def _accelerator_cells(row: Row) -> dict[str, object]:
    """The cells of an accelerator that are neither text nor numbers that may be missing."""
    for field in ("vendor", "name", "family", "form_factor", "topology", "source"):
        row.text(field)
    return {
        "trains": row.yes("trains"),
        "release_date": row.maybe_day("release_date"),
        "memory_gb": row.number("memory_gb"),
        "scale_up_domain_size": row.integer("scale_up_domain_size", 1),
        "typical_chips_per_host": row.integer("typical_chips_per_host", 1),
        "price_date": row.maybe_day("price_date"),
        "dc_marketed": row.yes("dc_marketed"),
        "doubtful_fields": row.words("doubtful_fields", ","),
        "date_checked": row.day("date_checked"),
    }


def _prefixed(row: Row, field: str, provider: str) -> None:
    value = row.text(field)
    if not value.startswith(f"{provider}/") or value == f"{provider}/":
        row.problem(field, f"expected '{provider}/' and a name, got '{value}'")
