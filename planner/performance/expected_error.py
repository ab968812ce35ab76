"""How far an estimate is likely to be off, from how far runs like it were off when their source was not fitted on.

`residuals.csv` (of `planner calibrate --from-priors`, in an overlay of the user's own runs) holds for every run the
error (predicted / measured - 1) by constants fitted without its source, and by constants fitted without its family.
An estimate is compared with the runs of its family, near ones weighing more: a Gaussian kernel in the logarithms of
accelerators and parameters (Nadaraya 1964, Watson 1964), less weight for another precision, architecture or kind of
layout, and for runs of one source, which err together. What the weighted quantiles of their |error| say is widened
towards those of families never fitted on, the more the fewer runs are near. Hardware without runs gets the latter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hardware_catalog.read import Row, csv_rows
from planner.errors import InputError, Problem
from planner.model_spec import ModelSpec
from planner.performance.efficiency import RESIDUALS, Overlay, directory
from planner.performance.layout import Layout

Array = NDArray[np.float64]
COLUMNS = (
    "id", "family", "architecture", "precision", "accelerators", "parameters", "layout", "error", "error_source_out",
    "error_family_out",
)  # fmt: skip
ARCHITECTURES = ("dense", "moe")
WIDTH = 3.0  # of the kernel, in logarithms of accelerators and of parameters: chosen by the loss of left-out quantiles
OTHER_PRECISION, OTHER_ARCHITECTURE, OTHER_LAYOUT = 0.3, 0.1, 0.5  # weights of runs that differ: chosen likewise
CROWDING = 0.3  # runs of one source of total weight W > 1 weigh W to minus this each
WIDENING = 2.0  # effective runs at which an error lies half-way between that of near runs and that of unseen families
FEWEST_RUNS = 20  # of an architecture, for quantiles of unseen families of its own
QUANTILES = np.array([0.5, 0.9])
Z90 = NormalDist().inv_cdf(0.95)  # 90 % of a normal distribution lie within so many standard deviations


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """Half of the estimates like this one are off by at most `median` of the step time, nine in ten by at most `p90`.

    `runs` is the effective number of runs of the hardware's family that this stands on; 0 for hardware without any.
    """

    median: float
    p90: float
    runs: float

    @property
    def sigma(self) -> float:
        """Standard deviation of log(predicted / measured) of the log-normal distribution with this `p90`."""
        return math.log1p(self.p90) / Z90


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Runs of one family, in the order of their |error| with the source left out."""

    architecture: NDArray[np.str_]
    precision: NDArray[np.str_]
    layout: NDArray[np.str_]
    log_accelerators: Array
    log_parameters: Array
    source: NDArray[np.intp]
    error: Array


@dataclass(frozen=True, slots=True)
class Residuals:
    """Runs by family, and `QUANTILES` of |error| with the family left out, by architecture and over all ('')."""

    families: dict[str, Neighbours]
    unseen: dict[str, Array]


def expected_error_of(
    model: ModelSpec, family: str, precision: str, layout: Layout, overlay: Overlay | None = None
) -> ExpectedError:
    """The error of the estimate of a layout of a model; an overlay's own runs stand in for the shipped ones."""
    return expected_error(
        family,
        "moe" if model.experts else "dense",
        precision,
        layout.accelerators,
        model.parameters,
        parallelism(layout.tp, layout.pp, layout.cp, layout.ep),
        known_residuals(overlay),
    )


def expected_error(
    family: str,
    architecture: str,
    precision: str,
    accelerators: float,
    parameters: float,
    layout: str = "data",
    residuals: Residuals | None = None,
) -> ExpectedError:
    """The error of an estimate from runs like it: `architecture` dense or moe, `layout` as `parallelism()` names it."""
    residuals = residuals or known_residuals()
    unseen = residuals.unseen.get(architecture, residuals.unseen[""])
    near = residuals.families.get(family)
    if near is None:
        return ExpectedError(float(unseen[0]), float(unseen[1]), 0.0)
    apart = (near.log_accelerators - math.log(accelerators)) ** 2 + (near.log_parameters - math.log(parameters)) ** 2
    weight = np.exp(-0.5 / WIDTH**2 * apart)
    weight[near.precision != precision] *= OTHER_PRECISION
    weight[near.architecture != architecture] *= OTHER_ARCHITECTURE
    weight[near.layout != layout] *= OTHER_LAYOUT
    weight /= np.maximum(np.bincount(near.source, weight), 1.0)[near.source] ** CROWDING
    runs = float(weight.sum())
    median, p90 = widened(quantiles(near.error, weight), unseen, runs).tolist()
    return ExpectedError(median, p90, runs)


