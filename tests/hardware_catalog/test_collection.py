"""The search for cycles of garbage comes back as it was."""

from __future__ import annotations

import gc

import pytest

from hardware_catalog.collection import no_cycle_search


def test_the_search_goes_on_afterwards_whatever_happened() -> None:
    @no_cycle_search()
    def fails() -> None:
        assert not gc.isenabled()
        raise ValueError("within")

    assert gc.isenabled()
    with pytest.raises(ValueError, match="within"):
        fails()
    assert gc.isenabled()


def test_who_has_none_gets_none() -> None:
    gc.disable()
    try:
        with no_cycle_search():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
