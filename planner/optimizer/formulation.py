"""The direct model of the whole class of plans, for CP-SAT.

Sets
    p in P            phases
    k in 1..S(p)      segments of a phase, in time order
    c in C(p)         choices: an option of the phase in one stretch of contiguous windows
    w in V(c)         windows of the stretch; the model grows with prices that change, not with steps
    z in Z            caps; windows are cut to the steps in which every cap holds the claims of its option
    m in M            moves: from k to k+1 of a phase, and from k of a phase to the first segment of each phase after it

Parameters (integers; h = step_s seconds in a step)
    W(p)              tokens to be trained; earliest(p), limit(p) steps and seconds; late(p) micro-USD per step
    n, r, l, f, g     of an option: nodes, tokens per step, tokens lost by starting, micro-USD and grams
    price(w)          micro-USD per node-hour
    place, leave      of an option: where it runs, micro-USD for moving out of there
    claim(z), most(z,t)  of an option: what it claims of a cap while it runs; of a cap: what there is in a step

Variables
    use(p,k)          the segment exists                       pick(p,k,c)  it runs choice c
    start, steps      first step and number of begun steps     seconds   length of the run; run(c) the same by choice
    first, last(.,w)  the window it starts in, and ends in     inside(.,w)  seconds of the run in the window
    billed(c), tail   seconds paid for, those after the run    cost(c), cost, grams
    work of the segment in tokens times h                      end(p), overdue(p), finish
    moved(m,a,f)      move m is made, out of place a, where it costs f

Objective
    min  sum cost + f moved + late overdue   |   finish   |   sum grams    ties by the other two, in that order

Constraints
    [one choice]   [in order]    [length]      [windows]      [training]     [done]      [billing]   [money]
    [moves]        [carbon]      [phase end]   [lateness]     [precedence]   [at once]   [offers]    [caps]
    [totals]       [strength]

Terms and what is bought of them are not in this model: options with a term are refused.

Products of a literal and an inequality are enforced constraints ("=>"). Inequalities that the objective or a cap
presses on are stated in that direction only; `check` recomputes every value from the runs.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from planner.optimizer.problem import Level, Problem
from planner.optimizer.runs import TimeUp, capacities, ceil_div, clipped, limit_s
from planner.optimizer.variables import LIMIT, Key, Model, Segment, affordable, choices_of, dearest, declare

SECONDS_PER_WINDOW = 5e-5  # that building takes


def build(problem: Problem, options: Sequence[int], most_cost: int | None = None, stop_at: float = math.inf) -> Model:
    """The model of a problem on these options; plans dearer than `most_cost` micro-USD are left out.

    Raises TimeUp when it cannot be built before `stop_at`.
    """
    assert all(problem.options[index].term is None for index in options), "terms are not in the direct model"
    problem = clipped(problem)
    choices = {p: choices_of(problem, p, options) for p in range(len(problem.phases))}
    if most_cost is None:
        most_cost = dearest(problem, choices)
    else:
        choices = {p: affordable(found, most_cost) for p, found in choices.items()}
    unit = 1
    while any(choice.largest(most_cost, unit) > LIMIT for found in choices.values() for choice in found):
        unit *= 10
    size = sum(phase.max_segments * len(c.stretch) for p, phase in enumerate(problem.phases) for c in choices[p])
    if time.monotonic() + size * SECONDS_PER_WINDOW > stop_at:
        raise TimeUp
    model = Model(problem, unit, ceil_div(most_cost, unit), choices=choices)
    model.most_cost += model.rounding()
    declare(model)
    for constraint in CONSTRAINTS:
        if time.monotonic() > stop_at:
            raise TimeUp
        constraint(model)
    return model


def one_choice(m: Model) -> None:
    """sum over c of pick(p,k,c) = use(p,k);  use(p,1) = 1"""
    for s, use in m.use.items():
        picks = [m.pick[*s, i] for i in range(len(m.choices[s[0]]))]
        m.cp.add(sum(picks) == use)
        m.cp.add_at_most_one(picks)
        if s[1] == 0:
            m.cp.add(use == 1)


def in_order(m: Model) -> None:
    """use(p,k+1) <= use(p,k);  use(p,k+1) => start(p,k+1) >= start(p,k) + steps(p,k);  start = 0 without use"""
    for s, use in m.use.items():
        m.cp.add(m.start[s] == 0).only_enforce_if(use.negated())
        if s[1] > 0:
            before = (s[0], s[1] - 1)
            m.cp.add_implication(use, m.use[before])
            m.cp.add(m.start[s] >= m.start[before] + m.steps[before]).only_enforce_if(use)


def length(m: Model) -> None:
    """seconds = sum run(c);  least pick <= run(c) <= most pick;  h (steps - 1) < seconds <= h steps;
    use(p,k+1) => seconds = h steps"""
    h = m.problem.step_s
    for s in m.use:
        choices = m.choices[s[0]]
        m.cp.add(m.seconds[s] == sum(m.run[*s, i] for i in range(len(choices))))
        for i, c in enumerate(choices):
            m.cp.add(m.run[*s, i] >= c.least_s * m.pick[*s, i])
            m.cp.add(m.run[*s, i] <= c.most_s * m.pick[*s, i])
        m.cp.add(m.seconds[s] <= h * m.steps[s])
        m.cp.add(m.seconds[s] >= h * m.steps[s] - (h - 1))
        later = m.use.get((s[0], s[1] + 1))
        if later is not None:
            m.cp.add(m.seconds[s] == h * m.steps[s]).only_enforce_if(later)


def windows(m: Model) -> None:
    """sum first(w) = sum last(w) = pick(c);  touched(w) = sum first up to w - sum last before w;
    sum inside(w) = run(c);  |w| (touched(w) - first(w) - last(w)) <= inside(w) <= |w| touched(w);
    first(w) => w.start <= start < w.end and inside(w) <= h w.end - h start;
    last(w) => h w.start < h start + seconds <= h w.end and inside(w) <= h start + seconds - h w.start"""
    h = m.problem.step_s
    for s in m.use:
        for i, c in enumerate(m.choices[s[0]]):
            count = len(c.stretch)
            if count > 1:
                m.cp.add(sum(m.first[*s, i, w] for w in range(count)) == m.pick[*s, i])
                m.cp.add(sum(m.last[*s, i, w] for w in range(count)) == m.pick[*s, i])
                m.cp.add(sum(m.inside[*s, i, w] for w in range(count)) == m.run[*s, i])
            touched: Any = 0
            for w, window in enumerate(c.stretch):
                first, last, inside = m.first[*s, i, w], m.last[*s, i, w], m.inside[*s, i, w]
                m.cp.add_linear_constraint(m.start[s], window.start, window.end - 1).only_enforce_if(first)
                m.cp.add_linear_constraint(m.end_s(s), window.start * h + 1, window.end * h).only_enforce_if(last)
                if count > 1:
                    size = (window.end - window.start) * h
                    touched = touched + first
                    m.cp.add(inside <= size * touched)
                    m.cp.add(inside >= size * (touched - first - last))
                    m.cp.add(inside <= window.end * h - m.start[s] * h).only_enforce_if(first)
                    m.cp.add(inside <= m.end_s(s) - window.start * h).only_enforce_if(last)
                    touched = touched - last


def training(m: Model) -> None:
    """pick(c) => work = r run(c) - h l;  no use => work = 0"""
    h = m.problem.step_s
    for s, use in m.use.items():
        m.cp.add(m.work[s] == 0).only_enforce_if(use.negated())
        for i, c in enumerate(m.choices[s[0]]):
            m.cp.add(m.work[s] == c.of.rate * m.run[*s, i] - h * c.of.loss).only_enforce_if(m.pick[*s, i])


def done(m: Model) -> None:
    """sum over k of work >= h W;  last and pick(c) => sum of work < h W + r;
    use(p,k+1) => sum up to k of work <= h (W - 1)"""
    h = m.problem.step_s
    for p, phase in enumerate(m.problem.phases):
        total = sum(m.work[s] for s in m.segments(p))
        m.cp.add(total >= h * phase.work)
        for s in m.segments(p):
            for i, c in enumerate(m.choices[p]):
                m.cp.add(total <= h * phase.work + c.of.rate - 1).only_enforce_if([*m.final(s), m.pick[*s, i]])
            if s[1] > 0:
                before = sum(m.work[p, k] for k in range(s[1]))
                m.cp.add(before <= h * (phase.work - 1)).only_enforce_if(m.use[s])


def billing(m: Model) -> None:
    """billed(c) >= run(c), in whole units and at least the minimum, or one of the blocks"""
    for key, billed in m.billed.items():
        p, _, i = key
        c = m.choices[p][i]
        terms, pick = c.of.billing, m.pick[key]
        if c.plain:
            continue
        if terms.blocks_s:
            held = [m.cp.new_bool_var("") for _ in terms.blocks_s]
            m.cp.add(sum(held) == pick)
            m.cp.add(billed == sum(block * one for block, one in zip(terms.blocks_s, held, strict=True)))
        else:
            units = m.cp.new_int_var(0, ceil_div(c.most_billed_s, terms.unit_s), "")
            m.cp.add(billed == terms.unit_s * units)
            m.cp.add(billed >= terms.minimum_s * pick)
        m.cp.add(billed >= m.run[key])


def money(m: Model) -> None:
    """sum tail(w) = billed(c) - run(c);  tail(w) = 0 unless last(w);
    3600 cost(c) >= sum n price(w) (inside(w) + tail(w)) + 3600 f pick(c);  cost = sum cost(c)"""
    for s in m.use:
        for i, c in enumerate(m.choices[s[0]]):
            paid = [m.inside[*s, i, w] for w in range(len(c.stretch))]
            if len(c.stretch) == 1:
                paid = [m.billed[*s, i]]
            elif not c.plain:
                tails = [m.cp.new_int_var(0, c.most_tail_s, "") for _ in c.stretch]
                m.cp.add(sum(tails) == m.billed[*s, i] - m.run[*s, i])
                for w, tail in enumerate(tails):
                    m.cp.add(tail <= c.most_tail_s * m.last[*s, i, w])
                paid = [inside + tail for inside, tail in zip(paid, tails, strict=True)]
            hour, prices, setup = c.scaled(m.unit)
            spent = sum(price * seconds for price, seconds in zip(prices, paid, strict=True))
            m.cp.add(hour * m.cost_of[*s, i] >= spent + setup * m.pick[*s, i])
        m.cp.add(m.cost[s] == sum(m.cost_of[*s, i] for i in range(len(m.choices[s[0]]))))


def moves(m: Model) -> None:
    """moved(m,a,f) >= sum of pick(k,c) with place a and leave f - sum of pick(k',c) with place a - none(m); m: k to k';
    none(m) = 1 - use(k') within a phase, use(p,k+1) to a phase after p, as k is not the last then"""
    for p in range(len(m.problem.phases)):
        for s in m.segments(p):
            later = m.use.get((p, s[1] + 1))
            if later is not None:
                _move(m, s, (p, s[1] + 1), 1 - later)
            for q, after in enumerate(m.problem.phases):
                if p in after.after:
                    _move(m, s, (q, 0), 0 if later is None else later)


def _move(m: Model, one: Segment, two: Segment, none: Any) -> None:
    """From a segment to one that may follow it; `none` is 1 when it does not."""
    here: dict[tuple[str, int], list[Any]] = defaultdict(list)
    there: dict[str, list[Any]] = defaultdict(list)
    for i, c in enumerate(m.choices[one[0]]):
        here[c.of.place, c.of.leave].append(m.pick[*one, i])
    for i, c in enumerate(m.choices[two[0]]):
        there[c.of.place].append(m.pick[*two, i])
    for (place, leave), picks in here.items():
        if leave and there.keys() != {place}:
            moved = m.moved[one, two, place, leave] = m.cp.new_bool_var("")
            m.cp.add(moved >= sum(picks) - sum(there[place]) - none)


def carbon(m: Model) -> None:
    """h grams >= sum g(c) run(c)"""
    for s in m.use:
        emitted = sum(c.of.carbon_g_step * m.run[*s, i] for i, c in enumerate(m.choices[s[0]]))
        m.cp.add(m.problem.step_s * m.grams[s] >= emitted)


def phase_end(m: Model) -> None:
    """end(p) >= start + steps;  finish >= h start + seconds;  h start + seconds <= limit(p)"""
    for s in m.use:
        m.cp.add(m.end[s[0]] >= m.start[s] + m.steps[s])
        m.cp.add(m.finish >= m.end_s(s))
        m.cp.add(m.end_s(s) <= limit_s(m.problem.phases[s[0]], m.problem))


def lateness(m: Model) -> None:
    """overdue(p) >= end(p) - deadline(p)"""
    for p, phase in enumerate(m.problem.phases):
        if phase.late_cost:
            m.cp.add(m.overdue[p] >= m.end[p] - phase.deadline)
        else:
            m.cp.add(m.overdue[p] == 0)


def precedence(m: Model) -> None:
    """start(p,1) >= end(q) for every q that p comes after"""
    for p, phase in enumerate(m.problem.phases):
        for q in phase.after:
            m.cp.add(m.start[p, 0] >= m.end[q])


def at_once(m: Model) -> None:
    """at every moment: all nodes <= max_nodes, all power <= max_power_w"""
    if not m.interval:
        return  # nothing can run at the same time
    intervals, used = list(m.interval.values()), [m.choices[p][i].of for p, _, i in m.interval]
    if m.problem.max_nodes is not None:
        m.cp.add_cumulative(intervals, [option.nodes for option in used], m.problem.max_nodes)
    if m.problem.max_power_w is not None:
        m.cp.add_cumulative(intervals, [option.power_w for option in used], m.problem.max_power_w)


def offers(m: Model) -> None:
    """at every moment: nodes of one offer <= its capacity"""
    used: dict[str, dict[Key, int]] = defaultdict(dict)
    for key in m.interval:
        option = m.choices[key[0]][key[2]].of
        if option.offer:
            used[option.offer][key] = option.nodes
    for offer, demands in used.items():
        _at_most(m, demands, capacities(option for option in m.problem.options if option.offer == offer))


def caps(m: Model) -> None:
    """at every moment t, for every cap z: claims(z) of what runs <= most(z,t)"""
    used: dict[int, dict[Key, int]] = defaultdict(lambda: defaultdict(int))
    for key in m.interval:
        for cap, amount in m.choices[key[0]][key[2]].of.claims:
            if amount > 0:
                used[cap][key] += amount
    for cap, demands in used.items():
        _at_most(m, demands, m.problem.caps[cap].levels)


def _at_most(m: Model, demands: dict[Key, int], levels: Sequence[Level]) -> None:
    """What runs at the same time demands at most the level: what a level lacks to the greatest, fixed intervals take.

    Where there is no level or none of an amount no window is left, so nothing has to be taken there.
    """
    if len({p for p, _, _ in demands}) < 2:
        return  # runs of one phase are never at the same time
    h, greatest = m.problem.step_s, max(level.amount for level in levels)
    intervals, amounts = [m.interval[key] for key in demands], list(demands.values())
    for level in levels:
        if 0 < level.amount < greatest:
            intervals.append(m.cp.new_fixed_size_interval_var(level.start * h, (level.end - level.start) * h, ""))
            amounts.append(greatest - level.amount)
    m.cp.add_cumulative(intervals, amounts, greatest)


def totals(m: Model) -> None:
    """sum cost + f moved + late overdue <= budget;  sum grams <= carbon_cap"""
    limit = m.most_cost if m.problem.budget is None else min(m.most_cost, m.problem.budget // m.unit)
    m.cp.add(m.total_cost() <= limit)
    if m.problem.carbon_cap is not None:
        m.cp.add(m.total_carbon() <= m.problem.carbon_cap)


def strength(m: Model) -> None:
    """sum r run(c) - h l pick(c) >= h W: what follows from [training] and [done], in one row that the linear relaxation
    sees, in coarser units of tokens and rounded safely"""
    h = m.problem.step_s
    for p, phase in enumerate(m.problem.phases):
        if not m.choices[p]:
            continue
        scale = max(1, max(c.of.rate for c in m.choices[p]) // 10**6)
        trained: Any = 0
        for s in m.segments(p):
            for i, c in enumerate(m.choices[p]):
                trained += ceil_div(c.of.rate, scale) * m.run[*s, i] - h * c.of.loss // scale * m.pick[*s, i]
        m.cp.add(trained >= ceil_div(h * phase.work, scale))


CONSTRAINTS: tuple[Callable[[Model], None], ...] = (
    one_choice, in_order, length, windows, training, done, billing, money,
    moves, carbon, phase_end, lateness, precedence, at_once, offers, caps,
    totals, strength,
)  # fmt: skip
