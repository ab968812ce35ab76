"""The files of `data/export_rules`: their shape, and reading them with `file:line` for everything that is wrong.

YAML 1.2 core schema, so that the country code `NO` stays a string. `meta.yaml` and `countries.yaml` are always there;
every other file of the directory is a list of rules. A date range includes its first and its last day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from yamlcore import CCoreLoader

from hardware_catalog.errors import InputError, Problem, nearest

FIELDS: Mapping[str, tuple[str, str]] = {  # what a condition may read: its name in words, its unit
    "id": ("chip", ""),
    "vendor": ("maker", ""),
    "maker_country": ("maker's country", ""),
    "tpp": ("TPP", ""),
    "performance_density": ("performance density", ""),
    "io_bw_total_gbs": ("I/O bandwidth", " GB/s"),
    "memory_bw_gbs": ("memory bandwidth", " GB/s"),
    "dc_marketed": ("marketed for data centres", ""),
    "release_date": ("release date", ""),
    "export_variant_of": ("export variant of", ""),
    "purchasable": ("on general sale", ""),
}
Status = Literal[
    "NLR",
    "NAC_NOTIFY",
    "ACA",
    "LICENCE_APPROVAL",
    "LICENCE_CASE",
    "LICENCE_DENIAL",
    "LICENCE_UNSPECIFIED",
    "NOT_RELEASED",
]
Planning = Literal["pass", "warn", "refuse"]
Kind = Literal["regulation", "letter", "guidance", "import_measure", "remote_access", "information"]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Dated(_Entry):
    effective_from: date | None = None  # None: since always
    effective_to: date | None = None  # the last day in force; None: still in force

    def in_force(self, on: date) -> bool:
        return (self.effective_from or date.min) <= on <= (self.effective_to or date.max)


class Predicate(_Entry):
    """A condition on a chip: `all_of`, `any_of`, or one comparison of a field (or a sum of fields) with a value."""

    all_of: tuple[Predicate, ...] = ()
    any_of: tuple[Predicate, ...] = ()
    field: str = ""
    sum_of: tuple[str, ...] = ()
    op: Literal[">=", ">", "<", "<=", "==", "!=", "in"] | None = None
    value: bool | float | str | tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        shapes = [bool(shape) for shape in (self.all_of, self.any_of, self.field, self.sum_of)]
        compares = bool(self.field or self.sum_of)
        if sum(shapes) != 1 or compares != (self.op is not None) or compares != (self.value is not None):
            raise ValueError("expected one of all_of, any_of, or field (sum_of) with op and value")
        for name in filter(None, (self.field, *self.sum_of)):
            if name not in FIELDS:
                raise ValueError(f"unknown field '{name}'; did you mean '{nearest(name, FIELDS)}'?")
        return self


class ChipClass(_Entry):
    """A control class (ECCN paragraph) and the chips in it."""

    name: str
    when: Predicate


class Outcome(_Dated):
    """One row of a rule: for which classes and parties it holds and what follows; the first row that matches counts."""

    classes: tuple[str, ...] = ()  # () = any class, and none for rules without classes
    destination: tuple[str, ...] = ()  # countries or groups; () = anywhere
    headquarters: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()
    given: tuple[Status, ...] = ()  # statuses of the decision that this row amends or comments
    when: Predicate | None = None
    status: Status | None = None  # None: a remark, not a decision
    remark: str = ""  # note of a decision, or text of a remark


class Case(_Entry):
    """A worked example, in the shape of the test vectors."""

    chip: str
    date: date
    dest: str
    hq: str
    expected: Status
    note: str = ""


class Rule(_Dated):
    """A dated legal control; texts are summaries, `citation` and `sources` say where to read it."""

    id: str
    title: str
    kind: Kind
    enforced: bool = True
    citation: str = ""
    released: date | None = None
    amends: str = ""  # id of the rule whose decisions this one changes
    classes_of: str = ""  # id of the rule whose classes this one uses
    binds: tuple[str, ...] = ()  # makers; () = everyone
    when: Predicate | None = None  # chips outside it are outside the rule
    classes: tuple[ChipClass, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    summary: str = ""
    doubt: str = ""
    source_kind: Literal["verified", "recalled", "derived", "unverified"]
    sources: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()

    @property
    def source(self) -> str:
        """The citation, or where there is none the sources."""
        return self.citation or "; ".join(self.sources) or f"no source named ({self.source_kind})"


class StatusMeaning(_Entry):
    """What a status says, and what planning does with it; the order in the file is from mildest to hardest."""

    status: Status
    meaning: str
    planning: Planning


class GroupVersion(_Dated):
    members: tuple[str, ...]
    note: str = ""


class Group(_Entry):
    """A group of countries: dated members, or the union of other groups and countries less some."""

    versions: tuple[GroupVersion, ...] = ()
    union: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    source_kind: str
    sources: tuple[str, ...] = ()
    note: str = ""


class PartOf(_Entry):
    country: str
    effective_from: date


class Countries(_Entry):
    """`countries.yaml`: ISO 3166-1 codes, what counts as part of what, and the groups of the rules."""

    countries: Mapping[str, str]
    misnomers: Mapping[str, str] = {}
    part_of: Mapping[str, PartOf] = {}
    groups: Mapping[str, Group]


class Meta(_Entry):
    """`meta.yaml`: how far the evidence reaches, what the statuses mean, who makes the chips."""

    evidence_horizon: date
    horizon_note: str
    disclaimer: str
    statuses: tuple[StatusMeaning, ...]
    transactions: Mapping[str, str]
    makers: Mapping[str, str]
    domestic_supply: tuple[str, ...]
    domestic_note: str


class RuleFile(_Entry):
    rules: tuple[Rule, ...]


_Model = TypeVar("_Model", bound=BaseModel)
_Path = tuple[str | int, ...]
_KEYS = [name for model in (Predicate, ChipClass, Outcome, Case, Rule, RuleFile, Meta, Countries, Group, GroupVersion,
                            PartOf, StatusMeaning) for name in model.model_fields]  # fmt: skip


def read(path: Path, model: type[_Model]) -> _Model:
    """One file as its model; InputError with the line of everything that does not fit."""
    content, lines = yaml_with_lines(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError(_problem(path, lines, e["loc"], e["type"], e["msg"]) for e in error.errors()) from None


def yaml_with_lines(path: Path) -> tuple[Any, dict[tuple[str | int, ...], int]]:
    """The content of a YAML 1.2 file and the line of every key and item; InputError when it cannot be read."""
    try:
        loader = CCoreLoader(path.read_text(encoding="utf-8"))
        try:
            node = loader.get_single_node()
            lines: dict[_Path, int] = {}
            for place, line in _lines((), node):
                if place in lines:
                    raise InputError(Problem("this key is there twice", str(path), line, _dotted(place)))
                lines[place] = line
            return (loader.construct_document(node) if node else None), lines
        finally:
            loader.dispose()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"cannot be read: {error}", str(path))) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or str(error)
        raise InputError(Problem(f"not YAML: {message}", str(path), mark.line + 1 if mark else 0)) from None


def _lines(path: _Path, node: yaml.Node | None, seen: set[int] | None = None) -> Iterator[tuple[_Path, int]]:
    seen = set() if seen is None else seen
    if node is None or id(node) in seen:
        if node is not None:
            raise yaml.MarkedYAMLError(problem="aliases are not read here", problem_mark=node.start_mark)
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, str(key.value)), key.start_mark.line + 1
            yield from _lines((*path, str(key.value)), value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1
            yield from _lines((*path, index), value, seen)


def _problem(path: Path, lines: Mapping[_Path, int], location: _Path, kind: str, message: str) -> Problem:
    known = location
    while known and known not in lines:  # pydantic's path may end in a union's tag or a missing key
        known = known[:-1]
    if kind == "extra_forbidden":
        name = str(location[-1])
        return Problem("unknown key", str(path), lines.get(known, 1), _dotted(location), nearest(name, _KEYS))
    return Problem(message.removeprefix("Value error, "), str(path), lines.get(known, 1), _dotted(location))


def _dotted(path: _Path) -> str:
    return ".".join(map(str, path))
