"""The optimizer equals an enumeration of all plans of the class on random problems, of a kind for each algorithm.

`test_every_feature` has more of them, with every feature, and smaller ones.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from planner.optimizer.check import check
from planner.optimizer.problem import Aim, Billing, PhaseTask, Problem, RunOption, Window
from planner.optimizer.solve import solve
from tests.optimizer.enumeration import Value, best_plan


def best(problem: Problem) -> Value | None:
    """The best values of any plan, by trying all."""
    plan = best_plan(problem)
    return None if plan is None else (plan.cost, plan.finish_s, plan.carbon_g)


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
