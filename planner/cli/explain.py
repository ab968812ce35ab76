"""`planner explain`: why a workload has no plan and the smallest changes that give it one; or the room it has."""

from __future__ import annotations

import sys

import typer

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
from planner.errors import InputError, Problem

NARROWEST = 110  # characters that a table of changes needs, where no terminal says how wide it is


def explain(
    workload: WorkloadPath,
    quotes: QuotesPath = None,
    catalog: CatalogPath = None,
    only_quotes: OnlyQuotes = False,
    time_limit: TimeLimit = 60.0,
    efficiency: EfficiencyPath = None,
    as_json: AsJson = False,
) -> None:
    """Say why a workload is infeasible: which limits conflict, and which changes would give a plan at which price."""
    if time_limit <= 0:
        raise InputError(Problem(f"--time-limit: expected seconds above 0, got {time_limit:g}"))
    read_workload, read_catalog = read_inputs(workload, quotes, catalog, only_quotes)
    constants = read_constants(efficiency, read_catalog)
    from planner.explaining import explain as explained

    found = explained(read_workload, read_catalog, time_limit, constants)
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=2) + "\n")
    else:
        from rich.console import Console

        from planner.reports.explanation import print_explanation

        console = Console()
        print_explanation(found, console if console.is_terminal else Console(width=max(console.width, NARROWEST)))
    if found.feasible is None:
        raise typer.Exit(EXIT_NO_PLAN_IN_TIME)
    if not found.feasible:
        raise typer.Exit(EXIT_INFEASIBLE)
