"""The variables of the direct model, and the choices they range over; `formulation` says what they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ortools.sat.python import cp_model

from planner.optimizer.problem import Problem, RunOption, Window
from planner.optimizer.runs import (
    Stretch,
    billed_s,
    ceil_div,
    chain_order,
    duration_s,
    limit_s,
    longest_s,
    stretches,
)

LIMIT = 1 << 61  # no term of a constraint comes near 2^63


@dataclass(frozen=True, slots=True)
class Choice:
    """An option in one stretch, with the shortest and the longest run that makes sense there."""

    option: int
    of: RunOption
    stretch: Stretch
    least_s: int
    most_s: int

    @property
    def plain(self) -> bool:
        """Whether exactly the seconds of the run are paid."""
        billing = self.of.billing
        return not billing.blocks_s and billing.unit_s == 1 and billing.minimum_s <= self.least_s

    @property
    def most_billed_s(self) -> int:
        return billed_s(self.of.billing, self.most_s) or self.most_s

    @property
    def most_tail_s(self) -> int:
        """The most seconds that can be paid beyond the end of a run."""
        billing = self.of.billing
        if billing.blocks_s:
            return max(billing.blocks_s)
        return max(billing.minimum_s, billing.unit_s) + billing.unit_s

    def scaled(self, unit: int) -> tuple[int, list[int], int]:
        """Coefficients of money: of a unit of cost, of a second in each window, of the set-up, by their common divisor.

        Exact for units of one micro-USD, else rounded up.
        """
        prices = [ceil_div(self.of.nodes * window.price, unit) for window in self.stretch]
        setup = ceil_div(3600 * self.of.setup, unit)
        divisor = math.gcd(3600, setup, *prices)
        return 3600 // divisor, [price // divisor for price in prices], setup // divisor

    def largest(self, most_cost: int, unit: int) -> int:
        """The largest sum that a row of money can reach."""
        hour, prices, setup = self.scaled(unit)
        seconds = len(prices) * (self.most_s + self.most_tail_s) + self.most_billed_s
        return hour * ceil_div(most_cost, unit) + setup + max(prices) * seconds

    @property
    def least_price(self) -> int:
        return min(window.price for window in self.stretch)


Segment = tuple[int, int]  # phase, number
Key = tuple[int, int, int]  # phase, number, choice


@dataclass(slots=True)
class Model:
    """The variables, by the names of the formulation."""

    problem: Problem
    unit: int  # micro-USD in one unit of money: 1 unless the sums would overflow
    most_cost: int  # in units; no plan dearer than this is sought
    cp: Any = field(default_factory=cp_model.CpModel)
    choices: dict[int, list[Choice]] = field(default_factory=dict)
    use: dict[Segment, Any] = field(default_factory=dict)
    pick: dict[Key, Any] = field(default_factory=dict)
    start: dict[Segment, Any] = field(default_factory=dict)
    steps: dict[Segment, Any] = field(default_factory=dict)
    seconds: dict[Segment, Any] = field(default_factory=dict)
    run: dict[Key, Any] = field(default_factory=dict)
    first: dict[tuple[int, int, int, int], Any] = field(default_factory=dict)
    last: dict[tuple[int, int, int, int], Any] = field(default_factory=dict)
    billed: dict[Key, Any] = field(default_factory=dict)
    inside: dict[tuple[int, int, int, int], Any] = field(default_factory=dict)
    cost_of: dict[Key, Any] = field(default_factory=dict)
    cost: dict[Segment, Any] = field(default_factory=dict)
    moved: dict[tuple[Segment, Segment, str, int], Any] = field(default_factory=dict)
    interval: dict[Key, Any] = field(default_factory=dict)  # in seconds; none when nothing can run at the same time
    grams: dict[Segment, Any] = field(default_factory=dict)
    work: dict[Segment, Any] = field(default_factory=dict)
    end: dict[int, Any] = field(default_factory=dict)
    overdue: dict[int, Any] = field(default_factory=dict)
    finish: Any = None

    def segments(self, p: int) -> list[Segment]:
        return [(p, k) for k in range(self.problem.phases[p].max_segments)]

    def final(self, segment: Segment) -> list[Any]:
        """Literals that all hold exactly when this is the phase's last segment."""
        later = self.use.get((segment[0], segment[1] + 1))
        return [self.use[segment]] if later is None else [self.use[segment], later.negated()]

    def end_s(self, segment: Segment) -> Any:
        return self.start[segment] * self.problem.step_s + self.seconds[segment]

    def total_cost(self) -> Any:
        phases = self.problem.phases
        late = sum(ceil_div(phases[p].late_cost, self.unit) * overdue for p, overdue in self.overdue.items())
        moves = sum(ceil_div(leave, self.unit) * moved for (_, _, _, leave), moved in self.moved.items())
        return sum(self.cost.values()) + moves + late

    def rounding(self) -> int:
        """By how many units the costs of a plan may be rounded up in all; none when the unit is one micro-USD."""
        if self.unit == 1:
            return 0
        most_s = max((c.most_billed_s + c.most_tail_s for found in self.choices.values() for c in found), default=0)
        return sum(phase.max_segments * (most_s // 3600 + 4) + len(phase.after) for phase in self.problem.phases)

    def total_carbon(self) -> Any:
        return sum(self.grams.values())


def choices_of(problem: Problem, p: int, options: Sequence[int]) -> list[Choice]:
    phase, h, limit = problem.phases[p], problem.step_s, limit_s(problem.phases[p], problem)
    found = []
    for index in options:
        option = problem.options[index]
        if option.phase != p:
            continue
        alone = duration_s(option, phase.work, h)
        least = alone if phase.max_segments == 1 else duration_s(option, 1, h)
        longest = longest_s(option.billing)
        for stretch in stretches(option.windows, problem.horizon):
            clipped = tuple(
                Window(max(w.start, phase.earliest), w.end, w.price, w.capacity)
                for w in stretch
                if w.end > phase.earliest and w.start * h < limit
            )
            if not clipped:
                continue
            room = min(clipped[-1].end * h, limit) - clipped[0].start * h
            most = min(alone, room, longest if longest is not None else alone)
            if least <= most:
                found.append(Choice(index, option, clipped, least, most))
    return found


def affordable(choices: list[Choice], most_cost: int) -> list[Choice]:
    """The choices with their longest run cut to what `most_cost` can pay, which also keeps the products small."""
    found = []
    for c in choices:
        money = (most_cost - c.of.setup) * 3600
        hourly = c.of.nodes * c.least_price
        most_s = c.most_s if not hourly else min(c.most_s, money // hourly)
        if money >= 0 and most_s >= c.least_s:
            found.append(replace(c, most_s=most_s))
    return found


def dearest(problem: Problem, choices: dict[int, list[Choice]]) -> int:
    """Micro-USD that no plan of these choices can exceed."""
    total = 0
    for p, phase in enumerate(problem.phases):
        moves = phase.max_segments - 1 + sum(p in after.after for after in problem.phases)
        total += phase.max_segments * max((_dearest_run(choice) for choice in choices[p]), default=0)
        total += moves * max((choice.of.leave for choice in choices[p]), default=0)
        total += phase.late_cost * max(0, problem.horizon - phase.deadline)
    return total


def _dearest_run(choice: Choice) -> int:
    price = max(window.price for window in choice.stretch)
    return ceil_div(choice.of.nodes * price * choice.most_billed_s, 3600) + choice.of.setup


def declare(m: Model) -> None:
    """Every variable with its domain."""
    cp, h, horizon = m.cp, m.problem.step_s, m.problem.horizon
    for p, phase in enumerate(m.problem.phases):
        choices = m.choices[p]
        most_s = max((c.most_s for c in choices), default=0)
        most_work = h * phase.work + max((c.of.rate for c in choices), default=0)
        for s in m.segments(p):
            m.use[s] = cp.new_bool_var(f"use{s}")
            m.start[s] = cp.new_int_var(0, horizon, f"start{s}")
            m.steps[s] = cp.new_int_var(0, ceil_div(most_s, h), f"steps{s}")
            m.seconds[s] = cp.new_int_var(0, most_s, f"seconds{s}")
            m.cost[s] = cp.new_int_var(0, m.most_cost, f"cost{s}")
            most_grams = max((ceil_div(c.of.carbon_g_step * c.most_s, h) for c in choices), default=0)
            m.grams[s] = cp.new_int_var(0, most_grams, f"grams{s}")
            m.work[s] = cp.new_int_var(0, most_work, f"work{s}")
            for i, c in enumerate(choices):
                pick = m.pick[*s, i] = cp.new_bool_var(f"pick{s}{c.of.id}")
                m.run[*s, i] = cp.new_int_var(0, c.most_s, f"run{s}{c.of.id}")
                m.billed[*s, i] = m.run[*s, i] if c.plain else cp.new_int_var(0, c.most_billed_s, "")
                for w in range(len(c.stretch)):
                    single = len(c.stretch) == 1
                    m.first[*s, i, w] = pick if single else cp.new_bool_var("")
                    m.last[*s, i, w] = pick if single else cp.new_bool_var("")
                    m.inside[*s, i, w] = m.run[*s, i] if single else cp.new_int_var(0, c.most_s, "")
                m.cost_of[*s, i] = cp.new_int_var(0, m.most_cost, f"cost{s}{c.of.id}")
        m.end[p] = cp.new_int_var(0, ceil_div(limit_s(phase, m.problem), h), f"end{p}")
        m.overdue[p] = cp.new_int_var(0, max(0, horizon - phase.deadline), f"overdue{p}")
    m.finish = cp.new_int_var(0, horizon * h, "finish")
    if chain_order(m.problem.phases) is None:
        _declare_intervals(m)


def _declare_intervals(m: Model) -> None:
    """The time of every run, in seconds: ending within a step frees what it used at that second."""
    for s, start in m.start.items():
        stop = m.cp.new_int_var(0, m.problem.horizon * m.problem.step_s, f"stop{s}")
        m.cp.add(stop == m.end_s(s))
        for i in range(len(m.choices[s[0]])):
            m.interval[*s, i] = m.cp.new_optional_interval_var(
                m.problem.step_s * start, m.seconds[s], stop, m.pick[*s, i], f"interval{s}{i}"
            )
