"""Tables of text: every cell is checked when read, and every problem is kept with its file, line and column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Generic, TypeVar

from hardware_catalog.errors import Problem, nearest

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_NEVER = date(1, 1, 1)

Said = TypeVar("Said")


@dataclass(slots=True)
class Row:
    """One line of a table. A cell that is wrong adds a problem and gives a stand-in, so that reading goes on."""

    file: str
    line: int
    cells: dict[str, str]
    problems: list[Problem]

    def problem(self, field: str, message: str, near: str = "") -> None:
        """Note what is wrong with a cell."""
        self.problems.append(Problem(message, self.file, self.line, field, near))

    def text(self, field: str) -> str:
        """The cell, which must not be empty."""
        value = self.cells[field]
        if not value:
            self.problem(field, "is empty")
        return value

    def optional(self, field: str) -> str:
        """The cell, '' when empty."""
        return self.cells[field]

    def number(self, field: str, least: float = 0.0) -> float:
        """A number not below `least`."""
        value = self.cells[field]
        if not _NUMBER.fullmatch(value):
            self.problem(field, _expected("a number", value))
            return max(least, 1.0)
        if float(value) < least:
            self.problem(field, f"expected a number of at least {least:g}, got {value}")
        return float(value)

    def maybe_number(self, field: str, least: float = 0.0) -> float | None:
        """A number, None when empty."""
        return self.number(field, least) if self.cells[field] else None

    def decimal(self, field: str, most: int = 10**30) -> Decimal:
        """A decimal number above zero, at most `most`."""
        value = self.cells[field]
        if not _NUMBER.fullmatch(value):
            self.problem(field, _expected("a number", value))
            return Decimal(1)
        number = Decimal(value)
        if number <= 0:
            self.problem(field, f"expected a number above 0, got {value}")
            return Decimal(1)
        if number > most:
            self.problem(field, f"expected at most {most:,}, got {value}")
            return Decimal(1)
        return number

    def integer(self, field: str, least: int = 0) -> int:
        """A whole number not below `least`."""
        value = self.cells[field]
        if not _NUMBER.fullmatch(value) or float(value) != int(float(value)):
            self.problem(field, _expected("a whole number", value))
            return max(least, 1)
        if float(value) < least:
            self.problem(field, f"expected a whole number of at least {least}, got {value}")
        return int(float(value))

    def maybe_integer(self, field: str, least: int = 0) -> int | None:
        """A whole number, None when empty."""
        return self.integer(field, least) if self.cells[field] else None

    def integers(self, field: str, separator: str = ";") -> tuple[int, ...]:
        """Whole numbers above zero, in rising order unless parted by 'x' (a topology); () when empty."""
        value = self.cells[field]
        parts = value.split(separator) if value else []
        if not all(part.isdigit() and int(part) > 0 for part in parts):
            self.problem(field, f"expected whole numbers parted by '{separator}', got '{value}'")
            return (1,)
        numbers = tuple(map(int, parts))
        if separator == ";" and list(numbers) != sorted(set(numbers)):
            self.problem(field, f"expected rising numbers, got '{value}'")
        return numbers

    def yes(self, field: str) -> bool:
        """'yes' or 'no'."""
        return self.choice(field, ("yes", "no")) == "yes"

    def choice(self, field: str, known: Iterable[str]) -> str:
        """One of the known words."""
        value, known = self.cells[field], tuple(known)
        if value not in known:
            self.problem(field, f"expected one of {', '.join(known)}, got '{value}'", nearest(value, known))
        return value

    def choices(self, field: str, known: Iterable[str]) -> tuple[str, ...]:
        """Some of the known words, parted by ';'."""
        known = tuple(known)
        found = tuple(part.strip() for part in self.cells[field].split(";") if part.strip())
        for part in found:
            if part not in known:
                self.problem(field, f"'{part}' is not known", nearest(part, known))
        return found

    def words(self, field: str, separator: str = ";") -> tuple[str, ...]:
        """Words parted by a separator; () when empty."""
        return tuple(part.strip() for part in self.cells[field].split(separator) if part.strip())

    def known(self, field: str, names: Iterable[str], kind: str) -> str:
        """An id that another table has."""
        value = self.cells[field]
        names = names if isinstance(names, dict) else tuple(names)
        if value not in names:
            said = f"'{value}' is not {kind}" if value else f"is empty; expected {kind}"
            self.problem(field, said, nearest(value, names) if value else "")
        return value

    def day(self, field: str) -> date:
        """A date as 2026-07-30."""
        value = self.cells[field]
        try:
            if len(value) != 10:
                raise ValueError
            return date.fromisoformat(value)
        except ValueError:
            self.problem(field, _expected("a date such as 2026-07-30", value))
            return _NEVER

    def maybe_day(self, field: str) -> date | None:
        """A date, None when empty."""
        return self.day(field) if self.cells[field] else None

    def maybe_instant(self, field: str) -> datetime | None:
        """An instant in UTC (a date alone is its midnight, a time without offset is UTC), None when empty."""
        value = self.cells[field]
        if not value:
            return None
        try:
            if len(value) < 10 or value[4] != "-":
                raise ValueError
            instant = datetime.fromisoformat(value)
        except ValueError:
            self.problem(field, f"expected a time such as 2026-07-30 or 2026-07-30T06:00Z, got '{value}'")
            return None
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


class Cells(Generic[Said]):
    """What some cells of a row say, read once for all rows in which they are the same and nothing is wrong."""

    def __init__(self, columns: Sequence[str], said: Callable[[Row], Said]) -> None:
        self._cells = itemgetter(*columns)
        self._said = said
        self._known: dict[object, Said] = {}

    def of(self, row: Row) -> Said:
        """What the row's cells say; what is wrong with them is told for every row."""
        cells = self._cells(row.cells)
        if cells in self._known:
            return self._known[cells]
        before = len(row.problems)
        said = self._said(row)
        if len(row.problems) == before:
            self._known[cells] = said
        return said


