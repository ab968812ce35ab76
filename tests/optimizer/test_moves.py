"""The special algorithms for phases in a row charge moves between places exactly: compared with every plan there is."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from planner.optimizer import search as searching
from planner.optimizer.chain import best_chain, cost_to_go
from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import PhaseTask, Problem, RunOption, Window
from planner.optimizer.solve import solve
from tests.optimizer.enumeration import best_plan
from tests.optimizer.test_against_enumeration import random_problem

KINDS = {"chain": 60, "segments": 50, "segments chain": 25}


def with_places(seed: int, kind: str, by_option: bool = False) -> Problem:
    """A random problem in three places; leaving one costs up to a run, by place or by option."""
    rng = random.Random(f"places {kind} {seed}")
    problem = replace(random_problem(seed, kind), budget=None, carbon_cap=None)
    dear = max(w.price for option in problem.options for w in option.windows) // 200
    leave = {place: rng.choice([0, dear, 4 * dear, 20 * dear]) for place in "xyz"}
    options = [replace(option, place=rng.choice("xyz")) for option in problem.options]
    return replace(
        problem,
        options=tuple(
            replace(option, leave=rng.choice([0, 1, dear, 9 * dear]) if by_option else leave[option.place])
            for option in options
        ),
    )


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind, count in KINDS.items() for seed in range(count)])
def test_plans_with_moves_equal_the_enumeration(kind: str, seed: int) -> None:
    problem = with_places(seed, kind)
    expected, solution = best_plan(problem), solve(problem, 20)
    if expected is None:
        assert solution.status == "infeasible"
        return
    assert solution.status == "optimal"
    assert check(problem, solution) == []
    assert (solution.cost, solution.finish_s, solution.carbon_g) == (
        expected.cost,
        expected.finish_s,
        expected.carbon_g,
    )


@pytest.mark.parametrize("seed", range(30))
def test_leaving_may_cost_something_else_for_every_option(seed: int) -> None:
    problem = with_places(seed, "chain", by_option=True)
    expected, runs = best_plan(problem), best_chain(problem, range(len(problem.phases)))
    assert (expected is None) == (runs is None)
    if expected is not None and runs is not None:
        assert evaluate(problem, runs) == (expected.cost, expected.finish_s, expected.carbon_g)


def moving(seed: int, phases: int) -> Problem:
    """Three places whose prices change every other step, so that one run alone is seldom best."""
    rng = random.Random(f"moving {seed} {phases}")
    leave = {place: rng.choice([0, 20, 60, 200]) for place in "xyz"}
    options = tuple(
        RunOption(
            place,
            p,
            nodes := rng.randint(1, 2),
            nodes * rng.randint(5, 7),
            rng.choice([0, 1]),
            tuple(Window(step, step + 2, rng.randint(1, 6) * 360 * 10) for step in range(0, 8, 2)),
            carbon_g_step=rng.randint(0, 3),
            place=place,
            leave=leave[place],
        )
        for p in range(phases)
        for place in "xyz"
    )
    tasks = tuple(PhaseTask(f"p{p}", 36 // phases, 0, 8, 3 - p, (p - 1,) if p else ()) for p in range(phases))
    return Problem(tasks, options, 8, 4)


@pytest.mark.parametrize("phases", [1, 2])
def test_the_label_setting_proves_plans_that_move_without_the_direct_model(
    phases: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching.Search, "direct", lambda search: pytest.fail("asked the direct model"))
    moved = dearer = 0
    for seed in range(40):
        problem = moving(seed, phases)
        expected, solution = best_plan(problem), solve(problem, 20)
        assert expected is not None
        assert (solution.status, solution.cost, solution.finish_s) == ("optimal", expected.cost, expected.finish_s)
        free = solve(replace(problem, options=tuple(replace(option, leave=0) for option in problem.options)), 20)
        moved += len({problem.options[run.option].place for run in solution.runs}) > 1
        dearer += solution.cost > free.cost
    assert moved > 5
    assert dearer > 5


def test_a_phase_stays_in_its_place_as_long_as_that_is_cheaper_than_leaving() -> None:
    # p runs in x for 10 h x 1 USD. q costs 10 h x 3 USD in x or 10 h x 2 USD in y: 10 USD less for a move
    usd = 1_000_000
    phases = (PhaseTask("p", 1000, 0, 100), PhaseTask("q", 1000, 0, 100, after=(0,)))

    def cost(leave: int) -> int:
        options = tuple(
            RunOption(f"{p}{place}", p, 1, 100, 0, (Window(0, 100, price * usd),), place=place, leave=leave)
            for p, place, price in ((0, "x", 1), (1, "x", 3), (1, "y", 2))
        )
        return solve(Problem(phases, options, 100)).cost

    assert cost(9 * usd) == (10 + 20 + 9) * usd
    assert cost(11 * usd) == (10 + 30) * usd


def test_the_cost_to_go_of_phases_in_a_row_contains_their_moves() -> None:
    for seed in range(40):
        problem = replace(with_places(seed, "chain"), aim="cost")
        order = range(len(problem.phases))
        plan = best_chain(problem, order)
        if plan is not None:
            assert int(cost_to_go(problem, order, None)[0][0]) == evaluate(problem, plan)[0]


def test_a_phase_that_waits_for_two_is_left_for_by_both() -> None:
    # r waits for p and q: with p in x, and q and r in y, the checkpoint of p is moved for q and for r, 4 USD each
    usd = 1_000_000
    phases = (PhaseTask("p", 100, 0, 9), PhaseTask("q", 100, 0, 9, after=(0,)), PhaseTask("r", 100, 0, 9, after=(0, 1)))
    options = tuple(
        RunOption(f"{p}", p, 1, 100, 0, (Window(0, 9, usd),), place=place, leave=4 * usd)
        for p, place in ((0, "x"), (1, "y"), (2, "y"))
    )
    solution = solve(Problem(phases, options, 9))
    assert (solution.status, solution.cost) == ("optimal", (3 + 2 * 4) * usd)
