"""The arithmetic of one run: how long, how much work, what it costs, where it fits.

Exact integers; micro-USD, seconds, tokens, grams (see `problem`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from planner.optimizer.problem import Billing, PhaseTask, Problem, Run, RunOption, Window

Stretch = tuple[Window, ...]  # contiguous windows, neighbours of one price merged
REMEMBERED = 20_000
_KNOWN: dict[int, tuple[tuple[Window, ...], int, list[Stretch]]] = {}  # by identity, which the entry keeps alive


class TimeUp(Exception):
    """A search ran out of time or memory; what it knew before still holds."""


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


def duration_s(option: RunOption, work: int, step_s: int) -> int:
    """Seconds until `work` tokens are done: the least d with floor(rate d / step_s) - loss >= work."""
    return ceil_div((work + option.loss) * step_s, option.rate)


def work_done(option: RunOption, duration_s: int, step_s: int) -> int:
    """Tokens trained by a run of this length; negative while it still starts up."""
    return option.rate * duration_s // step_s - option.loss


def billed_s(billing: Billing, duration_s: int) -> int | None:
    """Seconds paid for a run of this length; None when it is longer than the last block."""
    if billing.blocks_s:
        return min((block for block in billing.blocks_s if block >= duration_s), default=None)
    return ceil_div(max(duration_s, billing.minimum_s), billing.unit_s) * billing.unit_s


def longest_s(billing: Billing) -> int | None:
    """The longest run that can be bought, None when there is no limit."""
    return max(billing.blocks_s) if billing.blocks_s else None


def run_cost(option: RunOption, start_s: int, end_s: int, step_s: int) -> int:
    """Micro-USD of the run [start_s, end_s), which must lie inside the option's windows and its last block."""
    billed = billed_s(option.billing, end_s - start_s)
    assert billed is not None, f"{option.id}: longer than its last block"
    price_seconds, last_price, inside = 0, 0, 0
    for window in option.windows:
        overlap = min(end_s, window.end * step_s) - max(start_s, window.start * step_s)
        if overlap > 0:
            price_seconds += overlap * window.price
            inside += overlap
            last_price = window.price
    assert inside == end_s - start_s, f"{option.id}: outside its windows"
    price_seconds += (billed - inside) * last_price
    return ceil_div(option.nodes * price_seconds, 3600) + option.setup


def run_carbon(option: RunOption, duration_s: int, step_s: int) -> int:
    """Grams emitted by a run of this length."""
    return ceil_div(option.carbon_g_step * duration_s, step_s)


def stretches(windows: tuple[Window, ...], horizon: int) -> list[Stretch]:
    """The maximal contiguous rows of windows inside [0, horizon): a run lies inside one of them.

    Remembered for the very tuple, which every stage of a search asks about again and sizes of an offer may share.
    """
    known = _KNOWN.get(id(windows))
    if known is not None and known[0] is windows and known[1] == horizon:
        return known[2]
    found: list[list[Window]] = []
    for window in windows:
        start, end = max(window.start, 0), min(window.end, horizon)
        if start >= end:
            continue
        inside = window if end - start == window.end - window.start else replace(window, start=start, end=end)
        if not found or found[-1][-1].end != start:
            found.append([inside])
            continue
        last = found[-1][-1]
        if last.price == window.price and last.capacity == window.capacity:
            found[-1][-1] = replace(last, end=end)
        else:
            found[-1].append(inside)
    result = [tuple(stretch) for stretch in found]
    if len(_KNOWN) >= REMEMBERED:
        _KNOWN.clear()
    _KNOWN[id(windows)] = (windows, horizon, result)
    return result


def limit_s(phase: PhaseTask, problem: Problem, finish_limit_s: int | None = None) -> int:
    """The second by which the phase must have ended: its hard deadline or the horizon, or an earlier finish sought."""
    steps = problem.horizon if phase.late_cost else min(phase.deadline, problem.horizon)
    limit = steps * problem.step_s
    return limit if finish_limit_s is None else min(limit, finish_limit_s)


def lateness(phase: PhaseTask, end_s: int, step_s: int) -> int:
    """Micro-USD of ending at this second: every begun step after a soft deadline costs."""
    return phase.late_cost * max(0, ceil_div(end_s, step_s) - phase.deadline)


def ancestors(phases: tuple[PhaseTask, ...]) -> list[set[int]]:
    """For every phase, all phases that must have ended before it starts; an error on a cycle."""
    known: dict[int, set[int]] = {}

    def of(index: int, path: tuple[int, ...]) -> set[int]:
        assert index not in path, "phases depend on each other in a circle"
        if index not in known:
            before: set[int] = set()
            for earlier in phases[index].after:
                before |= {earlier} | of(earlier, (*path, index))
            known[index] = before
        return known[index]

    return [of(index, ()) for index in range(len(phases))]


def chain_order(phases: tuple[PhaseTask, ...]) -> list[int] | None:
    """The phases in their only possible order, or None when some may overlap in time."""
    before = ancestors(phases)
    order = sorted(range(len(phases)), key=lambda index: len(before[index]))
    return order if all(len(before[index]) == rank for rank, index in enumerate(order)) else None


def chain_order_of(problem: Problem, phases: Sequence[int]) -> list[int] | None:
    """These phases, which wait for nothing outside of them, in their only possible order, or None."""
    place = {p: position for position, p in enumerate(phases)}
    tasks = tuple(replace(problem.phases[p], after=tuple(place[q] for q in problem.phases[p].after)) for p in phases)
    order = chain_order(tasks)
    return None if order is None else [phases[position] for position in order]


def usable(problem: Problem) -> list[int]:
    """Indices of the options that some run could use under the limits on nodes and power alone."""
    return [
        index
        for index, option in enumerate(problem.options)
        if option.rate > 0
        and (problem.max_nodes is None or option.nodes <= problem.max_nodes)
        and (problem.max_power_w is None or option.power_w <= problem.max_power_w)
    ]


def renamed(runs: Iterable[Run], index: Sequence[int]) -> tuple[Run, ...]:
    """Runs on some of the options as runs on all of them; `index` says which each one is."""
    return tuple(replace(run, option=index[run.option]) for run in runs)
