"""Which layouts are legal, what is wrong with one that is not, and the nearest one that is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from planner.errors import InputError, Problem, nearest
from planner.model_spec import ModelSpec
from planner.performance.hardware import Hardware
from planner.performance.layout import RECOMPUTE, Layout
from planner.performance.search import Fixed, Table

LETTERS = {"tp": "t", "pp": "p", "vp": "v", "cp": "c", "ep": "e", "micro_batch": "b", "zero": "z"}


def check_degrees(
    model: ModelSpec,
    hardware: Hardware,
    accelerators: int,
    global_batch_sequences: int,
    fixed: Fixed,
    every: Callable[[], Table],
) -> None:
    """Raise InputError for every degree that breaks a rule, with the nearest of `every` legal layout of the slice."""
    problems = [
        *_not_dividing(model, accelerators, global_batch_sequences, fixed),
        *_too_wide(hardware, fixed),
        *_pipeline(model, fixed),
        *_unknown(model, fixed),
    ]
    if not problems:
        problems = _batch(accelerators, global_batch_sequences, fixed)
    if problems:
        raise InputError([*problems, *_hint(fixed, every())])


def check_together(fixed: Fixed, every: Table) -> None:
    """Raise InputError where degrees that are legal each are not together, but others would be."""
    given = [f"{name} = {value}" for name in LETTERS if (value := getattr(fixed, name)) is not None]
    if given and len(every.step_s):
        raise InputError([Problem(f"no legal layout has {', '.join(given)}"), *_hint(fixed, every)])


def nearest_layout(fixed: Fixed, every: Table, fitting: bool = False) -> Layout | None:
    """The layout whose degrees differ least from those given, as ratios; the fastest of equals; None without one."""
    distance = np.zeros(len(every.step_s))
    for name, letter in LETTERS.items():
        if (value := getattr(fixed, name)) is not None:
            column = np.asarray(getattr(every.degrees, letter))
            distance += np.abs(np.log2((column + 1.0) / (value + 1.0) if name == "zero" else column / max(value, 1)))
    if fixed.recompute in RECOMPUTE:
        at = np.where(every.degrees.full, "full", np.where(every.degrees.selective, "selective", "none"))
        distance += at != fixed.recompute
    if fitting:
        distance = np.where(np.isfinite(every.step_s), distance, np.inf)
    if not np.isfinite(distance).any():
        return None
    return every.layout(int(np.lexsort((every.memory, every.step_s, distance))[0]))


def _hint(fixed: Fixed, every: Table) -> list[Problem]:
    found = nearest_layout(fixed, every, fitting=True) or nearest_layout(fixed, every)
    return [Problem(f"nearest legal layout: {found}")] if found else []


def _not_dividing(model: ModelSpec, accelerators: int, batch: int, fixed: Fixed) -> list[Problem]:
    stage = accelerators // (fixed.pp or 1)
    product = (fixed.tp or 1) * (fixed.pp or 1) * (fixed.cp or 1)
    splits = [
        ("tp", fixed.tp, "the attention heads", model.heads),
        ("tp", fixed.tp, "the accelerators", accelerators),
        ("pp", fixed.pp, "the accelerators", accelerators),
        ("cp", fixed.cp, "the accelerators", accelerators),
        ("micro_batch", fixed.micro_batch, "the global batch in sequences", batch),
    ]
    if model.experts:
        splits += [
            ("ep", fixed.ep, "the experts", model.experts),
            ("ep", fixed.ep, "the accelerators of a pipeline stage", stage),
        ]
    problems = [
        Problem(f"{value} does not divide {what} ({size})", field=name)
        for name, value, what, size in splits
        if value is not None and (value < 1 or size % value)
    ]
    if not problems and accelerators % product:
        problems.append(
            Problem(f"tp * pp * cp = {product} does not divide the accelerators ({accelerators})", field="tp")
        )
    return problems


def _too_wide(hardware: Hardware, fixed: Fixed) -> list[Problem]:
    widest = max(hardware.domain, hardware.accelerators_per_node)
    if fixed.tp is None or fixed.tp <= widest:
        return []
    message = f"{fixed.tp} exceeds the {widest} accelerators of a scale-up domain by {fixed.tp - widest}"
    return [Problem(message, field="tp")]


def _pipeline(model: ModelSpec, fixed: Fixed) -> list[Problem]:
    p, v = fixed.pp or 1, fixed.vp or 1
    if p > model.layers:
        return [Problem(f"{p} stages for {model.layers} layers, {p - model.layers} too many", field="pp")]
    if v > 1 and p == 1:
        return [Problem("interleaving needs a pipeline: give --pp above 1", field="vp")]
    if v > 1 and model.layers % (p * v) and (model.layers + 2) % (p * v):
        message = (
            f"pp * vp = {p * v} does not divide the layers ({model.layers}), nor with the tables ({model.layers + 2})"
        )
        return [Problem(message, field="vp")]
    return []


def _batch(accelerators: int, batch: int, fixed: Fixed) -> list[Problem]:
    if not (fixed.tp and fixed.pp and fixed.cp):
        return []
    dp, b = accelerators // (fixed.tp * fixed.pp * fixed.cp), fixed.micro_batch or 1
    if batch % (dp * b):
        message = f"dp * micro_batch = {dp} * {b} does not divide the global batch ({batch} sequences)"
        return [Problem(message, field="micro_batch")]
    if (fixed.vp or 1) > 1 and fixed.micro_batch and batch // (dp * b) % fixed.pp:
        message = f"an interleaved pipeline of {fixed.pp} stages needs a multiple of {fixed.pp} micro-batches, not "
        return [Problem(message + f"{batch // (dp * b)}", field="vp")]
    return []


def _unknown(model: ModelSpec, fixed: Fixed) -> list[Problem]:
    problems = []
    if fixed.zero is not None and fixed.zero not in range(4):
        problems.append(Problem(f"expected 0, 1, 2 or 3, got {fixed.zero}", field="zero"))
    if fixed.recompute is not None and fixed.recompute not in RECOMPUTE:
        message = f"expected one of {', '.join(RECOMPUTE)}, got '{fixed.recompute}'"
        problems.append(Problem(message, field="recompute", nearest=nearest(fixed.recompute, RECOMPUTE)))
    if fixed.ep not in (None, 1) and not model.experts:
        message = f"expert parallelism of {fixed.ep} needs a mixture of experts; {model.name} is dense"
        problems.append(Problem(message, field="ep"))
    return problems
