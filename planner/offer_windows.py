"""The windows that options may use, each distinct tuple made once.

Sizes, phases and jobs with the same windows of an offer get the very same tuple: the optimizer remembers by tuple what
it works out of windows. Everything here relies on the windows of an offer being sorted and apart from each other.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from hardware_catalog.records import Offer
from planner.pricing import PricedWindow, is_term

Windows = tuple[PricedWindow, ...]
_START, _END, _PRICE = attrgetter("start"), attrgetter("end"), attrgetter("price")


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Node counts between the same two `edges` can be had in the same windows."""

    windows: Windows
    edges: list[int]
    found: dict[int, Windows]  # by how many edges are not above a node count
    distinct: dict[tuple[int, ...], Windows]  # by the places of the windows


class SharedWindows:
    """What was made of tuples of windows, by their identity, which the entries keep alive."""

    def __init__(self) -> None:
        self._sizes: dict[int, _Sizes] = {}
        self._slices: dict[tuple[int, int, int], tuple[Windows, Windows]] = {}
        self._scaled: dict[tuple[int, float], tuple[Windows, Windows]] = {}
        self._alone: dict[int, Windows] = {}
        self._dearest: dict[int, tuple[Windows, int]] = {}

    def sized(self, windows: Windows, nodes: int) -> Windows:
        """Those windows in which exactly this many nodes can be had."""
        if len(windows) == 1:
            return windows if windows[0].minimum_nodes <= nodes <= windows[0].maximum_nodes else ()
        sizes = self._sizes.get(id(windows))
        if sizes is None:
            edges = sorted({edge for w in windows for edge in (w.minimum_nodes, w.maximum_nodes + 1)})
            sizes = self._sizes[id(windows)] = _Sizes(windows, edges, {}, {})
        between = bisect_right(sizes.edges, nodes)
        if between not in sizes.found:
            places = tuple(i for i, w in enumerate(windows) if w.minimum_nodes <= nodes <= w.maximum_nodes)
            if places not in sizes.distinct:
                whole = len(places) == len(windows)
                sizes.distinct[places] = windows if whole else tuple(windows[i] for i in places)
            sizes.found[between] = sizes.distinct[places]
        return sizes.found[between]

    def dated(self, windows: Windows, earliest: int, last: int) -> Windows:
        """Those windows, uncut, that have a step in [earliest, last)."""
        if not windows or (windows[0].end > earliest and windows[-1].start < last):
            return windows
        first, end = bisect_right(windows, earliest, key=_END), bisect_left(windows, last, key=_START)
        key = id(windows), first, end
        if key not in self._slices:
            self._slices[key] = windows, windows[first:end]
        return self._slices[key][1]

    def scaled(self, windows: Windows, share: float) -> Windows:
        """The windows at a share of their prices."""
        if share >= 1:
            return windows
        key = id(windows), share
        if key not in self._scaled:
            self._scaled[key] = windows, tuple([_at(w, round(w.price * share)) for w in windows])
        return self._scaled[key][1]

    def pieces(self, offer: Offer, windows: Windows) -> Iterable[Windows]:
        """The windows that one option may use: all of them, or of an offer bought for a time each alone.

        A purchase has one price, so runs in it do not go on into a window with another.
        """
        if not is_term(offer):
            return (windows,)
        return [self._alone.setdefault(id(window), (window,)) for window in windows]

    def dearest(self, windows: Windows) -> int:
        """The highest price of the windows."""
        if len(windows) == 1:
            return windows[0].price
        if id(windows) not in self._dearest:
            self._dearest[id(windows)] = windows, max(map(_PRICE, windows))
        return self._dearest[id(windows)][1]


def _at(window: PricedWindow, price: int) -> PricedWindow:
    """The window at another price."""
    return PricedWindow(window.start, window.end, price, window.minimum_nodes, window.maximum_nodes)
