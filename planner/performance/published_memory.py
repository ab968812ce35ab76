"""Peak memory that published runs measured, and what the equations say of the same runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from planner.performance.cases import Case, batch, chosen, machines
from planner.performance.efficiency import Efficiency
from planner.performance.hardware import GIB
from planner.performance.memory import MemoryUse, memory_use
from planner.performance.published import Run
from planner.performance.search import take


@dataclass(frozen=True, slots=True)
class Peak:
    """Most bytes in use at once on the fullest accelerator.

    `allocated`: as the framework counts its tensors; otherwise as the driver does, with context, buffers of collectives
    and what the allocator holds without using it.
    """

    bytes: float
    allocated: bool


@dataclass(frozen=True, slots=True)
class PeakError:
    """One run's peak, measured and predicted, in bytes; a prediction of allocated memory leaves out the reserve."""

    run: Run
    measured: Peak
    predicted: MemoryUse

    @property
    def ratio(self) -> float:
        """Predicted over measured."""
        reserve = self.predicted.reserve if self.measured.allocated else 0.0
        return float((self.predicted.total - reserve) / self.measured.bytes)


def measured_peak(run: Run) -> Peak | None:
    """The peak that a row's notes print: `peak_mem_gib=66.55`, `peak_mem_gb=49`, `max_memory_usage=92.1 GB`.

    `max_memory_usage` is what NVIDIA's MLPerf submissions log: allocated, and in GiB whatever the note calls it (one
    copy of Llama 2 70B with 8-bit weights would not fit otherwise: 69 GB of weights in 64.5 of the 82 logged, the rest
    activations that halve from one run to the next). Peaks of Megatron runs kept by SimuMax are allocated too (its
    docs/b200/b200_real_repro_guide.md, section 6); the others are what nvidia-smi shows.
    """
    notes = run.words["notes"]
    if found := re.search(r"max_memory_usage=([\d.]+) GB", notes):
        return Peak(float(found[1]) * GIB, allocated=True)
    if found := re.search(r"peak_mem_(gi?b)=([\d.]+)", notes):
        return Peak(float(found[2]) * (GIB if found[1] == "gib" else 1e9), allocated="SimuMax" in notes)
    return None


def measured_peak_bytes(run: Run) -> float:
    """Bytes of `measured_peak`, 0 where a row prints none."""
    peak = measured_peak(run)
    return peak.bytes if peak else 0.0


def peak_errors(cases: Sequence[Case], constants: Efficiency) -> list[PeakError]:
    """The cases whose rows print a peak, each with the memory of its fastest layout that fits."""
    measured = [(one, peak) for one in cases if (peak := measured_peak(one.run))]
    if not measured:
        return []
    everything = batch([one for one, _ in measured])
    rows, _, _ = chosen(everything, constants)
    letters = machines(everything, constants)
    used = memory_use(take(everything.work, rows), take(everything.degrees, rows), letters)
    parts = {part.name: np.broadcast_to(getattr(used, part.name), len(rows)) for part in fields(used)}
    return [
        PeakError(one.run, peak, MemoryUse(**{name: float(values[at]) for name, values in parts.items()}))
        for at, (one, peak) in enumerate(measured)
    ]
