"""A problem on longer steps: every plan of it is a plan of the problem, found in a fraction of the time."""

from __future__ import annotations

from dataclasses import replace

from planner.optimizer.problem import Problem, Window
from planner.optimizer.runs import ceil_div

DAY_S = 86_400
FEWEST_STEPS = 30  # on which a coarser problem is worth solving first


def by_day(problem: Problem) -> Problem | None:
    """The problem on steps of a day: windows and dates shrink to whole days; None where days are no coarser or few."""
    k = DAY_S // problem.step_s
    if k < 2 or DAY_S % problem.step_s or problem.horizon // k < FEWEST_STEPS:
        return None
    shrunk: dict[int, tuple[Window, ...]] = {}  # by identity of the windows, which sizes of an offer share
    for option in problem.options:
        if id(option.windows) not in shrunk:
            whole = (_whole(window, k) for window in merged(option.windows))
            shrunk[id(option.windows)] = tuple(window for window in whole if window is not None)
    options = tuple(
        replace(
            option,
            rate=option.rate * k,
            carbon_g_step=option.carbon_g_step * k,
            windows=shrunk[id(option.windows)],
        )
        for option in problem.options
    )
    phases = tuple(
        replace(
            phase,
            earliest=ceil_div(phase.earliest, k),
            deadline=phase.deadline // k,
            late_cost=phase.late_cost * k,
        )
        for phase in problem.phases
    )
    return replace(problem, phases=phases, options=options, horizon=problem.horizon // k, step_s=problem.step_s * k)


def merged(windows: tuple[Window, ...]) -> list[Window]:
    """Windows with neighbours of one price and capacity put together."""
    found: list[Window] = []
    for window in windows:
        if found and found[-1].end == window.start and _alike(found[-1], window):
            found[-1] = replace(found[-1], end=window.end)
        else:
            found.append(window)
    return found


def _alike(one: Window, two: Window) -> bool:
    return (one.price, one.capacity) == (two.price, two.capacity)


def _whole(window: Window, k: int) -> Window | None:
    start, end = ceil_div(window.start, k), window.end // k
    return replace(window, start=start, end=end) if start < end else None
