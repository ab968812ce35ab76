from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from planner.reports import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (5, "5"),
        (0.0123456, "0.0123"),
        (87.34, "87.3"),
        (999.6, "1.00k"),  # never '1,000' beside '1.00k'
        (12_345_678, "12.3M"),
        (999_960, "1.00M"),
        (6e12, "6.00T"),
        (-1500, "-1.50k"),
    ],
)
def test_a_number_in_short_has_three_digits(value: float, shown: str) -> None:
    assert formats.compact(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(1820.4, "1,820"), (93.44, "93.4"), (1_500_000, "1.50M"), (0.93, "0.93")])
def test_a_quantity_is_written_out_below_100_000(value: float, shown: str) -> None:
    assert formats.number(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0184, "1.84 %"), (0.42, "42 %"), (0.953, "95.3 %"), (0, "0 %"), (1.2, "120 %"), (-0.05, "-5 %")],
)
def test_a_share_has_the_decimals_that_matter(share: float, shown: str) -> None:
    assert formats.percent(share) == shown


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(days=81.6), "81.6 days"),
        (timedelta(days=50), "50 days"),
        (timedelta(hours=30), "30 h"),
        (timedelta(minutes=12), "12 min"),
    ],
)
def test_a_duration_is_in_the_unit_a_person_would_say(span: timedelta, shown: str) -> None:
    assert formats.duration(span) == shown


def test_an_instant_shows_its_time_only_when_it_is_not_midnight() -> None:
    assert formats.day(datetime(2026, 12, 10, tzinfo=UTC)) == "2026-12-10"
    assert formats.day(datetime(2026, 12, 10, 14, 24, tzinfo=UTC)) == "2026-12-10 14:24"


@pytest.mark.parametrize(
    ("degrees", "shown"),
    [
        ({"tp": 8, "pp": 4, "dp": 24, "cp": 1, "micro_batch": 1, "recompute": "selective", "zero": 1},
         "TP8 PP4 DP24 mb1 selective ZeRO-1"),
        ({"tp": 1, "pp": 1, "dp": 8, "zero": 3, "recompute": "none"}, "TP1 PP1 DP8 no recompute ZeRO-3"),
        ({"tp": 2, "pp": 2, "vp": 4, "dp": 2, "cp": 2, "ep": 8, "zero": 0}, "TP2 PP2 VP4 DP2 CP2 EP8"),
        ({"text": "as measured"}, "as measured"),
        ({}, ""),
    ],
)  # fmt: skip
def test_a_layout_in_short_names_what_is_not_one(degrees: dict[str, object], shown: str) -> None:
    assert formats.layout(degrees) == shown


def test_escape_and_direction_characters_are_taken_out_of_names() -> None:
    assert formats.clean("a\x1b[31m\u202eb\nc") == "a [31m b c"
