"""All legal layouts of a phase on slices of one kind of node, in one vectorised pass, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from planner.model_spec import ModelSpec
from planner.performance.efficiency import Efficiency
from planner.performance.hardware import Hardware, Machine, machine
from planner.performance.layout import RECOMPUTE, Degrees, Layout
from planner.performance.memory import memory_use
from planner.performance.parameters import Shape, shape, shared_out
from planner.performance.software import TODAY, Software
from planner.performance.step_time import step_time

Array = NDArray[np.float64]
Letters = TypeVar("Letters", Shape, Degrees, Machine)
MICRO_BATCHES = (1, 2, 4, 8, 16, 32)
LARGEST_PIPELINE = 64
LARGEST_EXPERT_GROUP = 128
SHORTEST_CONTEXT = 4096  # tokens a context-parallel rank should keep


@dataclass(frozen=True, slots=True)
class Fixed:
    """Degrees the caller has decided; None is searched."""

    tp: int | None = None
    pp: int | None = None
    vp: int | None = None
    cp: int | None = None
    ep: int | None = None
    micro_batch: int | None = None
    zero: int | None = None
    recompute: str | None = None
    sequence_parallel: bool = True
    shard_group: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Layouts as rows: which slice (index), degrees, bytes of memory, seconds of a step (inf where it does not fit)."""

    slice_index: NDArray[np.int64]
    degrees: Degrees
    memory: Array
    step_s: Array

    def layout(self, row: int) -> Layout:
        """The layout of one row."""
        at = {field.name: float(np.asarray(getattr(self.degrees, field.name))[row]) for field in fields(Degrees)}
        dp, cp = round(at["D"]), round(at["c"])
        recompute = "full" if at["full"] else "selective" if at["selective"] else "none"
        group = round(at["S"])
        return Layout(
            tp=round(at["t"]),
            pp=round(at["p"]),
            vp=round(at["v"]),
            dp=dp,
            cp=cp,
            ep=round(at["e"]),
            micro_batch=round(at["b"]),
            zero=round(at["z"]),
            recompute=recompute,
            sequence_parallel=bool(at["sp"]),
            shard_group=group if group != dp * cp else 0,
        )


def take(letters: Letters, index: NDArray[np.intp]) -> Letters:
    """The letters at some rows; numbers stay numbers."""
    values = {
        field.name: value[index]
        if isinstance(value := getattr(letters, field.name), np.ndarray) and value.ndim
        else value
        for field in fields(letters)
    }
    return replace(letters, **values)


def joined(parts: Sequence[Degrees]) -> Degrees:
    """Layouts of several parts, one after the other."""
    return Degrees(
        **{
            field.name: np.concatenate([np.asarray(getattr(part, field.name)) for part in parts])
            for field in fields(Degrees)
        }
    )


