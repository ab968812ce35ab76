"""Constants of the user's own machines: those of the shipped ones that the user's runs exercise, fitted on these runs.

The logarithm of a constant is normal around the shipped one (`SPREAD`); log(predicted / measured) of a run is Cauchy
distributed with scale `NOISE`, so that a misprinted run counts little. Hence a few runs move the constants a little,
many runs move them to where they predict the runs. Families share no constant, so each is fitted alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hardware_catalog.catalog import Catalog
from planner.calibration import step_errors
from planner.errors import InputError, Problem
from planner.performance.cases import Case, batch, chosen, machines, read_cases
from planner.performance.efficiency import Efficiency
from planner.performance.search import take
from planner.performance.step_time import step_time

Array = NDArray[np.float64]
SPREAD = {  # log standard deviation of a user's constant around the shipped one: guesses
    "matmul": 0.15,
    "matmul_8bit": 0.15,
    "matmul_4bit": 0.15,
    "attention": 0.2,
    "memory": 0.2,
    "scale_up": 0.3,
    "scale_out": 0.3,
    "tensor_exposed": 0.3,
    "grouped": 0.2,
    "exchange_exposed": 0.3,
}
CAP = 0.97  # shares of a peak stay below
NOISE = (
    0.1  # of a run's log(predicted / measured); published runs scatter by 0.085 within their source, sources by 0.16
)
EXERCISED = 1e-3  # a constant is fitted when a run's step time moves by more than this share of it
FOLDS = 5
ROUNDS, STEPS, HALVINGS = 3, 12, 8


@dataclass(frozen=True, slots=True)
class FamilyFit:
    """The constants of one family that its runs moved, and errors (predicted / measured - 1) of these runs.

    `left_out` are the errors by constants fitted without the run's part (`parts`): its source, or a fifth of the runs
    where all are of one source; empty for a single run.
    """

    family: str
    cases: tuple[Case, ...]
    constants: dict[str, float]
    before: Array
    after: Array
    left_out: Array
    parts: str

    @property
    def runs(self) -> int:
        """How many runs the family has."""
        return len(self.cases)

    def median(self, name: str) -> float | None:
        """Median |error| of `before`, `after` or `left_out`; None without any."""
        errors: Array = getattr(self, name)
        return float(np.median(np.abs(errors))) if len(errors) else None

    @property
    def helps(self) -> bool:
        """Whether runs that were left out are predicted better than by the shipped constants."""
        left_out, before = self.median("left_out"), self.median("before")
        return left_out is not None and before is not None and left_out < before


def modelled(paths: Sequence[Path], catalog: Catalog) -> tuple[list[Case], list[tuple[str, str]]]:
    """The runs of some files as cases, and id and reason of those that cannot be; raises InputError when none can."""
    cases, skipped = read_cases(paths, catalog)
    if not cases:
        reasons = [Problem(f"{name}: {reason}", str(paths[0])) for name, reason in skipped]
        raise InputError([Problem("no run can be modelled", str(paths[0])), *reasons[:10]])
    return cases, skipped


def family_fits(cases: Sequence[Case], shipped: Efficiency) -> list[FamilyFit]:
    """The fit of every family that the runs are of."""
    families = sorted({one.hardware.family for one in cases})
    return [
        _family_fit(family, [one for one in cases if one.hardware.family == family], shipped) for family in families
    ]


def fit(family: str, cases: Sequence[Case], shipped: Efficiency) -> Efficiency:
    """The most probable constants of a family, given runs of it; layouts that runs leave open are chosen anew."""
    everything = batch(cases)
    measured = np.log([one.measured_s for one in cases])
    values = shipped
    for _ in range(ROUNDS):
        row, _, _ = chosen(everything, values)
        work, split = take(everything.work, row), take(everything.degrees, row)

        def errors(constants: Efficiency) -> Array:
            seconds = np.asarray(step_time(work, split, machines(everything, constants)).total)  # noqa: B023
            return np.asarray(np.log(seconds) - measured)

        names = _exercised(family, errors, shipped)
        values = _most_probable(family, names, errors, shipped, values)
    return values


def _family_fit(family: str, cases: list[Case], shipped: Efficiency) -> FamilyFit:
    fitted = fit(family, cases, shipped)
    moved = {
        name: fitted[family, name] for name in SPREAD if f"{fitted[family, name]:.4g}" != f"{shipped[family, name]:.4g}"
    }
    sources = sorted({one.run.source for one in cases})
    by_source = 1 < len(sources) < len(cases)
    part = np.array([sources.index(one.run.source) if by_source else i % FOLDS for i, one in enumerate(cases)])
    left_out = np.full(len(cases) if len(cases) > 1 else 0, np.nan)
    for index in set(part.tolist()) if len(left_out) else ():
        rest = [one for one, own in zip(cases, part, strict=True) if own != index]
        held = [one for one, own in zip(cases, part, strict=True) if own == index]
        left_out[part == index] = step_errors(held, fit(family, rest, shipped))
    before, after = step_errors(cases, shipped), step_errors(cases, fitted)
    return FamilyFit(family, tuple(cases), moved, before, after, left_out, "sources" if by_source else "runs")


def _exercised(family: str, errors: Callable[[Efficiency], Array], at: Efficiency) -> list[str]:
    slopes = _slopes(family, list(SPREAD), errors, at)
    return [name for name, slope in zip(SPREAD, slopes.T, strict=True) if np.abs(slope).max() > EXERCISED]


def _most_probable(
    family: str, names: list[str], errors: Callable[[Efficiency], Array], shipped: Efficiency, start: Efficiency
) -> Efficiency:
    """Gauss-Newton on robust squares of errors and squares of distances from the shipped constants, steps halved."""
    spread = np.array([SPREAD[name] for name in names])
    centre = np.log([shipped[family, name] for name in names])

    def loss(constants: Efficiency) -> float:
        r = errors(constants) / NOISE
        distances = (np.log([constants[family, name] for name in names]) - centre) / spread
        return float(np.log1p(r**2).sum() + (distances**2).sum())

    values, best = start, loss(start)
    for _ in range(STEPS):
        theta = np.log([values[family, name] for name in names])
        r, J = errors(values), _slopes(family, names, errors, values)
        weight = 1.0 / (1.0 + (r / NOISE) ** 2) / NOISE**2
        left = (J * weight[:, None]).T @ J + np.diag(1.0 / spread**2)
        move = np.linalg.solve(left, (J * weight[:, None]).T @ r + (theta - centre) / spread**2)
        for halving in range(HALVINGS):
            trial = _with(
                family, names, np.minimum(theta - move / 2**halving, np.maximum(math.log(CAP), centre)), values
            )
            if (value := loss(trial)) < best:
                break
        else:
            return values
        settled = best - value < 1e-6
        values, best = trial, value
        if settled:
            break
    return values


def _slopes(family: str, names: list[str], errors: Callable[[Efficiency], Array], at: Efficiency) -> Array:
    """Derivatives of the errors by the logarithms of constants, one column each (forward differences)."""
    step, base = 1e-4, errors(at)
    moved = [_with(family, [name], np.array([math.log(at[family, name]) + step]), at) for name in names]
    return np.stack([(errors(one) - base) / step for one in moved], axis=1)


def _with(family: str, names: list[str], theta: Array, values: Efficiency) -> Efficiency:
    changed = {(family, name): math.exp(value) for name, value in zip(names, theta, strict=True)}
    return Efficiency({**values.values, **changed})
