"""Quantities in words become exact numbers, and nothing ambiguous does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction as Ratio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.quantities import (
    BITS,
    BITS_PER_SECOND,
    BYTES,
    BYTES_PER_SECOND,
    CARBON,
    DIMENSIONS,
    FLOPS,
    FLOPS_PER_SECOND,
    PARAMETERS,
    POWER,
    TIME,
    TOKENS_PER_SECOND,
    Dimension,
    fraction,
    instant,
    money,
    quantity,
    real,
    tokens,
    whole,
    written,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("15T", 15 * 10**12),
        ("15 T", 15 * 10**12),
        ("15T tokens", 15 * 10**12),
        ("16M tokens", 16_000_000),
        ("16 million Tokens", 16_000_000),
        ("1.4T", 1_400_000_000_000),  # exact, unlike 1.4 * 1e12 in floats of other sizes
        ("0.3B", 300_000_000),
        ("6e12", 6 * 10**12),
        (6e12, 6 * 10**12),
        ("1_000", 1000),
        ("400k", 400_000),
        (10**18 + 1, 10**18 + 1),  # beyond 2^53: an integer stays an integer
        ("1000000000000000001", 10**18 + 1),
    ],
)
def test_tokens_are_read_exactly(value: Any, expected: int) -> None:
    assert tokens(value) == expected


@pytest.mark.parametrize(
    ("value", "dimension", "base", "expected"),
    [
        ("21 days", TIME, "days", 21),
        ("3 weeks", TIME, "days", 21),
        ("48 h", TIME, "days", 2),
        ("90 min", TIME, None, 5400),
        ("1.5 h", TIME, "min", 90),
        (21, TIME, "days", 21),  # a plain number is in the unit of its key
        ("2.5 MW", POWER, None, 2_500_000),
        ("800 kW", POWER, "MW", Decimal("0.8")),
        (8, POWER, "MW", 8),
        ("900 t", CARBON, None, 900),
        ("1.2 kt CO2e", CARBON, None, 1200),
        ("500 kg", CARBON, None, Decimal("0.5")),
        ("400 Gb/s", BITS_PER_SECOND, None, 400 * 10**9),
        ("400 Gbps", BITS_PER_SECOND, None, 400 * 10**9),
        ("900 GB/s", BYTES_PER_SECOND, None, 900 * 10**9),
        ("80 GiB", BYTES, None, 80 * 2**30),
        ("80 GB", BYTES, None, 80 * 10**9),
        ("8 Gib", BITS, None, 8 * 2**30),
        ("3640 PF-days", FLOPS, None, Decimal(3640) * 10**15 * 86_400),  # GPT-3, arXiv:2005.14165 appendix D
        ("3.14e23", FLOPS, None, Decimal("3.14e23")),
        ("312 TFLOP/s", FLOPS_PER_SECOND, None, 312 * 10**12),
        ("989 TFLOPS", FLOPS_PER_SECOND, None, 989 * 10**12),
        ("70B", PARAMETERS, None, 70 * 10**9),
        ("1.2M tokens/s", TOKENS_PER_SECOND, None, 1_200_000),
        ("412k", TOKENS_PER_SECOND, None, 412_000),
    ],
)
def test_units_convert_exactly(value: Any, dimension: Dimension, base: str | None, expected: Any) -> None:
    assert quantity(value, dimension, base) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("12M USD", "12000000"),
        ("12M", "12000000"),
        ("$12M", "12000000"),
        ("USD 12M", "12000000"),
        ("US$ 1.5k", "1500"),
        ("12_000_000", "12000000"),
        (12_000_000, "12000000"),
        (0.1, "0.1"),
        ("1.5 million usd", "1500000"),
        (1e7, "10000000"),
        (0, "0"),
    ],
)
def test_money_is_a_plain_decimal(value: Any, expected: str) -> None:
    assert str(money(value)) == expected


@pytest.mark.parametrize(
    ("value", "dimension", "fragment"),
    [
        ("400 GB/s", BITS_PER_SECOND, "is a rate in bytes per second: expected a rate in bits per second such as"),
        ("400 Gb/s", BYTES_PER_SECOND, "is a rate in bits per second: expected a rate in bytes per second"),
        ("80 Gb", BYTES, "is an amount of bits: expected an amount of bytes such as '80 GiB' or '80 GB'"),
        ("80 gb", BYTES, "'gb' is not a unit here"),  # bits or bytes? never guessed
        ("80 G", BYTES, "'G' is not a unit here"),
        ("5 m", TIME, "'m' is ambiguous"),
        ("3 months", TIME, "'months' is ambiguous"),
        ("1 year", TIME, "'year' is ambiguous"),
        ("5 MW", TIME, "is a power: expected a duration such as '21 days' or '90 min'"),
        ("5 mW", POWER, "'mW' is not a unit here"),
        ("15 t", PARAMETERS, "is a mass of CO2e"),  # the carbon unit, not trillions
        ("15m", PARAMETERS, "'m' is not a unit here"),
        ("12,000", PARAMETERS, "without commas"),
        ("", PARAMETERS, "expected a number of parameters such as '70B', got ''"),
        ("about 5", PARAMETERS, "got 'about 5'"),
        ("5 apples", PARAMETERS, "'apples' is not a unit here"),
        ("--5", PARAMETERS, "expected a number of parameters"),
        ("1__0", PARAMETERS, "'__0' is not a unit here"),
        ("٣", PARAMETERS, "expected a number of parameters"),  # digits of other scripts are not numbers here
        ("1e999", PARAMETERS, "finite number of reasonable size"),
        (float("nan"), PARAMETERS, "finite number of reasonable size, got nan"),
        (float("inf"), PARAMETERS, "finite number of reasonable size, got inf"),
        (10**50, PARAMETERS, "finite number of reasonable size"),
        (True, PARAMETERS, "got true"),
        (None, PARAMETERS, "got nothing"),
        ([1], PARAMETERS, "got a list"),
        ({"a": 1}, PARAMETERS, "got keys and values"),
    ],
)
def test_what_is_ambiguous_or_wrong_is_refused_with_an_example(value: Any, dimension: Dimension, fragment: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        quantity(value, dimension)
    assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("call", "fragment"),
    [
        (lambda: tokens("1.5"), "expected a whole number, got '1.5'"),
        (lambda: tokens(0), "expected at least 1, got 0"),
        (lambda: tokens(-5), "expected at least 1"),
        (lambda: whole("36 h", TIME, "days"), "expected a whole number, got '36 h'"),
        (lambda: real(0, POWER), "expected more than 0, got 0"),
        (lambda: money("5M EUR"), "convert other currencies"),
        (lambda: money("-1"), "expected at least 0"),
        (lambda: money("12m USD"), "'m USD' is not a unit here"),
        (lambda: fraction(90), "expected a fraction from 0 to 1 such as 0.9 or '90 %', got 90"),
        (lambda: fraction("120 %"), "expected a fraction"),
        (lambda: fraction(0), "expected a fraction"),
        (lambda: instant("2026-02-30"), "no such date"),
        (lambda: instant("01.12.2026"), "expected a date such as 2026-12-01"),
        (lambda: instant("2026-W49-1"), "expected a date"),
        (lambda: instant("2026-12-01T25:00"), "no such date"),
        (lambda: instant(20261201), "expected a date such as 2026-12-01 or 2026-12-01T12:00Z, got 20261201"),
        (lambda: instant("0001-01-01T00:00+14:00"), "after the year 1"),
    ],
)
def test_limits_are_told(call: Any, fragment: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        call()
    assert fragment in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "2026-12-01",
        "2026-12-01T00:00",
        "2026-12-01 00:00:00",
        "2026-12-01T00:00Z",
        "2026-12-01T00:00 UTC",
        "2026-12-01T01:00+01:00",
        "2026-11-30T16:00-08:00",
        date(2026, 12, 1),
        datetime(2026, 12, 1),
        datetime(2026, 12, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_a_date_is_midnight_utc_and_zones_are_converted(value: Any) -> None:
    moment = instant(value)
    assert moment == datetime(2026, 12, 1, tzinfo=UTC)
    assert moment.tzinfo is UTC


def test_a_percentage_is_a_fraction() -> None:
    assert fraction("90 %") == fraction("90%") == fraction(0.9) == 0.9


@given(st.sampled_from(DIMENSIONS), st.integers(0, 10**30))
def test_what_is_written_reads_back_the_same(dimension: Dimension, number: int) -> None:
    assert quantity(written(number, dimension), dimension) == number


@given(st.data(), st.sampled_from(DIMENSIONS), st.integers(0, 10**9), st.integers(0, 4), st.sampled_from(["", " "]))
def test_every_unit_means_its_size(data: Any, dimension: Dimension, digits: int, places: int, space: str) -> None:
    unit = data.draw(st.sampled_from(sorted(dimension.units)))
    number = Decimal(digits).scaleb(-places)
    # Ratios of integers are the oracle: no rounding anywhere.
    assert Ratio(quantity(f"{number:f}{space}{unit}", dimension)) == Ratio(number) * Ratio(dimension.units[unit])


@given(st.floats(0, 1e30, allow_nan=False).filter(lambda number: number == 0 or number > 1e-20))
def test_a_float_keeps_its_shortest_decimal(number: float) -> None:
    assert float(quantity(number, FLOPS)) == number


def test_no_spelling_means_both_bits_and_bytes() -> None:
    assert not set(BITS.units) & set(BYTES.units)
    assert not set(BITS_PER_SECOND.units) & set(BYTES_PER_SECOND.units)
