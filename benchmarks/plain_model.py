"""The plain time-bucketed model for ready solvers: a binary for every option and step.

x[o, t] says that option o runs in step t, z[o, t] that a run of it starts there:

    min   sum price(o, t) x[o, t] + setup(o) z[o, t]
    s.t.  x[o, t] - x[o, t - 1] <= z[o, t] <= x[o, t]                          a run starts where it was not on before
          sum of z[o, u] over u in (t - L(o), t] <= x[o, t]                    the least time that is billed, L steps
          sum over o of x[o, t] <= 1;  sum of z <= segments;  sum of rate x - loss z >= work           for every phase
          sum over o of x[o, t] <= begun[p, t],  of the phase before <= 1 - begun[p, t],  begun[p, t] <= begun[p, t + 1]
          sum of nodes x[o, t] over the options of one offer <= its capacity in t          where several jobs share it

It bills whole steps and knows no longer units than those; its runs are cut at the second at which the work is done.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

from planner.optimizer.independent import parts_of
from planner.optimizer.problem import Problem, Run, RunOption
from planner.optimizer.runs import (
    Stretch,
    ancestors,
    billed_s,
    ceil_div,
    duration_s,
    limit_s,
    stretches,
    usable,
    work_done,
)

MOST_BINARIES = 400_000  # more take longer to write down than the time that a comparison has
Runs = tuple[Run, ...]


def plain_cp_sat(problem: Problem, limit_s: float) -> Runs:
    """The plain model, solved by CP-SAT."""
    from ortools.sat.python import cp_model

    stop_at = time.monotonic() + limit_s
    rows = plain_model(problem)
    cp = cp_model.CpModel()
    columns = [cp.new_bool_var("") for _ in rows.costs]
    for names, factors, low, high in rows.rows:
        row = cp_model.LinearExpr.weighted_sum([columns[name] for name in names], factors)
        cp.add_linear_constraint(row, low, high)
    cp.minimize(cp_model.LinearExpr.weighted_sum(columns, rows.costs))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 2
    solver.parameters.max_time_in_seconds = max(0.1, stop_at - time.monotonic())
    if solver.solve(cp) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return ()
    return runs_of(problem, rows, [solver.boolean_value(column) for column in columns])


def plain_highs(problem: Problem, limit_s: float) -> Runs:
    """The plain model, solved by HiGHS through MathOpt."""
    from ortools.math_opt.python import mathopt

    stop_at = time.monotonic() + limit_s
    rows = plain_model(problem)
    model = mathopt.Model()
    columns = [model.add_binary_variable() for _ in rows.costs]
    for names, factors, low, high in rows.rows:
        scale = max(map(abs, factors))
        row = model.add_linear_constraint(lb=low / scale, ub=high / scale)
        for name, factor in zip(names, factors, strict=True):
            row.set_coefficient(columns[name], factor / scale)
    model.minimize(mathopt.LinearSum(cost / 1e6 * column for cost, column in zip(rows.costs, columns, strict=True)))
    left = timedelta(seconds=max(0.1, stop_at - time.monotonic()))
    result = mathopt.solve(model, mathopt.SolverType.HIGHS, params=mathopt.SolveParameters(time_limit=left))
    if not result.has_primal_feasible_solution():
        return ()
    return runs_of(problem, rows, [value > 0.5 for value in result.variable_values(columns)])


@dataclass(slots=True)
class Rows:
    """A binary program: a cost per column, and rows of (columns, factors, least, most)."""

    costs: list[int] = field(default_factory=list)
    rows: list[tuple[list[int], list[int], int, int]] = field(default_factory=list)
    on: dict[tuple[int, int], int] = field(default_factory=dict)  # (option, step) -> column of x
    starts: dict[tuple[int, int], int] = field(default_factory=dict)  # and of z

    def column(self, cost: int) -> int:
        self.costs.append(cost)
        return len(self.costs) - 1

    def at_most(self, most: int, names: list[int], factors: list[int] | None = None) -> None:
        factors = factors or [1] * len(names)
        self.rows.append((names, factors, sum(min(0, factor) for factor in factors), most))


def plain_model(problem: Problem) -> Rows:
    """Columns and rows of the plain model; MemoryError when there would be too many."""
    rows = Rows()
    size = 2 * sum(
        w.end - w.start for i in usable(problem) for stretch in _in_time(problem, problem.options[i]) for w in stretch
    )
    if size > MOST_BINARIES:
        raise MemoryError(f"{size:,} binaries")
    jobs = jobs_of(problem)
    by_step = {p: _phase_rows(problem, rows, p) for job in jobs for p in job}
    for job in jobs:
        for before, p in pairwise(job):
            begun = [rows.column(0) for _ in range(problem.horizon)]
            for one, two in pairwise(begun):
                rows.at_most(0, [one, two], [1, -1])
            for t, names in by_step[p].items():
                rows.at_most(0, [*names, begun[t]], [*[1] * len(names), -1])
            for t, names in by_step[before].items():
                rows.at_most(1, [*names, begun[t]])
    if len(jobs) > 1:
        _shared_nodes(problem, rows)
    return rows


def jobs_of(problem: Problem) -> list[list[int]]:
    """The phases of every job in the order in which they run."""
    before = ancestors(problem.phases)
    jobs = [sorted(phases, key=lambda p: len(before[p])) for phases in parts_of(problem)]
    assert all(q in before[p] for job in jobs for q, p in pairwise(job)), "comparators know phases in a row only"
    return jobs


def runs_of(problem: Problem, rows: Rows, values: list[bool]) -> Runs:
    """The runs of a solution, each phase cut at the second at which its work is done."""
    runs: list[Run] = []
    h = problem.step_s
    for p in range(len(problem.phases)):
        left = problem.phases[p].work
        on = sorted((t, i) for (i, t), name in rows.on.items() if values[name] and problem.options[i].phase == p)
        whole: list[tuple[int, int, int]] = []  # option, first step, step after the last
        for t, i in on:
            if whole and whole[-1][0] == i and whole[-1][2] == t and not values[rows.starts[i, t]]:
                whole[-1] = (i, whole[-1][1], t + 1)
            else:
                whole.append((i, t, t + 1))
        for i, first, end in whole:
            option = problem.options[i]
            done = work_done(option, (end - first) * h, h)
            if left <= 0 or done <= 0:
                continue
            seconds = min((end - first) * h, duration_s(option, left, h))
            runs.append(Run(i, first * h, first * h + seconds))
            left -= done
        if left > 0:
            return ()
    return tuple(runs)


def _shared_nodes(problem: Problem, rows: Rows) -> None:
    """The runs of an offer at the same time use no more nodes than it has, which its windows must say."""
    users: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    capacity: dict[tuple[str, int], int] = {}
    for (i, t), name in rows.on.items():
        option = problem.options[i]
        users[option.offer, t].append((name, option.nodes))
    for i in {i for i, _ in rows.on}:
        option = problem.options[i]
        for window in option.windows:
            for t in range(window.start, window.end):
                capacity[option.offer, t] = window.capacity
    for key, found in users.items():
        rows.at_most(capacity[key], [name for name, _ in found], [nodes for _, nodes in found])


def _phase_rows(problem: Problem, rows: Rows, p: int) -> dict[int, list[int]]:
    """One phase of the plain model; its x columns by step."""
    phase, h = problem.phases[p], problem.step_s
    by_step: dict[int, list[int]] = {}
    work: tuple[list[int], list[int]] = ([], [])
    starts: list[int] = []
    for i in usable(problem):
        option = problem.options[i]
        if option.phase != p:
            continue
        least = max(1, ceil_div(billed_s(option.billing, 1) or 1, h))
        for stretch in _in_time(problem, option):
            for t, price in _steps(stretch):
                x = rows.on[i, t] = rows.column(ceil_div(option.nodes * price * h, 3600))
                z = rows.starts[i, t] = rows.column(option.setup)
                work[0].extend((x, z))
                work[1].extend((option.rate, -option.loss))
                by_step.setdefault(t, []).append(x)
                starts.append(z)
                before = [rows.on[i, t - 1]] if t > stretch[0].start else []
                rows.at_most(0, [x, z, *before], [1, -1, *[-1 for _ in before]])
                recent = [rows.starts[i, u] for u in range(max(stretch[0].start, t - least + 1), t + 1)]
                rows.at_most(0, [*recent, x], [*[1] * len(recent), -1])
                if t + least > stretch[-1].end:
                    rows.at_most(0, [z])
    for names in by_step.values():
        rows.at_most(1, names)
    rows.at_most(phase.max_segments, starts)
    rows.rows.append((*work, phase.work, sum(factor for factor in work[1] if factor > 0)))
    return by_step


def _steps(stretch: Stretch) -> Iterator[tuple[int, int]]:
    return ((t, window.price) for window in stretch for t in range(window.start, window.end))


def _in_time(problem: Problem, option: RunOption) -> Iterator[Stretch]:
    """The option's stretches cut to the steps in which its phase may run."""
    phase = problem.phases[option.phase]
    last = limit_s(phase, problem) // problem.step_s
    for stretch in stretches(option.windows, problem.horizon):
        cut = [replace(w, start=max(w.start, phase.earliest), end=min(w.end, last)) for w in stretch]
        kept = tuple(window for window in cut if window.start < window.end)
        if kept:
            yield kept
