"""Every rule of the class alone, on both sides of its boundary: the optimizer, the checker, the direct model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.optimizer.check import check, evaluate
from planner.optimizer.direct import solve_direct
from planner.optimizer.problem import Billing, Cap, Level, PhaseTask, Problem, Run, RunOption, Solution, Window
from planner.optimizer.solve import solve

HOUR = 3600
USD = 1_000_000
OPTION = RunOption("a", 0, 2, 100, 0, (Window(0, 100, 10 * USD),))  # 100 tokens and 20 USD an hour
PHASE = PhaseTask("p", 1000, 0, 100)  # 10 hours, 200 USD
PROBLEM = Problem((PHASE,), (OPTION,), 100)


def with_option(**changes: object) -> Problem:
    return replace(PROBLEM, options=(replace(OPTION, **changes),))


def with_phase(**changes: object) -> Problem:
    return replace(PROBLEM, phases=(replace(PHASE, **changes),))


def both(problem: Problem) -> Solution:
    """Solve by the special algorithms and by the direct model; they must agree."""
    solution = solve(problem, 10)
    status, runs, bound = solve_direct(problem, 10)
    assert status == solution.status
    if runs:
        assert evaluate(problem, runs) == (solution.cost, solution.finish_s, solution.carbon_g)
        assert bound == solution.bound
    return solution


def test_the_plain_job_costs_nodes_times_price_times_hours():
    solution = both(PROBLEM)
    assert (solution.status, solution.cost, solution.finish_s) == ("optimal", 200 * USD, 10 * HOUR)


def with_quota(*levels: Level) -> Problem:
    """The two nodes of the option under a cap."""
    return replace(with_option(claims=((0, 2),)), caps=(Cap("quota", levels),))


@pytest.mark.parametrize(
    ("problem", "cost_usd", "finish_s", "why"),
    [
        (with_phase(work=1001), 200.2, 36036, "one token more takes 36 s more, 20 USD an hour"),
        (with_option(loss=1), 200.2, 36036, "a token lost by starting is a token more"),
        (with_option(setup=5 * USD), 205, 36000, "set-up is paid once"),
        (with_option(billing=Billing(minimum_s=36000)), 200, 36000, "a minimum as long as the run"),
        (
            with_option(billing=Billing(minimum_s=36001)),
            200.005556,
            36000,
            "a second more: 2 x 10 USD / 3600, rounded up",
        ),
        (with_option(billing=Billing(unit_s=7200)), 200, 36000, "five units of two hours"),
        (with_option(billing=Billing(unit_s=7201)), 200.027778, 36000, "five units of two hours and a second"),
        (with_option(billing=Billing(blocks_s=(36000, 72000))), 200, 36000, "the first block holds it"),
        (with_option(billing=Billing(blocks_s=(35999, 72000))), 400, 36000, "the first block does not"),
        (with_phase(earliest=3), 200, 13 * HOUR, "it starts at step 3"),
        (with_phase(deadline=10), 200, 36000, "just in time"),
        (with_phase(deadline=9, late_cost=USD), 201, 36000, "one begun step late"),
        (with_phase(deadline=8, late_cost=USD), 202, 36000, "two steps late"),
        (
            with_option(windows=(Window(0, 5, 10 * USD), Window(5, 100, 20 * USD))),
            300,
            36000,
            "5 h at 20, 5 h at 40 USD",
        ),
        (
            with_option(windows=(Window(0, 9, 10 * USD), Window(10, 100, 10 * USD))),
            200,
            20 * HOUR,
            "the gap does not fit",
        ),
        (replace(PROBLEM, budget=200 * USD), 200, 36000, "the budget to the micro-USD"),
        (replace(with_option(carbon_g_step=7), carbon_cap=70), 200, 36000, "the cap to the gram"),
        (replace(PROBLEM, max_nodes=2), 200, 36000, "as many nodes as allowed"),
        (replace(with_option(power_w=9), max_power_w=9), 200, 36000, "as much power as allowed"),
        (with_quota(Level(0, 10, 2)), 200, 36000, "as much as a cap allows, as long as it does"),
        (with_quota(Level(0, 9, 2), Level(9, 20, 1), Level(20, 99, 3)), 200, 30 * HOUR, "an hour short, it waits"),
        (with_quota(Level(5, 9, 3), Level(9, 15, 2)), 200, 15 * HOUR, "levels next to each other are one"),
    ],
)
def test_the_values_at_a_boundary(problem: Problem, cost_usd: float, finish_s: int, why: str):
    solution = both(problem)
    assert (solution.cost, solution.finish_s) == (round(cost_usd * USD), finish_s), why


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (with_phase(deadline=9), "900 of 1,000 tokens (90.0 %)"),
        (with_phase(deadline=9), "1 hours later"),
        (replace(PROBLEM, horizon=9), "does not end within the horizon"),
        (with_phase(earliest=91), "900 of 1,000 tokens"),
        (with_option(windows=(Window(0, 9, USD), Window(10, 19, USD))), "900 of 1,000 tokens"),
        (with_option(billing=Billing(blocks_s=(35999,))), "no run may be longer than 10 hours"),
        (replace(PROBLEM, budget=200 * USD - 1), "costs 200.00 USD, 0.00 USD more than the budget"),
        (replace(PROBLEM, budget=150 * USD), "50.00 USD more than the budget of 150.00 USD"),
        (
            replace(with_option(carbon_g_step=10**6), carbon_cap=9 * 10**6),
            "10.000 t, 1.000 t more than the cap of 9.000 t",
        ),
        (replace(PROBLEM, max_nodes=1), "over the limit on nodes or power; the smallest takes 2 nodes"),
        (replace(with_option(power_w=9_000_000), max_power_w=8_999_999), "9.000 MW"),
        (replace(PROBLEM, options=()), "Phase p has no option at all"),
        (with_option(windows=(Window(200, 300, USD),)), "none of its 1 options is available between step 0"),
    ],
)
def test_just_beyond_a_boundary_there_is_no_plan_and_the_reason_says_by_how_much(problem: Problem, reason: str):
    solution = both(problem)
    assert solution.status == "infeasible"
    assert any(reason in sentence for sentence in solution.reasons), solution.reasons


@pytest.mark.parametrize("levels", [(Level(0, 9, 2), Level(10, 19, 2)), (Level(0, 100, 1),), (Level(0, 9, 9),), ()])
def test_just_beyond_the_levels_of_a_cap_there_is_no_plan(levels: tuple[Level, ...]):
    assert both(with_quota(*levels)).status == "infeasible"


def test_a_later_deadline_named_by_the_reason_is_enough_and_an_hour_less_is_not():
    assert both(with_phase(deadline=10)).status == "optimal"
    assert both(with_phase(deadline=9)).status == "infeasible"


def test_the_start_waits_for_a_cheaper_window_unless_that_is_too_late():
    windows = (Window(0, 20, 10 * USD), Window(20, 100, 5 * USD))
    assert both(with_option(windows=windows)).runs == (Run(0, 20 * HOUR, 30 * HOUR),)  # 100 USD
    problem = replace(with_option(windows=windows), phases=(replace(PHASE, deadline=29),))
    assert both(problem).runs == (Run(0, 19 * HOUR, 29 * HOUR),)  # 1 h at 20 USD, 9 h at 10 USD
    assert solve(problem).cost == 110 * USD


def test_what_is_billed_beyond_the_end_has_the_price_of_the_last_window_used():
    windows = (Window(0, 10, 10 * USD), Window(10, 100, USD))
    problem = replace(
        with_option(windows=windows, billing=Billing(minimum_s=11 * HOUR)), phases=(replace(PHASE, deadline=10),)
    )
    assert both(problem).cost == 220 * USD  # 11 h x 2 nodes x 10 USD: the run never sees the cheap window


def test_a_second_phase_starts_on_the_step_after_the_first_has_ended():
    second = PhaseTask("q", 100, 0, 100, after=(0,))
    problem = Problem(
        (replace(PHASE, work=1001), second), (OPTION, RunOption("b", 1, 1, 100, 0, (Window(0, 100, USD),))), 100
    )
    assert [run.start_s for run in both(problem).runs] == [0, 11 * HOUR]  # the first ends at 10 h and 36 s


SPLIT = replace(
    PROBLEM,
    options=(replace(OPTION, windows=(Window(0, 6, 10 * USD), Window(50, 56, 10 * USD))),),
    phases=(replace(PHASE, max_segments=2),),
)


def test_two_segments_reach_what_one_cannot():
    solution = both(SPLIT)
    assert solution.runs == (Run(0, 0, 6 * HOUR), Run(0, 50 * HOUR, 54 * HOUR))
    assert both(replace(SPLIT, phases=(PHASE,))).status == "infeasible"


def test_every_segment_pays_its_set_up_and_start_up():
    split = replace(SPLIT, options=(replace(SPLIT.options[0], setup=USD, loss=50),))
    assert both(split).cost == 222 * USD  # 1,100 tokens with both start-ups are 11 h of 20 USD, and 2 USD of set-up


def test_switching_to_a_faster_option_just_in_time():
    slow = replace(OPTION, id="slow", nodes=1)  # 100 tokens an hour for 10 USD
    fast = replace(OPTION, id="fast", nodes=4, rate=200)  # 200 tokens an hour for 40 USD
    problem = Problem((replace(PHASE, deadline=8, max_segments=2),), (slow, fast), 100)
    # slow for x hours and fast for 8 - x: 100 x + 200 (8 - x) >= 1,000, x <= 6: 60 + 80 USD
    assert both(problem).cost == 140 * USD
    assert both(replace(problem, phases=(replace(PHASE, deadline=8),))).cost == 200 * USD  # fast alone for 5 h


def test_aims_differ_and_ties_go_to_the_next():
    cheap = replace(OPTION, id="cheap", nodes=1, carbon_g_step=9)  # 100 USD, 10 h, 90 g
    quick = replace(OPTION, id="quick", rate=200, carbon_g_step=30)  # 100 USD, 5 h, 150 g
    green = replace(OPTION, id="green", nodes=3, carbon_g_step=1)  # 300 USD, 10 h, 10 g
    problem = replace(PROBLEM, options=(cheap, quick, green))
    assert [
        solution.runs[0].option
        for solution in map(
            both,
            (
                problem,
                replace(problem, aim="finish"),
                replace(problem, aim="carbon"),
                replace(problem, carbon_cap=100),
                replace(problem, aim="carbon", budget=150 * USD),
                replace(problem, aim="finish", carbon_cap=90),
            ),
        )
    ] == [1, 1, 2, 0, 0, 0]  # cheap and quick cost the same, quick ends first


def test_phases_side_by_side_share_an_offer_only_as_far_as_it_has_nodes():
    options = tuple(
        RunOption(f"{nodes}-{p}", p, nodes, 100 * nodes, 0, (Window(0, 100, USD, 3),), offer="x")
        for p in (0, 1)
        for nodes in (1, 2)
    )
    problem = Problem((replace(PHASE, work=600), PhaseTask("q", 600, 0, 100)), options, 100, aim="finish")
    assert solve(problem).finish_s == 6 * HOUR  # 2 nodes for 3 h and 1 node for 6 h, or 3 h after each other
    more = replace(problem, options=tuple(replace(o, windows=(Window(0, 100, USD, 4),)) for o in options))
    assert solve(more).finish_s == 3 * HOUR  # 2 and 2 nodes at once
    assert solve(replace(more, max_nodes=3)).finish_s == 6 * HOUR
    assert (
        solve(replace(more, options=tuple(replace(o, power_w=o.nodes) for o in more.options), max_power_w=3)).finish_s
        == 6 * HOUR
    )


GOOD = Solution("optimal", (Run(0, 0, 36000),), 200 * USD, 36000, 0, 200 * USD)


@pytest.mark.parametrize(
    ("solution", "problem", "sentence"),
    [
        (replace(GOOD, runs=(Run(0, 1, 36001),)), PROBLEM, "does not start on a step"),
        (replace(GOOD, runs=(Run(0, 0, 35999),)), PROBLEM, "trains 999 of 1000 tokens"),
        (replace(GOOD, runs=(Run(0, 0, 36001),)), PROBLEM, "goes on after its work is done"),
        (replace(GOOD, runs=(Run(0, 95 * HOUR, 105 * HOUR),)), PROBLEM, "outside the horizon"),
        (replace(GOOD, runs=(Run(1, 0, 36000),)), PROBLEM, "does not exist"),
        (replace(GOOD, runs=()), PROBLEM, "has no run"),
        (replace(GOOD, cost=GOOD.cost - 1), PROBLEM, "cost is 200000000"),
        (replace(GOOD, finish_s=1), PROBLEM, "finish is 36000"),
        (replace(GOOD, carbon_g=1), PROBLEM, "carbon is 0"),
        (replace(GOOD, bound=GOOD.cost + 1), PROBLEM, "above the value"),
        (replace(GOOD, bound=GOOD.cost - 1), PROBLEM, "called optimal"),
        (GOOD, replace(PROBLEM, budget=1), "over the budget"),
        (GOOD, replace(with_option(carbon_g_step=1), carbon_cap=9), "over the cap"),
        (GOOD, replace(PROBLEM, max_nodes=1), "at most 1 may"),
        (GOOD, replace(with_option(power_w=5), max_power_w=4), "at most 4 may be"),
        (GOOD, with_phase(earliest=1), "before step 1"),
        (GOOD, with_phase(deadline=9), "after its deadline"),
        (GOOD, with_option(windows=(Window(0, 9, USD),)), "leaves the windows"),
        (GOOD, with_option(billing=Billing(blocks_s=(9,))), "longer than the longest block"),
        (GOOD, with_option(loss=1000), "trains nothing"),
        (replace(GOOD, runs=(Run(0, 0, 18000), Run(0, 18000, 36000))), PROBLEM, "has 2 runs, at most 1"),
        (replace(GOOD, runs=(Run(0, 0, 36000), Run(0, 18000, 36000))), with_phase(max_segments=2), "overlap"),
    ],
)
def test_the_checker_names_every_broken_rule(solution: Solution, problem: Problem, sentence: str):
    assert check(PROBLEM, GOOD) == []
    assert any(sentence in wrong for wrong in check(problem, solution)), check(problem, solution)
