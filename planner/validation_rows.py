"""The rows of a validation: a published run beside its prediction, and the labels it is grouped by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCALES = ("1-8", "9-64", "65-512", "513-4096", "> 4096")  # accelerators
_SCALE_ENDS = (8, 64, 512, 4096)
PARALLELISM = ("DP only", "TP", "PP", "TP + PP", "FSDP / ZeRO-3", "with CP", "with EP")


@dataclass(frozen=True, slots=True)
class Row:
    """One modelled run; error is predicted / measured - 1.

    `slowest_step_s` is the slowest setting among those that the row leaves open and that fit: equal to the prediction
    where the row says everything. `breakdown_s` adds up to the prediction. `shape` and `batch` are the letters of the
    model and of the batch (sequences x tokens).
    """

    id: str
    measured_step_s: float
    predicted_step_s: float
    error: float
    family: str
    precision: str
    accelerators: int
    layout: Mapping[str, Any]
    memory_gib: float
    fits: bool
    assumed: tuple[str, ...]
    model: str
    architecture: str
    source: str
    reference: str
    accelerator: str
    scale: str
    parallelism: str
    parameters: float
    shape: str
    global_batch_sequences: int
    sequence_length: int
    measured_mfu: float
    predicted_mfu: float
    measured_memory_gib: float | None  # peak of the fullest accelerator, where the notes print it
    memory_ratio: float | None  # predicted over measured, without the reserve where only tensors were counted
    slowest_step_s: float
    breakdown_s: Mapping[str, float]
    notes: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """One row that could not be modelled, and why."""

    id: str
    reason: str


def scale(accelerators: int) -> str:
    """The range of sizes a run falls into."""
    return SCALES[sum(accelerators > end for end in _SCALE_ENDS)]


def parallelism(layout: Mapping[str, Any]) -> str:
    """What a layout is known by: experts before context before sharded weights before model parallelism."""
    if layout["ep"] > 1:
        return "with EP"
    if layout["cp"] > 1:
        return "with CP"
    if layout["zero"] == 3:
        return "FSDP / ZeRO-3"
    split = [name.upper() for name in ("tp", "pp") if layout[name] > 1]
    return " + ".join(split) or "DP only"


def publication(run_id: str, reference: str) -> str:
    """Where a row comes from: its id without the number, or what its source column says where ids are not numbered."""
    numbered = re.fullmatch(r"(.+)-\d+", run_id)
    return numbered[1] if numbered else reference or "not named"
