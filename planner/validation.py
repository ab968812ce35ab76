"""Predicted against measured step times of published runs; nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hardware_catalog.catalog import Catalog
from planner.performance.cases import Batch, Case, batch, case, chosen
from planner.performance.efficiency import Efficiency
from planner.performance.efficiency import efficiency as shipped
from planner.performance.hardware import GIB
from planner.performance.published import measured_step_s, read_runs, unmodelled
from planner.performance.search import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One modelled run; error is predicted / measured - 1."""

    id: str
    measured_step_s: float
    predicted_step_s: float
    error: float
    family: str
    precision: str
    accelerators: int
    layout: dict[str, Any]
    memory_gib: float
    fits: bool
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """One row that could not be modelled, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Validation:
    """All rows of a file: modelled or skipped."""

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON: rows, skipped, and error summaries of all, by hardware family and by precision."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "skipped": [asdict(row) for row in self.skipped],
            "summary": summary(self.rows),
            "by_family": by(self.rows, "family"),
            "by_precision": by(self.rows, "precision"),
        }


def validate(path: Path, catalog: Catalog, constants: Efficiency | None = None) -> Validation:
    """Predict every row of a file with the columns of runs.csv.

    Unknown recomputation or sharding is run with the cheapest setting that fits, unknown degrees with the best layout
    consistent with the row; `assumed` says so. Raises InputError with file:line: field for what is malformed.
    """
    runs = read_runs(path)
    cases: list[Case] = []
    skipped: list[Skipped] = []
    for run in runs:
        found = unmodelled(run, catalog.accelerators) or case(run, catalog)
        if isinstance(found, str):
            skipped.append(Skipped(run.id, found))
        else:
            cases.append(found)
    return Validation(tuple(predicted(cases, constants or shipped())), tuple(skipped))


def predicted(cases: Sequence[Case], constants: Efficiency) -> list[Row]:
    """The rows of some cases."""
    if not cases:
        return []
    everything = batch(cases)
    rows, seconds, memory = chosen(everything, constants)
    return [
        Row(
            id=one.run.id,
            measured_step_s=measured_step_s(one.run),
            predicted_step_s=float(step),
            error=float(step) / one.measured_s - 1.0,
            family=one.hardware.family,
            precision=one.precision,
            accelerators=one.run.count("num_accelerators"),
            layout=layout_of(everything, int(row)),
            memory_gib=float(used) / GIB,
            fits=float(used) / GIB <= one.hardware.memory_gib,
            assumed=one.assumed,
        )
        for one, row, step, used in zip(cases, rows, seconds, memory, strict=True)
    ]


def layout_of(everything: Batch, row: int) -> dict[str, Any]:
    """The layout of one row of a batch."""
    empty = np.empty(0)
    return Table(everything.case, everything.degrees, empty, empty).layout(row).as_dict()


def summary(rows: Iterable[Row]) -> dict[str, float]:
    """Count and errors: median, mean and 90th percentile of |error|, shares within 10 and 20 %, median signed error."""
    errors = np.array([row.error for row in rows])
    if not len(errors):
        return {
            "n": 0,
            "median_abs_error": 0.0,
            "mape": 0.0,
            "p90_abs_error": 0.0,
            "within_10": 0.0,
            "within_20": 0.0,
            "bias": 0.0,
        }
    size = np.abs(errors)
    return {
        "n": len(errors),
        "median_abs_error": float(np.median(size)),
        "mape": float(size.mean()),
        "p90_abs_error": float(np.quantile(size, 0.9)),
        "within_10": float((size <= 0.1).mean()),
        "within_20": float((size <= 0.2).mean()),
        "bias": float(np.median(errors)),
    }


def by(rows: Iterable[Row], name: str) -> dict[str, dict[str, float]]:
    """Summaries of the rows that share a value of one field."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(getattr(row, name), []).append(row)
    return {key: summary(group) for key, group in sorted(groups.items())}


def bundled_runs() -> Path:
    """The published runs shipped with the catalog."""
    import hardware_catalog

    return Path(hardware_catalog.__file__).parent / "data" / "runs.csv"
