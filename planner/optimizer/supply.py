"""The options of one phase, turned into pieces only where they can matter at a price of work.

With the work of a phase priced at m per token (see `bound`), a run [s, e) of option o is worth it at all only when it
gains: m (r (e - s) - l) - cost(s, e) - f > 0. What a step gains at o's least price, times its steps, is a quick bound
on that; the exact gain of a piece is one pass over its steps. Because V(k, .) does not fall with time,

    value(o, s; V) >= V(s) - gain(o)

so options that gain nothing change no V, and a plan with a run of o costs at least the Lagrangian bound - gain(o).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.columns import Ints, columns, spans_of
from planner.optimizer.problem import Problem, RunOption
from planner.optimizer.runs import billed_s, ceil_div

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """An option in one stretch: `spent` is the money from `begin` to each step for all its nodes."""

    index: int
    of: RunOption
    begin: int
    end: int
    spent: Floats
    least_steps: int  # shorter runs cost `least_cost` too
    least_cost: float

    def gain(self, price: float) -> float:
        """The most a run can gain at a price of work, without its set-up and start-up."""
        net = price * self.of.rate * np.arange(self.end - self.begin + 1) - self.spent
        return float((net - np.minimum.accumulate(net)).max())


@dataclass(slots=True, eq=False)
class Supply:
    """Options of one phase as columns; `pieces` makes and keeps what is asked for."""

    problem: Problem
    earliest: int
    end: int  # step at which the phase must have ended
    option: Ints
    steps: Ints  # inside its first and last window
    rate: Floats
    loss: Floats
    setup: Floats
    step_cost: Floats  # of all nodes at the least price
    made: dict[int, list[Piece]] = field(default_factory=dict)

    def quick_gains(self, price: float) -> Floats:
        """What no run of an option gains more than at a price of work."""
        gains = self.steps * np.maximum(0.0, price * self.rate - self.step_cost) - price * self.loss - self.setup
        return np.asarray(gains)

    def near(self, price: float, slack: float) -> list[Piece]:
        """The pieces of which some run gains at least -slack."""
        slack = slack + 1e-9 * price * float(self.rate.max(initial=0.0)) * self.end + 1.0  # what floats may lose
        able = np.flatnonzero(self.quick_gains(price) >= -slack)
        return [
            piece
            for at in able.tolist()
            for piece in self.pieces(at)
            if piece.gain(price) - price * piece.of.loss - piece.of.setup >= -slack
        ]

    def best(self, price: float, number: int) -> list[Piece]:
        """The pieces that gain most."""
        quick = self.quick_gains(price)
        first = np.argsort(-quick, kind="stable")[: 3 * number]
        pieces = [piece for at in first.tolist() for piece in self.pieces(at)]
        return sorted(pieces, key=lambda piece: price * piece.of.loss + piece.of.setup - piece.gain(price))[:number]

    def least_cost(self, work: int) -> float:
        """What the work costs at the least price of a token."""
        return work * float((self.step_cost / self.rate).min(initial=math.inf)) if len(self.rate) else 0.0

    def pieces(self, at: int) -> list[Piece]:
        if at not in self.made:
            self.made[at] = pieces_of(self.problem, int(self.option[at]), self.earliest, self.end)
        return self.made[at]


def supply(problem: Problem, phase_index: int, options: Sequence[int], limit: int) -> Supply:
    """Those of the options that belong to the phase and are there inside its dates."""
    c, of = columns(problem), np.asarray(options, np.int64)
    earliest, end = problem.phases[phase_index].earliest, ceil_div(limit, problem.step_s)
    of = of[c.phase[of] == phase_index]
    steps = np.minimum(c.last[c.row[of]], min(end, problem.horizon)) - np.maximum(c.first[c.row[of]], earliest)
    of, steps = of[steps > 0], steps[steps > 0]
    return Supply(
        problem,
        earliest,
        end,
        of,
        steps,
        c.rate[of].astype(float),
        c.loss[of].astype(float),
        c.setup[of].astype(float),
        c.nodes[of].astype(float) * c.lowest[c.row[of]] * (problem.step_s / 3600),
    )


def pieces_of(problem: Problem, index: int, earliest: int, end_step: int) -> list[Piece]:
    """The stretches of an option inside the dates of its phase, ready to be priced."""
    option, step_s = problem.options[index], problem.step_s
    least_s = billed_s(option.billing, 1) or 1
    found = []
    for span in spans_of(option.windows, problem.horizon):
        begin, end = max(span.begin, earliest), min(span.end, end_step)
        if begin >= end:
            continue
        if span.summed is None:
            summed, lowest = span.price * np.arange(end - begin + 1, dtype=np.int64), span.price
        else:
            summed = span.summed[begin - span.begin : end - span.begin + 1]
            lowest = int(span.prices[begin - span.begin : end - span.begin].min())
        spent: Floats = (summed - summed[0]) * (option.nodes * step_s / 3600)
        least = option.nodes * lowest * least_s / 3600
        found.append(Piece(index, option, begin, end, spent, least_s // step_s, least))
    return found
