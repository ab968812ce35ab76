"""What a calibration writes: constants by family, an overlay of the user's own, and the errors of the runs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np

from planner.calibration import Calibration, free_constants
from planner.overlay import FamilyFit
from planner.performance.cases import Case, batch, chosen
from planner.performance.efficiency import ANY, COLUMNS, MEANING, RESIDUALS, Efficiency, directory
from planner.performance.expected_error import COLUMNS as RESIDUAL_COLUMNS
from planner.performance.expected_error import parallelism
from planner.performance.published import model_spec
from planner.performance.search import take

NOT_SHIPPED = "vtrain"  # runs whose licence (CC BY-NC) bars shipping them and what follows from each


def write(found: Calibration, folder: Path, when: date) -> list[Path]:
    """One csv per family with fit date, rows and median residual; `residuals.csv` with the errors left out."""
    folder.mkdir(parents=True, exist_ok=True)
    fitted = set(free_constants(found.cases))
    families = np.array([case.hardware.family for case in found.cases])
    written = []
    for family in sorted({family for family, _ in found.constants.values}):
        mine = families == family if family != ANY else np.ones(len(found.cases), dtype=bool)
        rows = int(mine.sum())
        residual = f"{np.median(np.abs(found.errors[mine])):.3f}" if rows else ""
        constants = {name: value for (owner, name), value in found.constants.values.items() if owner == family}
        lines = []
        for name, value in sorted(constants.items()):
            is_fit = (family, name) in fitted
            source = "fit on published runs" if is_fit else prior_source(family, name)
            last = [when.isoformat(), rows, residual] if is_fit else ["", "", ""]
            lines.append([family, name, f"{value:.4g}", MEANING[name][0], source, *last])
        written.append(_write(folder / f"{family}.csv", COLUMNS, lines))
    if len(found.held_out) and len(found.unseen):
        written.append(write_residuals(found, folder))
    return written


def write_residuals(found: Calibration, folder: Path) -> Path:
    """`residuals.csv`: errors of every run that may be shipped: fitted, with source left out, with family left out."""
    labels = run_labels(found.cases, found.constants)
    errors = zip(found.errors, found.held_out, found.unseen, strict=True)
    lines = [
        [*label, *(f"{error:.4f}" for error in three)]
        for label, three in zip(labels, errors, strict=True)
        if not str(label[0]).startswith(NOT_SHIPPED)
    ]
    return _write(folder / RESIDUALS, RESIDUAL_COLUMNS, lines)


def write_overlay(
    fits: Iterable[FamilyFit], constants: Efficiency, runs: Sequence[Path], folder: Path, when: date
) -> list[Path]:
    """One csv per family with what its runs moved, and `residuals.csv` with the errors of runs left out."""
    folder.mkdir(parents=True, exist_ok=True)
    files = ", ".join(path.name for path in runs)
    written, residuals = [], []
    for one in fits:
        source = f"fit on {files} ({one.runs} {'row' if one.runs == 1 else 'rows'}, {when.isoformat()})"
        last = [source, when.isoformat(), one.runs, f"{np.median(np.abs(one.after)):.3f}"]
        lines = [
            [one.family, name, f"{value:.4g}", MEANING[name][0], *last] for name, value in sorted(one.constants.items())
        ]
        file = folder / f"{one.family}.csv"
        file.unlink(missing_ok=True)  # of an earlier calibration
        if lines:
            written.append(_write(file, COLUMNS, lines))
        if len(one.left_out):
            labels = run_labels(one.cases, constants)
            both = zip(labels, one.after, one.left_out, strict=True)
            residuals += [[*label, f"{after:.4f}", f"{left_out:.4f}", ""] for label, after, left_out in both]
    if residuals:
        written.append(_write(folder / RESIDUALS, RESIDUAL_COLUMNS, residuals))
    return written


def run_labels(cases: Sequence[Case], constants: Efficiency) -> list[list[object]]:
    """What makes runs alike, in the order of the columns of `residuals.csv` up to the layout."""
    everything = batch(cases)
    row, _, _ = chosen(everything, constants)
    split = take(everything.degrees, row)
    degrees = np.round(np.stack([split.t, split.p, split.c, split.e], axis=1)).astype(int).tolist()
    return [
        [
            one.run.id,
            one.hardware.family,
            "moe" if model_spec(one.run).experts else "dense",
            one.precision,
            one.run.count("num_accelerators"),
            f"{model_spec(one.run).parameters:.4g}",
            parallelism(*own),
        ]
        for one, own in zip(cases, degrees, strict=True)
    ]


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


def _write(file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as lines:
        out = csv.writer(lines, lineterminator="\n")
        out.writerow(columns)
        out.writerows(rows)
    return file
