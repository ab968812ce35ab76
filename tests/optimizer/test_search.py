"""Algorithms against each other on problems too large to enumerate; limits on time; progress; interruption."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest

from planner.optimizer import in_a_row
from planner.optimizer.bound import bound_of, chain_supplies, rough_bounds
from planner.optimizer.check import check, evaluate
from planner.optimizer.direct import solve_direct
from planner.optimizer.formulation import CONSTRAINTS, build
from planner.optimizer.problem import Billing, PhaseTask, Problem, RunOption, Window
from planner.optimizer.prune import monotone, undominated
from planner.optimizer.solve import solve

USD = 1_000_000


def medium(seed: int, segments: int, phases: int = 1, options: int = 10, days: int = 8) -> Problem:
    """Hourly steps, realistic money and tokens, prices by the day on half of the options."""
    rng = random.Random(seed)
    horizon = 24 * days
    found, tasks = [], []
    for p in range(phases):
        for number in range(options):
            nodes = rng.choice([2, 4, 8, 16])
            level = rng.uniform(20, 100)
            moving = number % 2
            windows = tuple(
                Window(
                    day * 24, day * 24 + 24, int(level * (rng.uniform(0.8, 1.2) if moving else 1) * 100) * USD // 100
                )
                for day in range(days)
                if not moving or rng.random() < 0.9
            )
            rate = int(nodes * level * rng.uniform(7, 13) * 1e6)
            billing = rng.choice([Billing(), Billing(minimum_s=60), Billing(unit_s=3600)])
            if not moving:
                billing = rng.choice(
                    [billing, Billing(minimum_s=86400), Billing(blocks_s=(86400, 3 * 86400, 7 * 86400))]
                )
            found.append(
                RunOption(
                    f"o{p}-{number}",
                    p,
                    nodes,
                    rate,
                    rate // rng.choice([1, 2, 4]),
                    windows,
                    billing,
                    rng.choice([0, 50 * USD]),
                    rng.randint(10, 400) * nodes,
                    rng.choice("ab"),
                )
            )
        middling = sorted(option.rate for option in found[-options:])[options // 2]
        tasks.append(
            PhaseTask(
                f"p{p}",
                int(middling * horizon * 0.35 / phases),
                0,
                horizon * (p + 1) // phases,
                segments,
                (p - 1,) if p else (),
                0 if seed % 2 else 500 * USD,
            )
        )
    return Problem(tuple(tasks), tuple(found), horizon)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("segments", "phases"), [(1, 1), (1, 3), (2, 1)])
def test_the_special_algorithms_agree_with_the_direct_model(seed: int, segments: int, phases: int):
    problem = medium(seed, segments, phases, options=6 if segments > 1 else 10, days=5)
    solution = solve(problem, 60)
    status, runs, bound = solve_direct(problem, 20, known=solution.runs or None)
    if solution.status == "infeasible":
        assert status == "infeasible"
        return
    assert solution.status == "optimal"
    assert evaluate(problem, runs)[0] == solution.cost
    assert bound <= solution.cost
    assert status == "feasible" or bound == solution.cost


@pytest.mark.parametrize("seed", range(8))
def test_dominance_changes_no_optimum(seed: int):
    for aim in ("cost", "finish", "carbon"):
        problem = replace(medium(seed, 1, 2), aim=aim)
        worse = tuple(replace(option, rate=option.rate - 1, setup=option.setup + seed) for option in problem.options)
        problem = replace(problem, options=worse + problem.options)
        kept = undominated(problem, range(len(problem.options)))
        fewer = replace(problem, options=tuple(problem.options[index] for index in kept))
        assert len(kept) < len(problem.options)
        one, two = solve(problem), solve(fewer)
        assert (one.status, one.cost, one.finish_s, one.carbon_g) == (two.status, two.cost, two.finish_s, two.carbon_g)


A = RunOption("a", 0, 2, 100, 10, (Window(0, 10, 5 * USD),), Billing(60, 60), 0, 10)


@pytest.mark.parametrize(
    ("better", "why"),
    [
        (replace(A, id="b"), "one of two equals"),
        (replace(A, id="b", rate=101), "faster"),
        (replace(A, id="b", loss=9), "starts sooner"),
        (replace(A, id="b", windows=(Window(0, 10, 5 * USD - 1),)), "cheaper"),
        (replace(A, id="b", windows=(Window(0, 11, 5 * USD),)), "longer there"),
        (replace(A, id="b", nodes=1, windows=(Window(0, 10, 9 * USD),)), "fewer dearer nodes"),
        (replace(A, id="b", billing=Billing(60, 30)), "finer bills"),
    ],
)
def test_a_dominated_option_goes(better: RunOption, why: str):
    problem = Problem((PhaseTask("p", 100, 0, 10, 2),), (A, better), 20)
    kept = undominated(problem, [0, 1])
    assert len(kept) == 1, why
    assert why == "one of two equals" or kept == [1]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(A, id="b", rate=101, loss=12), "starts later"),
        (replace(A, id="b", rate=101, windows=(Window(0, 9, 5 * USD),)), "away for a step"),
        (
            replace(A, id="b", rate=101, windows=(Window(0, 9, 5 * USD), Window(9, 10, 5 * USD + 1))),
            "dearer for a step",
        ),
        (replace(A, id="b", rate=101, setup=1), "set-up"),
        (replace(A, id="b", rate=101, billing=Billing(61, 60)), "minimum"),
        (replace(A, id="b", rate=101, billing=Billing(60, 7)), "unit that does not divide"),
        (replace(A, id="b", rate=101, carbon_g_step=11), "carbon, which breaks ties"),
        (replace(A, id="b", rate=101, phase=1), "another phase"),
    ],
)
def test_an_option_that_may_be_needed_stays(other: RunOption, why: str):
    phases = (PhaseTask("p", 100, 0, 10, 2), PhaseTask("q", 100, 0, 10, 2, after=(0,)))
    assert undominated(Problem(phases, (A, other), 20), [0, 1]) == [0, 1], why


def test_costs_may_fall_with_length_only_where_a_bill_reaches_into_a_cheaper_window():
    falling = (Window(0, 5, 2), Window(5, 10, 1))
    assert monotone(replace(A, windows=falling), 3600, 10)
    assert monotone(replace(A, windows=falling, billing=Billing(3600, 3600)), 3600, 10)
    assert not monotone(replace(A, windows=falling, billing=Billing(3601)), 3600, 10)
    assert not monotone(replace(A, windows=falling, billing=Billing(unit_s=7200)), 3600, 10)
    assert monotone(replace(A, windows=(Window(0, 5, 1), Window(5, 10, 2)), billing=Billing(unit_s=7200)), 3600, 10)


@pytest.mark.parametrize("seed", range(6))
def test_the_lagrangian_bound_is_below_the_optimum_and_close_with_several_segments(seed: int):
    problem = medium(seed, 3)
    solution = solve(problem, 60)
    assert solution.status == "optimal"
    supplies = chain_supplies(problem, [0], range(len(problem.options)), None)
    bound = bound_of(problem, [0], rough_bounds(problem, [0], supplies, 2 * solution.cost, None))
    assert 0.9 * solution.cost <= bound <= solution.cost


def test_more_segments_never_cost_more():
    costs = [solve(medium(3, segments), 60).cost for segments in (1, 2, 3, 4)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < costs[0]


def test_a_time_limit_is_kept_and_the_answer_is_honest():
    problem = replace(medium(1, 3, options=40, days=20), aim="carbon")
    started = time.monotonic()
    solution = solve(problem, 2.0)
    assert time.monotonic() - started < 3.0
    assert solution.status in ("optimal", "feasible")
    assert check(problem, solution) == []
    assert solution.bound <= solution.carbon_g


def test_progress_hears_of_plans_and_bounds_and_can_stop_the_search():
    heard: list[tuple[int | None, int, float]] = []

    def progress(best: int | None, bound: int, seconds: float) -> bool:
        heard.append((best, bound, seconds))
        return True

    problem = medium(2, 3)
    solution = solve(problem, 60, progress)
    assert heard
    assert all(best is None or best >= bound for best, bound, _ in heard)
    assert heard[-1][:2] == (solution.cost, solution.bound)
    assert check(problem, solution) == []


def test_an_interrupt_returns_the_best_plan_so_far(monkeypatch: pytest.MonkeyPatch):
    def interrupted(*arguments: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(in_a_row, "best_segments", interrupted)
    problem = medium(2, 3)
    solution = solve(problem)
    assert solution.status == "feasible"
    assert check(problem, solution) == []


def test_a_known_plan_is_a_start_and_runs_that_are_no_plan_are_ignored():
    problem = medium(2, 3)
    best = solve(problem)
    assert solve(problem, 0.0, known=best.runs).runs == best.runs
    for known in ((), best.runs[:-1], (replace(best.runs[0], option=999),), (replace(best.runs[0], end_s=1),)):
        solution = solve(problem, known=known)
        assert (solution.status, solution.cost, solution.finish_s) == (best.status, best.cost, best.finish_s)
    dearer = tuple(
        replace(option, windows=tuple(replace(w, price=w.price * 11 // 10) for w in option.windows))
        if number == best.runs[0].option
        else option
        for number, option in enumerate(problem.options)
    )
    changed = replace(problem, options=dearer)
    scratch, again = solve(changed), solve(changed, known=best.runs)
    assert (again.status, again.cost, again.finish_s, again.carbon_g) == (
        scratch.status,
        scratch.cost,
        scratch.finish_s,
        scratch.carbon_g,
    )


def test_without_time_a_plan_that_is_hard_to_find_is_unknown():
    # 10 hours each: one after the other they need 30 hours, two at a time 20
    phases = tuple(PhaseTask(name, 990, 0, 25, after=after) for name, after in (("p", ()), ("q", (0,)), ("r", (0,))))
    options = tuple(replace(A, id=f"o{p}", phase=p, windows=(Window(0, 30, USD),)) for p in range(3))
    problem = Problem(phases, options, 30)
    assert solve(problem, 0.0).status == "unknown"
    assert solve(problem, 10.0).status == "optimal"


def test_jobs_that_share_nothing_are_solved_apart_and_proven():
    one, two = medium(4, 2), medium(5, 2)
    options = one.options + tuple(replace(option, phase=1) for option in two.options)
    together = solve(Problem(one.phases + two.phases, options, one.horizon), 60)
    assert (together.status, together.cost) == ("optimal", solve(one).cost + solve(two).cost)


def test_jobs_that_want_the_same_nodes_take_turns_when_there_are_too_few():
    option = replace(
        A, loss=0, windows=(Window(0, 100, USD, 3),), offer="x"
    )  # 2 of 3 nodes: two runs do not fit at once
    problem = Problem(
        (PhaseTask("p", 1000, 0, 100), PhaseTask("q", 1000, 0, 100)),
        (option, replace(option, phase=1)),
        100,
        aim="finish",
    )
    assert solve(problem).finish_s == 20 * 3600
    assert solve(replace(problem, phases=tuple(replace(p, deadline=19) for p in problem.phases))).status == "infeasible"


def test_money_beyond_what_64_bits_hold_in_one_product_is_planned_with_an_honest_bound():
    nodes, price = 100_000, 900 * USD  # 90 million USD an hour
    option = replace(A, nodes=nodes, windows=(Window(0, 100, price, nodes),), offer="x")
    problem = Problem(
        (PhaseTask("p", 5000, 0, 100), PhaseTask("q", 100, 0, 100)), (option, replace(option, phase=1)), 100
    )
    solution = solve(problem, 20)
    assert check(problem, solution) == []
    assert solution.cost - solution.bound <= 10_000  # a cent of 4.6 billion USD


def test_the_formulation_names_each_of_its_constraints():
    listed = build.__globals__["__doc__"]
    for constraint in CONSTRAINTS:
        assert f"[{constraint.__name__.replace('_', ' ')}]" in listed
        assert constraint.__doc__
