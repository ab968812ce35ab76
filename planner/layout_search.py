"""All legal layouts of a slice as one table: how fast each is, what memory it needs, and which nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from planner.model_spec import ModelSpec
from planner.performance.efficiency import Efficiency
from planner.performance.flops import model_flops_per_token, utilisation
from planner.performance.hardware import GIB, Hardware
from planner.performance.layout import RECOMPUTE, Layout
from planner.performance.legal import check_degrees, check_together
from planner.performance.parameters import shape
from planner.performance.pareto import non_dominated
from planner.performance.search import Fixed, Table, joined, layouts

if TYPE_CHECKING:
    import pandas as pd

LAYOUT = tuple(field.name for field in fields(Layout) if field.name != "shard_group")
COLUMNS = ("accelerators", *LAYOUT, "step_time_s", "tokens_per_second", "mfu", "memory_gib", "fits", "pareto")


def search(
    model: ModelSpec,
    hardware: Hardware,
    accelerators: int | Sequence[int],
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
) -> pd.DataFrame:
    """Every legal layout under the degrees given, for each number of accelerators fastest first; those that do not fit
    last, least memory first, without a step time.

    `pareto` marks the layouts of each number of accelerators that no other beats in both memory and step time. ZeRO
    stages are those that `estimate` searches: 1, and 3 without a pipeline. Raises InputError when a degree cannot be.
    """
    import pandas as pd

    counts = [accelerators] if isinstance(accelerators, int) else list(dict.fromkeys(accelerators))
    fixed = Fixed(tp, pp, vp, cp, ep, micro_batch, zero, recompute)
    sizes = (sequence_length, global_batch_sequences, precision)
    kinds = (recompute,) if recompute else RECOMPUTE
    for count in counts:
        every = partial(layouts, model, hardware, [count], *sizes, lora=lora, constants=constants)
        check_degrees(model, hardware, count, global_batch_sequences, fixed, every)
    every_kind = [replace(fixed, recompute=kind) for kind in kinds]
    table = merged([layouts(model, hardware, counts, *sizes, kind, lora, constants) for kind in every_kind])
    for index, count in enumerate(counts):
        if index not in table.slice_index:
            check_together(fixed, layouts(model, hardware, [count], *sizes, lora=lora, constants=constants))
    order = np.lexsort((table.memory, table.step_s, table.slice_index))
    size = np.array(counts)[table.slice_index]
    fits = np.isfinite(table.step_s)
    rate = global_batch_sequences * sequence_length / table.step_s
    work = shape(model, sequence_length, global_batch_sequences, lora)
    mfu = utilisation(model_flops_per_token(work), rate, hardware.peak(precision), size)
    found = pd.DataFrame([table.layout(row).as_dict() for row in order.tolist()], columns=list(LAYOUT))
    found = found.assign(
        accelerators=size[order],
        step_time_s=np.where(fits, table.step_s, np.nan)[order],
        tokens_per_second=np.where(fits, rate, np.nan)[order],
        mfu=np.where(fits, mfu, np.nan)[order],
        memory_gib=(table.memory / GIB)[order],
        fits=fits[order],
        pareto=pareto(table)[order],
    )
    return found[list(COLUMNS)]


def merged(tables: Sequence[Table]) -> Table:
    """Tables of the same slices as one."""
    return Table(
        np.concatenate([table.slice_index for table in tables]),
        joined([table.degrees for table in tables]),
        np.concatenate([table.memory for table in tables]),
        np.concatenate([table.step_s for table in tables]),
    )


def pareto(table: Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which layouts of each slice fit and are not beaten in both memory and step time."""
    kept = np.zeros(len(table.step_s), dtype=bool)
    for index in np.unique(table.slice_index):
        rows = np.nonzero((table.slice_index == index) & np.isfinite(table.step_s))[0]
        kept[rows] = non_dominated(table.memory[rows], table.step_s[rows])
    return kept
