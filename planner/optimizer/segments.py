"""Phases in a row, several runs each: exact label setting under Lagrangian bounds.

A label (t, k, w, c, g, a) is a partial plan: idle at step t, at most k runs of its phase left, w tokens of it done, c
micro-USD and g grams spent since the job's start, the last run in place a. Time sweeps over the steps of a phase; at
each step

    stop     runs that reach t become labels; their cost is exact, billing included
    keep     a label goes when another has as much work, as many runs left and no higher (c, g): what completes the one
             completes the other, its last run shortened, and no cost rises when a run gets shorter (`prune.monotone`);
             in another place it must be cheaper still when it has paid for leaving its own
    close    every label tries every option as its last run, whose length follows from the work that is missing
    start    every label with k >= 2 starts every option as a run that is not the last

and whatever costs more than the guess U, with the Lagrangian bound of its rest, goes. Ends of a phase are the entries
of the next.

The guess rises: first just above the bound, then twice as far each time. A sweep keeps every plan of cost <= U: when
it finds one, its best is optimal; when not, U + 1 is a proven bound. No good plan is needed beforehand, and labels stay
few.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from planner.optimizer.bound import (
    PhaseBound,
    bound_of,
    chain_bounds,
    chain_supplies,
    near_pieces,
    reaching,
    rough_bounds,
    start_values,
)
from planner.optimizer.chain import cost_to_go
from planner.optimizer.check import evaluate
from planner.optimizer.columns import able, columns
from planner.optimizer.primal import promising
from planner.optimizer.problem import Problem, Run, RunOption
from planner.optimizer.prune import monotone
from planner.optimizer.runs import TimeUp, usable
from planner.optimizer.supply import Floats, Piece, Supply
from planner.optimizer.sweep import Ends, Log, Sweep, above
from planner.optimizer.timetable import Timetable

FIRST_GAP = 2e-4  # of the bound
WIDE_GAP = 5e-3
LEAP = 8


def suited(problem: Problem) -> list[int]:
    """The usable options on which the label setting relies: their runs never get cheaper by getting longer, and leaving
    a place costs the same whichever option of the phase ran there.
    """
    c = columns(problem)
    of = np.flatnonzero(able(problem))
    _, example, kind = np.unique(c.row[of] * len(c.billings) + c.billing[of], return_index=True, return_inverse=True)
    steady = [monotone(problem.options[at], problem.step_s, problem.horizon) for at in of[example].tolist()]
    of = of[np.array(steady, np.bool_)[kind]]
    found: list[int] = of.tolist()
    if not c.leave.any():
        return found
    group = c.phase[of] * (int(c.place.max()) + 1) + c.place[of]
    dearest = np.zeros(int(group.max(initial=0)) + 1, np.int64)
    np.maximum.at(dearest, group, c.leave[of])
    return [at for at, needed in zip(found, c.leave[of] == dearest[group], strict=True) if needed]


def best_segments(
    problem: Problem,
    order: Sequence[int],
    options: Sequence[int],
    known: tuple[Run, ...],
    time_limit_s: float,
    finish_limit_s: int | None = None,
    report: Callable[[tuple[Run, ...], int], object] = lambda runs, bound: None,
    coarser: Callable[[list[int]], tuple[Run, ...]] = lambda options: (),
) -> tuple[tuple[Run, ...], int]:
    """The cheapest plan (ties: finish, carbon) and a proven bound on the cost, equal unless the time was short.

    Options must be `suited`; budget and carbon cap are ignored. `known` is some plan, returned when nothing better is
    found in time. `report(best, bound)` is called after every sweep, and a true answer stops the search. While the gap
    stays wide `coarser` is asked once for a plan of the options that are close to being used.
    """
    stop_at = time.monotonic() + time_limit_s
    best_cost = evaluate(problem, known)[0]
    bound = 0
    try:
        supplies = chain_supplies(problem, order, options, finish_limit_s, stop_at)
        exact = cost_to_go(problem, order, finish_limit_s, stop_at)
        rough = rough_bounds(problem, order, supplies, best_cost, finish_limit_s, stop_at, exact)
        bound = min(bound_of(problem, order, rough), best_cost)
        plan = promising(problem, order, rough)
        if plan is not None:
            known = min(known, plan, key=lambda runs: evaluate(problem, runs)[0])
            best_cost = evaluate(problem, known)[0]
        asked = False
        usable_pieces = _Usable(problem, order, supplies, rough, bound, stop_at)
        distance = max(1, int(FIRST_GAP * bound))
        while not report(known, bound):
            guess = min(bound + distance, best_cost)
            few = usable_pieces.up_to(guess, best_cost)
            if all(few.values()):
                fine = chain_bounds(problem, order, few, guess, finish_limit_s, stop_at, exact=exact)
                found = _sweeps(problem, order, fine, _start_bounds(problem, order, fine, stop_at), guess, stop_at)
                if found is not None:
                    return found, evaluate(problem, found)[0]
            if guess == best_cost:  # the known plan uses other options
                return known, best_cost
            bound, distance = guess + 1, 2 * distance
            if not asked and distance > WIDE_GAP * bound:
                asked = True
                plan = coarser(sorted({piece.index for pieces in few.values() for piece in pieces}))
                known = min(known, plan or known, key=lambda runs: evaluate(problem, runs)[0])
                best_cost = evaluate(problem, known)[0]
    except TimeUp:
        pass
    return known, bound


def useful_options(
    problem: Problem, order: Sequence[int], options: Sequence[int], guess: int, stop_at: float = math.inf
) -> tuple[list[int], int]:
    """The options that some plan of cost <= guess can use, and a bound on the cost, whatever the bills are like."""
    supplies = chain_supplies(problem, order, options, None, stop_at)
    rough = rough_bounds(problem, order, supplies, guess, None, stop_at)
    bound = bound_of(problem, order, rough)
    few = _Usable(problem, order, supplies, rough, min(bound, guess), stop_at).up_to(guess, guess)
    return sorted({piece.index for pieces in few.values() for piece in pieces}), bound


def carbon_as_money(problem: Problem) -> Problem | None:
    """The same plans with their carbon as cost, or None when that cannot be said: blocks limit the length of runs.

    Exact: a run of d seconds costs ceil(g d / step_s), its grams.
    """
    allowed = set(usable(problem))
    options = []
    for index, option in enumerate(problem.options):
        price, rest = divmod(option.carbon_g_step * 3600, problem.step_s)
        if option.billing.blocks_s or rest:
            return None
        windows = tuple(replace(window, price=price) for window in option.windows) if index in allowed else ()
        options.append(RunOption(option.id, option.phase, 1, option.rate, option.loss, windows))
    hard = [replace(q, deadline=problem.horizon if q.late_cost else q.deadline, late_cost=0) for q in problem.phases]
    return replace(
        problem, phases=tuple(hard), options=tuple(options), aim="cost", budget=None, carbon_cap=None, max_power_w=None
    )


@dataclass(slots=True)
class _Usable:
    """The pieces that plans up to some guess can use, with what a plan with each of them costs at least; wider guesses
    are worked out in leaps.
    """

    problem: Problem
    order: Sequence[int]
    supplies: dict[int, Supply]
    rough: dict[int, PhaseBound]
    lowest: int  # the rough bound
    stop_at: float
    widest: int = -1  # the guess that the pieces suffice for
    bounds: dict[int, list[tuple[Piece, float]]] = field(default_factory=dict)

    def up_to(self, guess: int, most: int) -> dict[int, list[Piece]]:
        """The pieces that some plan of cost <= guess can use, by phase; no guess will be above `most`."""
        if guess > self.widest:
            self.widest = min(most, guess + LEAP * (guess - self.lowest))
            near = near_pieces(
                self.problem, self.order, self.supplies, self.rough, self.widest, self.widest - self.lowest
            )
            bounds = {p: replace(self.rough[p], pieces=near[p]) for p in self.order}
            starts = _start_bounds(self.problem, self.order, bounds, self.stop_at)
            self.bounds = {
                p: [
                    (piece, float(min(last.min(), other.min())))
                    for piece, (last, other) in zip(near[p], starts[p], strict=True)
                ]
                for p in self.order
            }
        limit = above(guess)
        return {p: [piece for piece, least in self.bounds[p] if least <= limit] for p in self.order}


StartBounds = dict[int, list[tuple[Floats, Floats]]]  # per piece and step: bounds if a last / another run starts there


def _start_bounds(problem: Problem, order: Sequence[int], bounds: dict[int, PhaseBound], stop_at: float) -> StartBounds:
    """Lower bounds of whole plans in which a piece starts as a phase's last run, or as another one, at each step."""
    entry: Floats = np.full(problem.horizon + 1, np.inf)
    entry[0] = 0.0
    found: StartBounds = {}
    for p in order:
        phase, b = problem.phases[p], bounds[p]
        best, runs, work = b.values[0], phase.max_segments, problem.phases[p].work
        allowed = np.where(np.arange(problem.horizon + 1) < phase.earliest, np.inf, np.minimum.accumulate(entry))
        reach = reaching(b.pieces, best.price, allowed, runs, stop_at)
        rows = []
        for number, piece in enumerate(b.pieces):
            if number % 64 == 63 and time.monotonic() > stop_at:
                raise TimeUp
            span = slice(piece.begin, piece.end)
            last = reach[runs - 1][span] + start_values(piece, best.price, best.rows[0])
            other = np.full(piece.end - piece.begin, np.inf)
            for j in range(runs - 1):
                other = np.minimum(other, reach[j][span] + start_values(piece, best.price, best.rows[runs - 1 - j]))
            rows.append((last + best.price * work, other + best.price * work))
        found[p] = rows
        entry = np.maximum(0.0, reach[runs] + best.price * work)
    return found


