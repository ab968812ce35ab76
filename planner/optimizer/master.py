"""The master problem of many jobs: which mixture of known schedules is best, and what shared resources are then worth.

Sets         j jobs;  k in K(j) known schedules of a job;  (r, t) resource r in step t
Parameters   c(k) value;  q(k, r, t) what the schedule claims;  b(r, t) amounts;  d(k) other total;  D its cap
Variables    x(k) >= 0 share of a schedule;  y(j) >= 0 share of a job that is left out, at a value above any plan's

    min   sum c(k) x(k) + big sum y(j)
    s.t.  sum over k in K(j) of x(k) + y(j) = 1             for every j           [one schedule]
          sum q(k, r, t) x(k) <= b(r, t)                    for every (r, t)      [shared]
          sum d(k) x(k) <= D                                when there is a cap   [total]

Rows [shared] are added where a solution breaks them, the worst step of a resource first: few ever bind. The prices of
resources are the negative duals of these rows.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from ortools.math_opt.python import mathopt

from planner.optimizer.job_pricing import Floats, Schedule
from planner.optimizer.runs import TimeUp
from planner.optimizer.shared import Shared

EPSILON = 1e-6  # of a claim, that a solution may exceed an amount
ROWS_EACH = 4  # steps of one resource that become rows at once
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
    prices: Floats
    other_price: float
    worth: Floats
    left_out: float


class Master:
    """The linear program, which grows by columns and rows."""

    def __init__(self, shared: Shared, jobs: int, big: int, other_cap: int | None) -> None:
        self.shared, self.jobs = shared, jobs
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
        self.solver = mathopt.IncrementalSolver(self.model, mathopt.SolverType.GLOP)

    def add(self, job: int, schedule: Schedule, value: int, other: int) -> bool:
        """Make a schedule known; False when it was."""
        if (job, schedule) in self.known:
            return False
        number = len(self.columns)
        self.known[job, schedule] = number
        self.columns.append(Column(job, schedule, value, other))
        x = self.model.add_variable(lb=0.0)
        self.variables.append(x)
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
        return True

    def solve(self, stop_at: float) -> Mixture:
        """The optimum over the known columns, all resources kept. TimeUp when the time is short."""
        while True:
            if time.monotonic() > stop_at:
                raise TimeUp
            result = self.solver.solve()
            if result.termination.reason != mathopt.TerminationReason.OPTIMAL:
                raise TimeUp  # numerically stuck: what is known still holds
            shares = result.variable_values(self.variables)
            used = {number: share for number, share in enumerate(shares) if share > 1e-9}
            if not self._add_rows(used):
                return self._mixture(result, used)

    def _add_rows(self, used: dict[int, float]) -> bool:
        """Rows for what these shares exceed; False when they exceed nothing."""
        amounts = self.shared.amounts
        load = np.zeros((amounts.shape[0], amounts.shape[1] + 1))
        for number, share in used.items():
            for run in self.columns[number].schedule:
                span = self.shared.span(run)
                for resource, amount in self.shared.of(run.option):
                    load[resource, span.start] += share * amount
                    load[resource, span.stop] -= share * amount
        excess = np.cumsum(load[:, :-1], axis=1) - amounts
        added = False
        for resource in np.flatnonzero((excess > EPSILON * np.maximum(1, amounts)).any(axis=1)).tolist():
            row = excess[resource]
            # the load rises only where a run starts: of equal steps in a row the first stands for all
            peaks = np.flatnonzero((row > EPSILON) & (np.diff(row, prepend=-np.inf) != 0))
            for step in peaks[np.argsort(-row[peaks], kind="stable")][:ROWS_EACH].tolist():
                added |= self._add_row(resource, step)
        return added

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
        prices = np.zeros(self.shared.amounts.shape)
        keys = list(self.rows)
        for key, dual in zip(keys, result.dual_values([self.rows[key] for key in keys]), strict=True):
            prices[key] = max(0.0, -dual * SCALE)
        other = 0.0 if self.total is None else max(0.0, -result.dual_values(self.total))
        return Mixture(
            result.objective_value() * SCALE,
            used,
            prices,
            other,
            np.array(result.dual_values(self.chosen)) * SCALE,
            sum(result.variable_values(self.missing)),
        )
