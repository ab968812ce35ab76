"""The least that any plan costs and emits: below every plan, and equal where a plan can be as good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.optimizer.least import least_carbon, least_cost
from planner.optimizer.problem import PhaseTask, Problem, RunOption, Window
from tests.optimizer.test_against_enumeration import best, random_problem

USD = 1_000_000
CHEAP = RunOption("cheap", 0, 2, 100, 0, (Window(0, 100, 10 * USD),), carbon_g_step=7)  # 100 tokens, 20 USD an hour
FAST = replace(CHEAP, id="fast", rate=200, windows=(Window(0, 100, 30 * USD),), carbon_g_step=10)  # 60 USD an hour
PHASE = PhaseTask("p", 1000, 0, 100)
PROBLEM = Problem((PHASE,), (CHEAP, FAST), 100)


@pytest.mark.parametrize(
    ("deadline", "usd", "grams"),
    [
        (100, 200, 50),  # 10 h on the cheap one; 5 h of 10 g on the fast one
        (10, 200, 50),
        (8, 240, 50),  # 6 h cheap and 2 h fast: 600 + 400 tokens, 120 + 120 USD
        (5, 300, 50),
    ],
)
def test_the_least_is_that_of_the_best_mixture_in_time(deadline: int, usd: int, grams: int) -> None:
    problem = replace(PROBLEM, phases=(replace(PHASE, deadline=deadline),))
    cost, carbon = least_cost(problem), least_carbon(problem)
    assert cost is not None
    assert carbon is not None
    assert usd * USD - 1 <= cost <= usd * USD
    assert grams - 1 <= carbon <= grams


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"phases": (replace(PHASE, deadline=4),)}, "800 tokens at most"),
        ({"phases": (replace(PHASE, earliest=96),)}, "800 tokens at most"),
        ({"max_nodes": 1}, "no option is small enough"),
        ({"options": ()}, "no option"),
    ],
)
def test_none_where_it_shows_that_there_is_no_plan(changes: dict[str, object], why: str) -> None:
    assert least_cost(replace(PROBLEM, **changes)) is None, why


def test_prices_outside_the_dates_do_not_count() -> None:
    sale = replace(CHEAP, windows=(Window(0, 20, 1 * USD), Window(20, 100, 10 * USD)))
    problem = replace(PROBLEM, options=(sale,))
    assert (least_cost(problem) or 0) <= 20 * USD
    late = replace(problem, phases=(replace(PHASE, earliest=20),))
    assert 200 * USD - 1 <= (least_cost(late) or 0) <= 200 * USD


@pytest.mark.parametrize("kind", ["single", "chain", "segments", "segments chain", "graph"])
def test_no_plan_is_below_the_least(kind: str) -> None:
    seen = 0
    for seed in range(12):
        problem = replace(random_problem(seed, kind), budget=None, carbon_cap=None)
        for at, (aim, least) in {0: ("cost", least_cost), 2: ("carbon", least_carbon)}.items():
            reached, bound = best(replace(problem, aim=aim)), least(problem)
            if reached is not None:
                seen += 1
                assert bound is not None
                assert bound <= reached[at]
    assert seen > 5
