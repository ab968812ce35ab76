"""Errors of the prediction, summed up over all rows or over the rows that share a label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from planner.validation_rows import PARALLELISM, SCALES, Row

GROUPINGS = ("family", "architecture", "precision", "scale", "parallelism", "source")
_ORDER = {"scale": SCALES, "parallelism": PARALLELISM}


def summary(rows: Iterable[Row]) -> dict[str, float]:
    """Count and errors: median, mean and 90th percentile of |error|, shares within 10 and 20 %, median signed error."""
    errors = np.array([row.error for row in rows])
    size = np.abs(errors)
    some = len(errors) > 0
    return {
        "n": len(errors),
        "median_abs_error": float(np.median(size)) if some else 0.0,
        "mape": float(size.mean()) if some else 0.0,
        "p90_abs_error": float(np.quantile(size, 0.9)) if some else 0.0,
        "within_10": float((size <= 0.1).mean()) if some else 0.0,
        "within_20": float((size <= 0.2).mean()) if some else 0.0,
        "bias": float(np.median(errors)) if some else 0.0,
    }


def grouped(rows: Iterable[Row], name: str) -> dict[str, list[Row]]:
    """The rows by the value of one field: scale and parallelism from small to large, the others by name."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(getattr(row, name), []).append(row)
    order = _ORDER.get(name, ())
    return dict(sorted(groups.items(), key=lambda item: (order.index(item[0]) if order else 0, item[0])))


def by(rows: Iterable[Row], name: str) -> dict[str, dict[str, float]]:
    """Summaries of the rows that share a value of one field."""
    return {key: summary(group) for key, group in grouped(rows, name).items()}


def memory_summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Errors of the memory of one accelerator, over the rows that state theirs."""
    errors = np.array([row.memory_ratio - 1.0 for row in rows if row.memory_ratio])
    return {
        "n": len(errors),
        "median_abs_error": float(np.median(np.abs(errors))) if len(errors) else 0.0,
        "bias": float(np.median(errors)) if len(errors) else 0.0,
    }
