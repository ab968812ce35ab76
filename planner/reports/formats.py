"""How numbers, dates, layouts and untrusted names are written in every report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def clean(text: str) -> str:
    """Text from a user's file without control, escape and direction-override characters, on one line."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def compact(value: float) -> str:
    """A number to three significant digits with k, M, B or T: 1234567 -> '1.23M'."""
    magnitude = abs(value)
    for scale, suffix in _SUFFIXES:
        if magnitude >= scale * 0.9995:
            return _three_digits(value / scale) + suffix
    return _three_digits(value).removesuffix(".00")


def number(value: float) -> str:
    """A number written out up to 100,000, in short above: '1,820', '93.4', '1.50M'."""
    return f"{value:,.0f}" if 999.5 <= abs(value) < 99_999.5 else compact(value)


def usd(value: float) -> str:
    """Money in short: '12.3M USD', '900 USD', '-1.5k USD'."""
    return f"{compact(value)} USD"


def usd_exact(value: float) -> str:
    """Money to the dollar, or to the cent below 1,000 USD: '12,345,678 USD', '97.32 USD'."""
    return f"{value:,.0f} USD" if abs(value) >= 1000 else f"{value:,.2f} USD"


def percent(share: float) -> str:
    """A share as percent with as many decimals as matter: 0.0184 -> '1.84 %', 0.42 -> '42 %'."""
    value = share * 100
    decimals = 0 if abs(value) >= 99.95 or abs(value - round(value)) < 0.005 else 1 if abs(value) >= 10 else 2
    return f"{value:.{decimals}f} %"


def day(when: datetime) -> str:
    """A UTC instant to the day, with the hour where it is not midnight: '2026-12-10', '2027-03-02 14:00'."""
    return when.strftime("%Y-%m-%d") if (when.hour, when.minute) == (0, 0) else minute(when)


def minute(when: datetime) -> str:
    """A UTC instant to the minute: '2027-03-02 14:00'."""
    return when.strftime("%Y-%m-%d %H:%M")


def duration(span: timedelta) -> str:
    """A span in the unit a person would say: '81.6 days', '3 h', '12 min'."""
    hours = span.total_seconds() / 3600
    if abs(hours) >= 48:
        return f"{_trimmed(hours / 24)} days"
    return f"{_trimmed(hours)} h" if abs(hours) >= 1 else f"{hours * 60:.0f} min"


def layout(degrees: Mapping[str, Any]) -> str:
    """A layout in short: 'TP8 PP4 DP24 mb1 selective ZeRO-1'; degrees of 1 are left out except TP, PP and DP.

    A layout without degrees (a measured run) is what its "text" says.
    """
    parts = [
        f"{key.upper()}{degrees[key]}"
        for key in ("tp", "pp", "vp", "dp", "cp", "ep")
        if key in degrees and (degrees[key] != 1 or key in ("tp", "pp", "dp"))
    ]
    if degrees.get("micro_batch"):
        parts.append(f"mb{degrees['micro_batch']}")
    if degrees.get("recompute"):
        parts.append("no recompute" if degrees["recompute"] == "none" else clean(str(degrees["recompute"])))
    if degrees.get("zero"):
        parts.append(f"ZeRO-{degrees['zero']}")
    return " ".join(parts) or clean(str(degrees.get("text", "")))


def words(name: str) -> str:
    """An identifier as words: 'capacity_block' -> 'capacity block'."""
    return clean(name.replace("_", " "))


def count(number: int, noun: str) -> str:
    """A number with its noun: '1 run', '96 nodes'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _three_digits(value: float) -> str:
    magnitude = abs(value)
    if magnitude >= 99.95:
        return f"{value:,.0f}"
    if magnitude >= 9.995:
        return f"{value:.1f}"
    if magnitude >= 0.995 or value == 0:
        return f"{value:.2f}"
    return f"{value:.3g}"


def _trimmed(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")
