"""Quantities in words: '21 days', '15T', '12M USD', '2.5 MW', '400 Gb/s' into plain numbers, exactly.

A plain number is in the base unit of its key (`horizon_days: 21`); text may carry any unit of the same dimension. Bits
and bytes are two dimensions and never exchanged. What is ambiguous is refused: 'm' (minutes, months, metres, milli),
months and years, a bare 'G', and commas in numbers. Functions raise ValueError saying what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any

_SI = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "Z": 21, "Y": 24}
_COUNT = {"": 0, "k": 3, "K": 3, "M": 6, "B": 9, "T": 12}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5}
_LARGEST = Decimal("1e40")
_EXACT = Context(prec=200)  # the default 28 digits would round large products


@dataclass(frozen=True, slots=True)
class Dimension:
    """One kind of quantity: its units with their size in the base unit, and how an error describes it."""

    what: str
    example: str
    base: str
    units: Mapping[str, Decimal]
    any_case: bool = False  # long unit names may be written in any case


def _prefixed(prefixes: Mapping[str, int], *symbols: str) -> dict[str, Decimal]:
    return {prefix + symbol: Decimal(10) ** power for symbol in symbols for prefix, power in prefixes.items()}


def _binary(*symbols: str) -> dict[str, Decimal]:
    return {prefix + symbol: Decimal(1024) ** power for symbol in symbols for prefix, power in _BINARY.items()}


def _counted(*names: str) -> dict[str, Decimal]:
    """Counts: '15T', '15 T', '15T tokens', '16 million tokens'."""
    words = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
    bare = _prefixed(_COUNT, "") | {word: Decimal(10) ** power for word, power in words.items()}
    named = {f"{prefix} {name}".strip(): size for prefix, size in bare.items() for name in names}
    return bare | named


def _sizes(*groups: tuple[str, int]) -> dict[str, Decimal]:
    return {name: Decimal(size) for names, size in groups for name in names.split()}


_DOLLARS = {prefix: Decimal(10) ** power for prefix, power in (_COUNT | {"million": 6, "billion": 9}).items()}
_FLOP_DAY = {
    f"{prefix}{name}": Decimal(86_400) * 10 ** _SI[prefix]
    for prefix in "PE"
    for name in ("FLOP/s-day", "FLOP/s-days", "F-day", "F-days", "F/s-day", "F/s-days")
}

COUNT = Dimension("a number", "1000 or '7B'", "", _counted())
TOKENS = Dimension("a number of tokens", "'15T' or 6e12", "tokens", _counted("tokens", "token"), any_case=True)
PARAMETERS = Dimension("a number of parameters", "'70B'", "parameters", _counted("parameters", "params"), any_case=True)
MONEY = Dimension(
    "an amount in US dollars",
    "'12M USD' or 12_000_000",
    "USD",
    _DOLLARS | {f"{prefix} USD".strip(): size for prefix, size in _DOLLARS.items()},
    any_case=True,
)
TIME = Dimension(
    "a duration",
    "'21 days' or '90 min'",
    "s",
    _sizes(
        ("s sec second seconds", 1),
        ("min mins minute minutes", 60),
        ("h hr hour hours", 3600),
        ("d day days", 86_400),
        ("week weeks", 604_800),
    ),
    any_case=True,
)
POWER = Dimension("a power", "'2.5 MW'", "W", _prefixed({key: _SI[key] for key in ("", "k", "M", "G")}, "W"))
CARBON = Dimension(
    "a mass of CO2e",
    "'900 t'",
    "t",
    {
        f"{unit} {gas}".strip(): size
        for gas in ("", "CO2", "CO2e")
        for unit, size in {
            "t": Decimal(1),
            "kt": Decimal(1000),
            "Mt": Decimal(10**6),
            "kg": Decimal("0.001"),
            "tonnes": Decimal(1),
        }.items()
    }
    | {"tCO2e": Decimal(1), "tCO2": Decimal(1), "kgCO2e": Decimal("0.001")},
)
BYTES = Dimension("an amount of bytes", "'80 GiB' or '80 GB'", "B", _prefixed(_SI, "B") | _binary("B"))
BITS = Dimension("an amount of bits", "'400 Gb'", "b", _prefixed(_SI, "b", "bit") | _binary("b", "bit"))
BITS_PER_SECOND = Dimension("a rate in bits per second", "'400 Gb/s'", "b/s", _prefixed(_SI, "b/s", "bit/s", "bps"))
BYTES_PER_SECOND = Dimension("a rate in bytes per second", "'900 GB/s'", "B/s", _prefixed(_SI, "B/s") | _binary("B/s"))
FLOPS = Dimension(
    "an amount of floating-point operations",
    "3.14e23 or '3640 PF-days'",
    "FLOP",
    _prefixed(_SI, "FLOP", "FLOPs") | _FLOP_DAY,
)
FLOPS_PER_SECOND = Dimension(
    "a rate of floating-point operations", "'312 TFLOP/s'", "FLOP/s", _prefixed(_SI, "FLOP/s", "FLOPS")
)
TOKENS_PER_SECOND = Dimension(
    "a rate in tokens per second",
    "412000 or '412k tokens/s'",
    "tokens/s",
    {key.replace("tokens", "tokens/s"): size for key, size in _counted("tokens").items()},
)
FRACTION = Dimension("a fraction", "0.9 or '90 %'", "", {"": Decimal(1), "%": Decimal("0.01")})

DIMENSIONS = (
    TOKENS,
    PARAMETERS,
    MONEY,
    TIME,
    POWER,
    CARBON,
    BYTES,
    BITS,
    BITS_PER_SECOND,
    BYTES_PER_SECOND,
    FLOPS,
    FLOPS_PER_SECOND,
    TOKENS_PER_SECOND,
    FRACTION,
)

_NUMBER = re.compile(r"([+-]?(?:[0-9](?:_?[0-9])*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)\s*(.*)", re.ASCII | re.DOTALL)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?\s?(?:Z|UTC|[+-]\d\d:\d\d)?)?", re.ASCII | re.IGNORECASE
)


def quantity(value: Any, dimension: Dimension, base: str | None = None) -> Decimal:
    """A value in `base` units (by default the dimension's own), exactly; a plain number is already in them."""
    base = dimension.base if base is None else base
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise ValueError(_expected(dimension, value))
    number, unit = _split(value, dimension)
    if not unit:
        return number
    size = _EXACT.multiply(number, _size(unit, value, dimension))
    return _EXACT.divide(size, _size(base, value, dimension))


def whole(
    value: Any, dimension: Dimension = COUNT, base: str | None = None, minimum: int = 1, maximum: int = 10**24
) -> int:
    """A whole number of base units between two limits."""
    number = quantity(value, dimension, base)
    if number != number.to_integral_value():
        raise ValueError(f"expected a whole number, got {shown(value)}")
    return int(_within(number, minimum, maximum, value))


def tokens(value: Any) -> int:
    """A number of tokens: '15T', '16M tokens', 6e12."""
    return whole(value, TOKENS)


def real(
    value: Any,
    dimension: Dimension,
    base: str | None = None,
    minimum: float = 0,
    maximum: float = 1e30,
    above: bool = True,
) -> float:
    """A finite number of base units between two limits; `above` excludes the lower one."""
    return float(_within(quantity(value, dimension, base), minimum, maximum, value, above))


def money(value: Any) -> Decimal:
    """An amount in USD, at least 0: '12M USD', '$12M', 12_000_000. Other currencies are refused."""
    if isinstance(value, str):
        text = value.strip()
        value = re.sub(r"^(?:US)?\$\s*|^USD\s+", "", text) or text
    number = _within(quantity(value, MONEY), 0, 10**15, value)
    return Decimal(format(number.normalize(), "f"))


def fraction(value: Any, above: bool = True) -> float:
    """A fraction between 0 and 1: 0.9 or '90 %'."""
    number = quantity(value, FRACTION)
    if not 0 <= number <= 1 or (above and number == 0):
        raise ValueError(f"expected a fraction from 0 to 1 such as 0.9 or '90 %', got {shown(value)}")
    return float(number)


def instant(value: Any) -> datetime:
    """A moment in UTC: '2026-12-01' is 00:00 UTC of that day; a time without a zone is UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = value.isoformat()
    if isinstance(value, str) and _INSTANT.fullmatch(value.strip()):
        text = re.sub(r"\s?(?:Z|UTC)$", "+00:00", value.strip(), flags=re.IGNORECASE)
        try:
            value = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"no such date: {shown(value)} ({error})") from None
    if not isinstance(value, datetime):
        raise ValueError(f"expected a date such as 2026-12-01 or 2026-12-01T12:00Z, got {shown(value)}")
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"expected a date after the year 1, got {shown(value)}") from None


def written(number: Decimal | int, dimension: Dimension) -> str:
    """A number of base units as text that `quantity` reads back exactly, in the largest unit that leaves it whole."""
    exact = Decimal(number)
    fitting = [
        (size, unit)
        for unit, size in dimension.units.items()
        if exact and size >= 1 and _EXACT.remainder(exact, size) == 0
    ]
    size, unit = max(fitting, key=lambda pair: (pair[0], -len(pair[1])), default=(Decimal(1), dimension.base))
    return f"{_EXACT.divide(exact, size):f} {unit}".strip()


def shown(value: Any) -> str:
    """A value as an error message shows it: short, and in the file's words rather than Python's."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list | tuple):
        return "a list"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:56]}..."


