"""What any plan costs and emits at least, known in a moment: prices at their lowest, runs as short as one likes.

Of one phase with W tokens and T steps between its dates, option o training r(o) tokens and costing at least c(o) in a
step it runs: its runs do not overlap, so with t(o) the steps on o

    minimise sum c(o) t(o)   subject to   sum r(o) t(o) >= W   and   sum t(o) <= T

and for every price of work m >= 0 its dual  m W - T max(0, max over o of (m r(o) - c(o)))  is a lower bound. The best m
is found in floats, the bound it gives in integers. Start-up losses, setup, moves, unused billing and lateness only add.
"""

from __future__ import annotations

import numpy as np

from planner.optimizer.problem import Problem
from planner.optimizer.runs import limit_s, usable

SCALE = 1 << 40  # prices of work are multiples of 1 / SCALE
DOUBLINGS, HALVINGS = 200, 60
Points = list[tuple[int, int]]  # tokens and cost of a step


def least_cost(problem: Problem) -> int | None:
    """A lower bound on the cost of every plan in micro-USD; None when it shows that there is no plan."""
    return _least(problem, money=True)


def least_carbon(problem: Problem) -> int | None:
    """A lower bound on the carbon of every plan in grams; None when it shows that there is no plan."""
    return _least(problem, money=False)


def _least(problem: Problem, money: bool) -> int | None:
    total = 0
    options = [problem.options[index] for index in usable(problem)]
    for p, phase in enumerate(problem.phases):
        end = -(-limit_s(phase, problem) // problem.step_s)
        points = []
        for option in options:
            if option.phase == p:
                prices = [w.price for w in option.windows if w.start < end and w.end > phase.earliest]
                if prices:
                    spend = option.nodes * min(prices) * problem.step_s if money else 3600 * option.carbon_g_step
                    points.append((option.rate, spend))
        steps = end - phase.earliest
        if not points or steps <= 0 or max(rate for rate, _ in points) * steps < phase.work:
            return None
        total += _bound(points, phase.work, steps)
    return total


def _bound(points: Points, work: int, steps: int) -> int:
    """The bound of one phase; costs of the points are 3,600 times too great."""
    price = round(_price(points, work / steps) * SCALE)
    idle = max(0, max(price * rate - SCALE * spend for rate, spend in points))
    return max(0, price * work - steps * idle) // (3600 * SCALE)


def _price(points: Points, needed_rate: float) -> float:
    """The price of a token at which the rate worth running turns from below the needed one to above."""
    rates, costs = (np.array(column, np.float64) for column in zip(*points, strict=True))

    def is_enough(price: float) -> bool:
        gain = price * rates - costs
        return bool(rates[gain >= max(0.0, float(gain.max())) * (1 - 1e-12)].max(initial=0.0) >= needed_rate)

    low, high = 0.0, float((costs / rates).min()) + 1e-12
    for _ in range(DOUBLINGS):
        if is_enough(high):
            break
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
