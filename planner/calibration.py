"""Fits the few constants of each hardware family on published runs, shrunk towards what all families share.

Every constant is fitted as a logarithm. A family's value is normal around the shared value (`SPREAD`), the shared value
around what physics or the literature suggests (`hardware_catalog/data/efficiency/priors`), so that hardware with few
or no runs keeps sensible constants. Errors are log(predicted / measured); they are taken to be Cauchy
distributed, so that runs of ill-tuned or misprinted configurations count little (Hampel et al. 1986, "Robust
Statistics", section 2.6), and the rows of a source weigh less the more there are.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware_catalog.catalog import Catalog
from planner.errors import InputError
from planner.errors import Problem as Mistake
from planner.performance.cases import Batch, Case, batch, case, chosen, machines
from planner.performance.efficiency import ANY, COLUMNS, MEANING, Efficiency, directory, read_efficiency
from planner.performance.published import read_runs, unmodelled
from planner.performance.search import take
from planner.performance.step_time import step_time

Array = NDArray[np.float64]
SPREAD = {  # log standard deviation of a family's constant around the shared one: guesses
    "matmul": 0.15,
    "matmul_8bit": 0.15,
    "matmul_4bit": 0.15,
    "attention": 0.3,
    "memory": 0.25,
    "scale_up": 0.3,
    "scale_out": 0.3,
    "tensor_exposed": 0.5,
}
SHARED = {  # log standard deviation of a shared constant around its prior: guesses
    **dict.fromkeys(SPREAD, 0.3),
    "roofline": 0.3,
    "data_overlap": 0.3,
    "data_floor": 0.5,
    "pipeline_exposed": 0.5,
    "step": 0.4,
    "depth": 0.5,
    "adapters": 0.5,
    "latency_up": 0.5,
    "launch": 0.5,
    "power": 0.3,
    "backward": 0.1,
    "head_size": 0.7,
    "latency_out": 0.7,
    "straggler": 0.7,
}
AT_MOST_ONE = (
    "matmul",
    "matmul_8bit",
    "matmul_4bit",
    "attention",
    "memory",
    "scale_up",
    "scale_out",
    "tensor_exposed",
    "data_overlap",
    "data_floor",
    "pipeline_exposed",
)
CAP = 0.97  # no constant of AT_MOST_ONE exceeds it
FEWEST_ROWS = 5  # of a family, for an expected error of its own
NOISE = 0.05  # log standard deviation of a published step time (runs.md, section 4: 2 to 10 %)
OUTLIER = 1.2  # scale of the Cauchy distribution in those
CROWDING = 0.3  # a row of a source of n rows weighs n to minus this
DISTRUST = 0.2  # weight of rows whose notes say low trust or low weight


@dataclass(frozen=True, slots=True)
class Fit:
    """One fit: cases, which layout of each, weights, and the free constants in the order of the vector."""

    cases: tuple[Case, ...]
    batch: Batch
    row: NDArray[np.intp]
    target: Array
    weight: Array
    names: tuple[tuple[str, str], ...]
    prior: Efficiency


@dataclass(frozen=True, slots=True)
class Calibration:
    """Fitted constants, the runs they were fitted on, and errors (predicted / measured - 1) of those runs.

    `held_out` are the errors by constants fitted without the run's source, `unseen` without its family; empty when not
    asked.
    """

    constants: Efficiency
    cases: tuple[Case, ...]
    errors: Array
    held_out: Array
    unseen: Array


def calibrated(
    paths: Sequence[Path], catalog: Catalog, cross_validate: bool = True, prior: Efficiency | None = None
) -> Calibration:
    """Constants fitted on every row of some files that can be modelled; raises InputError for malformed files."""
    prior = prior or read_efficiency(directory() / "priors")
    cases = [
        found
        for path in paths
        for run in read_runs(path)
        if not unmodelled(run, catalog.accelerators) and isinstance(found := case(run, catalog), Case)
    ]
    if not cases:
        raise InputError(Mistake("no row can be modelled", str(paths[0]) if paths else ""))
    constants = fit(cases, prior)
    nothing = np.empty(0)
    held_out = cross_validated(cases, prior, constants, lambda one: one.run.source) if cross_validate else nothing
    unseen = cross_validated(cases, prior, constants, lambda one: one.hardware.family) if cross_validate else nothing
    return Calibration(constants, tuple(cases), step_errors(cases, constants), held_out, unseen)


def free_constants(cases: Sequence[Case]) -> tuple[tuple[str, str], ...]:
    """(family, constant) pairs to fit: all shared ones, and each family's own where its runs exercise them."""
    used: set[tuple[str, str]] = set()
    for one in cases:
        family = one.hardware.family
        used |= {(family, name) for name in SPREAD if not name.startswith("matmul")}
        used |= {
            (family, "matmul"),
            (family, {"fp8": "matmul_8bit", "int8": "matmul_8bit", "fp4": "matmul_4bit"}.get(one.precision, "matmul")),
        }
    return tuple((ANY, name) for name in SHARED) + tuple(sorted(used))


