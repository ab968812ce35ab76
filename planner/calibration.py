"""Fits the few constants of each hardware family on published runs, shrunk towards what all families share.

Every constant is fitted as a logarithm. A family's value is normal around the shared value (`SPREAD`), shifted by what
measurements of that hardware suggest where there are any, the shared value around what physics or the literature
suggests (`hardware_catalog/data/efficiency/priors`), so that hardware with few or no runs keeps sensible constants.
Errors are log(predicted / measured); they are taken to be Cauchy distributed, so that runs of ill-tuned or misprinted
configurations count little (Hampel et al. 1986, "Robust Statistics", section 2.6), and the rows of a source weigh less
the more there are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware_catalog.catalog import Catalog
from planner.errors import InputError
from planner.errors import Problem as Mistake
from planner.performance.cases import Batch, Case, batch, chosen, machines, read_cases
from planner.performance.efficiency import ANY, Efficiency, directory, read_efficiency
from planner.performance.search import take
from planner.performance.step_time import step_time

Array = NDArray[np.float64]
SPREAD = {  # log standard deviation of a family's constant around the shared one; chosen with sources left out
    "matmul": 0.09,
    "matmul_8bit": 0.09,
    "matmul_4bit": 0.09,
    "attention": 0.18,
    "memory": 0.15,
    "scale_up": 0.18,
    "scale_out": 0.18,
    "tensor_exposed": 0.3,
}
SHARED = {  # of a shared constant around its prior: guesses; those of experts chosen with sources left out
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
    "grouped": 0.08,
    "routing": 0.15,
    "routing_unfused": 0.15,
    "exchange_exposed": 0.2,
    "expert_launch": 0.2,
    "latency_out": 0.7,
    "straggler": 0.7,
}
EXPERTS = ("grouped", "routing", "routing_unfused", "exchange_exposed", "expert_launch")
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
    "grouped",
    "exchange_exposed",
)
CAP = 0.97  # no constant of AT_MOST_ONE exceeds it
NOISE = 0.05  # log standard deviation of a published step time (runs.md, section 4: 2 to 10 %)
OUTLIER = 1.2  # scale of the Cauchy distribution in those
CROWDING = 0.5  # a row of a source of n rows weighs n to minus this; chosen with sources left out
LARGEST_MOVE = 1.0  # of a logarithm in one step of the fit
SETTLED = 1e-4  # share of the loss: a step that gains less ends the fit
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
    cases, _ = read_cases(paths, catalog)
    if not cases:
        raise InputError(Mistake("no row can be modelled", str(paths[0]) if paths else ""))
    constants = fit(cases, prior)
    nothing = np.empty(0)
    held_out = cross_validated(cases, prior, lambda one: one.run.source) if cross_validate else nothing
    unseen = cross_validated(cases, prior, lambda one: one.hardware.family) if cross_validate else nothing
    return Calibration(constants, tuple(cases), step_errors(cases, constants), held_out, unseen)


def free_constants(cases: Sequence[Case]) -> tuple[tuple[str, str], ...]:
    """(family, constant) pairs to fit: all shared ones, and each family's own where its dense runs exercise them."""
    used: set[tuple[str, str]] = set()
    for one in cases:
        if mixture(one):
            continue
        family = one.hardware.family
        used |= {(family, name) for name in SPREAD if not name.startswith("matmul")}
        used |= {
            (family, "matmul"),
            (family, {"fp8": "matmul_8bit", "int8": "matmul_8bit", "fp4": "matmul_4bit"}.get(one.precision, "matmul")),
        }
    return tuple((ANY, name) for name in SHARED) + tuple(sorted(used))


def mixture(one: Case) -> bool:
    """Whether a case is a mixture of experts."""
    return one.run.words["arch"] == "moe"


def fit(cases: Sequence[Case], prior: Efficiency) -> Efficiency:
    """The constants of greatest posterior probability: what all runs share on dense ones, then what experts add.

    One configuration of a mixture of experts varies by 30 % between releases of its software, so mixtures must not move
    what dense runs determine.
    """
    dense, mixtures = [one for one in cases if not mixture(one)], [one for one in cases if mixture(one)]
    names = free_constants(cases)
    values = prior
    for part, own in ((dense, False), (mixtures, True)):
        if part:
            free = tuple(name for name in names if (name[1] in EXPERTS) == own)
            values = best_fit(part, values, free)
    return values


