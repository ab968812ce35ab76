"""`planner calibrate`: fit the constants of the hardware families."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hardware_catalog.errors import InputError, Problem
from planner.cli.inputs import AsJson, CatalogPath

if TYPE_CHECKING:
    from hardware_catalog.catalog import Catalog
    from planner.overlay import FamilyFit


def calibrate(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUNS.csv...", help="Runs with the columns of runs.csv.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where to write the constants.")] = Path(
        "efficiency"
    ),
    catalog: CatalogPath = None,
    from_priors: Annotated[
        bool,
        typer.Option("--from-priors", help="Fit every constant anew from the written priors, as the shipped ones are."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fit constants on your own runs, starting from the shipped ones, for --efficiency DIR of the other verbs."""
    from hardware_catalog.catalog import load
    from planner.performance.efficiency import directory

    if from_priors:
        _from_priors(runs, output, load(catalog), as_json)
        return
    if output.resolve() == directory().resolve():
        raise InputError(Problem("holds the shipped constants: write your own to another folder", field="-o"))
    _overlay(runs, output, load(catalog), as_json)


def _from_priors(runs: Sequence[Path], output: Path, catalog: Catalog, as_json: bool) -> None:
    import numpy as np

    from planner.calibration import calibrated
    from planner.calibration_files import write

    found = calibrated(runs, catalog)
    files = write(found, output, datetime.now(UTC).date())
    fitted, source_out, family_out = (
        float(np.median(np.abs(errors))) for errors in (found.errors, found.held_out, found.unseen)
    )
    if as_json:
        medians = {"median_error": fitted, "source_left_out": source_out, "family_left_out": family_out}
        _print_json({"rows": len(found.cases), **medians, "files": [str(file) for file in files]})
        return
    for file in files:
        print(file)
    print(f"median absolute error {fitted:.1%} on {len(found.cases)} runs")
    print(f"with sources left out in turn {source_out:.1%}, with hardware families left out in turn {family_out:.1%}")


def _overlay(runs: Sequence[Path], output: Path, catalog: Catalog, as_json: bool) -> None:
    from planner.calibration_files import write_overlay
    from planner.overlay import family_fits, modelled
    from planner.performance.efficiency import efficiency

    cases, skipped = modelled(runs, catalog)
    fits = family_fits(cases, efficiency())
    files = write_overlay(fits, efficiency(), runs, output, datetime.now(UTC).date())
    if as_json:
        families = [_document(one) for one in fits]
        _print_json(
            {
                "families": families,
                "skipped": [{"id": name, "reason": reason} for name, reason in skipped],
                "files": [str(file) for file in files],
            }
        )
        return
    _print_table(fits)
    for one in fits:
        print(f"{one.family}: {_verdict(one, output)}")
    for reason, count in Counter(reason for _, reason in skipped).most_common():
        print(f"skipped {count}: {reason}")
    print(f"use them with --efficiency {output}")


def _document(one: FamilyFit) -> dict[str, object]:
    return {
        "family": one.family,
        "rows": one.runs,
        "median_error_shipped": one.median("before"),
        "median_error_overlay": one.median("after"),
        "median_error_left_out": one.median("left_out"),
        "left_out": one.parts,
        "helps": one.helps,
        "constants": one.constants,
    }


def _print_table(fits: Sequence[FamilyFit]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("family", "rows", "median |error| as shipped", "with your constants", "on rows left out")
    for one in fits:
        medians = [one.median(name) for name in ("before", "after", "left_out")]
        cells = ["-" if median is None else f"{median:.1%}" for median in medians]
        table.add_row(one.family, str(one.runs), *cells)
    Console(width=120).print(table)


def _verdict(one: FamilyFit, output: Path) -> str:
    """In plain words, whether the new constants are worth using."""
    if one.helps:
        return f"your constants predict {one.parts} they were not fitted on better than the shipped ones: use them"
    drop = f"keep the shipped constants (delete {output / one.family}.csv)"
    if one.runs < 2:
        return f"too few rows: one row cannot be checked on another; {drop}"
    return f"{one.parts} left out are not predicted better: too few rows, or too unlike each other; {drop}"


def _print_json(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