def fit(
    cases: Sequence[Case], prior: Efficiency, rounds: int = 4, steps: int = 10, start: Efficiency | None = None
) -> Efficiency:
    """The constants of greatest posterior probability, by Gauss-Newton; open degrees are chosen anew every round."""
    everything = batch(cases)
    names = free_constants(cases)
    target = np.log([case.measured_s for case in cases])
    sizes = Counter(case.run.source for case in cases)
    weight = np.array([trust(case) / sizes[case.run.source] ** CROWDING for case in cases])
    weight *= len(cases) / weight.sum()
    values = start or prior
    for _ in range(rounds):
        row, _, _ = chosen(everything, values)
        problem = Fit(tuple(cases), everything, row, target, weight, names, prior)
        theta = np.log([values[name] for name in names])
        values = with_constants(values, names, gauss_newton(problem, theta, steps))
    return values


def trust(case: Case) -> float:
    """The weight of a row: less where its notes say so."""
    notes = case.run.words["notes"].lower()
    return (
        DISTRUST
        if "low trust" in notes or "low weight" in notes or "do not use" in notes or "do not say which" in notes
        else 1.0
    )


def gauss_newton(problem: Fit, theta: Array, steps: int) -> Array:
    """Minimise the robust weighted squares of residuals and of distances to the priors (Levenberg-Marquardt)."""
    damping = 1e-2
    names = [name for _, name in problem.names]
    capped = np.array([name in AT_MOST_ONE for name in names])
    work, split = take(problem.batch.work, problem.row), take(problem.batch.degrees, problem.row)

    def logarithm(at: Array) -> Array:
        return np.asarray(np.where(capped, math.log(CAP) - np.log1p(np.exp(-at)), at))

    def residuals(at: Array) -> Array:
        constants = with_constants(problem.prior, problem.names, logarithm(at))
        seconds = np.asarray(step_time(work, split, machines(problem.cases, constants)).total)
        return np.asarray((np.log(seconds) - problem.target) / NOISE)

    def loss(at: Array) -> float:
        cauchy = OUTLIER**2 * np.log1p((residuals(at) / OUTLIER) ** 2)
        return float((problem.weight * cauchy).sum() + (distances(at) ** 2).sum())

    def distances(at: Array) -> Array:
        return prior_distances(problem, logarithm(at))

    share = np.minimum(np.exp(np.where(capped, theta, -1.0)) / CAP, 0.99)
    theta = np.where(capped, np.log(share / (1.0 - share)), theta)
    best = loss(theta)
    for _ in range(steps):
        r = residuals(theta)
        J = jacobian(residuals, theta)
        J_prior = jacobian(distances, theta)
        w = problem.weight * 1.0 / (1.0 + (r / OUTLIER) ** 2)
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