def widened(near: Array, unseen: Array, runs: float) -> Array:
    """Quantiles of near runs, drawn up (never down) towards those of unseen families: never smaller with fewer runs."""
    return np.asarray(near + WIDENING / (runs + WIDENING) * np.maximum(unseen - near, 0.0))


def quantiles(ordered: Array, weight: Array) -> Array:
    """Weighted quantiles (`QUANTILES`) of values in rising order."""
    cumulated = np.cumsum(weight)
    return np.asarray(ordered[np.minimum(np.searchsorted(cumulated, QUANTILES * cumulated[-1]), len(ordered) - 1)])


def parallelism(tp: int, pp: int, cp: int, ep: int) -> str:
    """What a layout splits besides the data: 'data' for nothing, else such as 'tensor+pipeline'."""
    degrees = {"tensor": tp, "pipeline": pp, "context": cp, "expert": ep}
    return "+".join(name for name, degree in degrees.items() if degree > 1) or "data"


def known_residuals(overlay: Overlay | None = None) -> Residuals:
    """The shipped residuals; of families that an overlay was fitted on, the user's own runs stand in for them."""
    return _residuals(overlay.folder if overlay else "")


def read_residuals(*files: Path) -> Residuals:
    """Residuals of files, of a family those of the last file that has any; raises InputError with file:line: field."""
    problems: list[Problem] = []
    by_family: dict[str, list[Row]] = {}
    for file in files:
        own: dict[str, list[Row]] = {}
        for row in csv_rows(file, COLUMNS, problems):
            row.choice("architecture", ARCHITECTURES)
            for name, least in (("accelerators", 1.0), ("parameters", 1.0), ("error_source_out", -1.0)):
                row.number(name, least)
            row.maybe_number("error_family_out", -1.0)
            own.setdefault(row.text("family"), []).append(row)
        by_family |= own
    if problems:
        raise InputError(problems)
    rows = [row for group in by_family.values() for row in group]
    return Residuals({family: _neighbours(group) for family, group in by_family.items()}, _unseen(rows))


@lru_cache(maxsize=8)
def _residuals(folder: str) -> Residuals:
    own = Path(folder) / RESIDUALS
    return read_residuals(directory() / RESIDUALS, *([own] if folder and own.exists() else []))


def _neighbours(rows: list[Row]) -> Neighbours:
    rows = sorted(rows, key=lambda row: abs(float(row.cells["error_source_out"])))
    sources = [row.cells["id"].rsplit("-", 1)[0] for row in rows]
    return Neighbours(
        architecture=np.array([row.cells["architecture"] for row in rows]),
        precision=np.array([row.cells["precision"] for row in rows]),
        layout=np.array([row.cells["layout"] for row in rows]),
        log_accelerators=np.log(_numbers(rows, "accelerators")),
        log_parameters=np.log(_numbers(rows, "parameters")),
        source=np.unique(sources, return_inverse=True)[1],
        error=np.abs(_numbers(rows, "error_source_out")),
    )


def _unseen(rows: list[Row]) -> dict[str, Array]:
    rows = sorted(
        (row for row in rows if row.cells["error_family_out"]),
        key=lambda row: abs(float(row.cells["error_family_out"])),
    )
    found = {}
    for architecture in ("", *ARCHITECTURES):
        own = [row for row in rows if architecture in ("", row.cells["architecture"])]
        if not architecture or len(own) >= FEWEST_RUNS:
            sources = [row.cells["id"].rsplit("-", 1)[0] for row in own]
            sizes = np.array([sources.count(source) for source in sources], dtype=float)
            found[architecture] = quantiles(np.abs(_numbers(own, "error_family_out")), sizes**-CROWDING)
    return found


def _numbers(rows: Iterable[Row], name: str) -> Array:
    return np.array([float(row.cells[name]) for row in rows])