def _split(value: int | float | Decimal | str, dimension: Dimension) -> tuple[Decimal, str]:
    """A value as (number, unit text)."""
    if isinstance(value, str):
        if re.match(r"\s*[+-]?\d{1,3}(,\d{3})+", value):
            raise ValueError(f"write {shown(value)} without commas, as in 12_000_000")
        found = _NUMBER.fullmatch(value.strip())
        if not found:
            raise ValueError(_expected(dimension, value))
        number, unit = Decimal(found[1].replace("_", "")), " ".join(found[2].split())
    else:
        number, unit = Decimal(repr(value)) if isinstance(value, float) else Decimal(value), ""
    if not number.is_finite() or abs(number) > _LARGEST or number.as_tuple().exponent < -40:  # type: ignore[operator]
        raise ValueError(f"expected a finite number of reasonable size, got {shown(value)}")
    return number, unit


def _size(unit: str, value: Any, dimension: Dimension) -> Decimal:
    if (size := dimension.units.get(unit)) is not None:
        return size
    if dimension.any_case:
        for known, size in dimension.units.items():
            if _folded(known) == _folded(unit):
                return size
    raise ValueError(_wrong_unit(unit, value, dimension))


def _folded(unit: str) -> str:
    """Words of three letters and more in lower case; prefixes and symbols keep theirs, since m is not M."""
    return " ".join(word.casefold() if len(word) > 2 else word for word in unit.split())


