"""Fits the few constants of each hardware family on published runs, shrunk towards what all families share.

Every constant is fitted as a logarithm. A family's value is normal around the shared value (`SPREAD`), the shared value
around what physics or the literature suggests (`hardware_catalog/data/efficiency/any.csv`), so that hardware with few
or no runs keeps sensible constants. Errors are log(predicted / measured); large ones count linearly (Huber 1964,
doi:10.1214/aoms/1177703732), and a source of many rows counts with the square root of their number.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.performance.cases import Batch, Case, batch, chosen, machines
from planner.performance.efficiency import ANY, COLUMNS, MEANING, Efficiency
from planner.performance.search import take
from planner.performance.step_time import step_time

Array = NDArray[np.float64]
SPREAD = {  # log standard deviation of a family's constant around the shared one: guesses
    "matmul": 0.15, "matmul_8bit": 0.15, "matmul_4bit": 0.15, "attention": 0.3, "memory": 0.25, "scale_up": 0.3,
    "scale_out": 0.3, "tensor_exposed": 0.5,
}
SHARED = {  # log standard deviation of a shared constant around its prior: guesses
    **dict.fromkeys(SPREAD, 0.3), "roofline": 0.5, "data_overlap": 0.3, "data_floor": 0.5, "pipeline_exposed": 0.5,
    "latency_up": 0.5, "launch": 0.5, "power": 0.3, "backward": 0.1, "head_size": 0.7, "latency_out": 0.7, "step": 0.7, "straggler": 0.7,
}
AT_MOST_ONE = ("matmul", "matmul_8bit", "matmul_4bit", "attention", "memory", "scale_up", "scale_out", "tensor_exposed",
               "data_overlap", "data_floor", "pipeline_exposed")
CAP = 0.97  # no constant of AT_MOST_ONE exceeds it
NOISE = 0.05  # log standard deviation of a published step time (runs.md, section 4: 2 to 10 %)
OUTLIER = 1.5  # errors beyond this many standard deviations count linearly
DISTRUST = 0.2  # weight of rows whose notes say low trust or low weight


@dataclass(frozen=True, slots=True)
class Problem:
    """One fit: cases, which layout of each, weights, and the free constants in the order of the vector."""

    cases: tuple[Case, ...]
    batch: Batch
    row: NDArray[np.intp]
    target: Array
    weight: Array
    names: tuple[tuple[str, str], ...]
    prior: Efficiency


def free_constants(cases: Sequence[Case]) -> tuple[tuple[str, str], ...]:
    """(family, constant) pairs to fit: all shared ones, and each family's own where its runs exercise them."""
    used: set[tuple[str, str]] = set()
    for case in cases:
        family = case.hardware.family
        used |= {(family, name) for name in SPREAD if not name.startswith("matmul")}
        used |= {(family, "matmul"), (family, {"fp8": "matmul_8bit", "int8": "matmul_8bit", "fp4": "matmul_4bit"}.get(case.precision, "matmul"))}
    return tuple((ANY, name) for name in SHARED) + tuple(sorted(used))


def fit(cases: Sequence[Case], prior: Efficiency, rounds: int = 3, steps: int = 8, start: Efficiency | None = None) -> Efficiency:
    """The constants of greatest posterior probability, by Gauss-Newton; open degrees are chosen anew every round."""
    everything = batch(cases)
    names = free_constants(cases)
    target = np.log([case.measured_s for case in cases])
    sizes = Counter(case.run.source for case in cases)
    weight = np.array([trust(case) / math.sqrt(sizes[case.run.source]) for case in cases])
    weight *= len(cases) / weight.sum()
    values = start or prior
    for _ in range(rounds):
        row, _, _ = chosen(everything, values)
        problem = Problem(tuple(cases), everything, row, target, weight, names, prior)
        theta = np.log([values[name] for name in names])
        values = with_constants(values, names, gauss_newton(problem, theta, steps))
    return values


def trust(case: Case) -> float:
    """The weight of a row: less where its notes say so."""
    notes = case.run.words["notes"].lower()
    return DISTRUST if "low trust" in notes or "low weight" in notes or "do not use" in notes else 1.0


