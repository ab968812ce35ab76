"""Good plans from Lagrangian bounds: read the best runs at a price of work, splice two of them, trim what is too much.

At the best price two sequences of runs are as good as each other: one does less than the work, one more. The optimum of
the convex problem lies between them, so a plan that follows one until some step and the other from then on, and stops
when the work is done, costs little more than the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.optimizer.bound import PhaseBound, Values, start_values
from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import Problem, Run, Solution
from planner.optimizer.runs import ceil_div, duration_s, longest_s, work_done
from planner.optimizer.supply import Piece

PATHS = 6  # prices of work whose runs are read, on each side of the best one


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A run of whole steps on one piece."""

    piece: Piece
    start: int
    end: int


def promising(problem: Problem, order: Sequence[int], bounds: dict[int, PhaseBound]) -> tuple[Run, ...] | None:
    """The cheapest plan found for phases in a row, or None; a heuristic that proves nothing."""
    found: tuple[Run, ...] = ()
    entry = 0
    for p in order:
        runs = _phase_plan(problem, p, bounds[p], max(entry, problem.phases[p].earliest))
        if runs is None:
            return None
        found += runs
        entry = ceil_div(runs[-1].end_s, problem.step_s)
    cost, finish_s, carbon_g = evaluate(problem, found)
    free = Solution("feasible", found, cost, finish_s, carbon_g, 0)
    return found if not check(problem, free) else None


def _phase_plan(problem: Problem, p: int, bound: PhaseBound, entry: int) -> tuple[Run, ...] | None:
    most = problem.phases[p].max_segments

    def lower_bound(v: Values) -> float:
        return float(v.rows[most][entry]) + v.price * problem.phases[p].work

    if entry >= len(bound.ending):
        return None
    ranked = sorted(bound.values, key=lower_bound, reverse=True)[:PATHS]
    paths = [path for path in (_path(bound, v, entry, most) for v in ranked) if path]
    candidates = [_trimmed(problem, p, path) for path in paths]
    for one in paths:
        for two in paths:
            if one is not two:
                candidates.append(_spliced(problem, p, one, two, entry, bound))
    best: tuple[float, tuple[Run, ...]] | None = None
    for runs in candidates:
        if runs is None or runs[-1].end_s > bound.limit:
            continue
        money = evaluate(problem, runs)[0] + _after(bound, problem, runs)
        if best is None or money < best[0]:
            best = (money, runs)
    return None if best is None else best[1]


def _after(bound: PhaseBound, problem: Problem, runs: tuple[Run, ...]) -> float:
    """What the end of the phase costs at least beyond its own lateness: the phases after it."""
    step = ceil_div(runs[-1].end_s, problem.step_s)
    return float(bound.ending[step])


def _path(bound: PhaseBound, v: Values, entry: int, most: int) -> list[_Stretch]:
    """The runs of least value from a step on under one price of work."""
    path: list[_Stretch] = []
    t, k = entry, most
    while k > 0:
        best: tuple[float, int, Piece] | None = None
        for piece in bound.pieces:
            if piece.end <= t:
                continue
            offset = max(0, t - piece.begin)
            ahead = start_values(piece, v.price, v.rows[k - 1])[offset:]
            at = int(np.argmin(ahead))
            if best is None or (float(ahead[at]), at + offset + piece.begin) < best[:2]:
                best = (float(ahead[at]), at + offset + piece.begin, piece)
        if best is None or best[0] >= float(bound.ending[t:].min()):
            break
        _, start, piece = best
        net = piece.spent - v.price * piece.of.rate * np.arange(piece.end - piece.begin + 1)
        ends = (net + v.rows[k - 1][piece.begin : piece.end + 1])[start - piece.begin + 1 :]
        end = start + 1 + int(np.argmin(ends))
        path.append(_Stretch(piece, start, end))
        t, k = end, k - 1
    return path


def _spliced(
    problem: Problem, p: int, one: list[_Stretch], two: list[_Stretch], entry: int, bound: PhaseBound
) -> tuple[Run, ...] | None:
    """The first path until the latest step, the second from then on, that still does the work (by bisection)."""
    work, most = problem.phases[p].work, problem.phases[p].max_segments

    def spliced(step: int) -> list[_Stretch]:
        left = [_Stretch(s.piece, s.start, min(s.end, step)) for s in one if s.start < step]
        right = [_Stretch(s.piece, max(s.start, step), s.end) for s in two if s.end > step]
        if left and right and left[-1].piece is right[0].piece and left[-1].end == right[0].start:
            right[0] = _Stretch(right[0].piece, left.pop().start, right[0].end)
        return left + right

    low, high = entry, max(s.end for s in (*one, *two))
    if _work(problem, spliced(low)) < work:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if _work(problem, spliced(middle)) >= work:
            low = middle
        else:
            high = middle
    path = spliced(low)
    return _trimmed(problem, p, path) if len(path) <= most else None


def _work(problem: Problem, path: list[_Stretch]) -> int:
    return sum(work_done(s.piece.of, (s.end - s.start) * problem.step_s, problem.step_s) for s in path)


def _trimmed(problem: Problem, p: int, path: list[_Stretch]) -> tuple[Run, ...] | None:
    """The runs up to the second at which the work is done; None when it is not, or a run outlasts its last block."""
    left = problem.phases[p].work
    runs = []
    for s in path:
        seconds = (s.end - s.start) * problem.step_s
        done = work_done(s.piece.of, seconds, problem.step_s)
        if done >= left:
            seconds = duration_s(s.piece.of, left, problem.step_s)
        longest = longest_s(s.piece.of.billing)
        if done <= 0 or (longest is not None and seconds > longest):
            return None
        start_s = s.start * problem.step_s
        runs.append(Run(s.piece.index, start_s, start_s + seconds))
        left -= done
        if left <= 0:
            return tuple(runs)
    return None
