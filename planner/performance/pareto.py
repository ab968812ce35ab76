"""The choices that nothing beats: no other is at least as good in both respects and better in one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def non_dominated(memory: ArrayLike, seconds: ArrayLike) -> NDArray[np.bool_]:
    """Which of some points (memory, seconds), both the less the better, no other point dominates; equal points stay.

    In the order of seconds a point stays when it has less memory than every faster one and no more than those as fast:
    a sort and a running minimum (Kung, Luccio and Preparata 1975, doi:10.1145/321906.321910, two dimensions).
    """
    m, s = np.asarray(memory, dtype=float), np.asarray(seconds, dtype=float)
    order = np.lexsort((m, s))
    m, s = m[order], s[order]
    first = np.searchsorted(s, s, side="left")  # where the points as fast begin, their least memory in front
    least = np.minimum.accumulate(m)
    faster = least[np.maximum(first - 1, 0)]
    kept = np.empty(len(m), dtype=bool)
    kept[order] = (m == m[first]) & ((first == 0) | (m < faster))
    return kept