def gauss_newton(problem: Problem, theta: Array, steps: int) -> Array:
    """Minimise the robust weighted squares of residuals and of distances to the priors (Levenberg-Marquardt)."""
    damping = 1e-2
    names = [name for _, name in problem.names]
    capped = np.array([name in AT_MOST_ONE for name in names])
    work, split = take(problem.batch.work, problem.row), take(problem.batch.degrees, problem.row)

    def logarithm(at: Array) -> Array:
        return np.where(capped, math.log(CAP) - np.log1p(np.exp(-at)), at)

    def residuals(at: Array) -> Array:
        constants = with_constants(problem.prior, problem.names, logarithm(at))
        seconds = np.asarray(step_time(work, split, machines(problem.cases, constants)).total)
        return (np.log(seconds) - problem.target) / NOISE

    def loss(at: Array) -> float:
        size = np.abs(residuals(at))
        huber = np.where(size <= OUTLIER, size**2, 2.0 * OUTLIER * size - OUTLIER**2)
        return float((problem.weight * huber).sum() + (distances(at) ** 2).sum())

    def distances(at: Array) -> Array:
        return prior_distances(problem, logarithm(at))

    share = np.minimum(np.exp(np.where(capped, theta, -1.0)) / CAP, 0.99)
    theta = np.where(capped, np.log(share / (1.0 - share)), theta)
    best = loss(theta)
    for _ in range(steps):
        r = residuals(theta)
        J = jacobian(residuals, theta)
        J_prior = jacobian(distances, theta)
        w = problem.weight * np.minimum(1.0, OUTLIER / np.maximum(np.abs(r), 1e-9))
        left = (J * w[:, None]).T @ J + J_prior.T @ J_prior
        right = (J * w[:, None]).T @ r + J_prior.T @ distances(theta)
        for _ in range(6):
            move = np.linalg.solve(left + damping * np.diag(np.diag(left)), right)
            trial = theta - np.clip(move, -0.5, 0.5)
            value = loss(trial)
            if value < best:
                theta, best, damping = trial, value, damping / 3.0
                break
            damping *= 4.0
        else:
            break
    return logarithm(theta)


def prior_distances(problem: Problem, theta: Array) -> Array:
    """Distances of every constant from its prior, in standard deviations."""
    shared = {name: value for (family, name), value in zip(problem.names, theta, strict=True) if family == ANY}
    return np.array([
        (value - math.log(problem.prior[ANY, name])) / SHARED[name] if family == ANY else (value - shared[name]) / SPREAD[name]
        for (family, name), value in zip(problem.names, theta, strict=True)
    ])


def jacobian(function: Callable[[Array], Array], at: Array, step: float = 1e-4) -> Array:
    """Forward differences, one column per constant."""
    base = function(at)
    columns = []
    for index in range(len(at)):
        moved = at.copy()
        moved[index] += step
        columns.append((function(moved) - base) / step)
    return np.stack(columns, axis=1)


def with_constants(values: Efficiency, names: Iterable[tuple[str, str]], theta: Array) -> Efficiency:
    """Constants with some replaced by exp(theta)."""
    return Efficiency({**values.values, **{name: math.exp(value) for name, value in zip(names, theta, strict=True)}})


def cross_validated(cases: Sequence[Case], prior: Efficiency, start: Efficiency | None = None) -> Array:
    """predicted / measured - 1 of every case by constants fitted without any row of its source."""
    errors = np.full(len(cases), np.nan)
    for source in sorted({case.run.source for case in cases}):
        inside = [case for case in cases if case.run.source != source]
        held = [index for index, case in enumerate(cases) if case.run.source == source]
        constants = fit(inside, prior, rounds=2, steps=5, start=forget(start, inside) if start else None)
        _, seconds, _ = chosen(batch([cases[index] for index in held]), constants)
        errors[held] = seconds / np.array([cases[index].measured_s for index in held]) - 1.0
    return errors


def forget(values: Efficiency, cases: Sequence[Case]) -> Efficiency:
    """Constants without those of families that no remaining case belongs to."""
    kept = set(free_constants(cases)) | {(family, name) for family, name in values.values if name not in SPREAD}
    return Efficiency({key: value for key, value in values.values.items() if key in kept})


def write(values: Efficiency, cases: Sequence[Case], errors: Array, held_out: Array, prior: Efficiency, folder: Path, when: date) -> list[Path]:
    """One csv per family with fit date, rows and median absolute residual; `expected_error` from the held-out errors."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    families = np.array([case.hardware.family for case in cases])
    for family in sorted({family for family, _ in values.values}):
        mine = families == family if family != ANY else np.ones(len(cases), dtype=bool)
        rows = int(mine.sum())
        residual = f"{np.median(np.abs(errors[mine])):.3f}" if rows else ""
        fitted = set(free_constants(cases))
        constants = dict(sorted((name, value) for (owner, name), value in values.values.items() if owner == family))
        if rows >= 5 or family == ANY:
            constants["expected_error"] = float(np.median(np.abs(held_out[mine])))
        file = folder / f"{family}.csv"
        with file.open("w", newline="", encoding="utf-8") as lines:
            out = csv.writer(lines, lineterminator="\n")
            out.writerow(COLUMNS)
            for name in sorted(constants):
                is_fit = (family, name) in fitted or name == "expected_error"
                source = "fit on published runs" if is_fit else prior_source(family, name)
                out.writerow([family, name, f"{constants[name]:.4g}", MEANING[name][0], source, when.isoformat() if is_fit else "",
                              rows if is_fit else "", residual if is_fit else ""])
        written.append(file)
    return written


def prior_source(family: str, name: str) -> str:
    """Where a constant that is not fitted comes from."""
    return {
        "host_link": "PCI Express generation of the family's hosts, x16",
        "fused_attention": "FlashAttention needs compute capability 8.0 (github:Dao-AILab/flash-attention README)",
        "reserve": "guess: CUDA context, collectives' buffers, fragmentation",
    }.get(name, "guess")
