"""Conflicts and changes against an enumeration of all plans: minimal, exact at the boundary, none left out."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import pytest

from planner.optimizer import conflicts, relaxations
from planner.optimizer.explain import Explanation, explain, reasons
from planner.optimizer.feasibility import Feasibility
from planner.optimizer.limits import Limit, lifted, limits_of, value_of, with_value, with_values
from planner.optimizer.problem import PhaseTask, Problem, RunOption, Solution, Window
from planner.optimizer.relaxations import Change, trade_offs
from planner.optimizer.solve import solve
from tests.optimizer.test_against_enumeration import best, random_problem

HOUR, USD = 3600, 1_000_000
OPTION = RunOption("a", 0, 2, 100, 0, (Window(0, 200, 10 * USD),), power_w=1000)  # 100 tokens and 20 USD an hour
PHASE = PhaseTask("job/p", 1000, 0, 100)  # 10 hours, 200 USD
PROBLEM = Problem((PHASE,), (OPTION,), 100)
FAST = replace(OPTION, id="fast", nodes=4, rate=150, power_w=2500)  # 150 tokens and 40 USD an hour: 6 h 40 m, 266.67 USD
COUNTS = {"single": 24, "chain": 12, "segments": 8, "segments chain": 4, "graph": 6}


def tightened(kind: str, seed: int) -> Problem:
    """A random problem with some limits tightened around what its best plan needs, so that many have none."""
    rng = random.Random(f"{kind} {seed} tightened")
    problem = replace(random_problem(seed, kind), budget=None, carbon_cap=None)
    reached = best(replace(problem, aim="cost"))
    if reached is None:
        return problem
    phases = list(problem.phases)
    for p, phase in enumerate(phases):
        if rng.random() < 0.5:
            deadline = max(1, min(phase.deadline, reached[1] // problem.step_s + rng.randint(-2, 1)))
            phases[p] = replace(phase, deadline=deadline, late_cost=0)
        if rng.random() < 0.3:
            phases[p] = replace(phases[p], earliest=phase.earliest + rng.randint(1, 2))
    return replace(
        problem,
        phases=tuple(phases),
        budget=int(reached[0] * rng.choice([0.6, 0.9, 1.0, 1.2])) if rng.random() < 0.7 else None,
        carbon_cap=int(reached[2] * rng.choice([0.7, 1.0, 1.3])) if rng.random() < 0.4 else None,
        max_nodes=rng.randint(1, 6) if rng.random() < 0.5 else problem.max_nodes,
    )


@cache
def has_plan(problem: Problem) -> bool:
    return best(problem) is not None


@cache
def explained(kind: str, seed: int) -> tuple[Problem, Explanation]:
    problem = tightened(kind, seed)
    return problem, explain(problem, 60)


def one_tighter(limit: Limit, value: int) -> int:
    return value + 1 if limit.kind == "earliest" else value - 1


CASES = [(kind, seed) for kind, count in COUNTS.items() for seed in range(count)]


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_conflicts_are_conflicts_and_minimal(kind: str, seed: int) -> None:
    problem, explanation = explained(kind, seed)
    assert explanation.feasible == has_plan(problem)
    limits = limits_of(problem)
    if explanation.feasible is False and not explanation.conflicts:
        assert explanation.hard
        assert not has_plan(lifted(problem, limits))
    for conflict in explanation.conflicts:
        others = [limit for limit in limits if limit not in conflict.limits]
        assert conflict.minimal
        assert not has_plan(lifted(problem, others))
        assert all(has_plan(lifted(problem, [*others, limit])) for limit in conflict.limits)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_single_changes_are_exactly_those_that_are_enough_alone(kind: str, seed: int) -> None:
    problem, explanation = explained(kind, seed)
    if has_plan(problem):
        assert explanation.changes == ()
        return
    enough = {limit for limit in limits_of(problem) if has_plan(lifted(problem, [limit]))}
    assert {change.values[0][0] for change in explanation.changes if len(change.values) == 1} == enough
    possible = has_plan(lifted(problem, limits_of(problem)))
    assert bool(explanation.changes) == possible


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_changes_stand_on_the_boundary_and_have_the_price_of_the_cheapest_plan(kind: str, seed: int) -> None:
    problem, explanation = explained(kind, seed)
    for change in explanation.changes:
        relaxed = with_values(problem, change.values)
        cheapest = best(replace(relaxed, aim="cost"))
        assert cheapest is not None
        assert (change.plan.cost, change.plan.finish_s) == cheapest[:2]
        assert change.exact
        for limit, value in change.values:
            tighter = with_value(relaxed, limit, one_tighter(limit, value))
            assert not has_plan(tighter), (limit, value)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_slack_ends_where_the_next_tighter_value_leaves_no_plan(kind: str, seed: int) -> None:
    problem, explanation = explained(kind, seed)
    assert bool(explanation.slack) == has_plan(problem)
    for limit, tightest in explanation.slack:
        assert tightest.exact
        assert has_plan(with_value(problem, limit, tightest.value))
        if (limit.kind, tightest.value) != ("segments", 1):
            assert not has_plan(with_value(problem, limit, one_tighter(limit, tightest.value))), (limit, tightest)


def test_the_random_problems_have_conflicts_of_every_size_and_changes_of_one_and_two_limits() -> None:
    every = [explained(kind, seed)[1] for kind, seed in CASES]
    sizes = {len(conflict.limits) for one in every for conflict in one.conflicts}
    assert {1, 2} <= sizes
    assert {len(change.values) for one in every for change in one.changes} >= {1, 2}
    assert sum(one.feasible is False for one in every) >= 20
    assert any(len(one.conflicts) == 2 for one in every)
