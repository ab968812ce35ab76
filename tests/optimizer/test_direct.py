"""The direct model when it is stopped, and what it does not do."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest

from planner.optimizer import direct
from planner.optimizer.check import check, evaluate
from planner.optimizer.direct import solve_direct
from planner.optimizer.formulation import build
from planner.optimizer.problem import Cap, Level, PhaseTask, Problem, RunOption, Solution, Term, Window
from planner.optimizer.runs import Interrupted
from planner.optimizer.solve import solve

USD, HOUR = 1_000_000, 3600


def jobs(count: int, days: int = 6) -> Problem:
    """Jobs that want the same nodes at moving prices; to prove their optimum takes CP-SAT long."""
    horizon = 24 * days
    windows = tuple(
        Window(at, at + 12, (20 + 7 * (at * at // 12 % 11)) * USD, 12 + at // 12 % 3) for at in range(0, horizon, 12)
    )
    options = [
        RunOption(f"{p}-{nodes}", p, nodes, nodes * (100 - 2 * nodes + p), nodes * 10, windows, offer="x")
        for p in range(count)
        for nodes in (2, 4, 6, 9)
    ]
    phases = tuple(PhaseTask(f"p{p}", 1500 + 977 * p, 0, horizon, 2) for p in range(count))
    caps = (Cap("quota", (Level(0, horizon // 2, 11), Level(horizon // 2, horizon, 14))),)
    return Problem(phases, tuple(replace(o, claims=((0, o.nodes),)) for o in options), horizon, caps=caps)


def press_the_key() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def stop() -> None:
    raise KeyboardInterrupt


def test_told_to_stop_before_there_is_a_plan_it_stops() -> None:
    calls = []

    def enough(*told: object) -> bool:
        calls.append(told)
        return True

    status, runs, _ = solve_direct(jobs(3), 60, progress=enough)
    assert calls
    assert status in ("unknown", "feasible")
    assert (status == "feasible") == bool(runs)


@pytest.mark.parametrize("interrupt", [press_the_key, stop])
def test_an_interrupt_brings_what_was_found_by_then(interrupt: Callable[[], None]) -> None:
    problem = jobs(3)

    def progress(best: int | None, bound: int, seconds: float) -> None:
        if best is not None:
            interrupt()

    with pytest.raises(Interrupted) as stopped:
        solve_direct(problem, 60, progress=progress)
    runs, bound = stopped.value.runs, stopped.value.bound
    assert runs
    assert check(problem, Solution("feasible", runs, *evaluate(problem, runs), bound=bound)) == []


def test_an_interrupted_solve_of_several_jobs_returns_what_cp_sat_had_found(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = jobs(2, days=3)
    phases = tuple(replace(phase, max_segments=1) for phase in problem.phases)
    problem = replace(problem, phases=phases, caps=(Cap("quota", (Level(0, 72, 3),)),), aim="finish")  # one at a time
    found = []

    def interrupted(*arguments: object) -> object:
        found.append(solve_direct(problem, 60))
        raise Interrupted(found[-1][1], 1)

    monkeypatch.setattr(direct, "solve_direct", interrupted)
    solution = solve(problem, 60)
    assert len(found) == 1
    assert check(problem, solution) == []
    assert solution.finish_s == found[0][2]
    assert 1 <= solution.bound < solution.finish_s


def test_what_progress_raises_comes_out() -> None:
    def fail(*told: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        solve_direct(jobs(2), 60, progress=fail)


def test_terms_are_refused() -> None:
    problem = jobs(2)
    on_term = replace(problem.options[0], term=0)
    problem = replace(problem, options=(on_term,), terms=(Term("x", 1, (1,), 0, 1, 1),))
    with pytest.raises(AssertionError, match="terms are not in the direct model"):
        build(problem, [0])


def test_a_cap_that_only_one_job_claims_just_cuts_its_windows() -> None:
    problem = jobs(2)
    free = replace(problem, options=tuple(replace(o, claims=o.claims if o.phase == 0 else ()) for o in problem.options))
    levels = (Level(60, 130, 4),)
    model = build(replace(free, caps=(Cap("quota", levels),)), range(len(free.options)))
    assert {choice.of.nodes for choice in model.choices[0]} == {2, 4}
    assert all(choice.stretch[0].start >= 60 and choice.stretch[-1].end <= 130 for choice in model.choices[0])
    assert {choice.of.nodes for choice in model.choices[1]} == {2, 4, 6, 9}


HERE = RunOption("here", 0, 1, 100, 0, (Window(0, 5, 20 * USD), Window(5, 50, 40 * USD)), place="here", leave=30 * USD)
THERE = RunOption("there", 0, 1, 100, 0, (Window(5, 50, 30 * USD),), place="there", leave=7 * USD)
ROW = (PhaseTask("p", 800, 0, 50, 2), PhaseTask("q", 100, 0, 50, after=(0,)), PhaseTask("r", 100, 0, 50, after=(0,)))


@pytest.mark.parametrize(
    ("leave_usd", "cost_usd", "why"),
    [
        (29, 219, "5 h at 20 USD here, the move, 3 h at 30 USD there"),
        (30, 220, "as dear as 3 h at 40 USD here"),
        (31, 220, "it stays"),
    ],
)
def test_a_phase_moves_when_it_pays(leave_usd: int, cost_usd: int, why: str) -> None:
    problem = Problem(ROW[:1], (replace(HERE, leave=leave_usd * USD), THERE), 50)
    status, runs, bound = solve_direct(problem, 20)
    assert (status, evaluate(problem, runs)[0], bound) == ("optimal", cost_usd * USD, cost_usd * USD), why


@pytest.mark.parametrize(
    ("options", "places", "cost_usd", "why"),
    [
        ((HERE, THERE), ("here", "here"), 280, "5 h at 20 and 3 h at 40 USD, 30 USD for each phase after it"),
        ((HERE, THERE), ("there", "there"), 280, "5 h at 20, 30 for the move, 3 h at 30 USD, and 60"),
        ((HERE, THERE), ("there", "here"), 287, "the same, and one of the two pays 7 to leave there"),
        ((HERE,), ("there", "here"), 310, "220 here, 30 for one move, and 60"),
        ((HERE,), ("there", "there"), 340, "both move"),
        ((THERE,), ("here", "here"), 314, "8 h at 30 USD, two moves of 7, and 60"),
    ],
)
def test_the_last_run_of_a_phase_pays_for_every_phase_after_it_in_another_place(
    options: tuple[RunOption, ...], places: tuple[str, str], cost_usd: int, why: str
) -> None:
    after = tuple(replace(THERE, phase=p + 1, place=place) for p, place in enumerate(places))
    problem = Problem(ROW, (*options, *after), 50)
    status, runs, bound = solve_direct(problem, 20)
    assert (status, evaluate(problem, runs)[0], bound) == ("optimal", cost_usd * USD, cost_usd * USD), why
