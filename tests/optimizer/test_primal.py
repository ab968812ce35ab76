"""Plans read off the Lagrangian bounds are plans, cost no less than the bound, and the bounds' parts are exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.optimizer.bound import bound_of, chain_bounds, chain_supplies, lowest_ahead
from planner.optimizer.chain import INFINITE, best_chain, cost_to_go
from planner.optimizer.check import check, evaluate
from planner.optimizer.primal import promising
from planner.optimizer.problem import Problem, Solution
from planner.optimizer.runs import chain_order, usable
from tests.optimizer.test_against_enumeration import random_problem

KINDS = ("single", "chain", "segments", "segments chain")


def chains() -> list[Problem]:
    """Random problems whose phases run in a row, caps left out."""
    problems = [random_problem(seed, kind) for kind in KINDS for seed in range(40)]
    return [replace(p, aim="cost", budget=None, carbon_cap=None) for p in problems if chain_order(p.phases) is not None]


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return chains()


def test_there_are_enough_problems(problems: list[Problem]) -> None:
    assert len(problems) > 50
    assert any(phase.max_segments > 1 for problem in problems for phase in problem.phases)
    assert any(option.billing.blocks_s for problem in problems for option in problem.options)


def test_a_promising_plan_is_a_plan_and_costs_at_least_the_bound(problems: list[Problem]) -> None:
    found = 0
    for problem in problems:
        order = chain_order(problem.phases)
        assert order is not None
        supplies = chain_supplies(problem, order, usable(problem), None)
        pieces = {p: [one for at in range(len(mine.option)) for one in mine.pieces(at)] for p, mine in supplies.items()}
        bounds = chain_bounds(problem, order, pieces, 10**7, None)
        plan = promising(problem, order, bounds)
        if plan is None:
            continue
        found += 1
        cost, finish_s, carbon_g = evaluate(problem, plan)
        assert check(problem, Solution("feasible", plan, cost, finish_s, carbon_g)) == []
        assert bound_of(problem, order, bounds) <= cost
    assert found > 20


def test_the_cost_to_go_is_the_cost_of_the_best_chain_from_each_step(problems: list[Problem]) -> None:
    for problem in problems:
        single = replace(problem, phases=tuple(replace(phase, max_segments=1) for phase in problem.phases))
        order = chain_order(single.phases)
        assert order is not None
        costs = cost_to_go(single, order, None)[order[0]]
        for step in (0, 1, single.horizon // 2):
            later = replace(
                single, phases=tuple(replace(phase, earliest=max(phase.earliest, step)) for phase in single.phases)
            )
            plan = best_chain(later, order)
            expected = INFINITE if plan is None else evaluate(later, plan)[0]
            assert int(costs[step]) == expected


@pytest.mark.parametrize("width", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("size", [1, 2, 5, 17, 40])
def test_the_lowest_number_ahead_is_that_of_each_window(size: int, width: int) -> None:
    numbers = np.random.default_rng(size).random(size)
    expected = [numbers[i : i + width].min() for i in range(size)]
    np.testing.assert_array_equal(lowest_ahead(numbers, width), expected)
