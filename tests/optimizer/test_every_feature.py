"""The optimizer equals an enumeration of the whole class of plans on thousands of tiny random problems of all features.

Compared are status, cost, finish and carbon, so the ties count too; the plan passes `check`, and so does the plan of
the enumeration. 2,000 instances take about a minute on two idle cores; RANDOM_INSTANCES=20000 tries more:

    RANDOM_INSTANCES=20000 pytest -n 2 tests/optimizer/test_every_feature.py

Which share of them has what, `python -m tests.optimizer.instances` prints; the table at LEAST below is what must be.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest

from planner.optimizer.check import check, evaluate
from planner.optimizer.direct import solve_direct
from planner.optimizer.problem import Bought, Cap, Level, PhaseTask, Problem, RunOption, Solution, Term, Window
from planner.optimizer.solve import optimum, solve
from tests.optimizer.enumeration import best_plan
from tests.optimizer.instances import SWITCHABLE, features_of, random_problem

SWITCHED_ON = frozenset({"caps", "moves", "terms"})  # those of `SWITCHABLE` that `solve` knows
DIRECT = frozenset({"caps", "moves"})  # those that the direct model alone knows
LIMIT_S = 120.0  # hardly any takes a second; the machine may be busy
INSTANCES = int(os.environ.get("RANDOM_INSTANCES", "2000"))
COUNTED = 400

LEAST = {  # per cent of the instances with all features
    "several phases in a row": 30,
    "phases side by side": 40,
    "fork or join": 8,
    "several runs": 60,
    "prices that change": 70,
    "gaps in windows": 40,
    "stated capacity": 50,
    "capacity that changes": 30,
    "minimum bill": 25,
    "billing unit": 25,
    "blocks": 15,
    "set-up": 40,
    "loss": 50,
    "earliest start": 40,
    "hard deadline": 40,
    "soft deadline": 30,
    "budget": 20,
    "carbon cap": 15,
    "max nodes": 12,
    "max power": 10,
    "caps": 20,
    "levels that change": 15,
    "places": 12,
    "terms": 30,
    "aim finish": 15,
    "aim carbon": 15,
    "infeasible": 8,
    "plan: several runs": 10,
    "plan: another option": 5,
    "plan: pause": 4,
    "plan: starts late": 30,
    "plan: late": 15,
    "plan: runs at the same time": 15,
    "plan: paid move": 2,
    "plan: purchase": 8,
    "plan: purchase of several runs": 1,
    "plan: purchase at the same time": 1,
    "plan: several purchases": 1,
}


def features(seed: int) -> frozenset[str]:
    """Problems with terms take ten times as long as others: one instance in eight may have them."""
    return SWITCHED_ON if seed % 8 == 0 else SWITCHED_ON - {"terms"}


@pytest.mark.parametrize("seed", range(INSTANCES))
def test_the_optimum_is_that_of_the_enumeration(seed: int) -> None:
    problem = random_problem(seed, features(seed))
    expected = best_plan(problem)
    if expected is None:
        assert optimum(problem, LIMIT_S).status == "infeasible"  # `solve` would look for reasons as well
        return
    assert check(problem, expected) == []
    solution = solve(problem, LIMIT_S)
    assert check(problem, solution) == []
    if problem.terms or (problem.aim == "carbon" and any(phase.max_segments > 1 for phase in problem.phases)):
        # their ties are sought for some seconds only
        aim = {"cost": 1, "finish": 2, "carbon": 3}[problem.aim]
        assert (solution.status, values(solution)[aim]) == (expected.status, values(expected)[aim])
    else:
        assert values(solution) == values(expected)


@pytest.mark.parametrize("seed", range(0, INSTANCES, 10))
def test_the_direct_model_alone_finds_it_too(seed: int) -> None:
    problem = random_problem(seed, DIRECT)
    expected = best_plan(problem)
    status, runs, bound = solve_direct(problem, LIMIT_S)
    if expected is None:
        assert status == "infeasible"
        return
    solution = Solution(status, runs, *evaluate(problem, runs), bound=bound)
    assert check(problem, solution) == []
    assert values(solution) == values(expected)


def values(solution: Solution) -> tuple[str, int, int, int]:
    return solution.status, solution.cost, solution.finish_s, solution.carbon_g


def test_every_feature_occurs_often_enough() -> None:
    found = Counter(name for seed in range(COUNTED) for name in features_of(random_problem(seed, SWITCHABLE)))
    rare = {name: found[name] for name, least in LEAST.items() if 100 * found[name] < least * COUNTED}
    assert rare == {}
    assert found["infeasible"] <= COUNTED // 4
    assert found.keys() == LEAST.keys()


# The enumeration itself, on problems that are done by hand: 100 tokens an hour on a node at 36 USD an hour

USD, HOUR = 1_000_000, 3600
PHASE = PhaseTask("p", 200, 0, 6)
RENTED = RunOption("rented", 0, 1, 100, 0, (Window(0, 6, 36 * USD),))
PROBLEM = Problem((PHASE,), (RENTED,), 6)


def best(problem: Problem) -> tuple[int, int]:
    """Cost in USD and finish in hours."""
    solution = best_plan(problem)
    assert solution is not None
    assert check(problem, solution) == []
    return solution.cost // USD, solution.finish_s // HOUR


def test_by_hand_runs_wait_for_the_levels_of_a_cap() -> None:
    assert best(PROBLEM) == (72, 2)
    claiming = replace(PROBLEM, options=(replace(RENTED, claims=((0, 2),)),))
    levels = (Level(0, 1, 2), Level(2, 3, 1), Level(3, 5, 2))  # two hours in a row from 3 on
    assert best(replace(claiming, caps=(Cap("quota", levels),))) == (72, 5)
    assert best_plan(replace(claiming, caps=(Cap("quota", levels[:2]),))) is None


def test_by_hand_two_phases_take_turns_under_a_cap() -> None:
    options = tuple(replace(RENTED, phase=p, claims=((0, 2),)) for p in (0, 1))
    both = replace(PROBLEM, phases=(PHASE, replace(PHASE, name="q")), options=options)
    assert best(replace(both, caps=(Cap("quota", (Level(0, 6, 4),)),))) == (144, 2)
    assert best(replace(both, caps=(Cap("quota", (Level(0, 6, 3),)),))) == (144, 4)


def test_by_hand_a_move_is_made_when_it_pays() -> None:
    here = replace(RENTED, id="here", place="here", leave=10 * USD, windows=(Window(0, 1, 36 * USD),))
    there = replace(RENTED, id="there", place="there", windows=(Window(1, 6, 36 * USD),))
    dear = replace(here, windows=(Window(0, 1, 36 * USD), Window(1, 6, 50 * USD)))
    two = replace(PROBLEM, phases=(replace(PHASE, max_segments=2),))
    assert best(replace(two, options=(here, there))) == (72, 3)  # both hours there
    soon = replace(two, phases=(replace(PHASE, deadline=2, max_segments=2),))
    assert best(replace(soon, options=(here, there))) == (82, 2)  # one hour each, and the move
    assert best(replace(soon, options=(dear, there))) == (82, 2)  # 36 + 50 = 86 to stay


def test_by_hand_runs_share_a_purchase_when_it_pays() -> None:
    term = Term("block", 10 * USD, (2, 4), 0, 4, 2)
    inside = replace(RENTED, id="inside", windows=(Window(0, 6, 0),), term=0)
    one = replace(PROBLEM, options=(RENTED, inside), terms=(term,))
    assert best(one) == (20, 2)  # one node for two hours at 10 USD
    options = (*one.options, replace(RENTED, phase=1), replace(inside, phase=1))
    row = replace(one, phases=(PHASE, replace(PHASE, name="q", after=(0,))), options=options)
    assert best(row) == (40, 4)
    long = replace(row, terms=(replace(term, lengths=(4,)),))
    solution = best_plan(long)
    assert solution is not None
    assert (solution.bought, solution.cost) == ((Bought(0, 1, 0, 4),), 40 * USD)  # not 80: both runs in one purchase
    beside = replace(long, phases=(PHASE, replace(PHASE, name="q")))
    assert best(beside) == (40, 4)  # one node, in turns
    assert best(replace(beside, aim="finish")) == (80, 2)  # two nodes for four hours
    large = replace(beside, terms=(replace(term, sizes=(4,), lengths=(4,), capacity=4),))
    assert best(large) == (144, 2)  # renting: 4 nodes for 4 hours are 160 USD


def test_by_hand_purchases_start_when_they_may_and_fit_into_the_capacity() -> None:
    term = Term("block", 10 * USD, (2,), 1, 3, 1, every=2, offset=1)
    inside = replace(RENTED, id="inside", windows=(Window(0, 6, 0),), term=0)
    one = replace(PROBLEM, options=(inside,), terms=(term,))
    assert best(one) == (20, 3)  # not before step 1
    both = replace(one, phases=(PHASE, replace(PHASE, name="q")), options=(inside, replace(inside, phase=1)))
    assert best(both) == (40, 5)  # at 1 and at 3: one node at a time
    assert best_plan(replace(both, terms=(replace(term, last=2),))) is None
