"""`planner explain`: why a workload has no plan, and the smallest single changes that give it one."""

from __future__ import annotations

import json
import sys

import typer

from planner.cli import EXIT_INFEASIBLE
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


def explain(
    workload: WorkloadPath,
    quotes: QuotesPath = None,
    catalog: CatalogPath = None,
    only_quotes: OnlyQuotes = False,
    time_limit: TimeLimit = 60.0,
    efficiency: EfficiencyPath = None,
    as_json: AsJson = False,
) -> None:
    """Say why a workload is infeasible: which limits stand in the way, and how far each alone would have to move."""
    read_workload, read_catalog = read_inputs(workload, quotes, catalog, only_quotes)
    constants = read_constants(efficiency, read_catalog)
    from planner.planning import plan

    made = plan(read_workload, read_catalog, time_limit, constants=constants)
    if as_json:
        document = {"status": made.status, "reasons": list(made.reasons), "refused": made.options_refused}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    elif made.status == "infeasible":
        for reason in made.reasons:
            typer.echo(f"- {reason}")
    else:
        typer.echo(f"{made.workload} has a plan ({made.status}): nothing stands in the way")
    if made.status == "infeasible":
        raise typer.Exit(EXIT_INFEASIBLE)
