"""What must hold between two answers, whatever the optimum is: a problem changed in a known way changes its optimum so.

The problems lie in a world without rounding, so that relations between costs are equations: whole micro-USD in every
second (prices are multiples of 3600), whole seconds for every amount of work, whole grams.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from planner.optimizer.check import check
from planner.optimizer.problem import Aim, Billing, PhaseTask, Problem, RunOption, Solution, Window
from planner.optimizer.solve import solve

STEP_S = 12
EVEN = 12  # work, losses and rates are such that any rest of work takes whole seconds
KINDS = ("one run", "row", "several runs", "several runs in a row", "side by side")
CASES = [(kind, seed) for kind in KINDS for seed in range(3)]
FEW = [(kind, seed) for kind, seed in CASES if seed < 2]


def random_problem(kind: str, seed: int, plain_bills: bool = False) -> Problem:
    """A small problem of a kind; with plain bills a run costs what its seconds cost."""
    rng = random.Random(f"{kind} {seed}")
    count = {"one run": 1, "row": 3, "several runs": 1, "several runs in a row": 2, "side by side": 3}[kind]
    segments = 3 if kind == "several runs" else 2 if "several" in kind else 1
    horizon = rng.randint(20, 30)
    tasks, options = [], []
    for p in range(count):
        before = (p - 1,) if p and (kind != "side by side" or rng.random() < 0.3) else ()
        work = EVEN * rng.randint(10, 40) * (2 if count == 1 else 1)
        deadline = rng.randint(horizon * 3 // 4, horizon)
        late = rng.choice([0, 0, 2 * EVEN * rng.randint(1, 900)])
        tasks.append(PhaseTask(f"p{p}", work, rng.randint(0, 3), deadline, segments, before, late))
        options += [random_option(rng, p, horizon, plain_bills) for _ in range(rng.randint(2, 5))]
    max_nodes = rng.choice([None, 9]) if kind == "side by side" else None
    return Problem(tuple(tasks), tuple(options), horizon, STEP_S, max_nodes=max_nodes)


def random_option(rng: random.Random, p: int, horizon: int, plain_bills: bool) -> RunOption:
    """Windows with gaps and moving prices, start-up losses, every kind of bill."""
    windows, at = [], rng.choice([0, 0, 1, 4])
    while at < horizon:
        end = min(horizon, at + rng.randint(2, 16))
        windows.append(Window(at, end, 3600 * rng.randint(2, 40), rng.choice([0, 0, 9])))
        at = end + rng.choice([0, 0, 0, 2])
    bills = [Billing(), Billing(STEP_S, STEP_S), Billing(5 * STEP_S), Billing(unit_s=2 * STEP_S)]
    bills.append(Billing(blocks_s=(4 * STEP_S, 9 * STEP_S, 20 * STEP_S)))
    return RunOption(
        f"o{rng.randrange(10**9)}",
        p,
        nodes=rng.randint(1, 5),
        rate=STEP_S * rng.choice([1, 2, 3, 4, 6]),  # tokens per step: 1, 2, 3, 4 or 6 a second
        loss=EVEN * rng.randint(0, 2),
        windows=tuple(windows),
        billing=Billing() if plain_bills else rng.choice(bills),
        setup=2 * rng.randint(0, 400),
        carbon_g_step=STEP_S * rng.randint(0, 9),
        family=rng.choice("ab"),
        offer=rng.choice(["", f"x{p}", "shared"]),
        power_w=rng.randint(1, 9),
    )


def optimum(problem: Problem) -> Solution:
    """The proven optimum, or infeasible."""
    solution = solve(problem, 30)
    assert solution.status in ("optimal", "infeasible"), solution.status
    assert check(problem, solution) == []
    return solution


def values(solution: Solution) -> tuple[str, int, int, int]:
    return solution.status, solution.cost, solution.finish_s, solution.carbon_g


def value(solution: Solution, aim: Aim = "cost") -> float:
    """The aim's value; no plan is worse than any plan."""
    if solution.status == "infeasible":
        return float("inf")
    return {"cost": solution.cost, "finish": solution.finish_s, "carbon": solution.carbon_g}[aim]


def with_phases(problem: Problem, **changes: int) -> Problem:
    return replace(problem, phases=tuple(replace(phase, **changes) for phase in problem.phases))


def with_options(problem: Problem, change) -> Problem:  # type: ignore[no-untyped-def]
    return replace(problem, options=tuple(change(option) for option in problem.options))


