"""Shared caps among the limits of an explanation: by hand, and against an enumeration of all plans."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import pytest

from planner.optimizer.explain import Explanation, explain
from planner.optimizer.limits import Limit, lifted, limits_of, needed, value_of, with_value
from planner.optimizer.problem import Cap, Level, PhaseTask, Problem, Run, RunOption, Window
from tests.optimizer.enumeration import best_plan
from tests.optimizer.instances import random_problem

USD = 1_000_000
OPTION = RunOption("a", 0, 2, 100, 0, (Window(0, 200, 10 * USD),), claims=((0, 2),))  # 20 USD an hour
PHASE = PhaseTask("job/p", 1000, 0, 100)  # 10 hours, 200 USD
QUOTA = Cap("policy.quotas.0", (Level(0, 100, 1),))
PROBLEM = Problem((PHASE,), (OPTION,), 100, caps=(QUOTA,))
LIMIT = Limit("cap", name=QUOTA.name, cap=0)
SEEDS = range(40)


def test_a_quota_that_is_too_small_is_named_with_what_it_would_have_to_be() -> None:
    explanation = explain(PROBLEM)
    (conflict,) = explanation.conflicts
    assert conflict.limits == (LIMIT,)
    (change,) = explanation.changes
    assert (change.values, change.plan.cost, change.exact) == (((LIMIT, 2),), 200 * USD, True)


def test_a_smaller_option_or_a_greater_quota_or_a_later_deadline() -> None:
    small = replace(OPTION, id="small", nodes=1, rate=40, claims=((0, 1),))  # 25 h of 10 USD
    problem = replace(PROBLEM, phases=(replace(PHASE, deadline=20),), options=(OPTION, small))
    changes = {
        limit.kind: (value, change.plan.cost) for change in explain(problem).changes for limit, value in change.values
    }
    assert changes == {"cap": (2, 200 * USD), "deadline": (25, 250 * USD)}


def test_jobs_side_by_side_need_as_much_of_a_cap_as_they_claim_at_once() -> None:
    phases = (replace(PHASE, name="a/p", deadline=12), replace(PHASE, name="b/p", deadline=12))
    cap = replace(QUOTA, levels=(Level(0, 100, 3),))
    problem = Problem(phases, (OPTION, replace(OPTION, phase=1)), 100, caps=(cap,))
    changes = {str(limit): value for change in explain(problem).changes for limit, value in change.values}
    assert changes == {"cap of policy.quotas.0": 4, "deadline of a": 20, "deadline of b": 20}


def test_a_cap_that_nobody_claims_of_is_no_limit() -> None:
    assert LIMIT not in limits_of(replace(PROBLEM, options=(replace(OPTION, claims=()),)))


def test_a_quota_of_some_dates_is_raised_in_those_dates_alone() -> None:
    cap = replace(QUOTA, levels=(Level(0, 30, 2), Level(30, 60, 1), Level(60, 80, 2)))
    problem = replace(PROBLEM, caps=(cap,))
    assert value_of(problem, LIMIT) == 1
    assert with_value(problem, LIMIT, 1) == problem
    assert with_value(problem, LIMIT, 2).caps[0].levels == (
        Level(0, 30, 2), Level(30, 60, 2), Level(60, 80, 2), Level(80, 200, 2)
    )  # fmt: skip
    assert with_value(problem, LIMIT, 0).caps[0].levels == (Level(0, 30, 2), Level(60, 80, 2))
    assert [needed(problem, LIMIT, [Run(0, start * 3600, (start + 10) * 3600)]) for start in (0, 25, 60, 75)] == [
        0,  # within the level that is higher anyway
        2,
        0,
        2,  # until step 85, and from 80 nothing may be claimed
    ]


def test_the_slack_of_a_quota() -> None:
    problem = replace(PROBLEM, caps=(replace(QUOTA, levels=(Level(0, 100, 8),)),))
    assert {limit.kind: tightest.value for limit, tightest in explain(problem).slack}["cap"] == 2


def tightened(seed: int) -> Problem:
    """A random problem whose caps are near what its cheapest plan without caps claims, or a little less."""
    rng = random.Random(f"{seed} caps")
    problem = replace(random_problem(seed, frozenset({"caps"})), aim="cost")
    if problem.caps:
        lower = rng.randint(0, 1)
        levels = [tuple(replace(one, amount=max(0, one.amount - lower)) for one in cap.levels) for cap in problem.caps]
        return replace(problem, caps=tuple(Cap(cap.name, new) for cap, new in zip(problem.caps, levels, strict=True)))
    caps = tuple(Cap(f"cap {at}", (Level(0, problem.horizon, rng.randint(1, 4)),)) for at in range(2))
    claims = [((rng.randint(0, 1), rng.randint(1, 3)),) for _ in problem.options]
    options = tuple(replace(option, claims=mine) for option, mine in zip(problem.options, claims, strict=True))
    return replace(problem, options=options, caps=caps)


@cache
def has_plan(problem: Problem) -> bool:
    return best_plan(problem) is not None


@cache
def explained(seed: int) -> tuple[Problem, Explanation]:
    problem = tightened(seed)
    return problem, explain(problem, 60)


@pytest.mark.parametrize("seed", SEEDS)
def test_conflicts_are_minimal_and_changes_stand_on_the_boundary(seed: int) -> None:
    problem, explanation = explained(seed)
    limits = limits_of(problem)
    assert explanation.feasible == has_plan(problem)
    for conflict in explanation.conflicts:
        others = [limit for limit in limits if limit not in conflict.limits]
        assert conflict.minimal
        assert not has_plan(lifted(problem, others))
        assert all(has_plan(lifted(problem, [*others, limit])) for limit in conflict.limits)
    singles = [change for change in explanation.changes if len(change.values) == 1]
    if not explanation.feasible:
        enough = {limit for limit in limits if has_plan(lifted(problem, [limit]))}
        assert {change.values[0][0] for change in singles} == enough
    for change in singles:
        ((limit, value),) = change.values
        assert change.exact
        cheapest = best_plan(with_value(problem, limit, value))
        assert cheapest is not None
        assert cheapest.cost == change.plan.cost
        assert not has_plan(with_value(problem, limit, value + (1 if limit.kind == "earliest" else -1)))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_slack_of_caps_ends_where_less_leaves_no_plan(seed: int) -> None:
    problem, explanation = explained(seed)
    for limit, tightest in explanation.slack:
        if limit.kind == "cap":
            assert tightest.exact
            assert has_plan(with_value(problem, limit, tightest.value))
            assert tightest.value == 0 or not has_plan(with_value(problem, limit, tightest.value - 1))


def test_the_random_problems_have_caps_in_conflicts_changes_and_slack() -> None:
    every = [explained(seed)[1] for seed in SEEDS]
    assert sum("cap" in {limit.kind for conflict in one.conflicts for limit in conflict.limits} for one in every) >= 4
    assert sum("cap" in {limit.kind for change in one.changes for limit, _ in change.values} for one in every) >= 4
    assert sum("cap" in {limit.kind for limit, _ in one.slack} for one in every) >= 4
