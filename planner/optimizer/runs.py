"""The arithmetic of one run: how long, how much work, what it costs, where it fits.

Exact integers; micro-USD, seconds, tokens, grams (see `problem`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from planner.optimizer.problem import Billing, Cap, Level, PhaseTask, Problem, Run, RunOption, Window

Stretch = tuple[Window, ...]  # contiguous windows, neighbours of one price merged
REMEMBERED = 20_000
_KNOWN: dict[int, tuple[tuple[Window, ...], int, list[Stretch]]] = {}  # by identity, which the entry keeps alive


class TimeUp(Exception):
    """A search ran out of time or memory; what it knew before still holds, and these runs and this bound if any."""

    def __init__(self, runs: tuple[Run, ...] = (), bound: int = 0) -> None:
        super().__init__()
        self.runs, self.bound = runs, bound


class Interrupted(KeyboardInterrupt):
    """A search was stopped from the keyboard; it had found these runs (none yet: empty) and this bound."""

    def __init__(self, runs: tuple[Run, ...], bound: int) -> None:
        super().__init__()
        self.runs, self.bound = runs, bound


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


def clipped(problem: Problem) -> Problem:
    """The same problem with every option's windows cut to the steps in which the levels of its caps hold its claims.

    Options keep their indices, and those that shared their windows go on sharing them. Capacities are `stated` first:
    an option that is cut away in a step still counts for the nodes that its offer has then.
    """
    if not problem.caps:
        return problem
    problem = stated(problem)
    holding: dict[tuple[tuple[int, int], ...], tuple[Level, ...]] = {}
    known: dict[tuple[int, tuple[Level, ...]], tuple[Window, ...]] = {}
    options = []
    for option in problem.options:
        if any(amount > 0 for _, amount in option.claims):
            if option.claims not in holding:
                holding[option.claims] = _holding(problem.caps, option.claims)
            key = (id(option.windows), holding[option.claims])
            if key not in known:
                known[key] = _cut(option.windows, key[1])
            option = _with_windows(option, known[key])
        options.append(option)
    return replace(problem, options=tuple(options))


def stated(problem: Problem) -> Problem:
    """The same problem with the capacities of offers that phases may use at the same time stated in their windows.

    What may run at the same time then no longer depends on which options there are, so some may be left out.
    """
    if chain_order(problem.phases) is not None:
        return problem
    users: dict[str, list[RunOption]] = {}
    for option in problem.options:
        users.setdefault(option.offer, []).append(option)
    levels = {
        offer: capacities(options)
        for offer, options in users.items()
        if offer and len({option.phase for option in options}) > 1
    }
    known: dict[tuple[int, str], tuple[Window, ...]] = {}
    options = []
    for option in problem.options:
        key = (id(option.windows), option.offer)
        if option.offer in levels and key not in known:
            known[key] = _cut(option.windows, levels[option.offer])
        options.append(_with_windows(option, known.get(key, option.windows)))
    return replace(problem, options=tuple(options))


def capacities(options: Iterable[RunOption]) -> tuple[Level, ...]:
    """The nodes of an offer over time, from all its options: as stated, else the largest that may run."""
    largest: dict[int, tuple[tuple[Window, ...], int]] = {}  # by identity: options of an offer mostly share windows
    for option in options:
        _, nodes = largest.get(id(option.windows), ((), 0))
        largest[id(option.windows)] = (option.windows, max(nodes, option.nodes))
    edges = sorted({edge for windows, _ in largest.values() for w in windows for edge in (w.start, w.end)})
    place = {edge: at for at, edge in enumerate(edges)}
    known, seen = [0] * len(edges), [0] * len(edges)
    for windows, nodes in largest.values():
        for window in windows:
            for at in range(place[window.start], place[window.end]):
                known[at] = max(known[at], window.capacity)
                seen[at] = max(seen[at], nodes)
    found: list[Level] = []
    for at, (start, end) in enumerate(pairwise(edges)):
        amount = known[at] or seen[at]
        if found and found[-1].amount == amount:
            found[-1] = replace(found[-1], end=end)
        else:
            found.append(Level(start, end, amount))
    return tuple(found)


def _holding(caps: Sequence[Cap], claims: tuple[tuple[int, int], ...]) -> tuple[Level, ...]:
    """The steps in which every cap has enough for these claims, as levels without an amount."""
    needed: dict[int, int] = {}
    for cap, amount in claims:
        needed[cap] = needed.get(cap, 0) + amount
    edges: dict[int, int] = {}  # by step: how many more caps have enough from it on
    for cap, amount in needed.items():
        for level in caps[cap].levels:
            if level.amount >= amount > 0:
                edges[level.start] = edges.get(level.start, 0) + 1
                edges[level.end] = edges.get(level.end, 0) - 1
    found: list[Level] = []
    enough, all_of_them = 0, sum(amount > 0 for amount in needed.values())
    for start, end in pairwise(sorted(edges)):
        enough += edges[start]
        if enough == all_of_them and found and found[-1].end == start:
            found[-1] = replace(found[-1], end=end)
        elif enough == all_of_them:
            found.append(Level(start, end, 0))
    return tuple(found)


def _cut(windows: tuple[Window, ...], levels: Sequence[Level]) -> tuple[Window, ...]:
    """The windows inside the levels, with any amount as capacity; the very tuple when nothing changes."""
    found: list[Window] = []
    at = 0
    for window in windows:
        while at < len(levels) and levels[at].end <= window.start:
            at += 1
        for number in range(at, len(levels)):
            level = levels[number]
            if level.start >= window.end:
                break
            start, end = max(window.start, level.start), min(window.end, level.end)
            piece = replace(window, start=start, end=end, capacity=level.amount or window.capacity)
            found.append(window if piece == window else piece)
    return windows if found == [*windows] else tuple(found)


def _with_windows(option: RunOption, windows: tuple[Window, ...]) -> RunOption:
    return option if windows is option.windows else replace(option, windows=windows)


def renamed(runs: Iterable[Run], index: Sequence[int]) -> tuple[Run, ...]:
    """Runs on some of the options as runs on all of them; `index` says which each one is."""
    return tuple(replace(run, option=index[run.option]) for run in runs)
