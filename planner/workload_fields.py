"""The kinds of values in a workload file: each reads what the user wrote, or says what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from planner.countries import country
from planner.errors import Problem
from planner.quantities import (
    CARBON,
    COUNT,
    POWER,
    TIME,
    TOKENS_PER_SECOND,
    fraction,
    instant,
    money,
    real,
    shown,
    tokens,
    whole,
)
from planner.read import Invalid

LONGEST_HORIZON_DAYS = 3 * 366
MOST_ENTRIES = 1000  # jobs, phases of a job, measurements of a job, limits of one kind
MOST_SEGMENTS = 100  # of a phase
MOST_TOKENS = 10**18  # of a phase: a hundred thousand times the largest run; the optimizer counts in 64 bits
MOST_RATE = 1e10  # tokens a second: more than any cluster trains
MOST_LATE_COST = 100_000_000  # USD a day
MOST_NODE_PRICE = 100_000_000  # USD
MOST_NODE_HOUR = 1_000_000  # USD
MOST_EGRESS = 1_000  # USD a GB
LONGEST_LIFE_YEARS = 50
Amount = TypeVar("Amount", int, Decimal)


def at_most(limit: int, unit: str, amount: Amount, value: Any) -> Amount:
    """The amount, which must not exceed the limit; `value` is what the user wrote."""
    if amount > limit:
        raise ValueError(f"expected at most {limit:,} {unit}, got {shown(value)}")
    return amount


def raised(problems: Iterable[Problem]) -> None:
    """Raise the problems, if there are any."""
    if found := list(problems):
        raise Invalid(*found)


def day(moment: datetime) -> str:
    """A moment as a user writes it, the time left out at midnight."""
    midnight = (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    return moment.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%MZ")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        hint = ": put it in quotes" if isinstance(value, int | float) else ""
        raise ValueError(f"expected text, got {shown(value)}{hint}")
    return value.strip()


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {shown(value)}")
    return value


def some(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values, of which there must be one."""
    if not values:
        raise ValueError("expected at least one, got an empty list: leave the key out to allow all")
    return values


Text = Annotated[str, BeforeValidator(_text)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Names = Annotated[tuple[Text, ...], Field(max_length=MOST_ENTRIES), AfterValidator(some)]
Country = Annotated[str, BeforeValidator(lambda value: country(_text(value)))]
Positive = Annotated[int, BeforeValidator(lambda value: whole(value, maximum=10**12))]
NotNegative = Annotated[int, BeforeValidator(lambda value: whole(value, minimum=0, maximum=10**12))]
Segments = Annotated[int, BeforeValidator(lambda value: whole(value, maximum=MOST_SEGMENTS))]
Year = Annotated[int, BeforeValidator(lambda value: whole(value, minimum=2017, maximum=2100))]
Tokens = Annotated[int, BeforeValidator(lambda value: at_most(MOST_TOKENS, "tokens", tokens(value), value))]
Rate = Annotated[float, BeforeValidator(lambda value: real(value, TOKENS_PER_SECOND, maximum=MOST_RATE))]
LateCost = Annotated[Decimal, BeforeValidator(lambda value: at_most(MOST_LATE_COST, "USD a day", money(value), value))]
NodePrice = Annotated[Decimal, BeforeValidator(lambda value: at_most(MOST_NODE_PRICE, "USD", money(value), value))]
NodeHour = Annotated[
    Decimal, BeforeValidator(lambda value: at_most(MOST_NODE_HOUR, "USD a node-hour", money(value), value))
]
Egress = Annotated[Decimal, BeforeValidator(lambda value: at_most(MOST_EGRESS, "USD a GB", money(value), value))]
Days = Annotated[int, BeforeValidator(lambda value: whole(value, TIME, "days", maximum=LONGEST_HORIZON_DAYS))]
LeadDays = Annotated[
    int, BeforeValidator(lambda value: whole(value, TIME, "days", minimum=0, maximum=LONGEST_HORIZON_DAYS))
]
Years = Annotated[float, BeforeValidator(lambda value: real(value, COUNT, maximum=LONGEST_LIFE_YEARS))]
Minutes = Annotated[float, BeforeValidator(lambda value: real(value, TIME, "min", above=False))]
Megawatts = Annotated[float, BeforeValidator(lambda value: real(value, POWER, "MW"))]
Tonnes = Annotated[float, BeforeValidator(lambda value: real(value, CARBON, above=False))]
Dollars = Annotated[Decimal, BeforeValidator(money)]
Fraction = Annotated[float, BeforeValidator(fraction)]
Share = Annotated[float, BeforeValidator(lambda value: fraction(value, above=False))]
Instant = Annotated[datetime, BeforeValidator(instant)]
PurchaseOption = Literal["on_demand", "spot", "reserved", "capacity_block", "owned"]


class Entry(BaseModel):
    """Base of every part of a workload: immutable, and unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )
