"""`planner options`: every way to run every phase, and why not the rest."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from hardware_catalog.errors import InputError, Problem, nearest
from planner.cli.inputs import (
    AsJson,
    CatalogPath,
    EfficiencyPath,
    OnlyQuotes,
    QuotesPath,
    WorkloadPath,
    read_constants,
    read_inputs,
)

if TYPE_CHECKING:
    from planner.options import OptionsTable

SHOWN = 30


def options(
    workload: WorkloadPath,
    quotes: QuotesPath = None,
    catalog: CatalogPath = None,
    only_quotes: OnlyQuotes = False,
    why: Annotated[
        str, typer.Option("--why", metavar="PHASE", help="What was refused for a phase (job/phase or phase), and why.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="Rows to print; 0 prints all.", min=0)] = SHOWN,
    efficiency: EfficiencyPath = None,
    as_json: AsJson = False,
) -> None:
    """List every allowed way to run every phase, cheapest tokens first; with --why, what was refused and the reason."""
    read_workload, read_catalog = read_inputs(workload, quotes, catalog, only_quotes)
    from planner.options import options as table_of
    from planner.workload import check_against

    check_against(read_workload, read_catalog)
    constants = read_constants(efficiency, read_catalog)
    table = table_of(read_workload, read_catalog, constants)
    names = [f"{job.name}/{phase.name}" for job in read_workload.jobs for phase in job.phases]
    chosen = [name for name in names if why in (name, name.split("/", 1)[1])]
    if why and not chosen:
        short = [name.split("/", 1)[1] for name in names]
        raise InputError(
            Problem(f"--why: '{why}' is not a phase of the workload", nearest=nearest(why, [*names, *short]))
        )
    if as_json:
        sys.stdout.write(json.dumps(_document(table, chosen), indent=2) + "\n")
    elif why:
        _print_refusals(table, chosen, limit)
    else:
        _print_options(table, limit)
        if constants:
            typer.echo(str(constants.overlay))


def _document(table: OptionsTable, chosen: list[str]) -> dict[str, object]:
    refusals = table.refused_for(*chosen) if chosen else table.refusals
    return {
        "options": table.rows(),
        "refused": [
            {"kind": r.kind, "phase": r.phase, "offer": r.offer, "nodes": list(r.nodes), "reason": r.reason}
            for r in refusals
        ],
    }


def _print_options(table: OptionsTable, limit: int) -> None:
    from rich.console import Console
    from rich.table import Table

    rows = sorted(table.options, key=lambda option: (option.job, option.phase, option.usd_per_million_tokens))
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in _COLUMNS:
        shown.add_column(name, justify=justify)  # type: ignore[arg-type]
    for option in rows[: limit or None]:
        shown.add_row(
            option.phase,
            option.offer.id,
            str(option.nodes),
            str(option.accelerators),
            option.placement.layout_text,
            f"{option.placement.tokens_per_second:,.0f}",
            f"{option.placement.mfu:.1%}",
            f"{option.usd_hour:,.2f}",
            f"{option.usd_per_million_tokens:,.4f}",
        )
    console = Console()
    console.print(shown)
    hidden = len(rows) - len(rows[: limit or None])
    console.print(f"{len(rows)} options" + (f", {hidden} not shown (--limit 0)" if hidden else ""))
    kinds: dict[str, int] = defaultdict(int)
    for refusal in table.refusals:
        kinds[refusal.kind] += 1
    if kinds:
        console.print(
            "refused: " + ", ".join(f"{count} by {kind}" for kind, count in kinds.items()) + " (see --why PHASE)"
        )


_COLUMNS = (
    ("phase", "left"),
    ("offer", "left"),
    ("nodes", "right"),
    ("chips", "right"),
    ("layout", "left"),
    ("tokens/s", "right"),
    ("MFU", "right"),
    ("USD/h", "right"),
    ("USD/M tokens", "right"),
)


def _print_refusals(table: OptionsTable, chosen: list[str], limit: int) -> None:
    from rich.console import Console

    from planner.options import sizes

    console = Console()
    refusals = table.refused_for(*chosen)
    by_kind: dict[str, list[str]] = defaultdict(list)
    for refusal in refusals:
        nodes = f" x {sizes(refusal.nodes)} nodes" if refusal.nodes else ""
        by_kind[refusal.kind].append(f"{refusal.offer}{nodes}: {refusal.reason}")
    for kind, lines in sorted(by_kind.items(), key=lambda item: (item[0] == "policy", len(item[1]))):
        console.print(f"[bold]{kind}[/bold] ({len(lines)})")
        for line in lines[: limit or None]:
            console.print(f"  {line}", highlight=False, markup=False)
        if limit and len(lines) > limit:
            console.print(f"  ... and {len(lines) - limit} more (--limit 0)")
    if not refusals:
        console.print("nothing was refused")
