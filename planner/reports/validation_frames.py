"""The rows behind each chart of a validation, as DataFrames for notebooks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from planner.reports.formats import clean
from planner.validation_groups import grouped
from planner.validation_rows import Row

if TYPE_CHECKING:
    import pandas as pd

MOST_FAMILIES = 8  # that can be told apart by colour
OTHER = "other"
QUANTILES = {"p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9}
LIMITS = (-0.5, -0.25, 0.0, 0.25, 0.5)  # labels of the histogram; its ends hold what lies beyond
STEP = 0.05  # of the histogram


def scatter_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """One row per run: family (small ones as "other"), architecture, measured and predicted seconds, error, text."""
    shown = shown_families(rows)
    records = [
        {
            "run": clean(row.id),
            "family": clean(row.family) if clean(row.family) in shown else OTHER,
            "architecture": clean(row.architecture),
            "measured": row.measured_step_s,
            "predicted": row.predicted_step_s,
            "error": row.error,
            "what": f"{clean(row.model)} on {row.accelerators} x {clean(row.accelerator)}",
            "text": f"{clean(row.id)}: {clean(row.model)} on {row.accelerators} x {clean(row.accelerator)}, measured "
            f"{row.measured_step_s:.3g} s, predicted {row.predicted_step_s:.3g} s ({row.error * 100:+.0f} %)",
        }
        for row in rows
    ]
    return _frame(records, ["run", "family", "architecture", "measured", "predicted", "error", "what", "text"])


def shown_families(rows: Sequence[Row]) -> list[str]:
    """The families with a colour of their own, by name; those with fewest runs share the last, "other"."""
    groups = grouped(rows, "family")
    if len(groups) <= MOST_FAMILIES:
        return [clean(name) for name in groups]
    kept = sorted(groups, key=lambda name: -len(groups[name]))[: MOST_FAMILIES - 1]
    return [*(clean(name) for name in groups if name in kept), OTHER]


def diagonal_frame(rows: Sequence[Row], band: float) -> pd.DataFrame:
    """The two ends of the diagonal, a little beyond every time, with the edges of the band around it."""
    times = [time for row in rows for time in (row.measured_step_s, row.predicted_step_s)] or [1.0]
    ends = (min(times) / 1.3, max(times) * 1.3)
    records = [
        {"measured": end, "predicted": end, "low": end * (1.0 - band), "high": end * (1.0 + band)} for end in ends
    ]
    return _frame(records, ["measured", "predicted", "low", "high"])


def decades(low: float, high: float) -> list[float]:
    """The powers of ten of an axis; of a short one also their doubles and fives."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1.0,) if high / low > 300.0 else (1.0, 2.0, 5.0)
    return [value for power in powers for step in steps if low <= (value := step * 10.0**power) <= high]


def histogram_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """One row per bar: from, until, what it holds in words, and how many runs."""
    edges = np.round(np.arange(LIMITS[0], LIMITS[-1] + STEP / 2.0, STEP), 2)
    inside = np.clip([row.error for row in rows], LIMITS[0], LIMITS[-1] - STEP / 2.0)
    counts, _ = np.histogram(inside, edges)
    records = []
    for low, high, number in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True):
        text = f"{_percent(low)} to {_percent(high)}"
        if low == LIMITS[0]:
            text = f"below {_percent(high)}"
        elif high == LIMITS[-1]:
            text = f"{_percent(low)} and above"
        records.append({"low": low, "high": high, "error": text, "runs": number, "zero": 0})
    return _frame(records, ["low", "high", "error", "runs", "zero"])


def quantile_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """One row per hardware family: its runs, and quantiles of their errors; most runs first."""
    records = []
    for name, group in sorted(grouped(rows, "family").items(), key=lambda item: -len(item[1])):
        values = np.quantile([row.error for row in group], list(QUANTILES.values())).tolist()
        records.append({"family": clean(name), "runs": len(group), **dict(zip(QUANTILES, values, strict=True))})
    return _frame(records, ["family", "runs", *QUANTILES])


def zero_frame() -> pd.DataFrame:
    """The place of a perfect prediction."""
    return _frame([{"error": 0.0}], ["error"])


def _percent(error: float) -> str:
    return f"{error * 100:+.0f} %" if error else "0 %"


def _frame(records: Sequence[Mapping[str, object]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(records), columns=columns)
