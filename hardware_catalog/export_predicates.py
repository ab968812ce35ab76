"""Conditions of export rules on the specifications of a chip: met, not met or unknown, and why in words."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hardware_catalog.export_rule_files import FIELDS, Predicate

if TYPE_CHECKING:
    from hardware_catalog.records import Accelerator

Value = str | float | bool | None
NEAR = 0.02  # a specification this close to a line is said to be near it; a guess, only for the text

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, ">": operator.gt, "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
    "in": lambda value, values: value in values,
}  # fmt: skip
_OPPOSITE = {">=": "<", ">": "<=", "<": ">=", "<=": ">"}
_DOUBTED_AS = {"performance_density": ("performance_density", "PD", "die_area_mm2"), "tpp": ("tpp", "TPP")}


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules read of a chip: values by field name (dates as ISO text), and which of them the catalog doubts."""

    values: Mapping[str, Value]
    doubtful: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a condition is met (None: a value it needs is unknown) and the numbers that say so."""

    met: bool | None
    text: str


def facts(accelerator: Accelerator, maker_country: str | None) -> Facts:
    """The facts of an accelerator of the catalog; a missing specification is None."""
    values: dict[str, Value] = {name: getattr(accelerator, name) for name in FIELDS if name not in _DERIVED}
    values["release_date"] = accelerator.release_date.isoformat() if accelerator.release_date else None
    values["export_variant_of"] = accelerator.export_variant_of or ""
    values["maker_country"] = maker_country
    doubts = accelerator.doubtful_fields
    named = {word.strip() for word in (doubts.split(",") if isinstance(doubts, str) else doubts)}
    doubtful = frozenset(field for field in FIELDS if named & set(_DOUBTED_AS.get(field, (field,))))
    return Facts(values, doubtful)


_DERIVED = frozenset({"release_date", "export_variant_of", "maker_country"})


def finding(predicate: Predicate | None, chip: Facts) -> Finding:
    """The predicate on the chip; of a failed `all_of` and a met `any_of` only the parts that decided are told."""
    if predicate is None:
        return Finding(True, "")
    if predicate.all_of or predicate.any_of:
        parts = [finding(part, chip) for part in predicate.all_of or predicate.any_of]
        found = {part.met for part in parts}
        decisive = not predicate.all_of  # one such part decides: a failed one of all, a met one of any
        met = decisive if decisive in found else None if None in found else not decisive
        return Finding(met, _joined([part.text for part in parts if part.met is met]))
    return _comparison(predicate, chip)


def _comparison(predicate: Predicate, chip: Facts) -> Finding:
    assert predicate.op is not None
    names = predicate.sum_of or (predicate.field,)
    values = [chip.values[name] for name in names]
    label = " + ".join(FIELDS[name][0] for name in names)
    if any(value is None for value in values):
        return Finding(None, f"{label} unknown")
    value = sum(float(v) for v in values if v is not None) if predicate.sum_of else values[0]
    met = _COMPARE[predicate.op](value, predicate.value)
    doubt = " (doubtful in the catalog)" if chip.doubtful.intersection(names) else ""
    if predicate.op in _OPPOSITE:
        sign = predicate.op if met else _OPPOSITE[predicate.op]
        near = " (near the line)" if _is_near(value, predicate.value) else ""
        shown = f"{label} {_shown(value)} {sign} {_shown(predicate.value)}{FIELDS[names[0]][1]}"
        return Finding(met, shown + near + doubt)
    if predicate.op == "in":
        return Finding(met, f"{label} {_shown(value)} is {'' if met else 'not '}among those named{doubt}")
    return Finding(met, f"{label}: {_shown(value)}{doubt}")


def _is_near(value: Value, line: object) -> bool:
    if isinstance(value, str) or not isinstance(line, float | int) or value is None:
        return False
    return abs(value - line) <= NEAR * line


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float | int) else str(value) or "none"


def _joined(texts: list[str]) -> str:
    return " and ".join(dict.fromkeys(filter(None, texts)))
