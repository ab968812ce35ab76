"""Options of one phase as arrays over the steps, and the exact money of many runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.optimizer.columns import Bools, Ints, columns
from planner.optimizer.problem import Problem, RunOption
from planner.optimizer.runs import billed_s, stretches


@dataclass(frozen=True, slots=True)
class Timetable:
    """Row o is an option, column t a step; one more column than steps, so that ends are indices too."""

    index: Ints  # of the option in the problem
    of: list[RunOption]
    price: Ints  # micro-USD per node-hour in step t, 0 where not available
    until: Ints  # end of the stretch that t lies in, 0 where not available
    summed: Ints  # price-seconds of one node before step t
    patient: Bools  # a run that could start a step earlier has no reason to start at t
    rate: Ints
    loss: Ints
    nodes: Ints
    setup: Ints
    grams: Ints
    place: Ints  # number of the place, 0 where nothing is paid to leave any
    leave: Ints
    minimum_s: Ints
    unit_s: Ints
    ripe_s: Ints  # from this length on every whole step is paid as it comes
    blocks: dict[int, Ints]
    step_s: int


def timetable(problem: Problem, options: Sequence[int]) -> Timetable:
    """The arrays of these options."""
    size, step_s = problem.horizon + 1, problem.step_s
    of = [problem.options[index] for index in options]
    price = np.zeros((len(of), size), np.int64)
    until = np.zeros((len(of), size), np.int64)
    patient = np.zeros((len(of), size), np.bool_)
    for row, option in enumerate(of):
        for stretch in stretches(option.windows, problem.horizon):
            begin, end = stretch[0].start, stretch[-1].end
            for window in stretch:
                price[row, window.start : window.end] = window.price
            until[row, begin:end] = end
            lowest = np.minimum.accumulate(price[row, begin:end][::-1])[::-1]
            patient[row, begin + 1 : end] = price[row, begin : end - 1] <= lowest[1:]
    summed = np.zeros((len(of), size), np.int64)
    np.cumsum(price[:, :-1] * step_s, axis=1, out=summed[:, 1:])

    c, which = columns(problem), np.array(options, np.int64)

    def column(name: str) -> Ints:
        return np.array([getattr(option, name) for option in of], np.int64)

    return Timetable(
        index=which,
        of=of,
        price=price,
        until=until,
        summed=summed,
        patient=patient,
        rate=column("rate"),
        loss=column("loss"),
        nodes=column("nodes"),
        setup=column("setup"),
        grams=column("carbon_g_step"),
        place=c.place[which] if c.leave.any() else 0 * which,
        leave=c.leave[which],
        minimum_s=np.array([option.billing.minimum_s for option in of], np.int64),
        unit_s=np.array([option.billing.unit_s for option in of], np.int64),
        ripe_s=np.array([_ripe_s(option, step_s) for option in of], np.int64),
        blocks={
            row: np.array(sorted(option.billing.blocks_s), np.int64)
            for row, option in enumerate(of)
            if option.billing.blocks_s
        },
        step_s=step_s,
    )


def _ripe_s(option: RunOption, step_s: int) -> int:
    billing = option.billing
    exact = all(option.nodes * window.price * step_s % 3600 == 0 for window in option.windows)
    if billing.blocks_s or step_s % billing.unit_s or not exact:
        return int(np.iinfo(np.int64).max)
    return billed_s(billing, 1) or 0


def bills(table: Timetable, o: Ints, seconds: Ints) -> Ints:
    """Seconds paid for runs of options `o`; -1 where a run is longer than the last block."""
    unit = table.unit_s[o]
    billed = -(-np.maximum(seconds, table.minimum_s[o]) // unit) * unit
    for row, blocks in table.blocks.items():
        mine = o == row
        if mine.any():
            held = np.searchsorted(blocks, seconds[mine])
            billed[mine] = np.append(blocks, -1)[held]
    return np.asarray(billed)


def money(table: Timetable, o: Ints, start: Ints, seconds: Ints, billed: Ints) -> Ints:
    """Micro-USD of runs of options `o` from steps `start`; they must lie inside their stretches."""
    whole, rest = np.divmod(seconds, table.step_s)
    end = start + whole
    last = table.price[o, np.where(rest > 0, end, end - 1)]
    total = table.summed[o, end] - table.summed[o, start] + rest * last + (billed - seconds) * last
    quotient, remainder = np.divmod(total, 3600)
    nodes = table.nodes[o]
    return np.asarray(nodes * quotient - (-(nodes * remainder) // 3600) + table.setup[o])
