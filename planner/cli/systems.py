"""`planner validate --systems`: published systems beside what the planner says of them."""

from __future__ import annotations

import json
import sys
import textwrap
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hardware_catalog.catalog import Catalog
    from planner.systems import Figure

FIGURE, NUMBER, RATIO = 34, 13, 7  # widths of the columns
INDENT = 6
NARROWEST = 80


def compare(directory: Path, catalog: Catalog, as_json: bool) -> None:
    """Print every figure of `systems.csv` with the planner's own, their ratio and why they differ."""
    from planner.systems import summary, systems

    figures = systems(directory, catalog)
    if as_json:
        found = {"figures": [figure.as_json() for figure in figures], "summary": summary(figures)}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    from rich.console import Console

    console = Console(highlight=False)
    for line in lines(figures, console.width):
        console.print(line, markup=False, soft_wrap=True)


def lines(figures: list[Figure], width: int) -> Iterator[str]:
    """The table as lines of at most `width` characters (80 at least): a block for each system, then the summary."""
    from planner.systems import summary

    width = max(width, NARROWEST)
    head = f"{'published':>{NUMBER}}{'planned':>{NUMBER}}{'ratio':>{RATIO}}"
    for name, block in groupby(figures, key=lambda figure: figure.system):
        yield f"{name:<{FIGURE}}{head}"
        for figure in block:
            yield _row(figure)
            yield from textwrap.wrap(
                figure.explanation, width, initial_indent=" " * INDENT, subsequent_indent=" " * INDENT
            )
        yield ""
    yield from textwrap.wrap(_summary(summary(figures)), width)


def _row(figure: Figure) -> str:
    name = figure.quantity + (f" ({figure.unit})" if figure.unit else "")
    planned = "-" if figure.planned is None else _number(figure.planned)
    ratio = "-" if figure.ratio is None else f"{figure.ratio:.2f}"
    return f"  {name:<{FIGURE - 2}}{_number(figure.published):>{NUMBER}}{planned:>{NUMBER}}{ratio:>{RATIO}}"


def _number(value: float) -> str:
    if value >= 1e12:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _summary(counts: dict[str, int]) -> str:
    explained = f"all but {counts['unexplained']} explained" if counts["unexplained"] else "every one explained"
    return (
        f"{counts['figures']} figures: {counts['inputs']} are inputs of the plan, {counts['as_published']} restate its "
        f"hours by the source's power and grid, {counts['predictions']} are predictions. Of these "
        f"{counts['within_10']} are within 10 %, {counts['within_25']} within 25 % and {counts['beyond_25']} beyond; "
        f"{explained}, {counts['without_plan']} without a plan."
    )
