"""`planner calibrate`: fit the constants of the hardware families."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from planner.cli.inputs import CatalogPath


def calibrate(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUNS.csv...", help="Runs with the columns of runs.csv.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where to write the constants.")] = Path(
        "efficiency"
    ),
    catalog: CatalogPath = None,
    cross_validate: Annotated[
        bool, typer.Option(help="Also predict every source by constants fitted without it.")
    ] = True,
) -> None:
    """Fit the constants of every hardware family on published or own runs and write them as csv files."""
    import numpy as np

    from hardware_catalog.catalog import load
    from planner.calibration import calibrated, write

    found = calibrated(runs, load(catalog), cross_validate)
    for file in write(found, output, datetime.now(UTC).date()):
        print(file)
    print(f"median absolute error {np.median(np.abs(found.errors)):.1%} on {len(found.cases)} runs")
    if cross_validate:
        print(f"with sources left out in turn {np.median(np.abs(found.held_out)):.1%}")
