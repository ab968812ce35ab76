from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planner.performance.pareto import non_dominated

# few values, so that ties in one or both coordinates are common
POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40)


def beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[0] and one[1] <= other[1] and one != other


@given(POINTS)
def test_what_is_kept_is_what_no_other_point_beats(points: list[tuple[int, int]]) -> None:
    memory, seconds = [m for m, _ in points], [s for _, s in points]
    wanted = [not any(beats(other, point) for other in points) for point in points]
    assert non_dominated(memory, seconds).tolist() == wanted


def test_equal_points_stay_together_and_infinite_memory_can_still_be_fastest() -> None:
    # (1, 2) twice: neither is better; (inf, 1) is the fastest; (2, 2) is as fast as (1, 2) with more memory
    kept = non_dominated([1.0, 1.0, np.inf, 2.0], [2.0, 2.0, 1.0, 2.0])
    assert kept.tolist() == [True, True, True, False]
