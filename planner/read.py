"""Input files with line numbers: YAML 1.2 or JSON in, plain data and the place of every key out.

The C parser of PyYAML gives events with marks; yamlcore's YAML 1.2 core schema says which scalars are numbers, so the
country code `NO` stays text and `6e12` is a number. Aliases, tags, duplicate keys and several documents are refused,
and size and depth are limited, because a workload may come from a stranger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yamlcore import CCoreLoader

from planner.errors import InputError, Problem, nearest

MAXIMUM_BYTES = 1_000_000
MAXIMUM_DEPTH = 20
MAXIMUM_DIGITS = 400

_NOT_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

Place = tuple[int, int]


class Invalid(ValueError):
    """Problems found by a validator; fields are relative to what is validated, unless a problem names its own file."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: plain data, and the (line, column) of every path such as `jobs.0.deadline`, counted from 1."""

    data: Any
    file: str = ""
    places: Mapping[str, Place] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """The line of a path, or of its nearest parent that is in the file (a missing key has no line); 0 unknown."""
        while path and path not in self.places:
            path = path.rpartition(".")[0]
        return self.places.get(path, (0, 0))[0]

    def problem(self, path: str, message: str, nearest: str = "") -> Problem:
        """A problem at a path of this document."""
        return Problem(message, self.file, self.line_of(path), path, nearest)


