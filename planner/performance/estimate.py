"""One placement: the best layout of a phase on a slice, its step time, memory and utilisation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from planner.model_spec import ModelSpec
from planner.performance.efficiency import Efficiency
from planner.performance.efficiency import efficiency as shipped
from planner.performance.expected_error import ExpectedError, expected_error_of
from planner.performance.flops import hardware_flops_per_token, model_flops_per_token, utilisation
from planner.performance.hardware import GIB, Hardware, Machine, machine
from planner.performance.layout import Layout, degrees
from planner.performance.legal import check_degrees, check_together, nearest_layout
from planner.performance.memory import memory_use
from planner.performance.parameters import Shape, shape
from planner.performance.search import Fixed, best_rows, layouts
from planner.performance.software import TODAY, Software
from planner.performance.step_time import step_time


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one layout does on one slice; breakdowns add up to `step_time_s` and to the total of `memory_gib`.

    Without a legal layout `layout` is None, `fits` false, the step time infinite and `binds` says why.
    """

    layout: Layout | None
    accelerators: int
    step_time_s: float
    tokens_per_second: float
    tokens_per_second_per_accelerator: float
    mfu: float
    hfu: float
    memory_gib: Mapping[str, float]
    fits: bool
    short_by_gib: float
    breakdown_s: Mapping[str, float]
    binds: str
    expected_error: float | None  # of the step time: half of the validated runs like this one are off by less
    expected_error_p90: float | None  # nine in ten are
    nearest_fitting: Layout | None = None  # where this one does not fit: the one that changes least of what was given

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON; an infinite step time becomes None."""
        finite = self.layout is not None
        return {
            "step_time_s": self.step_time_s if finite else None,
            "tokens_per_second": self.tokens_per_second,
            "tokens_per_second_per_accelerator": self.tokens_per_second_per_accelerator,
            "mfu": self.mfu,
            "hfu": self.hfu,
            "memory_gib": dict(self.memory_gib),
            "fits": self.fits,
            "short_by_gib": self.short_by_gib,
            "breakdown_s": dict(self.breakdown_s),
            "layout": self.layout.as_dict() if self.layout else None,
            "accelerators": self.accelerators,
            "binds": self.binds,
            "expected_error": self.expected_error,
            "expected_error_p90": self.expected_error_p90,
            "nearest_fitting": self.nearest_fitting.as_dict() if self.nearest_fitting else None,
        }


def estimate(
    model: ModelSpec,
    hardware: Hardware,
    accelerators: int,
    sequence_length: int,
    global_batch_sequences: int,
    precision: str,
    *,
    tp: int | None = None,
    pp: int | None = None,
    vp: int | None = None,
    cp: int | None = None,
    ep: int | None = None,
    micro_batch: int | None = None,
    zero: int | None = None,
    recompute: str | None = None,
    lora: bool = False,
    constants: Efficiency | None = None,
    software: Software = TODAY,
) -> Estimate:
    """The fastest layout on `accelerators` accelerators under the degrees given; those left out are searched.

    Raises InputError when a degree cannot be: which rule, by how much, and the nearest legal layout. Where what was
    given does not fit, `nearest_fitting` is the layout that does and changes least of it.
    """
    fixed = Fixed(tp, pp, vp, cp, ep, micro_batch, zero, recompute)
    constants = constants or shipped()
    phase = (model, hardware, [accelerators], sequence_length, global_batch_sequences, precision)
    every = cache(lambda: layouts(*phase, lora=lora, constants=constants, software=software))
    check_degrees(model, hardware, accelerators, global_batch_sequences, fixed, every)
    table = layouts(*phase, fixed, lora, constants, software)
    row = best_rows(table, 1)[0]
    if row < 0:
        check_together(fixed, every())
        return no_layout(accelerators, global_batch_sequences)
    work = shape(model, sequence_length, global_batch_sequences, lora)
    layout = table.layout(row)
    likely = expected_error_of(model, hardware.family, precision, layout, constants.overlay)
    found = describe(work, machine(hardware, precision, constants, software), layout, likely)
    return found if found.fits else replace(found, nearest_fitting=nearest_layout(fixed, every(), fitting=True))


def best_layouts(
    model: ModelSpec,
    hardware: Hardware,
    node_counts: Sequence[int],
    sequence_length: int,
    global_batch_sequences: int,
    precision: str,
    *,
    lora: bool = False,
    constants: Efficiency | None = None,
    software: Software = TODAY,
) -> list[Estimate]:
    """For each number of nodes the fastest layout that fits, or the one that lacks least memory (fits false)."""
    sizes = [nodes * hardware.accelerators_per_node for nodes in node_counts]
    constants = constants or shipped()
    phase = (model, hardware, sizes, sequence_length, global_batch_sequences, precision)
    table = layouts(*phase, lora=lora, constants=constants, software=software)
    work = shape(model, sequence_length, global_batch_sequences, lora)
    letters = machine(hardware, precision, constants, software)

    def described(layout: Layout) -> Estimate:
        likely = expected_error_of(model, hardware.family, precision, layout, constants.overlay)
        return describe(work, letters, layout, likely)

    return [
        described(table.layout(row)) if row >= 0 else no_layout(size, global_batch_sequences)
        for size, row in zip(sizes, best_rows(table, len(sizes)), strict=True)
    ]


def describe(work: Shape, letters: Machine, layout: Layout, likely: ExpectedError) -> Estimate:
    """Everything about one layout of one slice."""
    split = degrees(layout)
    time = step_time(work, split, letters)
    memory = memory_use(work, split, letters)
    step = float(time.total)
    tokens = float(work.B * work.s)
    used = float(memory.total)
    parts = {part.name: float(getattr(time, part.name)) for part in fields(time)}
    rate = tokens / step
    return Estimate(
        layout=layout,
        accelerators=layout.accelerators,
        step_time_s=step,
        tokens_per_second=rate,
        tokens_per_second_per_accelerator=rate / layout.accelerators,
        mfu=float(utilisation(model_flops_per_token(work), rate, letters.peak, layout.accelerators)),
        hfu=float(
            utilisation(
                hardware_flops_per_token(work, split.full, split.selective), rate, letters.peak, layout.accelerators
            )
        ),
        memory_gib={part.name: float(getattr(memory, part.name)) / GIB for part in fields(memory)}
        | {"total": used / GIB},
        fits=used <= float(letters.memory),
        short_by_gib=max(used - float(letters.memory), 0.0) / GIB,
        breakdown_s=parts,
        binds=max(parts, key=lambda name: parts[name]),
        expected_error=likely.median,
        expected_error_p90=likely.p90,
    )


def no_layout(accelerators: int, global_batch_sequences: int) -> Estimate:
    """The answer where no layout is legal."""
    why = f"no legal layout: {accelerators} accelerators cannot share {global_batch_sequences} sequences evenly"
    return Estimate(None, accelerators, math.inf, 0.0, 0.0, 0.0, 0.0, {}, False, 0.0, {}, why, None, None)
