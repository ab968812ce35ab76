"""What is possible at all, money aside: the most work by a step, and the earliest end of phases in a row.

most(k, t) = the most tokens trained by step t in at most k runs that end on steps
           = max( most(k, t - 1),  max over runs [s, t) of o:  most(k - 1, s) + r (t - s) - l )
earliest   = min over o, s of  h s + the seconds in which o trains W - most(S - 1, s)

Both are exact: work adds up, and a phase that ends earlier never hurts those after it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.optimizer.columns import Ints, able, columns, spans_of
from planner.optimizer.problem import Problem, Run
from planner.optimizer.runs import TimeUp, ceil_div, limit_s, longest_s

RIVALS = 200  # of the fastest options, if they are always there, others are compared with


@dataclass(frozen=True, slots=True)
class Most:
    """Row k of most(k, t) for t = begin..end, with the run that ends last: its option (-1: none), start and end."""

    begin: int
    work: Ints
    option: Ints
    start: Ints
    end: Ints


def most_work(
    problem: Problem, phase_index: int, begin: int, end: int, runs: int, stop_at: float = math.inf
) -> list[Most]:
    """most(k, begin..end) for k = 0..runs; steps in the rows count from `begin`."""
    at = np.arange(end - begin + 1, dtype=np.int64)
    rows = [Most(begin, 0 * at, 0 * at - 1, at, at)]
    pieces = [
        (problem.options[index], index, max(span.begin, begin) - begin, min(span.end, end) - begin)
        for index in fastest(problem, phase_index, begin, end)
        for span in spans_of(problem.options[index].windows, problem.horizon)
        if min(span.end, end) > max(span.begin, begin)
    ]
    for _ in range(runs):
        before = rows[-1].work
        best, chosen, started = before.copy(), 0 * at - 1, at.copy()
        for option, index, low, high in pieces:
            if time.monotonic() > stop_at:
                raise TimeUp
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


def fastest(problem: Problem, phase_index: int, begin: int, end: int) -> list[int]:
    """The options that may do most in some steps of [begin, end): an option that is always there, for any time, at no
    lower rate and with no later start-up, does as much as another wherever that one runs.
    """
    c = columns(problem)
    of = np.flatnonzero((c.phase == phase_index) & able(problem) & (c.first[c.row] < end) & (c.last[c.row] > begin))
    whole = (c.first[c.row[of]] <= begin) & (c.last[c.row[of]] >= min(end, problem.horizon))
    often = [at for at in of[whole].tolist() if not problem.options[at].billing.blocks_s]
    often = sorted(often, key=lambda at: (-int(c.rate[at]), int(c.loss[at]), at))[:RIVALS]
    always = [at for at in often if len(spans_of(problem.options[at].windows, problem.horizon)) == 1]
    delay = c.loss[of] / c.rate[of]
    needed = np.ones(len(of), np.bool_)
    for a in always:
        later = (delay * (1 - 1e-12) > c.loss[a] / c.rate[a]) | (c.loss[of] == c.loss[a]) | (c.loss[a] == 0)
        beaten = later & (c.rate[of] <= c.rate[a]) & (of != a)
        if needed[np.searchsorted(of, a)]:
            needed &= ~beaten
    found: list[int] = of[needed].tolist()
    return found


def earliest_finish(
    problem: Problem, order: Sequence[int], deadlines: bool = True, stop_at: float = math.inf
) -> tuple[Run, ...] | None:
    """A plan of phases in a row that ends as early as any, whatever it costs; None when none fits.

    With `deadlines` False only the horizon limits the phases. TimeUp when the time is.
    """
    step_s, begin = problem.step_s, 0
    plan: list[Run] = []
    for phase_index in order:
        phase = problem.phases[phase_index]
        begin = max(begin, phase.earliest)
        limit = limit_s(phase, problem) if deadlines else problem.horizon * step_s
        if begin * step_s >= limit:
            return None
        rows = most_work(problem, phase_index, begin, ceil_div(limit, step_s), phase.max_segments - 1, stop_at)
        before = rows[-1].work
        best: tuple[int, int, int] | None = None  # end, option, start
        for index in fastest(problem, phase_index, begin, ceil_div(limit, step_s)):
            option = problem.options[index]
            longest = longest_s(option.billing)
            for span in spans_of(option.windows, problem.horizon):
                low, high = max(span.begin, begin), min(span.end, begin + len(before) - 1)
                if low >= high:
                    continue
                missing = phase.work - before[low - begin : high - begin]
                seconds = -(-(missing + option.loss) * step_s // option.rate)
                ends = np.arange(low, high, dtype=np.int64) * step_s + seconds
                allowed = (missing > 0) & (ends <= min(span.end * step_s, limit))
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
