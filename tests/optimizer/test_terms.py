"""Purchases used by many runs: what is bought, and that it is the best that can be bought."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from planner.optimizer.alternatives import by_family
from planner.optimizer.check import check
from planner.optimizer.problem import Billing, Bought, PhaseTask, Problem, RunOption, Solution, Term, Window
from planner.optimizer.runs import Interrupted, chain_order
from planner.optimizer.solve import optimum, solve
from planner.optimizer.terms import solve_with_terms
from planner.optimizer.together import Together
from planner.optimizer.undecided import Undecided
from tests.optimizer.enumeration import best_plan
from tests.optimizer.instances import random_problem

USD = 1_000_000
RENTED = RunOption("rented", 0, 1, 100, 0, (Window(0, 100, 10 * USD),), offer="rented")
RESERVED = RunOption("reserved", 0, 1, 100, 0, (Window(0, 100, 0),), term=0)
TERM = Term("reserved", 4 * USD, (10,), 0, 90, 4)


def in_a_row(works: list[int], term: Term = TERM, deadline: int = 100, segments: int = 1) -> Problem:
    """Phases one after the other, each on a rented node at 10 USD an hour or inside a purchase at 4."""
    phases = [PhaseTask(f"p{p}", work, 0, deadline, segments, (p - 1,) if p else ()) for p, work in enumerate(works)]
    options = [replace(option, phase=p) for p in range(len(works)) for option in (RENTED, RESERVED)]
    return Problem(tuple(phases), tuple(options), 100, terms=(term,))


def side_by_side(works: list[int], term: Term = TERM, deadline: int = 100) -> Problem:
    """The same as jobs that wait for nothing of each other."""
    problem = in_a_row(works, term, deadline)
    rented = [replace(option, offer="") if option.term is None else option for option in problem.options]
    return replace(problem, phases=tuple(replace(q, after=()) for q in problem.phases), options=tuple(rented))


def solved(problem: Problem) -> Solution:
    solution = solve(problem, 20)
    assert check(problem, solution) == []
    assert solution.status == "optimal"
    return solution


def test_two_phases_share_one_reservation() -> None:
    solution = solved(in_a_row([400, 500]))  # 4 h + 5 h: rented 90 USD, one purchase of 10 h 40 USD, two 80 USD
    assert solution.cost == 40 * USD
    assert len(solution.bought) == 1
    assert [run.bought for run in solution.runs] == [0, 0]


def test_two_jobs_share_one_block_at_the_same_time() -> None:
    # by hour 5 both have to run at once: two nodes for 10 h cost 80 USD in one purchase or in two, rented 90 USD
    solution = solved(side_by_side([400, 500], deadline=5))
    assert solution.cost == 80 * USD
    # where only pairs of nodes are sold it is one purchase
    pairs = solved(side_by_side([400, 500], replace(TERM, sizes=(2,)), deadline=5))
    assert pairs.cost == 80 * USD
    assert [bought.nodes for bought in pairs.bought] == [2]


def test_jobs_that_can_take_turns_share_one_node() -> None:
    assert solved(side_by_side([400, 500])).bought == (
        Bought(0, 1, solved(side_by_side([400, 500])).bought[0].start, 10),
    )


@pytest.mark.parametrize(
    ("works", "cost", "purchases"),
    [([300], 30, 0), ([300, 50], 35, 0), ([300, 50, 100], 40, 1)],  # 3, 3.5, 4.5 h at 10 USD; 10 h at 4 USD
    ids=["alone", "two phases", "a third joins"],
)
def test_the_least_length_pays_once_enough_phases_join(works: list[int], cost: int, purchases: int) -> None:
    solution = solved(in_a_row(works))
    assert (solution.cost, len(solution.bought)) == (cost * USD, purchases)


def test_several_small_purchases_beat_a_long_one_when_work_comes_apart() -> None:
    term = replace(TERM, lengths=(2, 20))
    problem = in_a_row([200, 200], term)
    apart = replace(problem.phases[1], earliest=18)
    # 2 h + 2 h, 18 h apart: two short ones 16 USD, one of 20 h 80 USD, rented 40 USD
    solution = solved(replace(problem, phases=(problem.phases[0], apart)))
    assert solution.cost == 16 * USD
    assert [bought.length for bought in solution.bought] == [2, 2]


def test_a_long_purchase_beats_small_ones_when_the_short_are_dear() -> None:
    # 6 h + 4 h: blocks of 8 h twice 64 USD, one of 10 h 40 USD
    solution = solved(in_a_row([600, 400], replace(TERM, lengths=(8, 10))))
    assert [bought.length for bought in solution.bought] == [10]


def test_a_purchase_may_idle_while_a_phase_runs_elsewhere() -> None:
    problem = in_a_row([300, 500, 300])
    elsewhere = [option for option in problem.options if (option.phase, option.term) != (1, 0)]
    elsewhere = [replace(o, rate=500, windows=(Window(0, 100, 12 * USD),)) if o.phase == 1 else o for o in elsewhere]
    # 3 h + 1 h elsewhere at 12 USD + 3 h: 40 + 12 = 52 USD; rented 30 + 12 + 30 = 72 USD, two purchases 92 USD
    solution = solved(replace(problem, options=tuple(elsewhere)))
    assert solution.cost == 52 * USD
    assert [run.bought for run in solution.runs] == [0, None, 0]


def test_a_purchase_starts_when_it_may() -> None:
    # starts at hours 7, 31, ...: waits for hour 7 when there is time, else it is rented
    term = replace(TERM, every=24, offset=7)
    assert solved(in_a_row([900], term)).runs[0].start_s == 7 * 3600
    assert solved(in_a_row([900], term, deadline=16)).bought == (Bought(0, 1, 7, 10),)
    assert solved(in_a_row([900], term, deadline=15)).bought == ()


def test_the_term_ends_with_its_last_start() -> None:
    late = [replace(q, earliest=20) for q in in_a_row([900]).phases]
    assert len(solved(replace(in_a_row([900], replace(TERM, last=20)), phases=tuple(late))).bought) == 1
    held = in_a_row([900], replace(TERM, last=18))  # held until hour 28 at most, and 9 h from hour 20 end at 29
    assert solved(replace(held, phases=tuple(late))).bought == ()


@pytest.mark.parametrize(("capacity", "cost"), [(2, 80), (1, 90)], ids=["both", "one at a time"])
def test_purchases_held_at_the_same_time_keep_the_capacity(capacity: int, cost: int) -> None:
    # two jobs of 5 h by hour 5: two nodes for 10 h 80 USD; with one node the other job is rented, 40 + 50 = 90 USD
    solution = solved(side_by_side([500, 500], replace(TERM, capacity=capacity), deadline=5))
    assert solution.cost == cost * USD


def test_a_purchase_is_held_to_its_end_even_when_idle() -> None:
    # 9 h + 9 h with one node in all: the second purchase waits for the end of the first at hour 10
    solution = solved(in_a_row([900, 900], replace(TERM, capacity=1)))
    assert solution.cost == 80 * USD
    assert solution.finish_s == 19 * 3600


def test_what_use_costs_comes_on_top() -> None:
    problem = in_a_row([400, 500])
    power = tuple(replace(o, windows=(Window(0, 100, USD),), setup=5) if o.term == 0 else o for o in problem.options)
    # 40 USD, 9 h of power at 1 USD, twice 5 micro-USD
    assert solved(replace(problem, options=power)).cost == 49 * USD + 10


def test_a_free_term_costs_nothing() -> None:
    own = Term("own", 0, (100,), 0, 0, 1)
    assert solved(in_a_row([400, 500], own)).cost == 0


def test_the_size_is_the_least_sold_that_holds_the_run() -> None:
    solution = solved(in_a_row([900], replace(TERM, sizes=(2, 4))))  # 2 x 10 h x 4 = 80 USD, rented 90 USD
    assert solution.bought[0].nodes == 2
    assert solved(in_a_row([700], replace(TERM, sizes=(2, 4)))).bought == ()


def test_purchases_count_for_the_budget() -> None:
    problem = in_a_row([400, 500])
    assert solved(replace(problem, budget=40 * USD)).cost == 40 * USD
    refused = solve(replace(problem, budget=40 * USD - 1), 20)
    assert refused.status == "infeasible"
    assert refused.reasons
    # the soonest plan within it: both reserved
    assert solved(replace(problem, budget=40 * USD, aim="finish")).finish_s == 9 * 3600


def test_several_runs_of_a_phase_in_one_purchase() -> None:
    # nothing is free from hour 4 to 6 in the purchase, where a faster node helps out
    reserved = replace(RESERVED, windows=(Window(0, 4, 0), Window(6, 100, 0)))
    fast = RunOption("fast", 0, 1, 300, 0, (Window(4, 6, 3 * USD),))
    problem = in_a_row([1400], replace(TERM, last=3), segments=3)
    # 4 h + 2 h at 3 USD + 4 h in one purchase: 400 + 600 + 400 tokens for 46 USD; rented 140 USD
    solution = solved(replace(problem, options=(RENTED, reserved, fast)))
    assert solution.cost == 46 * USD
    assert len(solution.bought) == 1


def test_a_term_nobody_uses_changes_nothing() -> None:
    problem = in_a_row([300])
    alone = replace(problem, terms=(), options=tuple(o for o in problem.options if o.term is None))
    assert solved(problem).cost == solved(alone).cost
    unused = replace(alone, terms=(TERM,))
    assert solved(unused).cost == solved(alone).cost


def test_alternatives_know_terms() -> None:
    problem = in_a_row([900])
    families = tuple(replace(o, family="a" if o.term is None else "b") for o in problem.options)
    found = dict(by_family(replace(problem, options=families), time.monotonic() + 20))
    assert (found["a"].cost, found["b"].cost) == (90 * USD, 40 * USD)
    assert found["b"].runs[0].option == 1


def terms_of(seed: int, in_a_row: bool, segments: int) -> Problem:
    """A small random problem in which something can be bought, its phases in a row or side by side."""
    while True:
        problem = random_problem(seed, frozenset({"terms"}))
        most = max(phase.max_segments for phase in problem.phases)
        if problem.terms and (chain_order(problem.phases) is not None) == in_a_row and most <= segments:
            return problem
        seed += 1_000


@pytest.mark.parametrize(
    ("seed", "in_a_row", "segments"),
    [(seed, True, 1) for seed in range(30)]
    + [(s, True, 2) for s in range(100, 110)]
    + [(s, False, 1) for s in range(8)],
)
def test_equals_the_enumeration(seed: int, in_a_row: bool, segments: int) -> None:
    problem = terms_of(seed, in_a_row, segments)
    expected, solution = best_plan(problem), optimum(problem, 30)
    if expected is None:
        assert solution.status == "infeasible"
        return
    assert check(problem, solution) == []
    assert (solution.status, solution.cost, solution.finish_s) == ("optimal", expected.cost, expected.finish_s)


@pytest.mark.parametrize("seed", range(200, 215))
def test_looser_terms_never_cost_more(seed: int) -> None:
    problem = replace(terms_of(seed, True, 1), aim="cost")
    least = optimum(problem, 20)
    cheaper = tuple(replace(term, price=term.price // 2) for term in problem.terms)
    longer = tuple(replace(t, lengths=tuple(sorted({*t.lengths, t.lengths[0] + 1}))) for t in problem.terms)
    larger = tuple(replace(term, capacity=term.capacity + 1) for term in problem.terms)
    for terms in (cheaper, longer, larger):
        found = optimum(replace(problem, terms=terms), 20)
        if least.status == "optimal":
            assert found.status == "optimal"
            assert found.cost <= least.cost


def market(phases: int, segments: int = 1) -> Problem:
    """150 terms of five kinds on 30 offers of 8 sizes over 270 days, and the offers themselves."""
    kinds = [((730,), 88, 1), ((2190,), 78, 1), ((4380, 8760), 66, 1), ((8760, 26280), 55, 1)]
    kinds.append((tuple(24 * days for days in (*range(1, 15), *range(21, 183, 7))), 85, 24))
    works = [9_000_000, 2_000_000, 1_000_000, 500_000, 500_000][:phases]
    tasks = [PhaseTask(f"p{p}", w, 0, 6000, segments, (p - 1,) if p else ()) for p, w in enumerate(works)]
    options: list[RunOption] = []
    terms: list[Term] = []
    for offer in range(30):
        price = (2 * USD * (100 + 7 * offer)) // 100
        windows, free = (Window(0, 6480, price),), (Window(0, 6480, 0),)
        sizes = [2**power for power in range(1, 9)]
        for lengths, percent, every in kinds:
            terms.append(Term(f"{offer} for {lengths[0]} h", price * percent // 100, lengths, 0, 6400, 256, (), every))
        for p in range(phases):
            for nodes in sizes:
                rate = nodes * (30 + offer) - nodes * nodes // 40
                rented = RunOption(f"{offer} x {nodes}", p, nodes, rate, 2 * rate // 10, windows, offer=str(offer))
                options.append(rented)
                for kind in range(len(kinds)):
                    options.append(replace(rented, windows=free, offer="", term=offer * len(kinds) + kind))
    return Problem(tuple(tasks), tuple(options), 6480, terms=tuple(terms))


@pytest.mark.parametrize("phases", [1, 3])
def test_a_realistic_market_is_solved_within_seconds(phases: int) -> None:
    problem = market(phases)
    started = time.monotonic()
    solution = solve(problem, 60)
    assert solution.status == "optimal"
    assert solution.bought
    assert time.monotonic() - started < 30  # two seconds on an idle core


def test_the_time_limit_and_an_interrupt_give_the_best_so_far() -> None:
    problem = market(3)
    calls = []

    def interrupted(plain: Problem, limit_s: float, progress: object = None) -> Solution:
        calls.append(plain)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return optimum(plain, limit_s)

    stopped = solve_with_terms(problem, interrupted, 60)
    assert stopped.status == "feasible"
    assert check(problem, stopped) == []
    short = solve(problem, 0.5)
    assert short.status in ("feasible", "optimal", "unknown")


def test_what_an_interrupted_node_found_is_kept() -> None:
    problem = in_a_row([400, 500])

    def interrupted(plain: Problem, limit_s: float, progress: object = None) -> Solution:
        raise Interrupted(optimum(plain, limit_s).runs, 0)

    stopped = solve_with_terms(problem, interrupted, 60)
    assert (stopped.status, stopped.cost) == ("feasible", 90 * USD)  # the first node: nothing is bought


def test_every_way_to_share_bounds_the_optimum() -> None:
    problem = in_a_row([300, 50, 100])
    together = Together(Undecided(problem))
    assert together.suits()
    bounds = {}
    for groups in together.ways():
        merged = together.merged(groups, None)
        assert merged is not None
        bounds[groups] = optimum(merged.problem, 10).cost
    assert len(bounds) == 5  # of three phases: none, three pairs, all
    assert bounds[()] == 45 * USD  # 4.5 h rented
    assert bounds[((0, 1, 2),)] == 40 * USD  # one purchase of 10 h
    assert bounds[((0, 1),)] == 50 * USD  # a purchase for two, 1 h rented
    assert bounds[((0, 2),)] == 45 * USD  # half an hour rented in between


def test_billing_of_use_is_kept() -> None:
    problem = in_a_row([900])
    billed = replace(RESERVED, windows=(Window(0, 100, USD),), billing=Billing(minimum_s=36000))
    # 40 USD for the purchase, 10 h of use billed at 1 USD; rented 90 USD
    assert solved(replace(problem, options=(RENTED, billed))).cost == 50 * USD