def test_the_random_problems_have_what_they_claim_to_test():
    problems = [random_problem(*case) for case in CASES]
    solved = [optimum(problem) for problem in problems]
    assert sum(solution.status == "optimal" for solution in solved) > len(CASES) // 2
    assert any(len(solution.runs) > len(problem.phases) for problem, solution in zip(problems, solved, strict=True))
    assert any(option.billing.blocks_s for problem in problems for option in problem.options)


# More room


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_more_availability_never_costs_more(kind: str, seed: int):
    problem = random_problem(kind, seed)
    rng = random.Random(seed)

    def longer(option: RunOption) -> RunOption:
        windows = [*option.windows]
        gaps = [i for i, (one, two) in enumerate(pairwise(windows)) if one.end < two.start]
        for i in gaps[: rng.randint(0, 1)]:
            windows[i] = replace(windows[i], end=windows[i + 1].start)
        if rng.random() < 0.5 and windows[0].start > 0:
            windows.insert(0, replace(windows[0], start=0, end=windows[0].start, price=3600 * rng.randint(1, 40)))
        return replace(option, windows=tuple(windows))

    assert value(optimum(with_options(problem, longer))) <= value(optimum(problem))


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_a_later_deadline_an_earlier_start_and_a_longer_horizon_never_cost_more(kind: str, seed: int):
    problem = random_problem(kind, seed)
    cost = value(optimum(problem))
    later = replace(
        problem, phases=tuple(replace(q, deadline=min(q.deadline + 2, problem.horizon)) for q in problem.phases)
    )
    assert value(optimum(later)) <= cost
    assert value(optimum(with_phases(problem, earliest=0))) <= cost
    assert value(optimum(replace(problem, horizon=problem.horizon + 10))) <= cost


@pytest.mark.parametrize(("kind", "seed"), FEW)
def test_more_segments_never_cost_more(kind: str, seed: int):
    problem = random_problem(kind, seed)
    costs = [value(optimum(with_phases(problem, max_segments=segments))) for segments in (1, 2)]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize(("kind", "seed"), FEW)
def test_tighter_caps_never_lower_the_optimum_and_those_that_the_optimum_keeps_change_nothing(kind: str, seed: int):
    problem = random_problem(kind, seed)
    free = optimum(problem)
    if free.status == "infeasible":
        return
    greenest = optimum(replace(problem, aim="carbon"))
    kept = replace(problem, budget=free.cost, carbon_cap=free.carbon_g)
    assert values(optimum(kept)) == values(free)
    assert optimum(replace(problem, budget=free.cost - 1)).status == "infeasible"
    between = (free.carbon_g + greenest.carbon_g) // 2
    costs = [value(optimum(replace(problem, carbon_cap=cap))) for cap in (free.carbon_g, between, greenest.carbon_g)]
    assert costs == sorted(costs)
    assert costs[-1] <= greenest.cost
    assert optimum(replace(problem, carbon_cap=greenest.carbon_g - 1)).status == "infeasible"
    for limit in (8, 5, 3):
        fewer = value(optimum(replace(problem, max_nodes=limit if problem.max_nodes is None else min(limit, 9))))
        assert fewer >= free.cost
    most = sum(option.power_w for option in problem.options)
    powers = [value(optimum(replace(problem, max_power_w=watts))) for watts in (most, 9, 6, 3)]
    assert powers == sorted(powers)
    assert powers[0] == free.cost


