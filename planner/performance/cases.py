"""Published runs as arrays: every layout each row allows, evaluated together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware_catalog.catalog import Catalog
from planner.model_spec import ModelSpec
from planner.performance.efficiency import Efficiency
from planner.performance.hardware import Hardware, Machine, machine, of_accelerator, per_core
from planner.performance.layout import RECOMPUTE, Degrees
from planner.performance.memory import memory_use
from planner.performance.parameters import Shape, shape, shared_out
from planner.performance.published import (
    PRECISION,
    Run,
    interleaved,
    lora,
    measured_step_s,
    model_spec,
    network_gbps_per_node,
    read_runs,
    sharding,
    software_of_run,
    unmodelled,
)
from planner.performance.search import Fixed, candidates, joined, take
from planner.performance.software import Software
from planner.performance.step_time import step_time

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """One row ready to be modelled; `assumed` says what the row did not."""

    run: Run
    hardware: Hardware
    precision: str
    software: Software
    work: Shape
    layouts: Degrees
    measured_s: float
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """All layouts of all cases: `case` is the index of each layout's case, `kind` that of each case's machine."""

    cases: tuple[Case, ...]
    case: NDArray[np.intp]
    kinds: tuple[Case, ...]  # one case of every machine
    kind: NDArray[np.intp]
    work: Shape
    degrees: Degrees


def read_cases(paths: Iterable[Path], catalog: Catalog) -> tuple[list[Case], list[tuple[str, str]]]:
    """The rows of some files as cases, and id and reason of those that cannot be; InputError for malformed files."""
    cases: list[Case] = []
    skipped: list[tuple[str, str]] = []
    for run in (run for path in paths for run in read_runs(path)):
        found = unmodelled(run, catalog.accelerators) or case(run, catalog)
        if isinstance(found, str):
            skipped.append((run.id, found))
        else:
            cases.append(found)
    return cases, skipped


def case(run: Run, catalog: Catalog) -> Case | str:
    """A row as a case, or why it cannot be one."""
    assumed: list[str] = []
    n = run.count("num_accelerators")
    given = {name: run.count(name) or None for name in ("tp", "pp", "vp", "cp", "dp", "ep", "micro_batch")}
    known = given["tp"] is not None and given["pp"] is not None
    if known:
        given["cp"] = given["cp"] or 1
    network = network_gbps_per_node(run)
    per_node = run.count("accelerators_per_node") or None
    accelerator = catalog.accelerators[run.words["accelerator"]]
    hosted = per_node or accelerator.typical_chips_per_host
    hardware = of_accelerator(accelerator, per_node, network / hosted if network else None)
    if (given["tp"] or 1) * (given["pp"] or 1) * (given["cp"] or 1) * (given["dp"] or 0) == 2 * n or (
        given["tp"] or 0
    ) * (given["pp"] or 1) > n:
        hardware, n = per_core(hardware, 2), 2 * n
        assumed.append("degrees count the two cores of a chip")
    precision = PRECISION[run.words["precision"]]
    if not hardware_has(hardware, precision):
        return f"{run.words['accelerator']} has no {precision} peak in the catalog"
    if precision != run.words["precision"]:
        assumed.append(f"{run.words['precision']} as {precision}")
    software = software_of_run(run)
    fused = software.fused_attention
    zero, group = sharding(run)
    model = model_spec(run)
    B, s = run.count("global_batch_sequences"), run.count("seq_len")
    found = known_layouts(run, given, n, model, fused) if known else searched_layouts(run, hardware, given, n, fused)
    if isinstance(found, str):
        return found
    free, notes = found
    if zero is None:
        notes = (*notes, "sharding unknown: the cheapest that fits")
    if run.words["recompute"] not in ("none", "selective", "full"):
        notes = (*notes, "recomputation unknown: the cheapest that fits")
    return Case(
        run,
        hardware,
        precision,
        software,
        shape(model, s, B, lora(run)),
        decided(free, run, zero, group, fused, hardware.torus_axes > 1),
        measured_step_s(run),
        (*assumed, *notes),
    )


def hardware_has(hardware: Hardware, precision: str) -> bool:
    """Whether the catalog gives a peak for a precision."""
    return bool({"fp8": hardware.peak_8bit, "int8": hardware.peak_int8, "fp4": hardware.peak_4bit}.get(precision, 1.0))


def known_layouts(
    run: Run, given: dict[str, int | None], n: int, model: ModelSpec, fused: bool
) -> tuple[Degrees, tuple[str, ...]] | str:
    """The layouts of a row that gives its tensor and pipeline degrees: micro-batch and chunks may be open."""
    t, p, c = (given[name] or 1 for name in ("tp", "pp", "cp"))
    if n % (t * p * c):
        return f"tp * pp * cp = {t * p * c} does not divide {n} accelerators"
    D = n // (t * p * c)
    B = run.count("global_batch_sequences")
    notes: tuple[str, ...] = ()
    layers = model.layers
    groups = [given["ep"] or 1]
    if model.experts and not given["ep"]:
        groups = [e for e in range(1, model.experts + 1) if model.experts % e == 0 and (t * c * D) % e == 0]
        notes = ("expert parallelism unknown: the best that fits",)
    elif model.experts and (t * c * D) % groups[0]:
        return f"ep = {groups[0]} does not divide the {t * c * D} accelerators of a stage"
    if given["micro_batch"]:
        batches = [given["micro_batch"]]
    else:
        batches = [b for b in range(1, 65) if B % (D * b) == 0] or [max(B // D, 1)]
        notes = (*notes, "micro-batch unknown: the best that fits")
    wave = interleaved(run)
    chunks = [given["vp"] or 1]
    if p > 1 and not given["vp"] and wave is not False and (wave or fused):
        chunks = [v for v in range(1, layers // p + 1) if shared_out(layers, p, v)] or [1]
        notes = (*notes, "pipeline chunks unknown: the best that fits")
    rows = np.array(list(product(batches, chunks, groups)), dtype=float)
    b, v, e = rows.T
    one = np.ones(len(rows))
    return Degrees(t * one, p * one, v, D * one, c * one, e, b, one, D * c * one, 0 * one, 0 * one, one), notes


def searched_layouts(
    run: Run, hardware: Hardware, given: dict[str, int | None], n: int, fused: bool
) -> tuple[Degrees, tuple[str, ...]] | str:
    """Every legal layout consistent with the degrees a row gives."""
    fixed = Fixed(
        tp=given["tp"], pp=given["pp"], vp=given["vp"], cp=given["cp"], ep=given["ep"], micro_batch=given["micro_batch"]
    )
    _, free = candidates(
        model_spec(run), hardware, [n], run.count("seq_len"), run.count("global_batch_sequences"), fixed
    )
    if not len(np.asarray(free.t)):
        return f"no layout of {n} accelerators shares {run.count('global_batch_sequences')} sequences evenly"
    return free, ("degrees unknown: the best layout consistent with the row",)


def decided(free: Degrees, run: Run, zero: int | None, group: int, fused: bool, torus: bool) -> Degrees:
    """The layouts crossed with what is open of ZeRO stage and recomputation."""
    wanted = run.words["recompute"]
    recomputes = (wanted,) if wanted in ("none", "selective", "full") else RECOMPUTE
    parts = []
    sequence_parallel = fused or wanted == "selective"
    for stage in (zero,) if zero is not None else (0, 1, 3):
        for recompute in recomputes:
            one = np.ones_like(free.t)
            ranks = free.D * free.c
            parts.append(
                replace(
                    free,
                    z=one * stage,
                    S=np.minimum(one * group, ranks) if group else ranks,
                    full=one * (recompute == "full"),
                    selective=one * (recompute == "selective"),
                    sp=np.where(free.t > 1, float(sequence_parallel), 0.0),
                )
            )
    if (
        zero is None
    ):  # unnamed FSDP: only in current software, without a pipeline, and beside tensor parallelism only on a torus
        parts = [
            take(
                part,
                np.nonzero((np.asarray(part.z) < 3) | (fused & (np.asarray(part.p * (1 if torus else part.t)) == 1)))[
                    0
                ],
            )
            for part in parts
        ]
    return joined(parts)


def batch(cases: Sequence[Case]) -> Batch:
    """Cases as one set of arrays."""
    sizes = [len(np.asarray(one.layouts.t)) for one in cases]
    index = np.repeat(np.arange(len(cases)), sizes)
    split = joined([one.layouts for one in cases])
    first: dict[tuple[Hardware, str, Software], int] = {}
    kind = np.array([first.setdefault((c.hardware, c.precision, c.software), len(first)) for c in cases], dtype=np.intp)
    kinds = tuple(cases[int(np.argmax(kind == number))] for number in range(len(first)))
    return Batch(tuple(cases), index, kinds, kind, take(stacked([one.work for one in cases]), index), split)


def stacked(letters: Sequence[Any]) -> Any:
    """Letters of several cases as arrays."""
    kind = type(letters[0])
    return kind(
        **{field.name: np.array([getattr(one, field.name) for one in letters], dtype=float) for field in fields(kind)}
    )


def machines(batch: Batch, constants: Efficiency) -> Machine:
    """The machine letters of a batch's cases as arrays."""
    made = [machine(one.hardware, one.precision, constants, one.software) for one in batch.kinds]
    result: Machine = take(stacked(made), batch.kind)
    return result


def chosen(batch: Batch, constants: Efficiency) -> tuple[NDArray[np.intp], Array, Array]:
    """For every case the row of its fastest layout that fits (else of least memory), its seconds, and its bytes."""
    letters = take(machines(batch, constants), batch.case)
    memory = np.asarray(memory_use(batch.work, batch.degrees, letters).total)
    step = np.asarray(step_time(batch.work, batch.degrees, letters).total)
    key = np.where(memory <= letters.memory, step, 1e12 * memory)
    order = np.lexsort((key, batch.case))
    first = order[np.searchsorted(batch.case[order], np.arange(len(batch.cases)))]
    return first, step[first], memory[first]
