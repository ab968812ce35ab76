"""Dominance: options that some other option can replace in every plan, for no more money, time or carbon.

A replaces B of the same phase in any run [s, e) of B when all of these hold:

    [speed]      r(A) >= r(B) and l(A) / r(A) <= l(B) / r(B): after its start-up A trains r (d - l / r), so at least as
                 much at every duration d. A then ends as early or earlier, and what follows has less to do.
    [windows]    A is available in every step in which B is, so a run of B fits into the windows of A.
    [price]      n(A) price(A, t) <= n(B) price(B, t) in all those steps, and f(A) <= f(B).
    [billing]    A's bill is no longer than B's at every duration: the same terms, or a minimum no longer and a unit
                 that divides B's, without blocks; a longest run no shorter.
    [shorter]    A's last run may be shorter than B's: A's cost must not rise when a run gets shorter, see `monotone`.
    [carbon]     g(A) <= g(B); or carbon is only a last tie, and A is cheaper by at least a micro-USD in every second.
    [claims]     when phases may overlap in time: the same offer, no more nodes, power and claims on any cap than B.
    [moves]      where leaving a place costs: the place of B. A may do so much that later runs fall away and A is the
                 last, left from: leave(A) is no more than that of any option of the phase there; and nothing when
                 several phases come after a phase of several runs, each of which would pay it.

Of options that replace each other the first is kept: the relation is transitive, so the kept ones replace all others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.problem import Billing, Problem, RunOption
from planner.optimizer.runs import chain_order, longest_s, stretches

NEVER = np.iinfo(np.int64).max


def undominated(problem: Problem, options: Sequence[int]) -> list[int]:
    """The options (indices, ascending) that no other option of the same phase replaces."""
    kept: list[int] = []
    for p in range(len(problem.phases)):
        mine = [index for index in options if problem.options[index].phase == p]
        if mine:
            kept += _of_phase(problem, mine)
    return sorted(kept)


def monotone(option: RunOption, step_s: int, horizon: int) -> bool:
    """Whether the cost of a run never falls as it gets longer.

    What is billed beyond the end is priced at the last window. That can make a longer run cheaper, but only where the
    price falls inside a stretch and the bill reaches beyond the step in which the run ends.
    """
    billing = option.billing
    if not billing.blocks_s and step_s % billing.unit_s == 0 and billing.minimum_s <= step_s:
        return True
    return all(
        one.price <= two.price for stretch in stretches(option.windows, horizon) for one, two in pairwise(stretch)
    )


def _of_phase(problem: Problem, mine: list[int]) -> list[int]:
    options = [problem.options[index] for index in mine]
    costs = _node_prices(problem, options)
    rate = np.array([option.rate for option in options], np.float64)
    loss = np.array([option.loss for option in options], np.float64)
    setup = np.array([option.setup for option in options], np.int64)
    grams = np.array([option.carbon_g_step for option in options], np.int64)
    nodes = np.array([option.nodes for option in options], np.int64)
    power = np.array([option.power_w for option in options], np.int64)
    steady = np.array([monotone(option, problem.step_s, problem.horizon) for option in options])
    delay = loss / rate
    sample = np.linspace(0, costs.shape[1] - 1, min(24, costs.shape[1])).astype(int)
    few = np.ascontiguousarray(costs[:, sample])
    terms = {billing: number for number, billing in enumerate(dict.fromkeys(o.billing for o in options))}
    term = np.array([terms[option.billing] for option in options])
    no_longer = np.array([[_no_longer(a, b) for b in terms] for a in terms])
    carbon_matters = problem.aim == "carbon" or problem.carbon_cap is not None
    alone = chain_order(problem.phases) is not None
    left_cheaply = _left_cheaply(problem, options)
    places = {name: number for number, name in enumerate(dict.fromkeys(option.place for option in problem.options))}
    moving = any(option.leave for option in problem.options)
    place = np.array([places[option.place] if moving else 0 for option in options], np.int64)
    # those that can replace come before those they replace, as far as one order can say it
    bill = np.array([(max(o.billing.minimum_s, *o.billing.blocks_s, 0), o.billing.unit_s) for o in options], np.int64)
    highest = 2 * float(costs[costs < NEVER].max(initial=1))
    total = np.where(costs < NEVER, costs, highest).sum(axis=1)
    order = np.lexsort((np.arange(len(options)), bill[:, 1], bill[:, 0], setup, grams, delay, total, -rate))
    kept: list[int] = []
    for b in order:
        rivals = np.array(kept, np.int64)
        if len(rivals):
            # ratios are compared as floats with a margin on the safe side
            fits = steady[rivals] & left_cheaply[rivals] & (place[rivals] == place[b])
            fits &= (rate[rivals] >= rate[b]) & (setup[rivals] <= setup[b])
            fits &= (delay[rivals] < delay[b] * (1 - 1e-12)) | ((loss[rivals] == loss[b]) | (loss[rivals] == 0))
            fits &= no_longer[term[rivals], term[b]]
            if carbon_matters:
                fits &= grams[rivals] <= grams[b]
            if not alone:
                fits &= (nodes[rivals] <= nodes[b]) & (power[rivals] <= power[b])
            rivals = rivals[fits]
            rivals = rivals[(few[rivals] <= few[b]).all(axis=1)]
        if not any(_replaces(problem, options, costs, a, int(b), carbon_matters, alone) for a in rivals.tolist()):
            kept.append(int(b))
    return [mine[position] for position in kept]


def _replaces(
    problem: Problem,
    options: list[RunOption],
    costs: NDArray[np.int64],
    a: int,
    b: int,
    carbon_matters: bool,
    alone: bool,
) -> bool:
    there = costs[b] < NEVER
    if not (costs[a][there] <= costs[b][there]).all():
        return False
    if not alone and (options[a].offer != options[b].offer or not _claims_no_more(options[a], options[b])):
        return False
    if carbon_matters or options[a].carbon_g_step <= options[b].carbon_g_step:
        return True
    return bool((costs[b][there] - costs[a][there] >= 3600).all())  # a micro-USD a second: rounding cannot hide it


def _claims_no_more(a: RunOption, b: RunOption) -> bool:
    """Whether `a` claims at most what `b` claims, on every cap."""
    most: dict[int, int] = defaultdict(int)
    for cap, amount in b.claims:
        most[cap] += amount
    for cap, amount in a.claims:
        most[cap] -= amount
    return all(rest >= 0 for rest in most.values())


def _left_cheaply(problem: Problem, options: list[RunOption]) -> NDArray[np.bool_]:
    """Which options of a phase may be the last in their place whatever was, see [moves]."""
    phase = options[0].phase
    followers = sum(phase in after.after for after in problem.phases)
    least: dict[str, int] = {}
    for option in options:
        least[option.place] = min(option.leave, least.get(option.place, option.leave))
    often = followers > 1 and problem.phases[phase].max_segments > 1
    return np.array([option.leave <= (0 if often else least[option.place]) for option in options], np.bool_)


def _node_prices(problem: Problem, options: list[RunOption]) -> NDArray[np.int64]:
    """Nodes x price by option and period between edges of windows; NEVER where not available."""
    ends = [edge for option in options for w in option.windows for edge in (w.start, w.end)]
    edges = np.unique(np.array([0, problem.horizon, *ends], np.int64))
    edges = edges[(edges >= 0) & (edges <= problem.horizon)]
    costs = np.full((len(options), len(edges) - 1), NEVER, np.int64)
    for row, option in zip(costs, options, strict=True):
        starts = np.searchsorted(edges, [max(w.start, 0) for w in option.windows])
        stops = np.searchsorted(edges, [min(w.end, problem.horizon) for w in option.windows])
        for window, start, end in zip(option.windows, starts, stops, strict=True):
            if start < end:
                row[start:end] = option.nodes * window.price
    return costs


def _no_longer(a: Billing, b: Billing) -> bool:
    """Whether terms `a` bill at most what `b` bills at every duration, and sell runs as long."""
    if a == b:
        return True
    if a.blocks_s:
        return False
    longest = longest_s(b)
    if longest is not None:
        return a.unit_s == 1 and a.minimum_s <= min(b.blocks_s)
    return b.unit_s % a.unit_s == 0 and a.minimum_s <= -(-max(b.minimum_s, 1) // b.unit_s) * b.unit_s
