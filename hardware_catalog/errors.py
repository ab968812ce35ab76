"""What is wrong with an input, where, what was expected, and the nearest right name.

InputError            bad input of any kind: one or several problems, each with its place
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: prints as `file:line: field: message; did you mean 'x'?`."""

    message: str
    file: str = ""
    line: int = 0
    field: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        head = ": ".join(part for part in (place, self.field) if part)
        hint = f"; did you mean '{self.nearest}'?" if self.nearest else ""
        return f"{head}: {self.message}{hint}" if head else f"{self.message}{hint}"


class InputError(Exception):
    """Bad input; `problems` lists everything found, so that one run shows all of it."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def nearest(name: str, names: Iterable[str]) -> str:
    """The known name closest to a misspelt one, or '' when none is close."""
    return _nearest(name, tuple(names))


@lru_cache(maxsize=1000)  # a file may have one mistake on every line
def _nearest(name: str, names: tuple[str, ...]) -> str:
    folded = {candidate.casefold(): candidate for candidate in names}
    if name.casefold() in folded:
        return folded[name.casefold()]
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else ""
