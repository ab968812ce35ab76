"""What one would do without this optimizer: plain models for ready solvers, a greedy scheduler, a rule of thumb.

All take the optimizer's own problem and give runs, which `evaluate` prices: phases in a row, aim cost, hard deadlines,
no caps. The plain model has a binary x[o, t] for every option and step and z[o, t] where a run starts:

    min   sum price(o, t) x[o, t] + setup(o) z[o, t]
    s.t.  x[o, t] - x[o, t - 1] <= z[o, t] <= x[o, t]                          a run starts where it was not on before
          sum of z[o, u] over u in (t - L(o), t] <= x[o, t]                    the least time that is billed, L steps
          sum over o of x[o, t] <= 1;  sum of z <= segments;  sum of rate x - loss z >= work           for every phase
          sum over o of x[o, t] <= begun[p, t],  of the phase before <= 1 - begun[p, t],  begun[p, t] <= begun[p, t + 1]

It bills whole steps and knows no longer units than those; its runs are cut at the second at which the work is done.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import Problem, Run, RunOption, Solution, Window
from planner.optimizer.runs import (
    Stretch,
    billed_s,
    ceil_div,
    chain_order,
    duration_s,
    limit_s,
    longest_s,
    run_cost,
    stretches,
    usable,
    work_done,
)

MOST_BINARIES = 400_000  # more take longer to write down than the time that a comparison has
Runs = tuple[Run, ...]
Method = Callable[[Problem, float], Runs]


@dataclass(frozen=True, slots=True)
class Answer:
    """Runs (none found: empty) with their true cost in micro-USD, None without; a note when something went wrong."""

    runs: Runs = ()
    cost: int | None = None
    seconds: float = 0.0
    note: str = ""


def coarse(problem: Problem, hours: int) -> Problem:
    """The same problem on steps of so many hours: windows shrink to whole steps, rates are per step."""
    k = hours * 3600 // problem.step_s
    if k == 1:
        return problem
    options = []
    for option in problem.options:
        windows = [replace(w, start=ceil_div(w.start, k), end=w.end // k) for w in _merged(option.windows)]
        kept = tuple(window for window in windows if window.start < window.end)
        grams = option.carbon_g_step * k
        options.append(replace(option, rate=option.rate * k, carbon_g_step=grams, windows=kept))
    phases = tuple(
        replace(q, earliest=ceil_div(q.earliest, k), deadline=q.deadline // k, late_cost=q.late_cost * k)
        for q in problem.phases
    )
    return replace(
        problem, phases=phases, options=tuple(options), horizon=problem.horizon // k, step_s=problem.step_s * k
    )


def timed(method: Method, problem: Problem, limit_s: float) -> Answer:
    """One comparator's answer within a time limit, priced and checked by the rules of the class."""
    assert chain_order(problem.phases) is not None, "comparators know phases in a row only"
    started = time.monotonic()
    try:
        runs = method(problem, limit_s)
    except MemoryError as error:
        return Answer(note=str(error))
    seconds = time.monotonic() - started
    if not runs:
        return Answer(seconds=seconds, note="no plan")
    cost, finish_s, carbon = evaluate(problem, runs)
    wrong = check(problem, Solution("feasible", runs, cost, finish_s, carbon))
    return Answer(runs, cost, seconds, wrong[0] if wrong else "")


def cheapest_per_token(problem: Problem, limit_s: float = math.inf) -> Runs:
    """The rule of thumb: the option with the lowest price per token that is in time, in the first window that fits.

    Offers sold for longer than the run takes are passed over, as anyone would.
    """
    runs: list[Run] = []
    begin = 0
    for p in chain_order(problem.phases) or []:
        ranked = sorted((i for i in usable(problem) if problem.options[i].phase == p), key=lambda i: _rank(problem, i))
        first = next((run for i in ranked for run in _whole(problem, p, i, begin)), None)
        if first is None:
            return ()
        runs.append(first)
        begin = ceil_div(first.end_s, problem.step_s)
    return tuple(runs)


