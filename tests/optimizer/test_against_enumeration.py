"""The optimizer equals an enumeration of the whole class of plans on hundreds of small random problems.

The oracle shares no code with the planner beyond the records: it walks every second of every run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest

from planner.optimizer.check import check
from planner.optimizer.problem import Aim, Billing, PhaseTask, Problem, Run, RunOption, Window
from planner.optimizer.solve import solve

Value = tuple[int, int, int]  # cost, finish, carbon


def price_at(option: RunOption, second: int, step_s: int) -> int | None:
    """Price per node-hour in a second, None where the option is not available."""
    for window in option.windows:
        if window.start <= second // step_s < window.end:
            return window.price
    return None


def cost_of(option: RunOption, start_s: int, end_s: int, step_s: int) -> int | None:
    """Micro-USD of a run, summed second by second; None when it is not allowed."""
    prices = [price_at(option, second, step_s) for second in range(start_s, end_s)]
    if None in prices:
        return None
    seconds, billing = end_s - start_s, option.billing
    if billing.blocks_s:
        holding = [block for block in sorted(billing.blocks_s) if block >= seconds]
        if not holding:
            return None
        paid = holding[0]
    else:
        paid = max(seconds, billing.minimum_s)
        while paid % billing.unit_s:
            paid += 1
    total = sum(price or 0 for price in prices) + (prices[-1] or 0) * (paid - seconds)
    return math.ceil(Fraction(option.nodes * total, 3600)) + option.setup


def ways(problem: Problem, p: int) -> Iterator[tuple[int, int, int, int, tuple[Run, ...]]]:
    """Every way to run a phase: start in seconds, end in seconds, cost and carbon, runs."""
    phase, h = problem.phases[p], problem.step_s
    last_step = problem.horizon if phase.late_cost else min(phase.deadline, problem.horizon)
    options = [
        (i, o)
        for i, o in enumerate(problem.options)
        if o.phase == p and (problem.max_nodes is None or o.nodes <= problem.max_nodes)
    ]

    def carbon_of(option: RunOption, seconds: int) -> int:
        return math.ceil(Fraction(option.carbon_g_step * seconds, h))

    def rest(step: int, left: int, segments: int, cost: int, carbon: int, runs: tuple[Run, ...]):  # type: ignore[no-untyped-def]
        for (i, option), start in product(options, range(step, last_step)):
            if option.rate <= 0:
                continue
            end_s = start * h + 1  # as the last run: the first second at which everything is done
            while option.rate * (end_s - start * h) // h - option.loss < left:
                end_s += 1
            if end_s <= last_step * h:
                paid = cost_of(option, start * h, end_s, h)
                if paid is not None:
                    late = phase.late_cost * max(0, math.ceil(end_s / h) - phase.deadline)
                    every = (*runs, Run(i, start * h, end_s))
                    emitted = carbon + carbon_of(option, end_s - start * h)
                    yield every[0].start_s, end_s, cost + paid + late, emitted, every
            if segments > 1:
                for end in range(start + 1, last_step + 1):
                    work = option.rate * (end - start) - option.loss
                    paid = cost_of(option, start * h, end * h, h)
                    if paid is None or work >= left:
                        break
                    if work > 0:
                        more = carbon + carbon_of(option, (end - start) * h)
                        run = Run(i, start * h, end * h)
                        yield from rest(end, left - work, segments - 1, cost + paid, more, (*runs, run))

    yield from rest(phase.earliest, phase.work, phase.max_segments, 0, 0, ())


def together(problem: Problem, runs: tuple[Run, ...]) -> bool:
    """Whether runs at the same time share nodes and offers as they may."""
    for second in range(problem.horizon * problem.step_s):
        now = [problem.options[run.option] for run in runs if run.start_s <= second < run.end_s]
        if problem.max_nodes is not None and sum(o.nodes for o in now) > problem.max_nodes:
            return False
        for offer in {o.offer for o in now} - {""}:
            mine = [o for o in now if o.offer == offer]
            there = [
                (w.capacity, o.nodes)
                for o in problem.options
                if o.offer == offer
                for w in o.windows
                if w.start <= second // problem.step_s < w.end
            ]
            capacity = max(c for c, _ in there) or max(n for _, n in there)
            if len(mine) > 1 and sum(o.nodes for o in mine) > capacity:
                return False
    return True


def best(problem: Problem) -> Value | None:
    """The best values of any plan, by trying all."""
    order = {"cost": (0, 1, 2), "finish": (1, 0, 2), "carbon": (2, 0, 1)}[problem.aim]
    phases = range(len(problem.phases))
    chain = all(problem.phases[p].after == ((p - 1,) if p else ()) for p in phases)
    every: list[dict[tuple[int, ...], tuple[Run, ...]]] = []
    for p in phases:
        found: dict[tuple[int, ...], tuple[Run, ...]] = {}
        for start_s, end_s, cost, carbon, runs in ways(problem, p):
            found.setdefault((start_s, end_s, cost, carbon, *(() if chain else (len(found),))), runs)
        every.append(found)
    reached: Value | None = None

    def combine(p: int, picked: list[tuple[int, ...]], runs: tuple[Run, ...]) -> None:
        nonlocal reached
        if p == len(problem.phases):
            value = sum(w[2] for w in picked), max(w[1] for w in picked), sum(w[3] for w in picked)
            if problem.budget is not None and value[0] > problem.budget:
                return
            if problem.carbon_cap is not None and value[2] > problem.carbon_cap:
                return
            if not chain and not together(problem, runs):
                return
            if reached is None or [value[k] for k in order] < [reached[k] for k in order]:
                reached = value
            return
        for way, its_runs in every[p].items():
            h = problem.step_s
            if all(math.ceil(picked[q][1] / h) * h <= way[0] for q in problem.phases[p].after):
                combine(p + 1, [*picked, way], runs + its_runs)

    combine(0, [], ())
    return reached


def random_problem(seed: int, kind: str) -> Problem:
    """A small problem with every feature of the class, mixed at random."""
    rng = random.Random(f"{kind} {seed}")
    step_s = rng.choice([4, 6, 10])
    phases = {
        "single": 1,
        "chain": rng.choice([2, 2, 3]),
        "segments": 1,
        "segments chain": 2,
        "graph": rng.choice([2, 3]),
    }[kind]
    horizon = {"single": 12, "chain": 10, "segments": 8, "segments chain": 8, "graph": 7}[kind]
    segments = rng.choice([2, 2, 3]) if kind == "segments" else 2 if kind == "segments chain" else 1
    tasks, options = [], []
    for p in range(phases):
        deadline = rng.randint(2 * horizon // 3, horizon)
        after: tuple[int, ...] = (p - 1,) if p else ()
        if kind == "graph":
            after = (0,) if p and rng.random() < 0.3 else ()
        tasks.append(
            PhaseTask(
                f"p{p}",
                rng.randint(15, 60 if phases == 1 else 35),
                rng.choice([0, 0, 1, 2]),
                deadline,
                segments,
                after,
                rng.choice([0, 0, 1, 30, 200]) if kind != "graph" else rng.choice([0, 50]),
            )
        )
        for _ in range(rng.randint(1, 4 if segments == 1 else 3 if phases == 1 else 2)):
            options.append(random_option(rng, p, horizon, step_s, kind))
    aim: Aim = rng.choice(["cost", "cost", "cost", "finish", "carbon"])
    problem = Problem(tuple(tasks), tuple(options), horizon, step_s, aim)
    if kind == "graph" and rng.random() < 0.4:
        problem = replace(problem, max_nodes=rng.randint(3, 8))
    reached = best(problem) if rng.random() < 0.4 else None
    if reached is not None:  # caps near what the optimum needs bind
        if rng.random() < 0.6:
            problem = replace(problem, budget=reached[0] + rng.choice([-1, 0, 1, 40]))
        if rng.random() < 0.5:
            problem = replace(problem, carbon_cap=reached[2] + rng.choice([-1, 0, 2]))
    return problem


def random_option(rng: random.Random, p: int, horizon: int, step_s: int, kind: str) -> RunOption:
    nodes = rng.randint(1, 6)
    scale = 10_000 if horizon % 2 == step_s % 4 // 2 else 1  # micro-USD as in tests of arithmetic, or as in the market
    windows, step = [], rng.choice([0, 0, 1, 2])
    while step < horizon and len(windows) < 4:
        end = min(horizon, step + rng.randint(1, horizon))
        windows.append(Window(step, end, rng.randint(1, 9) * rng.choice([100, 360, 977]) * scale, rng.choice([0, 8])))
        step = end + rng.choice([0, 0, 1])
    billing = rng.choice(
        [Billing()] * 4
        + [Billing(minimum_s=rng.randint(1, 4 * step_s)), Billing(unit_s=rng.randint(1, 2 * step_s))]
        + [Billing(minimum_s=2 * step_s, unit_s=step_s)]
        + [Billing(blocks_s=(2 * step_s, 3 * step_s + 1, 6 * step_s))]
    )
    return RunOption(
        f"o{rng.randint(0, 10**6)}",
        p,
        nodes,
        rng.randint(3, 9) * nodes,
        rng.choice([0, 0, 1, 5, 12]),
        tuple(windows),
        billing,
        rng.choice([0, 0, 3, 20]),
        rng.randint(0, 5) * nodes,
        rng.choice("ab"),
        rng.choice(["", "x", "y"]) if kind == "graph" else "",
    )


KINDS = {"single": 120, "chain": 90, "segments": 90, "segments chain": 40, "graph": 40}


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind, count in KINDS.items() for seed in range(count)])
def test_equals_the_enumeration(kind: str, seed: int) -> None:
    problem = random_problem(seed, kind)
    expected = best(problem)
    solution = solve(problem, time_limit_s=20)
    if expected is None:
        assert solution.status == "infeasible"
        assert solution.reasons
        return
    assert solution.status == "optimal"
    assert check(problem, solution) == []
    assert (solution.cost, solution.finish_s, solution.carbon_g) == expected
