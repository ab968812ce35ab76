"""What may be used over time: windows cut to the levels of caps, and the capacity of an offer from all its options."""

from __future__ import annotations

from dataclasses import replace

from planner.optimizer.check import capacity_at
from planner.optimizer.problem import Cap, Level, PhaseTask, Problem, RunOption, Window
from planner.optimizer.runs import capacities, clipped, stated

WINDOWS = (Window(0, 10, 5), Window(12, 20, 7))
OPTION = RunOption("two", 0, 2, 100, 0, WINDOWS, claims=((0, 2),), offer="x")
QUOTA = Cap("quota", (Level(0, 4, 3), Level(4, 8, 1), Level(8, 14, 2), Level(14, 16, 9)))
PHASE = PhaseTask("p", 1000, 0, 20)
PROBLEM = Problem((PHASE,), (OPTION,), 20, caps=(QUOTA,))


def windows_of(problem: Problem) -> list[tuple[tuple[int, int], ...]]:
    return [tuple((window.start, window.end) for window in option.windows) for option in problem.options]


def test_windows_are_cut_to_the_steps_whose_levels_hold_the_claims():
    # 2 are allowed in 0-4 (3), 8-14 (2) and 14-16 (9), not in 4-8 (1) nor from 16 on (no level)
    assert windows_of(clipped(PROBLEM)) == [((0, 4), (8, 10), (12, 16))]


def test_every_cap_counts_and_claims_on_the_same_cap_add_up():
    two = replace(PROBLEM, caps=(QUOTA, Cap("power", (Level(2, 9, 5),))))
    both = replace(two, options=(replace(OPTION, claims=((0, 2), (1, 5))),))
    assert windows_of(clipped(both)) == [((2, 4), (8, 9))]
    twice = replace(PROBLEM, options=(replace(OPTION, claims=((0, 1), (0, 2))),))
    assert windows_of(clipped(twice)) == [((0, 4), (14, 16))]  # 3 in all
    more = replace(both, options=(replace(OPTION, claims=((0, 2), (1, 6))),))
    assert windows_of(clipped(more)) == [()]


def test_what_claims_nothing_is_left_as_it_is():
    free = replace(OPTION, claims=((0, 0),))
    assert clipped(replace(PROBLEM, options=(free,))).options == (free,)
    wide = replace(PROBLEM, caps=(Cap("quota", (Level(0, 15, 2), Level(15, 30, 3))),))
    assert clipped(wide).options[0] is OPTION


def test_options_that_share_their_windows_share_what_is_left_of_them():
    small = replace(OPTION, id="one", nodes=1, claims=((0, 1),))
    same = replace(OPTION, id="other")
    cut = clipped(replace(PROBLEM, options=(OPTION, small, same))).options
    assert cut[0].windows is cut[2].windows
    assert windows_of(clipped(replace(PROBLEM, options=(small,)))) == [((0, 10), (12, 16))]


def test_an_option_that_is_cut_away_still_counts_for_the_capacity_of_its_offer():
    small = replace(OPTION, id="one", phase=1, nodes=1, claims=())
    problem = replace(PROBLEM, phases=(PHASE, replace(PHASE, name="q")), options=(OPTION, small))
    cut = clipped(problem)
    assert windows_of(cut)[0] == ((0, 4), (8, 10), (12, 16))
    for step in (*range(10), *range(12, 20)):  # the offer has two nodes, also where the option of two may not run
        assert capacity_at(cut.options, step) == capacity_at(problem.options, step) == 2
    without = replace(cut, options=cut.options[1:])
    assert capacity_at(without.options, 5) == 2


def test_capacities_are_stated_only_where_phases_may_share_them():
    second = replace(OPTION, id="one", phase=1, nodes=1, windows=(Window(5, 15, 5, 3),))
    phases = (PHASE, replace(PHASE, name="q", after=(0,)))
    row = replace(PROBLEM, phases=phases, options=(OPTION, second))
    assert stated(row) is row
    alone = replace(row, phases=(PHASE, replace(PHASE, name="q")), options=(OPTION, replace(second, offer="y")))
    assert stated(alone) == alone
    shared = stated(replace(alone, options=(OPTION, second)))
    # 2 nodes until step 5 (the largest option), 3 as stated until 15, and 2 again
    assert [(w.start, w.end, w.capacity) for w in shared.options[0].windows] == [
        (0, 5, 2),
        (5, 10, 3),
        (12, 15, 3),
        (15, 20, 2),
    ]
    assert shared.options[1] is second
    assert [(level.start, level.end, level.amount) for level in capacities((OPTION, second))] == [
        (0, 5, 2),
        (5, 15, 3),
        (15, 20, 2),
    ]
