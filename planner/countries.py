"""Countries by their two-letter code of ISO 3166-1 (`countries.csv`: the 249 codes assigned in 2024)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from planner.errors import Problem, nearest
from planner.read import Invalid

_COMMON = {
    "UK": "GB",
    "USA": "US",
    "UAE": "AE",
    "EN": "GB",
    "Great Britain": "GB",
    "Korea": "KR",
    "Turkey": "TR",
    "Vietnam": "VN",
    "Holland": "NL",
    "England": "GB",
}


@cache
def countries() -> Mapping[str, str]:
    """Name by code."""
    with (Path(__file__).parent / "countries.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["name"] for row in csv.DictReader(file)}


def country(value: str) -> str:
    """The code itself when it is one; Invalid with the nearest code for a name or a wrong code."""
    if value in countries():
        return value
    by_name = {name: code for code, name in countries().items()} | _COMMON
    if value.upper() in countries():
        near = value.upper()
    else:
        near = by_name.get(nearest(value, by_name), "")
    raise Invalid(Problem(f"expected a country code of two capital letters such as DE, got '{value}'", nearest=near))
