"""Predicted against measured step times of published runs; nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_catalog.catalog import Catalog
from planner.performance.cases import Batch, Case, batch, chosen, machines, read_cases
from planner.performance.efficiency import Efficiency
from planner.performance.efficiency import efficiency as shipped
from planner.performance.flops import model_flops_per_token, utilisation
from planner.performance.hardware import GIB
from planner.performance.memory import memory_use
from planner.performance.parameters import Shape
from planner.performance.published import measured_step_s
from planner.performance.published_memory import PeakError, peak_errors
from planner.performance.search import Table, take
from planner.performance.step_time import step_time
from planner.validation_groups import GROUPINGS, by, memory_summary, summary
from planner.validation_order import order_summary
from planner.validation_reasons import why, worst
from planner.validation_rows import Row, Skipped, parallelism, publication, scale

Array = NDArray[np.float64]
WORST = 10  # rows explained


@dataclass(frozen=True, slots=True)
class Validation:
    """All rows of a file: modelled or skipped."""

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON: rows, skipped, error summaries of all and by label, memory, and order of layouts."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "skipped": [asdict(row) for row in self.skipped],
            "summary": summary(self.rows),
            **{f"by_{name}": by(self.rows, name) for name in GROUPINGS},
            "memory": memory_summary(self.rows),
            "order": order_summary(self.rows),
            "worst": [
                {"id": row.id, "error": row.error, "why": why(row, self.rows)} for row in worst(self.rows, WORST)
            ],
        }


def validate(path: Path, catalog: Catalog, constants: Efficiency | None = None) -> Validation:
    """Predict every row of a file with the columns of runs.csv.

    Unknown recomputation or sharding is run with the cheapest setting that fits, unknown degrees with the best layout
    consistent with the row; `assumed` says so. Raises InputError with file:line: field for what is malformed.
    """
    cases, skipped = read_cases([path], catalog)
    return Validation(tuple(predicted(cases, constants or shipped())), tuple(Skipped(*one) for one in skipped))


def predicted(cases: Sequence[Case], constants: Efficiency) -> list[Row]:
    """The rows of some cases."""
    if not cases:
        return []
    everything = batch(cases)
    at, seconds, memory = chosen(everything, constants)
    letters = machines(everything, constants)
    work, split = take(everything.work, at), take(everything.degrees, at)
    time = step_time(work, split, letters)
    parts = {part.name: np.broadcast_to(getattr(time, part.name), seconds.shape) for part in fields(time)}
    slowest = np.maximum(slowest_open(everything, constants), seconds)
    rate = np.asarray(work.B * work.s) / seconds
    mfu = np.asarray(
        utilisation(model_flops_per_token(work), rate, letters.peak, split.t * split.p * split.c * split.D)
    )
    peaks = {error.run.id: error for error in peak_errors(cases, constants)}
    return [
        row(
            one,
            layout_of(everything, int(at[i])),
            float(seconds[i]),
            float(slowest[i]),
            float(memory[i]) / GIB,
            float(mfu[i]),
            {name: float(values[i]) for name, values in parts.items()},
            peaks.get(one.run.id),
        )
        for i, one in enumerate(cases)
    ]


def row(
    one: Case,
    layout: dict[str, Any],
    seconds: float,
    slowest: float,
    memory_gib: float,
    mfu: float,
    breakdown_s: dict[str, float],
    peak: PeakError | None,
) -> Row:
    """A case beside its prediction."""
    words = one.run.words
    measured = measured_step_s(one.run)
    accelerators = one.run.count("num_accelerators")
    return Row(
        id=one.run.id,
        measured_step_s=measured,
        predicted_step_s=seconds,
        error=seconds / one.measured_s - 1.0,
        family=one.hardware.family,
        precision=one.precision,
        accelerators=accelerators,
        layout=layout,
        memory_gib=memory_gib,
        fits=memory_gib <= one.hardware.memory_gib,
        assumed=one.assumed,
        model=words["model"] or "not named",
        architecture=words["arch"] or "dense",
        source=publication(one.run.id, words["source"]),
        reference=words["source"],
        accelerator=words["accelerator"],
        scale=scale(accelerators),
        parallelism=parallelism(layout),
        parameters=parameters(one.work),
        shape=letters_of(one.work),
        global_batch_sequences=one.run.count("global_batch_sequences"),
        sequence_length=one.run.count("seq_len"),
        measured_mfu=mfu * seconds / measured,
        predicted_mfu=mfu,
        measured_memory_gib=peak.measured.bytes / GIB if peak else None,
        memory_ratio=peak.ratio if peak else None,
        slowest_step_s=slowest,
        breakdown_s=breakdown_s,
        notes=words["notes"],
    )


def slowest_open(everything: Batch, constants: Efficiency) -> Array:
    """For every case the seconds of the slowest of its layouts that fit; 0 where none does."""
    letters = take(machines(everything, constants), everything.case)
    fits = np.asarray(memory_use(everything.work, everything.degrees, letters).total) <= letters.memory
    step = np.asarray(step_time(everything.work, everything.degrees, letters).total)
    slowest = np.zeros(len(everything.cases))
    np.maximum.at(slowest, everything.case[fits], step[fits])
    return slowest


def parameters(work: Shape) -> float:
    """All parameters of a model: those a token passes, and the experts it does not."""
    return float(work.N + work.L_m * (work.q - work.r) * work.N_expert)


def letters_of(work: Shape) -> str:
    """The letters of the notation table that tell two models apart."""
    names = ("L", "h", "f", "a", "k", "V") + (("q", "r", "y") if work.q else ())
    return " ".join(f"{name}={getattr(work, name):g}" for name in names)


def layout_of(everything: Batch, row: int) -> dict[str, Any]:
    """The layout of one row of a batch."""
    empty = np.empty(0)
    return Table(everything.case, everything.degrees, empty, empty).layout(row).as_dict()


def bundled_runs() -> Path:
    """The published runs shipped with the catalog."""
    import hardware_catalog

    return Path(hardware_catalog.__file__).parent / "data" / "runs.csv"
