"""`planner verify`: is everything a plan says true? Without a solver."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hardware_catalog.errors import InputError, Problem
from planner.cli import EXIT_INFEASIBLE
from planner.cli.inputs import AsJson

if TYPE_CHECKING:
    from planner.plan import Plan


def verify(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="Plan file (JSON).", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Recompute every claim of a plan from the plan alone; exit code 3 when one does not hold."""
    from planner.optimizer.verify import verify as violations_of

    violations = violations_of(read_plan(plan))
    if as_json:
        sys.stdout.write(json.dumps({"violations": violations}, indent=2) + "\n")
    elif violations:
        for violation in violations:
            print(violation)
    else:
        print(f"{plan}: everything it says holds")
    if violations:
        raise typer.Exit(EXIT_INFEASIBLE)


def read_plan(path: Path) -> Plan:
    """The plan in a JSON file; InputError with file, line and field of everything that is not a plan in it."""
    from pydantic import ValidationError

    from planner.plan import Plan

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(Problem(f"cannot be read: {reason}", file=str(path))) from None
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(Problem(f"is not JSON: {error.msg}", file=str(path), line=error.lineno)) from None
    except RecursionError:
        raise InputError(Problem("is nested too deeply", file=str(path))) from None
    try:
        return Plan.model_validate_json(text)
    except ValidationError as error:
        raise InputError(
            Problem(details["msg"], file=str(path), field=".".join(map(str, details["loc"])))
            for details in error.errors()
        ) from None
