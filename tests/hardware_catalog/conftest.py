"""The bundled catalog, a copy of it to damage, and a quotes file to damage."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware_catalog.catalog import Catalog, load
from hardware_catalog.quotes import COLUMNS

QUOTE = {
    "offer": "q1",
    "instance_type": "aws/p5.48xlarge",
    "region": "aws/us-east-1",
    "purchase_option": "on_demand",
    "price": "40",
    "currency": "USD",
    "per": "node_hour",
    "minimum_nodes": "1",
    "maximum_nodes": "16",
    "available_from": "2026-12-01",
    "available_until": "2027-01-01",
    "valid_from": "2026-11-01",
    "source": "letter of 2026-11-01",
}


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load()


@pytest.fixture
def directory(tmp_path: Path, catalog: Catalog) -> Path:
    """A user's own copy of the bundled catalog."""
    copy = tmp_path / "catalog"
    shutil.copytree(catalog.directory, copy, ignore=shutil.ignore_patterns("export_rules", "efficiency"))
    return copy


@pytest.fixture
def quotes_file(tmp_path: Path) -> Callable[..., Path]:
    """Write rows, each given as what differs from QUOTE."""

    def write(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Path:
        path = tmp_path / "quotes.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows({**QUOTE, **row} for row in rows)
        return path

    return write
