"""`planner plan`: the main job."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hardware_catalog.errors import InputError, Problem
from planner.cli import EXIT_INFEASIBLE, EXIT_NO_PLAN_IN_TIME
from planner.cli.inputs import (
    AsJson,
    CatalogPath,
    EfficiencyPath,
    OnlyQuotes,
    QuotesPath,
    TimeLimit,
    WorkloadPath,
    read_constants,
    read_inputs,
)

SHOW_PROGRESS_AFTER_S = 1.0


def plan(
    workload: WorkloadPath,
    quotes: QuotesPath = None,
    catalog: CatalogPath = None,
    only_quotes: OnlyQuotes = False,
    time_limit: TimeLimit = 60.0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the plan as JSON.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a self-contained page.")] = None,
    within: Annotated[
        str, typer.Option(metavar="X%", help="Also plans of another kind that are at most so much worse; 0 for none.")
    ] = "5%",
    delay: Annotated[bool, typer.Option("--delay", help="Also what each day earlier or later costs.")] = False,
    efficiency: EfficiencyPath = None,
    as_json: AsJson = False,
) -> None:
    """Plan the cheapest cluster and schedule for a workload, with proof of optimality or the remaining gap."""
    if time_limit <= 0:
        raise InputError(Problem(f"--time-limit: expected seconds above 0, got {time_limit:g}"))
    share = _share(within)
    read_workload, read_catalog = read_inputs(workload, quotes, catalog, only_quotes)
    constants = read_constants(efficiency, read_catalog)
    from planner.planning import plan as planned

    with _progress() as progress:
        document = planned(read_workload, read_catalog, time_limit, progress, constants, share, delay)
    if output is not None:
        output.write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if html is not None:
        from planner.reports.html import plan_html

        html.write_text(plan_html(document), encoding="utf-8")
    if as_json:
        sys.stdout.write(document.model_dump_json(indent=2) + "\n")
    else:
        from rich.console import Console

        from planner.reports.text import print_plan

        print_plan(document, Console())
    if document.status == "infeasible":
        raise typer.Exit(EXIT_INFEASIBLE)
    if document.status == "unknown":
        raise typer.Exit(EXIT_NO_PLAN_IN_TIME)


def _share(text: str) -> float:
    """A share of the optimum, such as 0.05 or '5%'."""
    from planner.quantities import fraction

    try:
        return fraction(text, above=False)
    except ValueError as error:
        raise InputError(Problem(f"--within: {error}")) from None


@contextmanager
def _progress() -> Iterator[Callable[[int | None, int, float], None] | None]:
    """A line on standard error with best cost and gap once a solve takes long; nothing when it is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.status import Status

    console = Console(stderr=True)
    status = Status("solving", console=console)
    shown = False

    def report(best: int | None, bound: int, elapsed: float) -> None:
        nonlocal shown
        if elapsed < SHOW_PROGRESS_AFTER_S:
            return
        if not shown:
            status.start()
            shown = True
        found = (
            "no plan yet" if best is None else f"best {best / 1e6:,.0f} USD, gap {(best - bound) / max(best, 1):.2%}"
        )
        status.update(f"solving: {found}, {elapsed:,.0f} s (Ctrl-C takes the best so far)")

    try:
        yield report
    finally:
        if shown:
            status.stop()
