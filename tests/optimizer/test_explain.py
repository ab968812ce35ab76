"""Conflicts and changes against an enumeration of all plans: minimal, exact at the boundary, none left out."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from functools import cache

import pytest

from planner.optimizer.conflicts import conflicts_of
from planner.optimizer.explain import Explanation, explain, reasons
from planner.optimizer.feasibility import Feasibility
from planner.optimizer.limits import Limit, lifted, limits_of, value_of, with_value, with_values
from planner.optimizer.problem import PhaseTask, Problem, RunOption, Solution, Window
from tests.optimizer.test_against_enumeration import best, random_problem

USD = 1_000_000
OPTION = RunOption("a", 0, 2, 100, 0, (Window(0, 200, 10 * USD),), power_w=1000)  # 100 tokens and 20 USD an hour
PHASE = PhaseTask("job/p", 1000, 0, 100)  # 10 hours, 200 USD
PROBLEM = Problem((PHASE,), (OPTION,), 100)
FAST = replace(OPTION, id="fast", nodes=4, rate=150, power_w=2500)  # 6 h 40 m of 40 USD: 266.67 USD
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


def found(problem: Problem) -> list[tuple[dict[str, int], int]]:
    """The changes as new values by kind of limit, with the cost in USD."""
    return [
        ({limit.kind: value for limit, value in change.values}, change.plan.cost // USD)
        for change in explain(problem).changes
    ]


def kinds(problem: Problem) -> list[set[str]]:
    return [{limit.kind for limit in conflict.limits} for conflict in explain(problem).conflicts]


def with_phase(**changes: object) -> Problem:
    return replace(PROBLEM, phases=(replace(PHASE, **changes),))


@pytest.mark.parametrize(
    ("problem", "conflict", "changes", "why"),
    [
        (with_phase(deadline=9), {"deadline"}, [({"deadline": 10}, 200)], "10 hours of work, 9 allowed"),
        (replace(PROBLEM, budget=150 * USD), {"budget"}, [({"budget": 200 * USD}, 200)], "10 h of 20 USD"),
        (replace(PROBLEM, max_nodes=1), {"nodes"}, [({"nodes": 2}, 200)], "the only size has 2 nodes"),
        (replace(PROBLEM, max_power_w=999), {"power"}, [({"power": 1000}, 200)], "it draws 1,000 W"),
        (replace(PROBLEM, horizon=9), {"horizon"}, [({"horizon": 10}, 200)], "on sale for longer than the horizon"),
        (
            with_phase(deadline=11, earliest=2),
            {"earliest", "deadline"},
            [({"earliest": 1}, 200), ({"deadline": 12}, 200)],
            "an hour earlier or an hour later",
        ),
    ],
)
def test_one_limit_or_the_other_by_as_much_as_is_needed(
    problem: Problem, conflict: set[str], changes: list[tuple[dict[str, int], int]], why: str
) -> None:
    assert kinds(problem) == [conflict], why
    assert sorted(found(problem), key=str) == sorted(changes, key=str), why


def test_a_run_more_joins_two_windows_that_are_too_short_alone() -> None:
    windows = (Window(0, 6, 10 * USD), Window(50, 56, 10 * USD))
    problem = replace(PROBLEM, options=(replace(OPTION, windows=windows),))
    assert kinds(problem) == [{"segments"}]
    assert found(problem) == [({"segments": 2}, 200)]


def test_what_lies_between_a_later_deadline_and_a_higher_budget() -> None:
    middling = replace(OPTION, id="middling", nodes=3, rate=125)  # 8 h of 30 USD: 240 USD
    problem = replace(with_phase(deadline=6), options=(OPTION, middling, FAST), budget=100 * USD)
    assert kinds(problem) == [{"budget"}, {"deadline"}]  # neither alone: two conflicts that share no limit
    # FAST: 1,000 tokens of 150 an hour are 6 h 40 m of 40 USD = 266.666667 USD, done within the 7th hour
    assert found(problem) == [
        ({"deadline": 10, "budget": 200 * USD}, 200),
        ({"deadline": 8, "budget": 240 * USD}, 240),
        ({"deadline": 7, "budget": 266_666_667}, 266),
    ]


def test_nodes_and_power_are_traded_when_no_single_one_is_enough() -> None:
    frugal = replace(OPTION, id="frugal", nodes=8, power_w=900)  # 800 USD
    problem = replace(PROBLEM, options=(OPTION, frugal), max_nodes=1, max_power_w=800)
    assert found(problem) == [({"nodes": 2, "power": 1000}, 200), ({"nodes": 8, "power": 900}, 800)]


def test_a_change_of_three_limits_when_no_pair_is_enough() -> None:
    problem = replace(with_phase(deadline=9), budget=150 * USD, max_nodes=1)
    assert len(kinds(problem)) == 3
    assert found(problem) == [({"budget": 200 * USD, "deadline": 10, "nodes": 2}, 200)]


def test_jobs_side_by_side_need_nodes_for_both_at_once_or_time_to_take_turns() -> None:
    phases = (replace(PHASE, name="a/p", deadline=12), replace(PHASE, name="b/p", deadline=12))
    problem = Problem(phases, (OPTION, replace(OPTION, phase=1)), 100, max_nodes=3)
    explanation = explain(problem)
    assert [set(map(str, conflict.limits)) for conflict in explanation.conflicts] == [
        {"nodes", "deadline of a", "deadline of b"}
    ]
    # 2 + 2 nodes at once; or either job after the other's 10 hours
    changes = {str(limit): value for change in explanation.changes for limit, value in change.values}
    assert changes == {"nodes": 4, "deadline of a": 20, "deadline of b": 20}


def test_without_any_option_no_limit_is_to_blame() -> None:
    explanation = explain(replace(PROBLEM, options=(), budget=1))
    assert (explanation.conflicts, explanation.changes) == ((), ())
    assert explanation.hard == ("Phase job/p has no option at all.",)


def test_the_slack_of_a_plan() -> None:
    problem = replace(with_phase(deadline=24), budget=250 * USD, max_nodes=5, max_power_w=3000, options=(OPTION, FAST))
    slack = {limit.kind: tightest.value for limit, tightest in explain(problem).slack}
    # 200 USD are enough; FAST, done in the 7th hour, costs 266.67 USD; the other has 2 nodes and draws 1,000 W
    assert slack == {"budget": 200 * USD, "deadline": 10, "nodes": 2, "power": 1000, "segments": 1}
    rich = {limit.kind: tightest.value for limit, tightest in explain(replace(problem, budget=None)).slack}
    assert rich["deadline"] == 7


def test_reasons_of_a_solution_name_the_limits_that_conflict() -> None:
    problem = with_phase(deadline=11, earliest=2)
    assert reasons(problem, lambda relaxed: Solution("infeasible"))[-1] == (
        "These limits conflict: the start of job at hour 2.00 at the earliest, the deadline of job at hour 11.00."
    )


def test_without_time_nothing_is_claimed() -> None:
    assert explain(replace(PROBLEM, budget=150 * USD), 0.0) == Explanation(None)


def test_what_is_not_decided_in_time_stays_in_the_conflict_which_is_then_not_called_minimal() -> None:
    problem = replace(with_phase(deadline=9), budget=150 * USD, max_nodes=4)
    search = Feasibility(time.monotonic() + 60)
    assert search.plan(problem) == ()
    search.stop_at = 0.0
    (conflict,) = conflicts_of(search, problem, limits_of(problem))
    assert conflict.limits == limits_of(problem)
    assert not conflict.minimal


def test_the_values_of_a_change_are_looser_than_those_now() -> None:
    for problem, explanation in (explained(kind, seed) for kind, seed in CASES):
        for limit, value in (pair for change in explanation.changes for pair in change.values):
            now = value_of(problem, limit)
            assert value < now if limit.kind == "earliest" else value > now