@lru_cache(maxsize=256)
def grid(
    layers: int, heads: int, experts: int, sequence_length: int, domain: int, pipelined: bool, fixed: Fixed
) -> Array:
    """Columns t, p, v, c, e, b of every combination legal on some slice: whole heads, experts and chunks per rank.

    Expert parallelism is searched over the divisors of the experts that are powers of two, or all of them.
    """
    widths = (1, 2, 3, 4, 6, 8, 12, 16) if domain > 16 else (1, 2, 4, 8, 16)  # PaLM's 6,144 chips held 12 x 512
    tensors = (fixed.tp,) if fixed.tp else [t for t in widths if t <= domain and heads % t == 0]
    contexts = (
        (fixed.cp,)
        if fixed.cp
        else [c for c in (1, 2, 4, 8, 16, 32, 64) if c == 1 or sequence_length >= c * SHORTEST_CONTEXT]
    )
    batches = (fixed.micro_batch,) if fixed.micro_batch else MICRO_BATCHES
    spread = [e for e in range(1, experts + 1) if experts % e == 0 and (e & (e - 1) == 0 or e == experts)]
    groups = (fixed.ep,) if fixed.ep else [e for e in spread if e <= LARGEST_EXPERT_GROUP] or [1]
    stages = []
    for p in (fixed.pp,) if fixed.pp else range(1, min(layers, LARGEST_PIPELINE if pipelined else 1) + 1):
        chunks = [v for v in range(1, layers // p + 1) if shared_out(layers, p, v)] if p > 1 else [1]
        if fixed.pp and not chunks:
            chunks = [1]
        if fixed.vp:
            chunks = [fixed.vp]
        elif len(chunks) > 4:
            chunks = [*chunks[:2], chunks[len(chunks) // 2], chunks[-1]]
        stages += [(p, v) for v in chunks]
    rows = [(t, p, v, c, e, b) for t, (p, v), c, e, b in product(tensors, stages, contexts, groups, batches)]
    return np.array(rows, dtype=float).reshape(-1, 6)


def candidates(
    model: ModelSpec,
    hardware: Hardware,
    accelerators: Sequence[int],
    sequence_length: int,
    global_batch_sequences: int,
    fixed: Fixed,
) -> tuple[NDArray[np.intp], Degrees]:
    """Every legal layout of every slice size, without ZeRO and recomputation decided: slice index and degrees.

    Legal: the degrees multiply to the accelerators, expert groups divide the accelerators of a stage, micro-batches
    divide the global batch evenly over the data-parallel ranks, and an interleaved pipeline gets a multiple of its
    stages (Megatron SC21, arXiv:2104.04473, section 2.2.2).
    """
    table = grid(
        model.layers, model.heads, model.experts, sequence_length, hardware.domain, hardware.torus_axes == 1, fixed
    )
    ranks = np.array(accelerators, dtype=float)[:, None] / (table[:, 0] * table[:, 1] * table[:, 3])
    index, row = np.nonzero((ranks >= 1) & (ranks == np.floor(ranks)))
    D = ranks[index, row]
    t, p, v, c, e, b = table[row].T
    m = global_batch_sequences / (D * b)
    whole = (m >= 1) & (m == np.floor(m)) & ((v == 1) | (np.mod(m, p) == 0)) & (np.mod(t * c * D, e) == 0)
    index, D = index[whole], D[whole]
    t, p, v, c, e, b = (column[whole] for column in (t, p, v, c, e, b))
    zero = np.zeros_like(t)
    S = np.minimum(fixed.shard_group, D * c) if fixed.shard_group else D * c
    return index, Degrees(t, p, v, D, c, e, b, zero, S, zero, zero, (t > 1) * float(fixed.sequence_parallel))


def layouts(
    model: ModelSpec,
    hardware: Hardware,
    accelerators: Sequence[int],
    sequence_length: int,
    global_batch_sequences: int,
    precision: str,
    fixed: Fixed | None = None,
    lora: bool = False,
    constants: Efficiency | None = None,
    software: Software = TODAY,
) -> Table:
    """All legal layouts of some slice sizes (in accelerators) with their memory and step time.

    For each split, ZeRO stages 1 and 3 and the cheapest recomputation that fits are kept (none, selective, full),
    unless fixed. Stages 0 and 2 are never faster than 1 and 3 and hold more.
    """
    fixed = fixed or Fixed()
    fixed = replace(fixed, sequence_parallel=fixed.sequence_parallel and software.fused_attention)
    letters = machine(hardware, precision, constants, software)
    work = shape(model, sequence_length, global_batch_sequences, lora)
    index, free = candidates(model, hardware, accelerators, sequence_length, global_batch_sequences, fixed)
    stages = (fixed.zero,) if fixed.zero is not None else (1, 3)
    parts: list[tuple[NDArray[np.intp], Degrees, Array]] = []
    for stage in stages:
        rest, split = index, replace(free, z=np.full_like(free.t, float(stage)))
        if stage == 3 and fixed.zero is None:  # one rank has nothing to shard; nobody gathers for every pipelined batch
            keep = np.nonzero(np.asarray((free.D * free.c > 1) & (free.p == 1)))[0]
            rest, split = index[keep], take(split, keep)
        for recompute in (fixed.recompute,) if fixed.recompute else RECOMPUTE:
            chosen = replace(
                split,
                full=np.full_like(split.t, float(recompute == "full")),
                selective=np.full_like(split.t, float(recompute == "selective")),
            )
            memory = np.asarray(memory_use(work, chosen, letters).total)
            last = recompute in ("full", fixed.recompute)
            keep = np.nonzero((memory <= letters.memory) | last)[0]
            parts.append((rest[keep], take(chosen, keep), memory[keep]))
            left = np.nonzero(memory > letters.memory)[0]
            rest, split = rest[left], take(split, left)
    rows = np.concatenate([part[0] for part in parts])
    memory = np.concatenate([part[2] for part in parts])
    merged = joined([part[1] for part in parts])
    step = np.full(len(rows), np.inf)
    fits = np.nonzero(memory <= letters.memory)[0]
    step[fits] = np.asarray(step_time(work, take(merged, fits), letters).total)
    return Table(rows.astype(np.int64), merged, memory, step)


def best_rows(table: Table, slices: int) -> list[int]:
    """The row of every slice's fastest layout; of the one of least memory where none fits; -1 where none is legal."""
    best = [-1] * slices
    for row in np.lexsort((table.memory, table.step_s, table.slice_index))[::-1].tolist():
        best[int(table.slice_index[row])] = row
    return best
