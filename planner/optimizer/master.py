"""The master problem of many jobs: which mixture of known schedules is best, and what shared resources are then worth.

Sets         j jobs;  k in K(j) known schedules of a job;  (r, t) resource r in step t
Parameters   c(k) value;  q(k, r, t) what the schedule claims;  b(r, t) amounts;  d(k) other total;  D its cap
Variables    x(k) >= 0 share of a schedule;  y(j) >= 0 share of a job that is left out, at a value above any plan's

    min   sum c(k) x(k) + big sum y(j)
    s.t.  sum over k in K(j) of x(k) + y(j) = 1             for every j           [one schedule]
          sum q(k, r, t) x(k) <= b(r, t)                    for every (r, t)      [shared]
          sum d(k) x(k) <= D                                when there is a cap   [total]

Rows [shared] are added where a solution breaks them: few ever bind. In a span of steps with one excess the first, the
middle and the last become rows at once, so that moving a run by a step does not evade them. The prices of resources are
the negative duals of these rows.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from ortools.math_opt.python import mathopt

from planner.optimizer.job_pricing import Floats, Restrictions, Schedule
from planner.optimizer.runs import TimeUp
from planner.optimizer.shared import Shared

EPSILON = 1e-6  # of a claim, that a solution may exceed an amount
SPANS_EACH = 4  # of one resource that get rows at once
SCALE = 1e6  # of values inside the linear program


@dataclass(frozen=True, slots=True)
class Column:
    """A schedule of a job and what it adds to the aim and to the other total."""

    job: int
    schedule: Schedule
    value: int
    other: int


@dataclass(frozen=True, slots=True)
class Mixture:
    """An optimum of the linear program: shares of columns, prices by resource and step, the price of the other total,
    and the worth of each job."""

    value: float
    shares: dict[int, float]
    prices: dict[tuple[int, int], float]
    other_price: float
    worth: Floats
    left_out: float


class Master:
    """The linear program, which grows by columns and rows."""

    def __init__(self, shared: Shared, jobs: int, big: int, other_cap: int | None) -> None:
        self.shared = shared
        self.least = shared.amounts.min(axis=1, initial=np.iinfo(np.int64).max)
        self.columns: list[Column] = []
        self.known: dict[tuple[int, Schedule], int] = {}
        self.model = mathopt.Model()
        self.variables: list[Any] = []
        self.missing = [self.model.add_variable(lb=0.0) for _ in range(jobs)]
        self.model.minimize(sum(big / SCALE * y for y in self.missing))
        self.chosen = [self.model.add_linear_constraint(y == 1.0) for y in self.missing]
        self.total = None if other_cap is None else self.model.add_linear_constraint(lb=-np.inf, ub=other_cap / SCALE)
        self.rows: dict[tuple[int, int], Any] = {}
        self.steps_of: dict[int, list[int]] = defaultdict(list)
        self.users: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)  # column, first, end step, amount
        self.of_job: dict[int, list[int]] = defaultdict(list)
        self.restrictions: dict[int, Restrictions] = {}
        self.solver = mathopt.IncrementalSolver(self.model, mathopt.SolverType.GLOP)

    def add(self, job: int, schedule: Schedule, value: int, other: int) -> None:
        """Make a schedule known that was not."""
        number = len(self.columns)
        self.known[job, schedule] = number
        self.columns.append(Column(job, schedule, value, other))
        x = self.model.add_variable(lb=0.0)
        self.variables.append(x)
        self.of_job[job].append(number)
        if not keeps(schedule, self.restrictions.get(job, ()), self.shared.step_s):
            self._allow(number, False)
        self.model.objective.set_linear_coefficient(x, value / SCALE)
        self.chosen[job].set_coefficient(x, 1.0)
        if self.total is not None:
            self.total.set_coefficient(x, other / SCALE)
        for run in schedule:
            span = self.shared.span(run)
            for resource, amount in self.shared.of(run.option):
                self.users[resource].append((number, span.start, span.stop, amount))
                for step in self.steps_of.get(resource, ()):
                    if span.start <= step < span.stop:
                        self.rows[resource, step].set_coefficient(x, float(amount))

    def restrict(self, restrictions: Mapping[int, Restrictions]) -> None:
        """Only columns that keep what is asked of their jobs may be used from now on."""
        step_s = self.shared.step_s
        for job in {*self.restrictions, *restrictions}:
            asked = restrictions.get(job, ())
            if asked == self.restrictions.get(job, ()):
                continue
            for number in self.of_job[job]:
                self._allow(number, keeps(self.columns[number].schedule, asked, step_s))
        self.restrictions = dict(restrictions)

    def _allow(self, number: int, allowed: bool) -> None:
        self.variables[number].upper_bound = np.inf if allowed else 0.0

    def solve(self, stop_at: float) -> Mixture:
        """The optimum over the known columns, all resources kept. TimeUp when the time is short."""
        while True:
            if time.monotonic() > stop_at:
                raise TimeUp
            result = self._solved()
            shares = result.variable_values(self.variables)
            used = {number: share for number, share in enumerate(shares) if share > 1e-9}
            if not self._add_rows(used):
                return self._mixture(result, used)

    def _solved(self) -> Any:
        """An optimum, of another solver when the first is numerically stuck; TimeUp when both are."""
        try:
            result = self.solver.solve()
        except Exception:  # MathOpt raises errors of several kinds, some of them by accident
            result = None
        if result is not None and result.termination.reason == mathopt.TerminationReason.OPTIMAL:
            return result
        self.solver = mathopt.IncrementalSolver(self.model, mathopt.SolverType.GLOP)
        result = mathopt.solve(self.model, mathopt.SolverType.HIGHS)
        if result.termination.reason != mathopt.TerminationReason.OPTIMAL:
            raise TimeUp
        return result

    def _add_rows(self, used: dict[int, float]) -> bool:
        """Rows for what these shares exceed; False when they exceed nothing."""
        loads: dict[int, list[tuple[int, int, float]]] = defaultdict(list)
        for number, share in used.items():
            for run in self.columns[number].schedule:
                span = self.shared.span(run)
                for resource, amount in self.shared.of(run.option):
                    loads[resource].append((span.start, span.stop, share * amount))
        resources = [resource for resource, claims in loads.items() if self._may_exceed(resource, claims)]
        load = np.zeros((len(resources), self.shared.amounts.shape[1] + 1))
        for row, resource in zip(load, resources, strict=True):
            for start, stop, claim in loads[resource]:
                row[start] += claim
                row[stop] -= claim
        amounts = self.shared.amounts[resources]
        excess = np.cumsum(load[:, :-1], axis=1) - amounts
        over = excess > EPSILON * np.maximum(1, amounts)
        added = False
        for at in np.flatnonzero(over.any(axis=1)).tolist():
            row = np.where(over[at], excess[at], 0.0)
            edges = [*np.flatnonzero(np.diff(row, prepend=0.0)).tolist(), len(row)]
            spans = [(begin, end) for begin, end in pairwise(edges) if row[begin] > 0]
            for begin, end in sorted(spans, key=lambda span: -row[span[0]])[:SPANS_EACH]:
                for step in (begin, (begin + end) // 2, end - 1):
                    added |= self._add_row(resources[at], step)
        return added

    def _may_exceed(self, resource: int, claims: list[tuple[int, int, float]]) -> bool:
        return sum(claim for _, _, claim in claims) > int(self.least[resource])

    def _add_row(self, resource: int, step: int) -> bool:
        if (resource, step) in self.rows:
            return False
        amount = float(self.shared.amounts[resource, step])
        row = self.rows[resource, step] = self.model.add_linear_constraint(lb=-np.inf, ub=amount)
        self.steps_of[resource].append(step)
        for number, first, end, claim in self.users[resource]:
            if first <= step < end:
                row.set_coefficient(self.variables[number], float(claim))
        return True

    def _mixture(self, result: Any, used: dict[int, float]) -> Mixture:
        duals = result.dual_values(list(self.rows.values()))
        prices = {key: -dual * SCALE for key, dual in zip(self.rows, duals, strict=True) if dual < 0}
        other = 0.0 if self.total is None else max(0.0, -result.dual_values(self.total))
        return Mixture(
            result.objective_value() * SCALE,
            used,
            prices,
            other,
            np.array(result.dual_values(self.chosen)) * SCALE,
            sum(result.variable_values(self.missing)),
        )


def keeps(schedule: Schedule, restrictions: Restrictions, step_s: int) -> bool:
    """Whether a schedule is as a branch of the search asks."""
    return all(restriction.holds(schedule[restriction.rank], step_s) for restriction in restrictions)