def best_fit(
    cases: Sequence[Case], prior: Efficiency, names: tuple[tuple[str, str], ...], rounds: int = 4, steps: int = 20
) -> Efficiency:
    """The constants of some names fitted on some cases, by Gauss-Newton; open degrees are chosen anew every round."""
    everything = batch(cases)
    target = np.log([case.measured_s for case in cases])
    sizes = Counter(case.run.source for case in cases)
    weight = np.array([trust(case) / sizes[case.run.source] ** CROWDING for case in cases])
    weight *= len(cases) / weight.sum()
    values = prior
    row = np.empty(0, dtype=np.intp)
    for _ in range(rounds):
        before, (row, _, _) = row, chosen(everything, values)
        if np.array_equal(row, before):
            break
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
    """Minimise the robust weighted squares of residuals and of distances to the priors (Levenberg-Marquardt).

    Constants that would pass their bound stay on it while the others move.
    """
    damping = 1e-3
    bound = np.array([math.log(CAP) if name in AT_MOST_ONE else np.inf for _, name in problem.names])
    work, split = take(problem.batch.work, problem.row), take(problem.batch.degrees, problem.row)
    tie, centre = prior_distances(problem)

    def residuals(at: Array) -> Array:
        constants = with_constants(problem.prior, problem.names, at)
        seconds = np.asarray(step_time(work, split, machines(problem.batch, constants)).total)
        return np.asarray((np.log(seconds) - problem.target) / NOISE)

    def loss(r: Array, at: Array) -> float:
        cauchy = OUTLIER**2 * np.log1p((r / OUTLIER) ** 2)
        return float((problem.weight * cauchy).sum() + ((tie @ at - centre) ** 2).sum())

    theta = np.minimum(theta, bound)
    r = residuals(theta)
    best = loss(r, theta)
    for _ in range(steps):
        before = best
        J = jacobian(problem, residuals, theta, r)
        w = problem.weight / (1.0 + (r / OUTLIER) ** 2)
        left = (J * w[:, None]).T @ J + tie.T @ tie
        right = (J * w[:, None]).T @ r + tie.T @ (tie @ theta - centre)
        held = (theta >= bound) & (right < 0)
        left[held], left[:, held], right[held] = 0.0, 0.0, 0.0
        left[held, held] = 1.0
        for _ in range(6):
            move = np.linalg.solve(left + damping * np.diag(np.diag(left)), right)
            trial = np.minimum(theta - move * min(1.0, LARGEST_MOVE / np.abs(move).max()), bound)
            moved = residuals(trial)
            value = loss(moved, trial)
            if value < best:
                theta, r, best, damping = trial, moved, value, damping / 3.0
                break
            damping *= 4.0
        if before - best < SETTLED * before:
            break
    return theta


def prior_distances(problem: Fit) -> tuple[Array, Array]:
    """Distances of the logarithms from their priors in standard deviations, as matrix and centre: M theta - centre."""
    shared = {name: index for index, (family, name) in enumerate(problem.names) if family == ANY}
    matrix, centre = np.zeros((len(problem.names), len(problem.names))), np.zeros(len(problem.names))
    for index, (family, name) in enumerate(problem.names):
        spread = SHARED[name] if family == ANY else SPREAD[name]
        matrix[index, index] = 1.0 / spread
        centre[index] = math.log(problem.prior[family, name]) / spread
        if family != ANY:
            centre[index] -= math.log(problem.prior[ANY, name]) / spread
            matrix[index, shared[name]] = -1.0 / spread
    return matrix, centre


def jacobian(problem: Fit, residuals: Callable[[Array], Array], theta: Array, base: Array, step: float = 1e-4) -> Array:
    """Forward differences, one column per constant.

    A row depends on one family's constants alone, so one difference serves the same constant of all families.
    """
    column = {key: index for index, key in enumerate(problem.names)}
    rows = np.arange(len(base))
    result = np.zeros((len(base), len(theta)))
    for constant in dict.fromkeys(name for _, name in problem.names):
        moved = theta + step * np.array([name == constant for _, name in problem.names])
        owner = [column.get((one.hardware.family, constant), column[ANY, constant]) for one in problem.cases]
        result[rows, owner] = (residuals(moved) - base) / step
    return result


def with_constants(values: Efficiency, names: Iterable[tuple[str, str]], theta: Array) -> Efficiency:
    """Constants with some replaced by exp(theta)."""
    return Efficiency({**values.values, **{name: math.exp(value) for name, value in zip(names, theta, strict=True)}})


def cross_validated(cases: Sequence[Case], prior: Efficiency, group: Callable[[Case], str]) -> Array:
    """predicted / measured - 1 of every case by constants fitted without any row of its group (source or family).

    Every fit starts at the prior, so that nothing of the rows left out remains in it.
    """
    errors = np.full(len(cases), np.nan)
    for left_out in sorted({group(one) for one in cases}):
        inside = [case for case in cases if group(case) != left_out]
        held = [index for index, case in enumerate(cases) if group(case) == left_out]
        errors[held] = step_errors([cases[index] for index in held], fit(inside, prior))
    return errors


def step_errors(cases: Sequence[Case], constants: Efficiency) -> Array:
    """predicted / measured - 1 of every case."""
    _, seconds, _ = chosen(batch(cases), constants)
    return np.asarray(seconds / np.array([one.measured_s for one in cases]) - 1.0)
