"""Python's search for cycles of garbage, put off while much is made that stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_cycle_search() -> Iterator[None]:
    """No search for cycles: it would look through all that was made so far again and again, and find none.

    Of use around what makes 10^5 objects and more, where it takes up to half of the time. It holds for all threads.
    """
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()
