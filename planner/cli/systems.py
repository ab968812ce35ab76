"""`planner validate --systems`: published systems beside what the planner says of them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hardware_catalog.catalog import Catalog


def compare(directory: Path, catalog: Catalog, as_json: bool) -> None:
    """Print every figure of `systems.csv` with the planner's own and why they differ."""
    from planner.systems import systems

    figures = systems(directory, catalog)
    if as_json:
        rows = [{**asdict(figure), "ratio": figure.ratio} for figure in figures]
        sys.stdout.write(json.dumps({"figures": rows}, indent=2) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("system")
    table.add_column("quantity")
    for name in ("published", "planned", "ratio"):
        table.add_column(name, justify="right")
    table.add_column("why different")
    for figure in figures:
        planned = "-" if figure.planned is None else f"{figure.planned:,.4g}"
        ratio = "-" if figure.ratio is None else f"{figure.ratio:.2f}"
        quantity = f"{figure.quantity} ({figure.unit})"
        table.add_row(figure.system, quantity, f"{figure.published:,.4g}", planned, ratio, figure.note)
    Console().print(table)