def read(path: Path) -> Document:
    """Read one YAML or (by its name, `.json`) JSON file; InputError with file:line when it cannot be read."""
    try:
        if path.is_dir():
            raise InputError(Problem("expected a file, got a directory", str(path)))
        with path.open("rb") as file:
            raw = file.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        near = nearest(path.name, _neighbours(path))
        raise InputError(Problem("no such file", str(path), nearest=near)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(Problem(f"cannot be read: {reason}", str(path))) from None
    if len(raw) > MAXIMUM_BYTES:
        raise InputError(Problem(f"expected at most {MAXIMUM_BYTES:,} bytes", str(path)))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(Problem("expected text in UTF-8, got other bytes", str(path), line)) from None
    return read_text(text, str(path), is_json=path.suffix.casefold() == ".json")


def read_text(text: str, file: str = "", is_json: bool = False) -> Document:
    """Parse YAML or JSON text; `file` is the name shown in errors. InputError with file:line."""
    text = text.removeprefix("\ufeff")
    if len(text) > MAXIMUM_BYTES:
        raise InputError(Problem(f"expected at most {MAXIMUM_BYTES:,} characters", file))
    if not text.strip():
        raise InputError(Problem("the file is empty", file))
    if control := _NOT_TEXT.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise InputError(Problem(f"expected text, got the control character {control[0]!a}", file, line))
    if not is_json:
        return _Builder(text, file).document()
    try:
        data = json.loads(text, parse_constant=_no_constant, parse_int=_whole, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise InputError(Problem(f"not valid JSON: {error.msg}", file, error.lineno)) from None
    except RecursionError:
        raise InputError(Problem(f"nested deeper than {MAXIMUM_DEPTH} levels", file)) from None
    except Invalid as error:
        # The YAML walk below finds the same fault and knows its line.
        _Builder(text, file).document()
        raise InputError([Problem(p.message, file, field=p.field) for p in error.problems]) from None
    except ValueError as error:
        raise InputError(Problem(f"not valid JSON: {error}", file)) from None
    try:
        places = _Builder(text, file).document().places
    except InputError as error:
        if any("nested deeper" in problem.message for problem in error.problems):
            raise
        places = {}  # JSON that is not YAML (surrogate escapes): no lines, but valid
    return Document(data, file, places)


class _Builder:
    """Builds plain data from parser events, no deeper than allowed, noting where each path begins."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.places: dict[str, Place] = {}
        self.problems: list[Problem] = []
        try:
            self.loader: Any = CCoreLoader(text)
        except yaml.YAMLError as error:
            raise InputError(self._syntax(error)) from None

    def document(self) -> Document:
        try:
            data = self._document()
        except yaml.YAMLError as error:
            raise InputError([*self.problems, self._syntax(error)]) from None
        finally:
            self.loader.dispose()
        if self.problems:
            raise InputError(self.problems)
        return Document(data, self.file, self.places)

    def _document(self) -> Any:
        self.loader.get_event()  # stream start
        if self.loader.check_event(yaml.StreamEndEvent):
            raise InputError(Problem("the file is empty", self.file))
        self.loader.get_event()  # document start
        data = self._value("", 0, self.loader.get_event())
        self.loader.get_event()  # document end
        if not self.loader.check_event(yaml.StreamEndEvent):
            second = self.loader.get_event()
            self.problems.append(self._problem(second, "expected one document, got a second one", ""))
        return data

    def _value(self, path: str, depth: int, event: Any) -> Any:
        self.places.setdefault(path, (event.start_mark.line + 1, event.start_mark.column + 1))
        if depth > MAXIMUM_DEPTH:
            raise InputError([*self.problems, self._problem(event, f"nested deeper than {MAXIMUM_DEPTH} levels", path)])
        if isinstance(event, yaml.AliasEvent):
            self.problems.append(self._problem(event, "aliases (*name) are not allowed: write the value again", path))
            return None
        if event.anchor is not None:
            self.problems.append(self._problem(event, "anchors (&name) are not allowed", path))
        if event.tag is not None and not (isinstance(event, yaml.ScalarEvent) and event.tag == "!"):
            self.problems.append(self._problem(event, f"tags ({event.tag}) are not allowed: write a plain value", path))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, depth)
        return self._scalar(path, event)

    def _sequence(self, path: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self.loader.get_event(), yaml.SequenceEndEvent):
            items.append(self._value(join(path, len(items)), depth + 1, event))
        return items

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(self.loader.peek_event(), yaml.MappingEndEvent):
            event: Any = self.loader.get_event()
            if not hasattr(event, "value"):
                kind = "an alias" if isinstance(event, yaml.AliasEvent) else "a list or mapping"
                raise InputError([*self.problems, self._problem(event, f"expected text as a key, got {kind}", path)])
            key = event.value
            place = join(path, key)
            line = event.start_mark.line + 1
            if key in items:
                first = self.places[place][0]
                self.problems.append(Problem(f"duplicate key, first on line {first}", self.file, line, place))
                self._value(f"{place} again", depth + 1, self.loader.get_event())
                continue
            self.places[place] = (line, event.start_mark.column + 1)
            items[key] = self._value(place, depth + 1, self.loader.get_event())
        self.loader.get_event()  # mapping end
        return items

    def _scalar(self, path: str, event: Any) -> Any:
        tag = self.loader.resolve(yaml.ScalarNode, event.value, event.implicit).rpartition(":")[2]
        if tag in ("int", "float") and len(event.value) > MAXIMUM_DIGITS:
            self.problems.append(self._problem(event, f"expected a number of at most {MAXIMUM_DIGITS} digits", path))
            return None
        node = yaml.ScalarNode(event.tag, event.value)
        match tag:
            case "null":
                return None
            case "bool":
                return self.loader.construct_yaml_bool_core(node)
            case "int":
                return self.loader.construct_yaml_int_core(node)
            case "float":
                return self.loader.construct_yaml_float_core(node)
            case _:
                return event.value

    def _problem(self, event: Any, message: str, path: str) -> Problem:
        return Problem(message, self.file, event.start_mark.line + 1, path)

    def _syntax(self, error: Any) -> Problem:
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or str(error).splitlines()[0]
        if "cannot start any token" in message:
            message = "found a character that cannot start a value (a tab? indent with spaces; quote % and @)"
        if (begin := getattr(error, "context_mark", None)) and mark and begin.line < mark.line:
            message += f" {error.context} that begins on line {begin.line + 1}"
        return Problem(f"not valid YAML: {message}", self.file, mark.line + 1 if mark else 0)


def join(path: str, part: object) -> str:
    """A path with one more part; an empty path or part adds no dot."""
    return f"{path}.{part}" if path and part != "" else path or str(part)


def _neighbours(path: Path) -> list[str]:
    try:
        return [other.name for other in path.parent.iterdir()]
    except OSError:
        return []


def _no_constant(name: str) -> Any:
    raise ValueError(f"expected a finite number, got {name}")


def _whole(digits: str) -> int:
    if len(digits) > MAXIMUM_DIGITS:
        raise ValueError(f"expected a number of at most {MAXIMUM_DIGITS} digits")
    return int(digits)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items: dict[str, Any] = {}
    for key, value in pairs:
        if key in items:
            raise Invalid(Problem("duplicate key", field=key))
        items[key] = value
    return items