# Better or worse offers


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_a_dominated_offer_changes_nothing(kind: str, seed: int):
    problem = random_problem(kind, seed)
    rng = random.Random(seed)
    best = rng.choice(problem.options)
    worse = replace(
        best,
        id="worse",
        nodes=best.nodes + 1,
        rate=best.rate,
        loss=best.loss + EVEN,
        setup=best.setup + 1,
        carbon_g_step=best.carbon_g_step + STEP_S,
        power_w=best.power_w + 1,
        offer="",
        windows=tuple(replace(w, price=w.price + 3600) for w in best.windows[: rng.randint(1, len(best.windows))]),
    )
    if best.offer and kind == "side by side":  # an offer of its own could step in where nodes are scarce
        worse = replace(worse, offer=best.offer, windows=tuple(replace(w, capacity=0) for w in worse.windows))
        problem = with_options(
            problem, lambda option: replace(option, windows=tuple(replace(w, capacity=9) for w in option.windows))
        )
    for aim in ("cost", "finish", "carbon"):
        aimed = replace(problem, aim=aim)
        more = replace(aimed, options=(*problem.options[:1], worse, *problem.options[1:]))
        assert values(optimum(more)) == values(optimum(aimed)), aim


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_lower_prices_faster_nodes_and_less_work_never_cost_more_when_seconds_are_billed(kind: str, seed: int):
    problem = random_problem(kind, seed, plain_bills=True)
    cost = value(optimum(problem))
    cheaper = with_options(
        problem, lambda option: replace(option, windows=tuple(replace(w, price=w.price - 3600) for w in option.windows))
    )
    assert value(optimum(cheaper)) <= cost
    assert value(optimum(with_options(problem, lambda option: replace(option, rate=option.rate * 2)))) <= cost
    assert value(optimum(with_options(problem, lambda option: replace(option, loss=0)))) <= cost
    less = replace(problem, phases=tuple(replace(phase, work=phase.work - EVEN) for phase in problem.phases))
    assert value(optimum(less)) <= cost


# The same problem in other words


@pytest.mark.parametrize(("kind", "seed"), FEW)
def test_names_and_order_change_nothing(kind: str, seed: int):
    problem = random_problem(kind, seed)
    rng = random.Random(seed)
    order = rng.sample(range(len(problem.phases)), len(problem.phases))  # new position -> old position
    place = {old: new for new, old in enumerate(order)}
    phases = [replace(problem.phases[old], after=tuple(place[q] for q in problem.phases[old].after)) for old in order]
    phases = [replace(phase, name=f"renamed {phase.name}") for phase in phases]
    options = [
        replace(o, id=f"{o.id}'", phase=place[o.phase], family="c", offer=o.offer and f"z{o.offer}")
        for o in problem.options
    ]
    other = replace(problem, phases=tuple(phases), options=tuple(rng.sample(options, len(options))))
    for aim in ("cost", "finish", "carbon"):
        assert values(optimum(replace(other, aim=aim))) == values(optimum(replace(problem, aim=aim))), aim


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_splitting_windows_at_a_step_changes_nothing(kind: str, seed: int):
    problem = random_problem(kind, seed)
    rng = random.Random(seed)

    def split(option: RunOption) -> RunOption:
        parts = []
        for w in option.windows:
            edges = sorted({w.start, w.end, *(rng.randint(w.start, w.end) for _ in range(2))})
            parts += [replace(w, start=a, end=b) for a, b in pairwise(edges)]
        return replace(option, windows=tuple(parts))

    assert values(optimum(with_options(problem, split))) == values(optimum(problem))


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_later_by_some_steps_costs_the_same(kind: str, seed: int):
    problem, steps = random_problem(kind, seed), 7
    later = with_options(
        problem,
        lambda option: replace(
            option, windows=tuple(replace(w, start=w.start + steps, end=w.end + steps) for w in option.windows)
        ),
    )
    phases = tuple(
        replace(q, earliest=q.earliest + steps, deadline=q.deadline + steps, name=q.name) for q in problem.phases
    )
    one, two = optimum(problem), optimum(replace(later, phases=phases, horizon=problem.horizon + steps))
    assert (one.status, one.cost, one.carbon_g) == (two.status, two.cost, two.carbon_g)
    assert one.status == "infeasible" or two.finish_s == one.finish_s + steps * STEP_S


@pytest.mark.parametrize("factor", [3, 10**4])
@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_all_money_times_a_factor_costs_so_much_more(kind: str, seed: int, factor: int):
    problem = random_problem(kind, seed)
    dearer = with_options(
        problem,
        lambda option: replace(
            option,
            setup=option.setup * factor,
            windows=tuple(replace(w, price=w.price * factor) for w in option.windows),
        ),
    )
    dearer = replace(
        dearer, phases=tuple(replace(phase, late_cost=phase.late_cost * factor) for phase in problem.phases)
    )
    one, two = optimum(problem), optimum(dearer)
    assert values(two) == (one.status, one.cost * factor, one.finish_s, one.carbon_g)