def _wrong_unit(unit: str, value: Any, dimension: Dimension) -> str:
    others = [other.what for other in DIMENSIONS if unit in other.units and other is not dimension]
    if unit in ("m", "mo", "month", "months", "y", "yr", "year", "years") and dimension is TIME:
        return f"'{unit}' is ambiguous: expected {dimension.what} such as {dimension.example}, got {shown(value)}"
    if dimension is MONEY and re.fullmatch(r"(?:[kKMB] ?)?[A-Z]{3}", unit):
        return f"expected US dollars such as {dimension.example}, got {shown(value)}: convert other currencies"
    if others:
        return f"{shown(value)} is {others[0]}: expected {dimension.what} such as {dimension.example}"
    return f"'{unit}' is not a unit here: expected {dimension.what} such as {dimension.example}, got {shown(value)}"


def _within(number: Decimal, minimum: float, maximum: float, value: Any, above: bool = False) -> Decimal:
    low, high = Decimal(str(minimum)), Decimal(str(maximum))
    if number < low or (above and number == low):
        bound = f"more than {low:f}" if above else f"at least {low:f}"
        raise ValueError(f"expected {bound}, got {shown(value)}")
    if number > high:
        raise ValueError(f"expected at most {high:,f}, got {shown(value)}")
    return number


def _expected(dimension: Dimension, value: Any) -> str:
    return f"expected {dimension.what} such as {dimension.example}, got {shown(value)}"
