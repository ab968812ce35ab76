"""The checker on rules of caps, moves and purchases, each alone and on both sides of its boundary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import (
    Bought,
    Cap,
    Level,
    PhaseTask,
    Problem,
    Run,
    RunOption,
    Solution,
    Term,
    Window,
)

HOUR = 3600
USD = 1_000_000
OPTION = RunOption("a", 0, 2, 100, 0, (Window(0, 100, 10 * USD),))  # 100 tokens and 20 USD an hour
PHASE = PhaseTask("p", 1000, 0, 100)  # 10 hours, 200 USD
PROBLEM = Problem((PHASE,), (OPTION,), 100)


def checked(problem: Problem, runs: tuple[Run, ...], bought: tuple[Bought, ...] = ()) -> list[str]:
    """What is wrong with a plan whose values are as they should be."""
    cost, finish_s, carbon_g = evaluate(problem, runs, bought)
    return check(problem, Solution("feasible", runs, cost, finish_s, carbon_g, 0, (), bought))


CLAIMING = replace(PROBLEM, options=(replace(OPTION, claims=((0, 5),)),))


@pytest.mark.parametrize(
    ("levels", "sentence", "why"),
    [
        ((Level(0, 10, 5),), "", "just enough, just as long"),
        ((Level(0, 4, 5), Level(4, 10, 6)), "", "enough in both"),
        ((Level(0, 10, 4),), "5 of quota are claimed at 0 s, at most 4", "one too few"),
        ((Level(0, 9, 5),), "5 of quota are claimed at 32400 s, at most 0", "no level in the last hour"),
        ((Level(1, 10, 5),), "5 of quota are claimed at 0 s, at most 0", "no level in the first hour"),
        ((Level(0, 4, 5), Level(4, 10, 4)), "at 14400 s, at most 4", "it falls while the run goes on"),
        ((), "5 of quota are claimed at 0 s, at most 0", "no level at all"),
    ],
)
def test_claims_keep_within_the_levels_of_a_cap(levels: tuple[Level, ...], sentence: str, why: str):
    wrong = checked(replace(CLAIMING, caps=(Cap("quota", levels),)), (Run(0, 0, 36000),))
    assert any(sentence in one for one in wrong) if sentence else wrong == [], why


def test_claims_of_runs_at_the_same_time_add_up():
    both_phases = replace(
        CLAIMING,
        phases=(PHASE, replace(PHASE, name="q")),
        options=(CLAIMING.options[0], replace(OPTION, phase=1, claims=((0, 3), (0, 1)))),
        caps=(Cap("quota", (Level(0, 100, 9),)),),
    )
    together = (Run(0, 0, 36000), Run(1, 18000, 54000))
    assert checked(both_phases, together) == []  # 5 and 4 are 9
    less = replace(both_phases, caps=(Cap("quota", (Level(0, 100, 8),)),))
    assert checked(less, together) == ["9 of quota are claimed at 18000 s, at most 8 may be"]
    assert checked(less, (Run(0, 0, 36000), Run(1, 36000, 72000))) == []


def test_moves_are_paid_from_run_to_run_and_from_phase_to_phase():
    here = replace(OPTION, id="here", place="here", leave=7 * USD)
    there = replace(OPTION, id="there", place="there", leave=3 * USD)
    phases = (
        replace(PHASE, max_segments=3),
        replace(PHASE, name="q", after=(0,)),
        replace(PHASE, name="r", after=(0,)),
    )
    options = (here, there, replace(here, phase=1), replace(there, phase=2))
    problem = Problem(phases, options, 100)

    def moves(*used: int) -> int:
        """Cost beyond 20 USD an hour, of runs of five hours after one another."""
        runs = tuple(Run(option, 5 * HOUR * at, 5 * HOUR * (at + 1)) for at, option in enumerate(used))
        return evaluate(problem, runs)[0] // USD - 100 * len(used)

    assert moves(0, 0) == 0
    assert moves(0, 1) == 7  # leaves here
    assert moves(0, 1, 0) == 10  # leaves here and there
    assert moves(0, 2) == 0  # the next phase runs in the same place
    assert moves(0, 2, 3) == 7  # both follow the first phase; only one of them elsewhere
    assert moves(1, 2, 3) == 3
    assert moves(0, 1, 2, 3) == 10  # here to there within the phase, there to here after it


TERM = Term("x", price=10 * USD, lengths=(5, 10), first=2, last=32, capacity=4, sizes=(2, 4), every=5, offset=2)
BOUGHT = Bought(0, 2, 2, 10)
ON_TERM = Problem((PHASE,), (replace(OPTION, windows=(Window(0, 100, USD),), term=0),), 100, terms=(TERM,))


def test_a_purchase_costs_its_nodes_and_time_whether_used_or_not():
    # 2 nodes x 10 h x 10 USD; the run pays 2 nodes x 10 h x 1 USD on top
    assert evaluate(ON_TERM, (Run(0, 2 * HOUR, 12 * HOUR, 0),), (BOUGHT,))[0] == 220 * USD
    unused = (BOUGHT, Bought(0, 4, 17, 5))  # 4 x 5 x 10 USD more
    assert evaluate(ON_TERM, (Run(0, 2 * HOUR, 12 * HOUR, 0),), unused)[0] == 420 * USD
    odd = replace(ON_TERM, step_s=100, terms=(replace(TERM, price=1),))
    assert evaluate(odd, (), (Bought(0, 2, 2, 5),))[0] == 1  # 2 x 500 s x 1 / 3600, rounded up


@pytest.mark.parametrize(
    ("bought", "run", "sentence"),
    [
        ((BOUGHT,), Run(0, 2 * HOUR, 12 * HOUR, 0), ""),
        ((Bought(0, 2, 32, 10),), Run(0, 32 * HOUR, 42 * HOUR, 0), ""),
        ((BOUGHT, Bought(0, 2, 7, 10)), Run(0, 2 * HOUR, 12 * HOUR, 0), ""),
        ((BOUGHT,), Run(0, 2 * HOUR, 12 * HOUR), "is in no purchase"),
        ((BOUGHT,), Run(0, 2 * HOUR, 12 * HOUR, 1), "in purchase 1, which does not exist"),
        ((BOUGHT,), Run(0, 3 * HOUR, 13 * HOUR, 0), "leaves its purchase, held from 7200 s to 43200 s"),
        ((BOUGHT,), Run(0, 1 * HOUR, 11 * HOUR, 0), "leaves its purchase"),
        ((Bought(0, 3, 2, 10),), Run(0, 2 * HOUR, 12 * HOUR, 0), "has a size that is not sold"),
        ((Bought(0, 2, 2, 11),), Run(0, 2 * HOUR, 12 * HOUR, 0), "lasts 11 steps, which is not sold"),
        ((Bought(0, 2, 37, 10),), Run(0, 37 * HOUR, 47 * HOUR, 0), "starts outside steps 2 to 32"),
        ((Bought(0, 2, 3, 10),), Run(0, 3 * HOUR, 13 * HOUR, 0), "does not start on a step that is 2 modulo 5"),
        ((BOUGHT, Bought(0, 4, 7, 5)), Run(0, 2 * HOUR, 12 * HOUR, 0), "6 nodes of x are held at step 7, at most 4"),
        ((BOUGHT, Bought(0, 4, 12, 5)), Run(0, 2 * HOUR, 12 * HOUR, 0), ""),
    ],
)
def test_the_rules_of_purchases_at_their_boundaries(bought: tuple[Bought, ...], run: Run, sentence: str):
    wrong = checked(ON_TERM, (run,), bought)
    assert any(sentence in one for one in wrong) if sentence else wrong == [], wrong


def test_a_purchase_of_no_term_is_named():
    solution = Solution("feasible", (Run(0, 2 * HOUR, 12 * HOUR, 0),), bought=(replace(BOUGHT, term=1),))
    assert check(ON_TERM, solution) == ["purchase 0 names term 1, which does not exist"]


def test_any_size_up_to_the_capacity_when_there_are_none():
    any_size = replace(ON_TERM, terms=(replace(TERM, sizes=()),))
    run = (Run(0, 2 * HOUR, 12 * HOUR, 0),)
    assert checked(any_size, run, (Bought(0, 3, 2, 10),)) == []
    assert checked(any_size, run, (Bought(0, 5, 2, 10),)) == ["5 nodes of x are held at step 2, at most 4 may be"]
    assert "has a size that is not sold" in checked(any_size, (), (Bought(0, 0, 2, 10),))[-1]


def test_runs_inside_a_purchase_share_its_nodes():
    phases = (PHASE, replace(PHASE, name="q"))
    problem = replace(ON_TERM, phases=phases, options=(ON_TERM.options[0], replace(ON_TERM.options[0], phase=1)))
    together = (Run(0, 2 * HOUR, 12 * HOUR, 0), Run(1, 2 * HOUR, 12 * HOUR, 0))
    assert checked(problem, together, (Bought(0, 4, 2, 10),)) == []
    assert checked(problem, together, (BOUGHT,)) == ["4 nodes run at 7200 s in purchase 0, which has 2"]
    apart = (together[0], replace(together[1], bought=1))
    assert checked(problem, apart, (BOUGHT, BOUGHT)) == []
    foreign = replace(problem, terms=(TERM, TERM), options=(problem.options[0], replace(problem.options[1], term=1)))
    assert "is in a purchase of another term" in checked(foreign, together, (Bought(0, 4, 2, 10),))[0]
    rented = replace(problem, options=(problem.options[0], replace(problem.options[1], term=None)))
    assert "is in a purchase of another term" in checked(rented, together, (Bought(0, 4, 2, 10),))[0]