def prior_distances(problem: Fit, theta: Array) -> Array:
    """Distances of every constant from its prior, in standard deviations."""
    shared = {name: value for (family, name), value in zip(problem.names, theta, strict=True) if family == ANY}
    return np.array(
        [
            (value - math.log(problem.prior[ANY, name])) / SHARED[name]
            if family == ANY
            else (value - shared[name]) / SPREAD[name]
            for (family, name), value in zip(problem.names, theta, strict=True)
        ]
    )


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


def cross_validated(cases: Sequence[Case], prior: Efficiency, start: Efficiency, group: Callable[[Case], str]) -> Array:
    """predicted / measured - 1 of every case by constants fitted without any row of its group (source or family)."""
    errors = np.full(len(cases), np.nan)
    for left_out in sorted({group(one) for one in cases}):
        inside = [case for case in cases if group(case) != left_out]
        held = [index for index, case in enumerate(cases) if group(case) == left_out]
        constants = fit(inside, prior, rounds=2, steps=6, start=forget(start, inside))
        errors[held] = step_errors([cases[index] for index in held], constants)
    return errors


def step_errors(cases: Sequence[Case], constants: Efficiency) -> Array:
    """predicted / measured - 1 of every case."""
    _, seconds, _ = chosen(batch(cases), constants)
    return np.asarray(seconds / np.array([one.measured_s for one in cases]) - 1.0)


def forget(values: Efficiency, cases: Sequence[Case]) -> Efficiency:
    """Constants without those of families that no remaining case belongs to."""
    kept = set(free_constants(cases)) | {
        (family, name) for family, name in values.values if name not in SPREAD or family == ANY
    }
    return Efficiency({key: value for key, value in values.values.items() if key in kept})


def write(found: Calibration, folder: Path, when: date) -> list[Path]:
    """One csv per family with fit date, rows and median residual; `expected_error` from the errors left out."""
    folder.mkdir(parents=True, exist_ok=True)
    fitted = set(free_constants(found.cases))
    families = np.array([case.hardware.family for case in found.cases])
    written = []
    for family in sorted({family for family, _ in found.constants.values}):
        mine = families == family if family != ANY else np.ones(len(found.cases), dtype=bool)
        rows = int(mine.sum())
        residual = f"{np.median(np.abs(found.errors[mine])):.3f}" if rows else ""
        constants = {name: value for (owner, name), value in found.constants.values.items() if owner == family}
        errors = found.unseen if family == ANY else found.held_out
        measured = len(errors) > 0 and rows >= FEWEST_ROWS
        if measured:
            constants["expected_error"] = float(np.median(np.abs(errors[mine])))
        file = folder / f"{family}.csv"
        with file.open("w", newline="", encoding="utf-8") as lines:
            out = csv.writer(lines, lineterminator="\n")
            out.writerow(COLUMNS)
            for name, value in sorted(constants.items()):
                is_fit = (family, name) in fitted
                source = "fit on published runs" if is_fit else prior_source(family, name)
                if name == "expected_error" and measured:
                    source = "published runs predicted without their " + ("family" if family == ANY else "source")
                last = (
                    [when.isoformat(), rows, residual]
                    if is_fit or (name == "expected_error" and measured)
                    else ["", "", ""]
                )
                out.writerow([family, name, f"{value:.4g}", MEANING[name][0], source, *last])
        written.append(file)
    return written


def prior_source(family: str, name: str) -> str:
    """Where a constant that is not fitted comes from."""
    return {
        "host_link": "PCI Express generation of the family's hosts, x16",
        "fused_attention": "FlashAttention needs compute capability 8.0 (github:Dao-AILab/flash-attention README)",
        "watts": "power limit over 16-bit dense peak of the accelerator most runs used (accelerators.csv)"
        if family != ANY
        else "no reference: power is not considered",
    }.get(name) or _written_reasons().get((family, name), "guess")


@lru_cache(maxsize=1)
def _written_reasons() -> dict[tuple[str, str], str]:
    """The sources in the file of priors."""
    with (directory() / "priors" / "priors.csv").open(encoding="utf-8", newline="") as file:
        return {(row["family"], row["constant"]): row["source"] for row in csv.DictReader(file)}