@pytest.mark.parametrize("factor", [2, 10**9])
@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_work_in_a_smaller_unit_changes_nothing(kind: str, seed: int, factor: int):
    problem = random_problem(kind, seed)
    other = with_options(problem, lambda o: replace(o, rate=o.rate * factor, loss=o.loss * factor))
    other = replace(other, phases=tuple(replace(phase, work=phase.work * factor) for phase in problem.phases))
    assert values(optimum(other)) == values(optimum(problem))


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_twice_the_nodes_at_half_the_price_cost_the_same(kind: str, seed: int):
    problem = random_problem(kind, seed)
    even = with_options(problem, lambda o: replace(o, windows=tuple(replace(w, price=w.price * 2) for w in o.windows)))
    twice = with_options(
        problem,
        lambda o: replace(o, nodes=o.nodes * 2, windows=tuple(replace(w, capacity=w.capacity * 2) for w in o.windows)),
    )
    limit = None if problem.max_nodes is None else 2 * problem.max_nodes
    assert values(optimum(replace(twice, max_nodes=limit))) == values(optimum(even))


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_steps_of_twice_the_length_cost_twice_as_much(kind: str, seed: int):
    """The same rates per step and prices per hour: every run takes twice the seconds."""
    problem = random_problem(kind, seed)

    def slower(option: RunOption) -> RunOption:
        bill = option.billing
        longer = Billing(2 * bill.minimum_s, 2 * bill.unit_s, tuple(2 * block for block in bill.blocks_s))
        if not bill.blocks_s and bill.unit_s == 1:
            longer = replace(longer, unit_s=1)
        return replace(option, setup=2 * option.setup, billing=longer, carbon_g_step=2 * option.carbon_g_step)

    phases = tuple(replace(phase, late_cost=2 * phase.late_cost) for phase in problem.phases)
    double = replace(with_options(problem, slower), phases=phases, step_s=2 * STEP_S)
    one, two = optimum(problem), optimum(double)
    assert values(two) == (one.status, 2 * one.cost, 2 * one.finish_s, 2 * one.carbon_g)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_steps_of_half_the_length_never_cost_more(kind: str, seed: int):
    """The same seconds, with twice as many moments to start and to stop at."""
    problem = random_problem(kind, seed)
    finer = with_options(
        problem,
        lambda o: replace(
            o,
            rate=o.rate // 2,
            carbon_g_step=o.carbon_g_step // 2,
            windows=tuple(replace(w, start=2 * w.start, end=2 * w.end) for w in o.windows),
        ),
    )
    phases = tuple(
        replace(q, earliest=2 * q.earliest, deadline=2 * q.deadline, late_cost=q.late_cost // 2) for q in problem.phases
    )
    finer = replace(finer, phases=phases, horizon=2 * problem.horizon, step_s=STEP_S // 2)
    assert value(optimum(finer)) <= value(optimum(problem))


# Aims and parts


@pytest.mark.parametrize(("kind", "seed"), FEW)
def test_each_aim_is_best_at_its_own_value(kind: str, seed: int):
    problem = random_problem(kind, seed)
    found: dict[Aim, Solution] = {aim: optimum(replace(problem, aim=aim)) for aim in ("cost", "finish", "carbon")}
    assert len({solution.status for solution in found.values()}) == 1
    for aim, best in found.items():
        assert all(value(best, aim) <= value(other, aim) for other in found.values())
    soonest = found["finish"]
    if soonest.runs:  # its own cost as the budget, and with it the deadline it reaches
        assert values(optimum(replace(problem, aim="finish", budget=soonest.cost))) == values(soonest)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_a_job_that_shares_nothing_adds_its_own_cost(kind: str, seed: int):
    problem = replace(random_problem(kind, seed), max_nodes=None)
    alone = random_problem("one run", seed + 100)
    alone = replace(alone, horizon=problem.horizon, options=tuple(replace(o, offer="") for o in alone.options))
    place = len(problem.phases)
    both = replace(
        problem,
        phases=problem.phases + alone.phases,
        options=problem.options + tuple(replace(option, phase=place) for option in alone.options),
    )
    one, two, together = optimum(problem), optimum(alone), optimum(both)
    if "infeasible" in (one.status, two.status):
        assert together.status == "infeasible"
        return
    finish_s = max(one.finish_s, two.finish_s)
    assert (together.cost, together.finish_s) == (one.cost + two.cost, finish_s)


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_waiting_for_another_phase_never_costs_less(kind: str, seed: int):
    problem = random_problem(kind, seed)
    free = replace(problem, phases=tuple(replace(phase, after=()) for phase in problem.phases))
    assert value(optimum(free)) <= value(optimum(problem))