def csv_rows(path: Path, columns: Sequence[str], problems: list[Problem], optional: Sequence[str] = ()) -> list[Row]:
    """The rows of a CSV file that must have exactly these columns, in any order, and may have the optional ones."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problems.append(Problem(f"cannot be read: {error.strerror or error}", str(path)))
        return []
    except UnicodeDecodeError:
        problems.append(Problem("is not UTF-8 text", str(path)))
        return []
    return list(table_rows(str(path), _csv_lines(text, str(path), problems), columns, problems, optional))


def table_rows(
    file: str,
    lines: Iterable[tuple[int, list[str]]],
    columns: Sequence[str],
    problems: list[Problem],
    optional: Sequence[str] = (),
) -> Iterator[Row]:
    """Rows of a table given as numbered lines of cells, the header first; blank lines are left out.

    Cells of optional columns that the table does not have are empty.
    """
    numbered = ((line, [cell.strip() for cell in cells]) for line, cells in lines)
    filled = ((line, cells) for line, cells in numbered if any(cells))
    start = next(filled, None)
    if start is None:
        problems.append(Problem(f"is empty; expected the columns {', '.join(columns)}", file))
        return
    header_line, header = start
    while header and not header[-1]:
        header.pop()
    wrong = list(_header_problems(file, header_line, header, columns, optional))
    absent = dict.fromkeys(optional, "")
    problems.extend(wrong)
    if wrong:
        return
    size = len(header)
    for line, cells in filled:
        if len(cells) < size or any(cells[size:]):
            problems.append(Problem(f"expected {size} cells, got {len(cells)}", file, line))
        else:
            yield Row(file, line, absent | dict(zip(header, cells[:size], strict=True)), problems)


def unique(rows: Iterable[Row], *fields: str) -> Iterator[Row]:
    """The rows whose key was not seen before; a problem for each of the others."""
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = tuple(row.cells[field] for field in fields)
        if key in seen:
            row.problem(fields[0], f"'{' '.join(key)}' stands twice; first on line {seen[key]}")
        else:
            seen[key] = row.line
            yield row


def _expected(what: str, value: str) -> str:
    return f"expected {what}, got '{value}'" if value else f"expected {what}, is empty"


def _csv_lines(text: str, file: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(f"is not CSV: {error}", file, line))


def _header_problems(
    file: str, line: int, header: list[str], columns: Sequence[str], optional: Sequence[str]
) -> Iterator[Problem]:
    missing = [column for column in columns if column not in header]
    for column in header:
        if header.count(column) > 1:
            yield Problem("the column stands twice", file, line, column)
        elif column not in (*columns, *optional):
            near = nearest(column, missing or (*columns, *optional))
            yield Problem("is not a column of this table", file, line, column or "(no name)", near)
    for column in missing:
        yield Problem(f"the column '{column}' is missing", file, line)
