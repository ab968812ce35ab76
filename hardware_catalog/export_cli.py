"""`planner catalog export-check`: what the export rules say of one case or of a file of cases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hardware_catalog.errors import InputError, Problem, nearest

if TYPE_CHECKING:
    from hardware_catalog.export_rules import Decision
    from hardware_catalog.records import Accelerator

DISAGREES = 3  # exit code when a case gets another status than it expects
_REQUIRED = ("chip", "date", "dest")


@dataclass(frozen=True, slots=True)
class Checked:
    """One case of a file, its governing decision, and whether that is the expected one (None: nothing expected)."""

    chip: str
    dest: str
    hq: str
    expected: str | None
    decisions: tuple[Decision, ...]

    @property
    def agrees(self) -> bool | None:
        return None if self.expected is None else self.expected == self.decisions[0].status


def export_check(
    accelerator: Annotated[str | None, typer.Option("--accelerator", help="accelerator of the catalog")] = None,
    destination: Annotated[str | None, typer.Option("--destination", help="country of the place, ISO code")] = None,
    hq: Annotated[str | None, typer.Option("--hq", help="country of the owner; default: the destination")] = None,
    on: Annotated[str | None, typer.Option("--on", help="date of delivery, YYYY-MM-DD")] = None,
    cases: Annotated[Path | None, typer.Option("--cases", help="YAML file of test vectors to check instead")] = None,
    json_: Annotated[bool, typer.Option("--json", help="one JSON document on stdout")] = False,
) -> None:
    """Decide an accelerator's delivery by the dated export rules (planning support, not legal advice)."""
    if cases is not None:
        if accelerator or destination or hq or on:
            raise InputError(Problem("give either --cases or one case, not both", field="--cases"))
        _check_file(cases, json_)
        return
    missing = [f"--{name}" for name, value in
               (("accelerator", accelerator), ("destination", destination), ("on", on)) if value is None]  # fmt: skip
    if missing or accelerator is None or destination is None or on is None:
        raise InputError(Problem("is needed (or --cases FILE)", field=name) for name in missing)
    chip = _accelerator(accelerator, _catalog(), Problem("", field="--accelerator"))
    decisions = _decided(chip, destination, hq or destination, _date(on, Problem("", field="--on")))
    if json_:
        typer.echo(json.dumps({"decisions": [as_json(decision) for decision in decisions]}, indent=2))
        return
    for decision in decisions:
        typer.echo(_line(decision))
        for remark in decision.remarks:
            typer.echo(f"  remark: {remark}")
    typer.echo(_disclaimer())


def check_cases(path: Path) -> tuple[Checked, ...]:
    """The cases of a file in the shape of `test_vectors`, each decided; InputError with `file:line` for bad ones."""
    from hardware_catalog.export_rule_files import yaml_with_lines

    content, lines = yaml_with_lines(path)
    under: tuple[str | int, ...] = ()
    if isinstance(content, Mapping):
        under, content = ("test_vectors",), content.get("test_vectors")
    if not isinstance(content, list):
        raise InputError(Problem("expected a list of cases, or one under 'test_vectors'", str(path), 1))
    catalog = _catalog()
    checked: list[Checked] = []
    problems: list[Problem] = []
    for index, case in enumerate(content):
        try:
            place = Problem("", str(path), lines.get((*under, index), 0), f"case {index + 1}")
            checked.append(_checked(case, catalog, place))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return tuple(checked)


def as_json(decision: Decision) -> dict[str, Any]:
    """A decision as the JSON of `export-check`."""
    return {
        "status": decision.status,
        "rule": decision.rule,
        "basis": decision.basis,
        "source": decision.source,
        "extrapolated": decision.extrapolated,
        "eccn": decision.eccn,
        "in_force_since": decision.in_force_since.isoformat() if decision.in_force_since else None,
        "on": decision.on.isoformat(),
        "remarks": list(decision.remarks),
    }


def _check_file(path: Path, json_: bool) -> None:
    checked = check_cases(path)
    disagreeing = sum(case.agrees is False for case in checked)
    agreeing = sum(case.agrees is True for case in checked)
    summary = {"cases": len(checked), "agreeing": agreeing, "disagreeing": disagreeing}
    if json_:
        typer.echo(json.dumps({"cases": [_case_json(case) for case in checked], "summary": summary}, indent=2))
    else:
        for case in checked:
            got = case.decisions[0]
            mark = {True: "ok", False: "DIFFERS", None: "-"}[case.agrees]
            late = ", extrapolated" if got.extrapolated else ""
            typer.echo(
                f"{mark:8}{case.chip} to {case.dest} for {case.hq} on {got.on}: expected {case.expected or '-'}, "
                f"got {got.status} ({got.rule or 'no rule'}{late})"
            )
        typer.echo(f"{len(checked)} cases, {agreeing} agree, {disagreeing} differ")
        typer.echo(_disclaimer())
    if disagreeing:
        raise typer.Exit(DISAGREES)


def _checked(case: object, catalog: Mapping[str, Accelerator], place: Problem) -> Checked:
    if not isinstance(case, Mapping):
        raise InputError(_at(place, "expected a mapping with chip, date, dest, hq and expected"))
    missing = [name for name in _REQUIRED if not case.get(name)]
    if missing:
        raise InputError(_at(place, f"lacks {', '.join(missing)}"))
    chip = _accelerator(str(case["chip"]), catalog, place)
    on = _date(str(case["date"]), place)
    dest, hq = str(case["dest"]), str(case.get("hq") or case["dest"])
    try:
        decisions = _decided(chip, dest, hq, on, str(case.get("transaction") or "delivery"))
    except InputError as error:
        raise InputError(_at(place, f"{p.field}: {p.message}", p.nearest) for p in error.problems) from None
    expected = case.get("expected")
    return Checked(chip.id, dest, hq, None if expected is None else str(expected), decisions)


def _case_json(case: Checked) -> dict[str, Any]:
    got = case.decisions[0]
    head = {"chip": case.chip, "dest": case.dest, "hq": case.hq, "date": got.on.isoformat(), "expected": case.expected}
    return {**head, "got": got.status, "agrees": case.agrees, "decisions": [as_json(d) for d in case.decisions]}


def _line(decision: Decision) -> str:
    rule = f"{decision.rule}, in force since {decision.in_force_since}" if decision.rule else "no rule"
    late = " [extrapolated]" if decision.extrapolated else ""
    source = f" Source: {decision.source}." if decision.source else ""
    return f"{decision.status}{late} ({rule}): {decision.basis}.{source}"


def _decided(
    chip: Accelerator, destination: str, hq: str, on: date, transaction: str = "delivery"
) -> tuple[Decision, ...]:
    from hardware_catalog.export_rules import decide

    return decide(chip, destination, hq, on, transaction)


def _disclaimer() -> str:
    from hardware_catalog.export_rules import load_rules

    rules = load_rules()
    return f"This is {rules.disclaimer}; answers for dates after {rules.evidence_horizon} are extrapolated."


def _catalog() -> Mapping[str, Accelerator]:
    from hardware_catalog.catalog import load

    return load().accelerators


def _accelerator(name: str, accelerators: Mapping[str, Accelerator], place: Problem) -> Accelerator:
    if name not in accelerators:
        raise InputError(_at(place, f"unknown accelerator '{name}'", nearest(name, accelerators)))
    return accelerators[name]


def _date(text: str, place: Problem) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(_at(place, f"'{text}' is no date, expected YYYY-MM-DD")) from None


def _at(place: Problem, message: str, hint: str = "") -> Problem:
    return Problem(message, place.file, place.line, place.field, hint)