def greedy(problem: Problem, limit_s: float = math.inf) -> Runs:
    """Again and again the run with the lowest cost per token it trains, from now or from its next window on.

    Tried with every allowed number of runs; the cheapest plan is taken.
    """
    runs: list[Run] = []
    begin = 0
    for p in chain_order(problem.phases) or []:
        work, most = problem.phases[p].work, problem.phases[p].max_segments
        tried = [_greedy_phase(problem, p, begin, work, segments) for segments in range(1, most + 1)]
        mine = min(filter(None, tried), key=lambda found: evaluate(problem, tuple(found))[0], default=[])
        if not mine:
            return ()
        runs += mine
        begin = ceil_div(mine[-1].end_s, problem.step_s)
    return tuple(runs)


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
    size = 2 * sum(w.end - w.start for i in usable(problem) for w in problem.options[i].windows)
    if size > MOST_BINARIES:
        raise MemoryError(f"{size:,} binaries")
    order = chain_order(problem.phases) or []
    by_step: dict[int, dict[int, list[int]]] = {}
    for p in order:
        by_step[p] = _phase_rows(problem, rows, p)
    for before, p in pairwise(order):
        begun = [rows.column(0) for _ in range(problem.horizon)]
        for one, two in pairwise(begun):
            rows.at_most(0, [one, two], [1, -1])
        for t, names in by_step[p].items():
            rows.at_most(0, [*names, begun[t]], [*[1] * len(names), -1])
        for t, names in by_step[before].items():
            rows.at_most(1, [*names, begun[t]])
    return rows


def runs_of(problem: Problem, rows: Rows, values: list[bool]) -> Runs:
    """The runs of a solution, each phase cut at the second at which its work is done."""
    runs: list[Run] = []
    h = problem.step_s
    for p in chain_order(problem.phases) or []:
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
        for stretch in _in_time(problem, p, option):
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


def _in_time(problem: Problem, p: int, option: RunOption, begin: int = 0) -> Iterator[Stretch]:
    """The option's stretches cut to the steps in which the phase may run."""
    first, last = max(begin, problem.phases[p].earliest), limit_s(problem.phases[p], problem) // problem.step_s
    for stretch in stretches(option.windows, problem.horizon):
        cut = [replace(w, start=max(w.start, first), end=min(w.end, last)) for w in stretch]
        kept = tuple(window for window in cut if window.start < window.end)
        if kept:
            yield kept


def _rank(problem: Problem, i: int) -> float:
    """Micro-USD per token at the option's lowest price."""
    option = problem.options[i]
    lowest = min((window.price for window in option.windows), default=0)
    return option.nodes * lowest * problem.step_s / 3600 / option.rate


def _whole(problem: Problem, p: int, i: int, begin: int) -> Iterator[Run]:
    """The first run of an option that does the whole phase, in each stretch that holds it."""
    option, h = problem.options[i], problem.step_s
    seconds = duration_s(option, problem.phases[p].work, h)
    if option.billing.minimum_s > seconds or billed_s(option.billing, seconds) is None:
        return
    for stretch in _in_time(problem, p, option, begin):
        if stretch[0].start * h + seconds <= stretch[-1].end * h:
            yield Run(i, stretch[0].start * h, stretch[0].start * h + seconds)


def _greedy_phase(problem: Problem, p: int, begin: int, left: int, segments: int) -> list[Run]:
    """Runs that do the work that is left, or none when greed found no way."""
    h = problem.step_s
    found: list[tuple[float, bool, Run]] = []
    for i in usable(problem):
        option = problem.options[i]
        for stretch in _in_time(problem, p, option, begin) if option.phase == p else ():
            start, longest = stretch[0].start * h, longest_s(option.billing)
            room = min((stretch[-1].end - stretch[0].start) * h, longest if longest is not None else 1 << 60)
            need = duration_s(option, left, h)
            seconds = need if need <= room else room // h * h
            tokens = min(left, work_done(option, seconds, h)) if seconds > 0 else 0
            if tokens > 0 and (need <= room or segments > 1):
                run = Run(i, start, start + seconds)
                found.append((run_cost(option, start, start + seconds, h) / tokens, need <= room, run))
    for _, done, run in sorted(found, key=lambda one: (one[0], one[2].start_s, one[2].option)):
        if done:
            return [run]
        rest = left - work_done(problem.options[run.option], run.end_s - run.start_s, h)
        more = _greedy_phase(problem, p, run.end_s // h, rest, segments - 1)
        if more:
            return [run, *more]
    return []


def _merged(windows: tuple[Window, ...]) -> list[Window]:
    """Neighbours of one price and capacity put together, so that they lose less to coarse steps."""
    found: list[Window] = []
    for window in windows:
        last = found[-1] if found else None
        if last is not None and (last.end, last.price, last.capacity) == (window.start, window.price, window.capacity):
            found[-1] = replace(last, end=window.end)
        else:
            found.append(window)
    return found
