"""What pydantic found wrong, in plain words and with the line of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from planner.errors import Problem, nearest
from planner.quantities import shown
from planner.read import Document, Invalid, join

MOST_PROBLEMS = 100
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list such as [a, b]",
    "tuple": "a list such as [a, b]",
    "dict": "keys and values",
    "model": "keys and values",
    "dataclass": "keys and values",
    "date": "a date such as 2026-12-01",
    "datetime": "a date such as 2026-12-01 or 2026-12-01T12:00Z",
}


def problems_of(error: ValidationError, document: Document, shape: type[BaseModel]) -> list[Problem]:
    """A pydantic error in plain words: one problem per finding, in the order of the file.

    `shape` is the validated model; its keys are the candidates for the nearest right name.
    """
    details = error.errors(include_url=False)
    found = [problem for one in details[:MOST_PROBLEMS] for problem in _explain(one, document, shape)]
    found = sorted(dict.fromkeys(found), key=lambda problem: problem.line)
    if len(details) > MOST_PROBLEMS:
        found.append(Problem(f"and {len(details) - MOST_PROBLEMS:,} more problems", document.file))
    return found


def _explain(details: Any, document: Document, shape: type[BaseModel]) -> Iterator[Problem]:
    location: tuple[str | int, ...] = details["loc"]
    path = ".".join(map(str, location))
    kind: str = details["type"]
    context: dict[str, Any] = details.get("ctx", {})
    value = details["input"]
    inner = context.get("error")
    if isinstance(inner, Invalid):
        for problem in inner.problems:
            if problem.file:
                yield problem
            else:
                yield document.problem(join(path, problem.field), problem.message, problem.nearest)
    elif isinstance(inner, ValueError):
        yield document.problem(path, str(inner))
    elif kind == "missing":
        yield document.problem(path, "missing")
    elif kind in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _keys_at(shape, location[:-1])
        near = nearest(str(location[-1]), known)
        listing = "" if near else f"; expected one of {', '.join(known)}"
        yield document.problem(path, f"unknown key{listing}", near)
    elif kind == "too_long":
        yield document.problem(path, f"expected at most {context['max_length']:,} entries, got more")
    elif kind in ("literal_error", "enum"):
        names = re.findall(r"'([^']*)'", context["expected"])
        message = f"expected one of {', '.join(names)}, got {shown(value)}"
        yield document.problem(path, message, nearest(str(value), names))
    else:
        yield document.problem(path, f"expected {_expectation(kind, details['msg'])}, got {shown(value)}")


def _expectation(kind: str, message: str) -> str:
    words = _WORDS.get(kind.split("_")[0])
    if words and not kind.endswith(("_short", "_long", "_max_digits", "_max_places", "_whole_digits")):
        return words
    return re.sub(r"^(Value error, )?(Input )?should (be |have )?", "", message)


def _keys_at(shape: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """The keys a model accepts at a location, following annotations through lists and unions."""
    shapes = [shape]
    for part in location:
        if isinstance(part, str):
            fields = [info for one in shapes for name, info in one.model_fields.items() if part in (name, info.alias)]
            shapes = [model for info in fields for model in _models_in(info.annotation)]
    return [info.alias or name for one in shapes for name, info in one.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
