"""`planner validate`: predicted against measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli.inputs import AsJson, CatalogPath

if TYPE_CHECKING:
    from planner.validation import Validation

WORST = 10


def validate(
    runs: Annotated[
        Path | None,
        typer.Argument(metavar="[RUNS.csv]", help="Runs with the columns of runs.csv; the bundled ones when left out."),
    ] = None,
    catalog: CatalogPath = None,
    systems: Annotated[
        bool, typer.Option("--systems", help="Plan the published systems of a directory instead (./examples if none).")
    ] = False,
    every_row: Annotated[bool, typer.Option("--rows", help="Print every row, not only the worst.")] = False,
    as_json: AsJson = False,
) -> None:
    """Predict published runs and compare with the measurements; what cannot be modelled is listed with the reason."""
    from hardware_catalog.catalog import load

    if systems:
        from planner.cli.systems import compare

        compare(runs or Path("examples"), load(catalog), as_json)
        return
    from planner.validation import bundled_runs
    from planner.validation import validate as validation_of

    found = validation_of(runs or bundled_runs(), load(catalog))
    if as_json:
        sys.stdout.write(json.dumps(found.as_json(), indent=2) + "\n")
    else:
        show(found, every_row)


def show(found: Validation, every_row: bool = False) -> None:
    """Print the summaries, the worst rows (or every row) and why others were skipped."""
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    from planner.validation import by, summary

    console = Console()
    table = Table("runs", "n", "median |error|", "mean", "90 %", "within 10 %", "within 20 %", "bias")
    groups = [("all", summary(found.rows)), *by(found.rows, "family").items(), *by(found.rows, "precision").items()]
    for name, numbers in groups:
        shares = [
            f"{numbers[key]:.1%}"
            for key in ("median_abs_error", "mape", "p90_abs_error", "within_10", "within_20", "bias")
        ]
        table.add_row(name, str(numbers["n"]), *shares)
    console.print(table)
    worst = Table("rows" if every_row else "worst rows", "measured s", "predicted s", "error", "assumed")
    ranked = sorted(found.rows, key=lambda row: -abs(row.error))[:WORST]
    for row in found.rows if every_row else ranked:
        worst.add_row(
            row.id,
            f"{row.measured_step_s:.3f}",
            f"{row.predicted_step_s:.3f}",
            f"{row.error:+.1%}",
            "; ".join(row.assumed),
        )
    console.print(worst)
    for skipped in found.skipped if every_row else ():
        console.print(f"skipped {skipped.id}: {skipped.reason}", highlight=False)
    for reason, count in Counter(row.reason for row in found.skipped).most_common():
        console.print(f"skipped {count}: {reason}", highlight=False)
