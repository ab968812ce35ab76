"""docs/catalog.md speaks of every column of every file, and of every default of availability."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hardware_catalog import offer_tables, quotes, tables
from hardware_catalog.catalog import Catalog

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "columns",
    [
        tables.ACCELERATOR_COLUMNS,
        tables.COUNTRY_COLUMNS,
        tables.PROVIDER_COLUMNS,
        tables.REGION_COLUMNS,
        tables.INSTANCE_TYPE_COLUMNS,
        tables.TPU_SLICE_COLUMNS,
        tables.AVAILABILITY_COLUMNS,
        tables.RATE_COLUMNS,
        offer_tables.OFFER_COLUMNS,
        offer_tables.TERM_COLUMNS,
        offer_tables.START_RULES,
        tables.EGRESS_COLUMNS,
        quotes.COLUMNS,
    ],
    ids=lambda columns: columns[0],
)
def test_every_column_is_documented(columns: tuple[str, ...]) -> None:
    words = set(re.findall(r"\w+", PAGE))
    assert [column for column in columns if column not in words] == []


@pytest.mark.parametrize("tier", ["hyperscaler", "cloud", "marketplace", "owned"])
def test_the_defaults_of_availability_are_those_of_the_data(catalog: Catalog, tier: str) -> None:
    known = {row.purchase_option: row.maximum_nodes for row in catalog.availabilities if row.scope == tier}
    options = ("on_demand", "spot", "reserved", "capacity_block")
    assert f"| {tier} | " + " | ".join(f"{known[option]:,}" for option in options) + " |" in PAGE