def _sweeps(
    problem: Problem,
    order: Sequence[int],
    bounds: dict[int, PhaseBound],
    starts: StartBounds,
    guess: int,
    stop_at: float,
) -> tuple[Run, ...] | None:
    """The best plan of cost <= guess, or None when there is none."""
    ends = Ends(np.array([0]), np.array([0]), np.array([0]), {0: (-1, -1, -1, 0)})
    trail: list[tuple[Log, Ends, Timetable]] = []
    for p in order:
        sweep = Sweep(problem, p, bounds[p], starts[p], guess, p == order[-1], stop_at)
        sweep.run(ends)
        trail.append((sweep.log, sweep.ends, sweep.table))
        ends = sweep.ends
        if not ends.link:
            return None
    plan: list[Run] = []
    end = min(ends.link)  # the last phase keeps one end only
    for log, its_ends, table in reversed(trail):
        number, o, start, second = its_ends.link[end]
        plan.append(Run(int(table.index[o]), start * problem.step_s, second))
        parents, options, begins, finishes = (np.concatenate(column) for column in zip(*log.chunks, strict=True))
        while parents[number] >= 0:
            at = int(table.index[options[number]])
            plan.append(Run(at, int(begins[number]) * problem.step_s, int(finishes[number]) * problem.step_s))
            number = int(parents[number])
        end = -1 - int(parents[number])
    return tuple(plan[::-1])
