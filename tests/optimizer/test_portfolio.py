"""Many jobs: branch and price against the enumeration and against CP-SAT; bounds below every plan at any prices."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from planner.optimizer.check import check, evaluate
from planner.optimizer.direct import solve_direct
from planner.optimizer.independent import parts_of
from planner.optimizer.job_pricing import Job, Prices, Restriction
from planner.optimizer.job_segments import SegmentJob
from planner.optimizer.portfolio import Portfolio
from planner.optimizer.problem import PhaseTask, Problem, Run, RunOption, Solution, Window
from planner.optimizer.runs import chain_order_of, clipped, stated
from planner.optimizer.shared import priced_part, shared_of
from planner.optimizer.solve import optimum, solve
from tests.optimizer.enumeration import best_plan
from tests.optimizer.instances import random_problem


def portfolio(problem: Problem, limit_s: float = 20.0) -> Portfolio:
    """The search of a problem of several jobs, done."""
    orders = [order for phases in parts_of(problem) if (order := chain_order_of(problem, phases))]
    search = Portfolio(problem, orders, optimum, lambda plan, bound: False, time.monotonic() + limit_s)
    search.search()
    return search


def side_by_side(seed: int, one_run: bool) -> Problem | None:
    """A tiny random problem of several jobs in a row; None when this seed has another shape."""
    problem = random_problem(seed, frozenset({"caps", "moves"}))
    if one_run:
        problem = replace(problem, phases=tuple(replace(phase, max_segments=1) for phase in problem.phases))
    orders = [chain_order_of(problem, phases) for phases in parts_of(problem)]
    if len(orders) < 2 or None in orders or problem.aim == "finish":
        return None
    return replace(problem, budget=None) if problem.aim == "cost" else problem


ONE_RUN = [seed for seed in range(400) if side_by_side(seed, one_run=True)][:90]
SEVERAL_RUNS = [
    seed
    for seed in range(400)
    if (found := side_by_side(seed, one_run=False))
    and found.aim == "cost"
    and any(phase.max_segments > 1 for phase in found.phases)
][:60]


@pytest.mark.parametrize("seed", ONE_RUN)
def test_branch_and_price_equals_the_enumeration(seed: int) -> None:
    problem = side_by_side(seed, one_run=True)
    assert problem is not None
    best = best_plan(problem)
    search = portfolio(clipped(stated(problem)))
    if best is None:
        assert not search.possible
        return
    value = best.cost if problem.aim == "cost" else best.carbon_g
    assert (search.plans.value, search.bound) == (value, value)
    plan = search.plans.runs()
    assert plan is not None
    assert not check(problem, Solution("feasible", plan, *evaluate(problem, plan)))


@pytest.mark.parametrize("seed", SEVERAL_RUNS)
def test_jobs_of_several_runs_have_true_bounds_and_plans(seed: int) -> None:
    problem = side_by_side(seed, one_run=False)
    assert problem is not None
    best = best_plan(problem)
    search = portfolio(clipped(stated(problem)), 1.0)
    plan = search.plans.runs()
    if best is None:
        assert plan is None
        return
    assert search.possible
    assert search.bound <= best.cost
    if plan is not None:
        assert search.plans.value == evaluate(problem, plan)[0] >= best.cost
        assert not check(problem, Solution("feasible", plan, *evaluate(problem, plan)))


def market(seed: int, jobs: int, segments: int = 1) -> Problem:
    """Jobs of one phase that want the same few offers, with prices and nodes that change from day to day."""
    rng = random.Random(seed)
    horizon, offers = 72, 5
    windows = []
    for _ in range(offers):
        level, nodes = rng.randrange(900, 2000), rng.choice([4, 6, 8])
        windows.append(
            [
                (24 * day, 24 * day + 24, level * rng.randrange(80, 120), max(2, nodes - rng.choice([0, 0, 2])))
                for day in range(3)
            ]
        )
    phases, options = [], []
    for job in range(jobs):
        earliest = rng.randrange(0, 24)
        phases.append(PhaseTask(f"job{job}/a", 60_000, earliest, rng.randrange(48, horizon + 1), segments))
        for offer in range(offers):
            speed = rng.randrange(600, 1500)
            for nodes in (1, 2, 4):
                there = tuple(Window(a, b, price, most) for a, b, price, most in windows[offer] if nodes <= most)
                rate = int(speed * nodes**0.9)
                options.append(
                    RunOption(f"{job}-{offer}x{nodes}", job, nodes, rate, rate // 4, there, offer=f"o{offer}")
                )
    return Problem(tuple(phases), tuple(options), horizon)


@pytest.mark.parametrize("seed", range(8))
def test_branch_and_price_equals_the_direct_model(seed: int) -> None:
    problem = market(seed, 5)
    search = portfolio(problem)
    status, runs, bound = solve_direct(problem, 60.0)
    assert status == "optimal"
    assert search.plans.value == search.bound == bound == evaluate(problem, runs)[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_of_several_runs_is_no_dearer_than_one_of_one_run(seed: int) -> None:
    one, three = portfolio(market(seed, 5)), portfolio(market(seed, 5, segments=3), 4.0)
    assert one.plans.value is not None
    assert three.plans.value is not None
    assert three.bound <= three.plans.value <= one.plans.value


def prices_of(rng: random.Random, names: Sequence[str], horizon: int) -> dict[tuple[int, int], float]:
    return {(rng.randrange(len(names)), rng.randrange(horizon)): rng.randrange(1, 400_000) for _ in range(12)}


@pytest.mark.parametrize("seed", range(12))
def test_under_prices_a_job_of_one_run_is_its_best_over_all_options_and_starts(seed: int) -> None:
    rng = random.Random(seed)
    problem = market(seed, 4)
    parts = parts_of(problem)
    shared = shared_of(problem, parts)
    assert shared.real < len(shared.names)  # cuts are there
    price = prices_of(rng, shared.names, problem.horizon)
    job = Job(problem, parts[1], shared)
    ways = [(run, priced(problem, run, price, shared)) for run in all_runs(problem, 1)]
    value, schedules = job.best(Prices.of(price, shared))
    assert value == pytest.approx(min(cost for _, cost in ways), rel=1e-12)
    assert priced(problem, schedules[0][0], price, shared) == pytest.approx(value, rel=1e-12)
    late = Restriction(0, begin=30, end=problem.horizon)
    other = Restriction(0, schedules[0][0].option, wanted=False)
    value, _ = job.best(Prices.of(price, shared), None, (late, other))
    left = [cost for run, cost in ways if late.holds(run, 3600) and other.holds(run, 3600)]
    assert value == pytest.approx(min(left), rel=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_under_prices_the_bound_of_a_job_of_several_runs_is_below_its_optimum(seed: int) -> None:
    rng = random.Random(seed)
    problem = market(seed, 4, segments=3)
    parts = parts_of(problem)
    shared = shared_of(problem, parts)
    price = prices_of(rng, shared.names, problem.horizon)
    job = SegmentJob(problem, parts[1], shared)
    bound, schedules = job.best(Prices.of(price, shared))
    alone, index = priced_part(problem, parts[1], shared, price)
    exact = optimum(alone, 20.0)
    assert exact.status == "optimal"
    runs = [replace(run, option=index[run.option]) for run in exact.runs]
    value = sum(priced(problem, run, price, shared) for run in runs)
    assert exact.cost <= value * (1 + 1e-12)  # prices are rounded down
    assert bound <= value * (1 + 1e-9)
    found = sum(priced(problem, run, price, shared) for run in schedules[0])
    assert found >= exact.cost * (1 - 1e-9)
    assert found <= 1.1 * value  # a good schedule


def all_runs(problem: Problem, p: int) -> list[Run]:
    """Every run that does a phase of one run: each option of it from each step, as far as it fits."""
    phase, found = problem.phases[p], []
    for index, option in enumerate(problem.options):
        if option.phase != p:
            continue
        seconds = -(-(phase.work + option.loss) * 3600 // option.rate)
        for start in range(phase.earliest, problem.horizon):
            run = Run(index, 3600 * start, 3600 * start + seconds)
            if not check(
                replace(problem, phases=(phase,), options=tuple(replace(o, phase=0) for o in [option])),
                Solution("feasible", (replace(run, option=0),), *cost_alone(problem, run)),
            ):
                found.append(run)
    return found


def cost_alone(problem: Problem, run: Run) -> tuple[int, int, int]:
    return evaluate(problem, (run,))


def priced(problem: Problem, run: Run, price: dict[tuple[int, int], float], shared: object) -> float:
    """The cost of a run with the prices of what it claims."""
    claims = dict(shared.of(run.option))  # type: ignore[attr-defined]
    steps = range(run.start_s // 3600, -(-run.end_s // 3600))
    return evaluate(problem, (run,))[0] + sum(
        claims.get(resource, 0) * amount for (resource, step), amount in price.items() if step in steps
    )


def test_what_no_plan_can_share_is_infeasible() -> None:
    """Two jobs, each needing all 2 nodes for 10 of the 15 hours there are."""
    window = (Window(0, 15, 1_000_000, 2),)
    phases = (PhaseTask("a/x", 1000, 0, 15), PhaseTask("b/x", 1000, 0, 15))
    options = tuple(RunOption(f"{p}", p, 2, 100, 0, window, offer="o") for p in (0, 1))
    assert solve(Problem(phases, options, 15), 5.0).status == "infeasible"
    longer = (Window(0, 20, 1_000_000, 2),)
    options = tuple(replace(option, windows=longer) for option in options)
    phases = tuple(replace(phase, deadline=20) for phase in phases)
    found = solve(Problem(phases, options, 20), 5.0)
    assert (found.status, found.cost) == ("optimal", 40_000_000)  # 2 jobs x 2 nodes x 10 h x 1 USD


def test_a_carbon_cap_over_all_jobs_is_kept_at_least_cost() -> None:
    """Three jobs of 10 h, cheap and dirty (10 USD, 300 g) or dear and clean (20 USD, 100 g): 500 g allow one dirty."""
    window = (Window(0, 10, 1_000_000), Window(10, 40, 1_000_000))
    clean = (Window(0, 40, 2_000_000),)
    phases = tuple(PhaseTask(f"{job}/x", 1000, 0, 40) for job in "abc")
    options = tuple(
        RunOption(f"{p}{name}", p, 1, 100, 0, windows, carbon_g_step=grams)
        for p in range(3)
        for name, windows, grams in (("dirty", window, 30), ("clean", clean, 10))
    )
    found = solve(Problem(phases, options, 40, carbon_cap=500), 5.0)
    assert (found.status, found.cost, found.carbon_g) == ("optimal", 50_000_000, 500)  # 10 + 20 + 20; 300 + 100 + 100
    assert solve(Problem(phases, options, 40, carbon_cap=299), 5.0).status == "infeasible"  # 3 x 100 g at least
