"""Model specs by name, from a file, from a Hugging Face `config.json`, or from fields written in the workload."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from planner.architecture_checks import STATED, inconsistencies, miscounts
from planner.errors import InputError, Problem, nearest
from planner.hugging_face.config import read_config
from planner.model_spec import ModelSpec
from planner.quantities import shown, whole
from planner.read import Document, Invalid, read

DIRECTORY = Path(__file__).parent / "architectures"
_PATH_ENDINGS = (".yaml", ".yml", ".json")
_OF_HUGGING_FACE = {"model_type", "text_config", "architectures"}  # keys that tell a config.json from our own fields


def model_names() -> tuple[str, ...]:
    """The names of the bundled architectures, sorted."""
    return tuple(sorted(path.stem for path in DIRECTORY.glob("*.yaml")))


def model(name_or_path: str | Path, relative_to: Path | None = None) -> ModelSpec:
    """The model spec of a bundled name (in any case), a YAML file of the same shape, or a Hugging Face `config.json`.

    A text with a slash or an ending of .yaml, .yml or .json is a path, relative to `relative_to` or to the current
    directory. InputError with the nearest name, or with file:line of what is wrong in the file.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or "\\" in text or text.casefold().endswith(_PATH_ENDINGS):
        return read_model((relative_to or Path()) / Path(text).expanduser())
    known = {name.casefold(): name for name in model_names()}
    if text.casefold() not in known:
        raise InputError(
            Problem(
                f"'{text}' is not a known model: expected a bundled name, or a path of a YAML file or config.json",
                nearest=nearest(text, known.values()),
            )
        )
    return _bundled(known[text.casefold()])


def read_model(path: Path) -> ModelSpec:
    """The model spec in a YAML file of `planner/architectures`' shape or a Hugging Face `config.json`."""
    document = read(path)
    try:
        if isinstance(document.data, dict) and not _OF_HUGGING_FACE.isdisjoint(document.data):
            return from_hugging_face(document.data, path.resolve().parent.name)
        return from_fields(document.data, path.stem)
    except Invalid as error:
        raise InputError(_located(error, document)) from None


def from_fields(fields: Any, name: str = "inline") -> ModelSpec:
    """A model spec from a mapping with the fields of ModelSpec; Invalid with every problem.

    More keys may state what is published, and are checked against the counts the fields give: `parameters` and
    `active_parameters` to the parameter, `parameters_rounded` and `active_parameters_rounded` within 3 %.
    """
    if not isinstance(fields, Mapping):
        raise Invalid(Problem(f"expected the fields of an architecture (layers, ...), got {shown(fields)}"))
    problems: list[Problem] = []
    values: dict[str, Any] = {"name": name}
    known = {field.name: field for field in dataclasses.fields(ModelSpec)}
    for key, value in fields.items():
        if key in STATED:
            continue
        if key not in known:
            problems.append(Problem("unknown key", field=key, nearest=nearest(key, [*known, *STATED])))
            continue
        try:
            optional = known[key].default is not dataclasses.MISSING
            values[key] = _READERS[str(known[key].type)](value, 0 if optional else 1)
        except ValueError as error:
            problems.append(Problem(str(error), field=key))
    for key, field in known.items():
        if field.default is dataclasses.MISSING and key not in values and key not in fields:
            problems.append(Problem("missing", field=key))
    if problems:
        raise Invalid(*problems)
    spec = ModelSpec(**values)
    if problems := inconsistencies(spec, fields) or miscounts(spec, fields):
        raise Invalid(*problems)
    return spec


def from_hugging_face(config: Mapping[str, Any], name: str = "") -> ModelSpec:
    """A model spec from a Hugging Face `config.json`; Invalid with every problem at its key of the file."""
    imported = read_config(config)
    title = str(config.get("_name_or_path") or name or config.get("model_type")).rstrip("/").rpartition("/")[2]
    try:
        return from_fields(imported.fields, title)
    except Invalid as error:
        raise Invalid(*map(imported.placed, error.problems)) from None


@cache
def _bundled(name: str) -> ModelSpec:
    return read_model(DIRECTORY / f"{name}.yaml")


def _located(error: Invalid, document: Document) -> list[Problem]:
    return [document.problem(problem.field, problem.message, problem.nearest) for problem in error.problems]


def _count(value: Any, minimum: int) -> int:
    return whole(value, minimum=minimum, maximum=10**9)


def _flag(value: Any, _minimum: int) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {shown(value)}")
    return value


def _text(value: Any, _minimum: int) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {shown(value)}")
    return value


_READERS: dict[str, Callable[[Any, int], Any]] = {"int": _count, "bool": _flag, "str": _text}
