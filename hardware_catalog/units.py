"""Prices in any currency and unit as USD per node-hour."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from hardware_catalog.records import HOURS_PER_MONTH, Rate

QUOTE_UNITS = ("node_hour", "accelerator_hour")
UNITS = (*QUOTE_UNITS, "node_month")


def usd_node_hour(price: Decimal, per: str, accelerators: int, per_usd: Decimal) -> Decimal:
    """USD per node-hour, to a millionth of a USD; a month has 730 hours.

    `per_usd` is how many units of the price's currency bought one USD.
    """
    hours = {"node_month": Decimal(HOURS_PER_MONTH)}.get(per, Decimal(1))
    parts = Decimal(accelerators if per == "accelerator_hour" else 1)
    return (price * parts / hours / per_usd).quantize(Decimal("0.000001")).normalize() + Decimal(0)


def currencies(rates: Iterable[Rate]) -> tuple[str, ...]:
    """The currencies that have a rate, sorted."""
    return tuple(sorted({rate.currency for rate in rates}))


def rate_near(rates: Iterable[Rate], currency: str, day: date | None) -> Decimal:
    """The rate of the day nearest to a day, or the newest when there is no day. The currency must have one."""
    of_currency = [rate for rate in rates if rate.currency == currency]
    if day is None:
        return max(of_currency, key=lambda rate: rate.date).per_usd
    return min(of_currency, key=lambda rate: (abs((rate.date - day).days), -rate.date.toordinal())).per_usd
