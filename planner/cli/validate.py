"""`planner validate`: predicted against measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hardware_catalog.errors import InputError, Problem, nearest
from planner.cli.inputs import AsJson, CatalogPath, EfficiencyPath, read_constants

if TYPE_CHECKING:
    from planner.validation import Validation

WORST = 5
GROUPED = "family,architecture,precision,scale,parallelism"
CHARTS = (".png", ".svg", ".html")


def validate(
    runs: Annotated[
        Path | None,
        typer.Argument(metavar="[RUNS.csv]", help="Runs with the columns of runs.csv; the bundled ones when left out."),
    ] = None,
    catalog: CatalogPath = None,
    efficiency: EfficiencyPath = None,
    systems: Annotated[
        bool, typer.Option("--systems", help="Plan the published systems of a directory instead (./examples if none).")
    ] = False,
    by: Annotated[
        str, typer.Option("--by", metavar="NAMES", help=f"Group errors by some of {GROUPED},source.")
    ] = GROUPED,
    worst: Annotated[int, typer.Option("--worst", metavar="N", min=0, help="Worst rows to explain.")] = WORST,
    every_row: Annotated[bool, typer.Option("--rows", help="Print every row, and every row not modelled.")] = False,
    chart: Annotated[
        Path | None,
        typer.Option("--chart", metavar="FILE", help="Measured against predicted as FILE.png, .svg or .html."),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="The whole report as one page.")] = None,
    as_json: AsJson = False,
) -> None:
    """Predict published runs and compare with the measurements; what cannot be modelled is listed with the reason."""
    from hardware_catalog.catalog import load

    if systems:
        from planner.cli.systems import compare

        compare(runs or Path("examples"), load(catalog), as_json)
        return
    groupings = _groupings(by)
    if chart is not None and chart.suffix not in CHARTS:
        raise InputError(Problem(f"expected a file that ends in {', '.join(CHARTS)}, got '{chart}'", field="--chart"))
    from planner.validation import bundled_runs
    from planner.validation import validate as validation_of

    file = runs or bundled_runs()
    data = load(catalog)
    found = validation_of(file, data, read_constants(efficiency, data))
    if chart is not None:
        _write_chart(found, chart)
    if html is not None:
        from planner.reports.validation_html import validation_html

        html.write_text(validation_html(found, file.name), encoding="utf-8")
    if as_json:
        sys.stdout.write(json.dumps(found.as_json(), indent=2) + "\n")
    else:
        from rich.console import Console

        from planner.reports.validation_text import show

        show(found, Console(highlight=False), groupings, worst, every_row)


def _groupings(by: str) -> list[str]:
    from planner.validation_groups import GROUPINGS

    wanted = [name.strip() for name in by.split(",") if name.strip()]
    for name in wanted:
        if name not in GROUPINGS:
            message = f"expected some of {', '.join(GROUPINGS)}, got '{name}'"
            raise InputError(Problem(message, field="--by", nearest=nearest(name, GROUPINGS)))
    return wanted


def _write_chart(found: Validation, file: Path) -> None:
    from planner.reports import validation_charts
    from planner.reports.charts import chart_png, chart_svg

    drawing = validation_charts.scatter_chart(found.rows)
    if file.suffix == ".png":
        file.write_bytes(chart_png(drawing))
    elif file.suffix == ".svg":
        file.write_text(chart_svg(drawing), encoding="utf-8")
    else:
        file.write_text(validation_charts.chart_html(drawing), encoding="utf-8")
