"""What is possible at all, money aside: the most work by a step, and the earliest end of phases in a row.

most(k, t) = the most tokens trained by step t in at most k runs that end on steps
           = max( most(k, t - 1),  max over runs [s, t) of o:  most(k - 1, s) + r (t - s) - l )
earliest   = min over o, s of  h s + the seconds in which o trains W - most(S - 1, s)

Both are exact: work adds up, and a phase that ends earlier never hurts those after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.problem import Problem, Run
from planner.optimizer.runs import ceil_div, limit_s, longest_s, stretches, usable

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Most:
    """Row k of most(k, t) for t = begin..end, with the run that ends last: its option (-1: none), start and end."""

    begin: int
    work: Ints
    option: Ints
    start: Ints
    end: Ints


def most_work(problem: Problem, phase_index: int, begin: int, end: int, runs: int) -> list[Most]:
    """most(k, begin..end) for k = 0..runs; steps in the rows count from `begin`."""
    at = np.arange(end - begin + 1, dtype=np.int64)
    rows = [Most(begin, 0 * at, 0 * at - 1, at, at)]
    pieces = [
        (problem.options[index], index, max(stretch[0].start, begin) - begin, min(stretch[-1].end, end) - begin)
        for index in usable(problem)
        if problem.options[index].phase == phase_index
        for stretch in stretches(problem.options[index].windows, problem.horizon)
        if min(stretch[-1].end, end) > max(stretch[0].start, begin)
    ]
    for _ in range(runs):
        before = rows[-1].work
        best, chosen, started = before.copy(), 0 * at - 1, at.copy()
        for option, index, low, high in pieces:
            longest = longest_s(option.billing)
            span = high - low if longest is None else min(high - low, longest // problem.step_s)
            if span <= 0:
                continue
            steps = at[low : high + 1]
            gain = before[low : high + 1] - option.rate * steps
            source = _best_start(gain, span)
            work = gain[source] + option.rate * steps - option.loss
            better = work > best[low : high + 1]
            best[low : high + 1][better] = work[better]
            chosen[low : high + 1][better] = index
            started[low : high + 1][better] = low + source[better]
        work = np.maximum.accumulate(best)  # what is done stays done
        ended = np.maximum.accumulate(np.where(best == work, at, 0))
        rows.append(Most(begin, work, chosen[ended], started[ended], ended))
    return rows


def _path(rows: list[Most], step: int, step_s: int) -> list[Run]:
    """The runs behind the last row's work by `step` (counted from `begin`)."""
    runs: list[Run] = []
    for row in rows[:0:-1]:
        if row.option[step] < 0:
            step = int(row.end[step])
            continue
        start, end = int(row.start[step]), int(row.end[step])
        runs.append(Run(int(row.option[step]), (row.begin + start) * step_s, (row.begin + end) * step_s))
        step = start
    return runs[::-1]


def earliest_finish(problem: Problem, order: Sequence[int], deadlines: bool = True) -> tuple[Run, ...] | None:
    """A plan of phases in a row that ends as early as any, whatever it costs; None when none fits.

    With `deadlines` False only the horizon limits the phases.
    """
    step_s, begin = problem.step_s, 0
    plan: list[Run] = []
    for phase_index in order:
        phase = problem.phases[phase_index]
        begin = max(begin, phase.earliest)
        limit = limit_s(phase, problem) if deadlines else problem.horizon * step_s
        if begin * step_s >= limit:
            return None
        rows = most_work(problem, phase_index, begin, ceil_div(limit, step_s), phase.max_segments - 1)
        before = rows[-1].work
        best: tuple[int, int, int] | None = None  # end, option, start
        for index in usable(problem):
            option = problem.options[index]
            if option.phase != phase_index:
                continue
            longest = longest_s(option.billing)
            for stretch in stretches(option.windows, problem.horizon):
                low, high = max(stretch[0].start, begin), min(stretch[-1].end, begin + len(before) - 1)
                if low >= high:
                    continue
                missing = phase.work - before[low - begin : high - begin]
                seconds = -(-(missing + option.loss) * step_s // option.rate)
                ends = np.arange(low, high, dtype=np.int64) * step_s + seconds
                allowed = (missing > 0) & (ends <= min(stretch[-1].end * step_s, limit))
                if longest is not None:
                    allowed &= seconds <= longest
                if allowed.any():
                    pick = int(np.argmin(np.where(allowed, ends, np.iinfo(np.int64).max)))
                    if best is None or ends[pick] < best[0]:
                        best = (int(ends[pick]), index, low + pick)
        if best is None:
            return None
        end_s, index, start = best
        plan += [*_path(rows, start - begin, step_s), Run(index, start * step_s, end_s)]
        begin = ceil_div(end_s, step_s)
    return tuple(plan)


def _best_start(gain: Ints, span: int) -> Ints:
    """For every step t the index of the greatest gain among the steps t - span .. t."""
    size = len(gain)
    at = np.arange(size)
    if span >= size - 1:
        running = np.maximum.accumulate(gain)
        return np.maximum.accumulate(np.where(gain == running, at, 0))
    padded = np.concatenate((np.full(span, np.iinfo(np.int64).min), gain))
    view = np.lib.stride_tricks.sliding_window_view(padded, span + 1)
    return np.asarray(view.argmax(axis=1) + at - span)
