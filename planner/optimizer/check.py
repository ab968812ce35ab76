"""Independent evaluation of runs against a problem: every rule of the class of plans, in exact fractions, no solver.

`check` is the guard of `solve`: what it rejects is never returned. It shares no arithmetic with the solvers.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

from planner.optimizer.problem import Bought, Problem, Run, RunOption, Solution


def evaluate(problem: Problem, runs: tuple[Run, ...], bought: tuple[Bought, ...] = ()) -> tuple[int, int, int]:
    """Cost in micro-USD (runs, purchases, moves, lateness), finish in seconds and carbon in grams of a plan."""
    cost = sum(_cost(problem.options[run.option], run, problem.step_s) for run in runs)
    cost += sum(_purchase_cost(problem, purchase) for purchase in bought) + _moves_cost(problem, runs)
    carbon = sum(
        math.ceil(Fraction(problem.options[run.option].carbon_g_step * (run.end_s - run.start_s), problem.step_s))
        for run in runs
    )
    for index, phase in enumerate(problem.phases):
        ends = [run.end_s for run in runs if problem.options[run.option].phase == index]
        if ends:
            cost += phase.late_cost * max(0, math.ceil(Fraction(max(ends), problem.step_s)) - phase.deadline)
    return cost, max((run.end_s for run in runs), default=0), carbon


def check(problem: Problem, solution: Solution) -> list[str]:
    """Sentences for every rule the solution breaks; empty when it is a plan of the class with the values it claims."""
    if solution.status not in ("optimal", "feasible"):
        return ["a solution without a plan has runs"] if solution.runs else []
    wrong = [
        f"run {number} names option {run.option}, which does not exist"
        for number, run in enumerate(solution.runs)
        if not 0 <= run.option < len(problem.options)
    ]
    wrong += [
        f"purchase {number} names term {purchase.term}, which does not exist"
        for number, purchase in enumerate(solution.bought)
        if not 0 <= purchase.term < len(problem.terms)
    ]
    if wrong:
        return wrong
    for run in solution.runs:
        wrong += _run(problem, run)
    if wrong:
        return wrong
    for index in range(len(problem.phases)):
        wrong += _phase(problem, solution.runs, index)
    wrong += _together(problem, solution.runs)
    wrong += _caps(problem, solution.runs)
    for purchase in solution.bought:
        wrong += _purchase(problem, purchase)
    wrong += _held(problem, solution.bought)
    wrong += _inside(problem, solution.runs, solution.bought)
    cost, finish_s, carbon = evaluate(problem, solution.runs, solution.bought)
    claimed = {"cost": solution.cost, "finish": solution.finish_s, "carbon": solution.carbon_g}
    true = {"cost": cost, "finish": finish_s, "carbon": carbon}
    wrong += [f"{name} is {true[name]}, not {claimed[name]}" for name in true if claimed[name] != true[name]]
    if problem.budget is not None and cost > problem.budget:
        wrong.append(f"cost {cost} is over the budget {problem.budget}")
    if problem.carbon_cap is not None and carbon > problem.carbon_cap:
        wrong.append(f"carbon {carbon} is over the cap {problem.carbon_cap}")
    value = true[problem.aim]
    if solution.bound > value:
        wrong.append(f"bound {solution.bound} is above the value {value}")
    if solution.status == "optimal" and solution.bound != value:
        wrong.append(f"called optimal, but the bound is {solution.bound} and the value {value}")
    return wrong


def _cost(option: RunOption, run: Run, step_s: int) -> int:
    seconds = run.end_s - run.start_s
    billing = option.billing
    if billing.blocks_s:
        paid = min(block for block in billing.blocks_s if block >= seconds)
    else:
        paid = math.ceil(Fraction(max(seconds, billing.minimum_s), billing.unit_s)) * billing.unit_s
    total = Fraction(0)
    last = 0
    for window in option.windows:
        inside = min(run.end_s, window.end * step_s) - max(run.start_s, window.start * step_s)
        if inside > 0:
            total += Fraction(window.price * inside, 3600)
            last = window.price
    total += Fraction(last * (paid - seconds), 3600)
    return math.ceil(option.nodes * total) + option.setup


def _purchase_cost(problem: Problem, purchase: Bought) -> int:
    price = problem.terms[purchase.term].price
    return math.ceil(Fraction(purchase.nodes * purchase.length * problem.step_s * price, 3600))


def _moves_cost(problem: Problem, runs: tuple[Run, ...]) -> int:
    """What moving the checkpoint costs, within phases and from each phase to every one after it."""
    rows = [
        [
            problem.options[run.option]
            for run in sorted(runs, key=lambda run: run.start_s)
            if _phase_of(problem, run) == p
        ]
        for p in range(len(problem.phases))
    ]
    moves = [pair for row in rows for pair in pairwise(row)]
    for phase, row in zip(problem.phases, rows, strict=True):
        moves += [(rows[earlier][-1], row[0]) for earlier in phase.after if row and rows[earlier]]
    return sum(one.leave for one, two in moves if one.place != two.place)


def _phase_of(problem: Problem, run: Run) -> int:
    return problem.options[run.option].phase


def _work(option: RunOption, seconds: int, step_s: int) -> int:
    return math.floor(Fraction(option.rate * seconds, step_s)) - option.loss


def _run(problem: Problem, run: Run) -> list[str]:
    """Rules of one run alone."""
    option, step_s = problem.options[run.option], problem.step_s
    name = f"run of {option.id} from {run.start_s} s to {run.end_s} s"
    wrong = []
    if run.start_s % step_s:
        wrong.append(f"{name} does not start on a step")
    if run.end_s <= run.start_s:
        return [*wrong, f"{name} has no duration"]
    if run.end_s > problem.horizon * step_s or run.start_s < 0:
        wrong.append(f"{name} lies outside the horizon")
    if option.billing.blocks_s and run.end_s - run.start_s > max(option.billing.blocks_s):
        wrong.append(f"{name} is longer than the longest block")
    reached = run.start_s
    for window in option.windows:
        if window.start * step_s <= reached < window.end * step_s:
            reached = window.end * step_s
    if reached < run.end_s:
        wrong.append(f"{name} leaves the windows of its option at {reached} s")
    if _work(option, run.end_s - run.start_s, step_s) <= 0:
        wrong.append(f"{name} trains nothing")
    return wrong


def _phase(problem: Problem, runs: tuple[Run, ...], index: int) -> list[str]:
    """Rules of all runs of one phase."""
    phase, step_s = problem.phases[index], problem.step_s
    own = sorted((run for run in runs if problem.options[run.option].phase == index), key=lambda run: run.start_s)
    if not own:
        return [f"phase {phase.name} has no run"]
    wrong = []
    if len(own) > phase.max_segments:
        wrong.append(f"phase {phase.name} has {len(own)} runs, at most {phase.max_segments} are allowed")
    for one, two in pairwise(own):
        if two.start_s < one.end_s:
            wrong.append(f"runs of phase {phase.name} overlap at {two.start_s} s")
    for run in own[:-1]:
        if run.end_s % step_s:
            wrong.append(f"a run of phase {phase.name} that is not its last ends off a step, at {run.end_s} s")
    if own[0].start_s < phase.earliest * step_s:
        wrong.append(f"phase {phase.name} starts at {own[0].start_s} s, before step {phase.earliest}")
    for earlier in phase.after:
        ends = [run.end_s for run in runs if problem.options[run.option].phase == earlier]
        if ends and math.ceil(Fraction(max(ends), step_s)) * step_s > own[0].start_s:
            wrong.append(f"phase {phase.name} starts before {problem.phases[earlier].name} has ended")
    last = own[-1]
    if not phase.late_cost and last.end_s > phase.deadline * step_s:
        wrong.append(f"phase {phase.name} ends at {last.end_s} s, after its deadline at step {phase.deadline}")
    done = sum(_work(problem.options[run.option], run.end_s - run.start_s, step_s) for run in own[:-1])
    option, seconds = problem.options[last.option], last.end_s - last.start_s
    if done >= phase.work:
        wrong.append(f"phase {phase.name} is done before its last run")
    elif done + _work(option, seconds, step_s) < phase.work:
        wrong.append(f"phase {phase.name} trains {done + _work(option, seconds, step_s)} of {phase.work} tokens")
    elif done + _work(option, seconds - 1, step_s) >= phase.work:
        wrong.append(f"the last run of phase {phase.name} goes on after its work is done")
    return wrong


def _together(problem: Problem, runs: tuple[Run, ...]) -> list[str]:
    """Rules of runs at the same time: nodes, power, and the capacity of an offer."""
    wrong = []
    for moment in sorted({run.start_s for run in runs}):
        now = [problem.options[run.option] for run in runs if run.start_s <= moment < run.end_s]
        nodes, power = sum(option.nodes for option in now), sum(option.power_w for option in now)
        if problem.max_nodes is not None and nodes > problem.max_nodes:
            wrong.append(f"{nodes} nodes run at {moment} s, at most {problem.max_nodes} may")
        if problem.max_power_w is not None and power > problem.max_power_w:
            wrong.append(f"{power} W are drawn at {moment} s, at most {problem.max_power_w} may be")
    mine_of: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        mine_of[problem.options[run.option].offer].append(run)
    shared = sorted(offer for offer, mine in mine_of.items() if offer and len(mine) > 1)
    options_of = _largest_by_windows(problem, shared)
    for offer in shared:
        mine, options = mine_of[offer], options_of[offer]
        edges = {edge for option in options for w in option.windows for edge in (w.start, w.end)}
        moments = {run.start_s for run in mine} | {edge * problem.step_s for edge in edges}
        for moment in sorted(moments):  # the capacity changes only where a window starts or ends
            used = [problem.options[run.option] for run in mine if run.start_s <= moment < run.end_s]
            nodes = sum(option.nodes for option in used)
            if len(used) > 1 and nodes > capacity_at(options, moment // problem.step_s):
                wrong.append(f"{nodes} nodes of {offer} run at {moment} s, more than there are")
    return wrong


def _caps(problem: Problem, runs: tuple[Run, ...]) -> list[str]:
    """At every moment the claims on a cap are within its level; outside of the levels there are none."""
    wrong = []
    for index, cap in enumerate(problem.caps):
        claims = [(run, _claim(problem.options[run.option], index)) for run in runs]
        edges = {edge * problem.step_s for level in cap.levels for edge in (level.start, level.end)}
        for moment in sorted({run.start_s for run in runs} | edges):
            claimed = sum(amount for run, amount in claims if run.start_s <= moment < run.end_s)
            step = moment // problem.step_s
            allowed = sum(level.amount for level in cap.levels if level.start <= step < level.end)
            if claimed > allowed:
                wrong.append(f"{claimed} of {cap.name} are claimed at {moment} s, at most {allowed} may be")
    return wrong


def _claim(option: RunOption, cap: int) -> int:
    return sum(amount for index, amount in option.claims if index == cap)


def _purchase(problem: Problem, purchase: Bought) -> list[str]:
    """Rules of one purchase alone: size, length and start."""
    term = problem.terms[purchase.term]
    name = f"purchase of {purchase.nodes} nodes of {term.offer} at step {purchase.start}"
    wrong = []
    if purchase.nodes < 1 or (term.sizes and purchase.nodes not in term.sizes):
        wrong.append(f"{name} has a size that is not sold")
    if purchase.length not in term.lengths:
        wrong.append(f"{name} lasts {purchase.length} steps, which is not sold")
    if not term.first <= purchase.start <= term.last:
        wrong.append(f"{name} starts outside steps {term.first} to {term.last}")
    if (purchase.start - term.offset) % term.every:
        wrong.append(f"{name} does not start on a step that is {term.offset} modulo {term.every}")
    return wrong


def _held(problem: Problem, bought: tuple[Bought, ...]) -> list[str]:
    """Purchases of one term held at the same time have at most its capacity."""
    wrong = []
    for index, term in enumerate(problem.terms):
        mine = [purchase for purchase in bought if purchase.term == index]
        for step in sorted({purchase.start for purchase in mine}):
            nodes = sum(one.nodes for one in mine if one.start <= step < one.start + one.length)
            if nodes > term.capacity:
                wrong.append(f"{nodes} nodes of {term.offer} are held at step {step}, at most {term.capacity} may be")
    return wrong


def _inside(problem: Problem, runs: tuple[Run, ...], bought: tuple[Bought, ...]) -> list[str]:
    """Runs of a term lie inside a purchase of it, together on no more than its nodes; others are in none."""
    wrong = []
    for run in runs:
        option, name = problem.options[run.option], f"run of {problem.options[run.option].id} at {run.start_s} s"
        if run.bought is None:
            wrong += [f"{name} is in no purchase"] if option.term is not None else []
        elif not 0 <= run.bought < len(bought):
            wrong.append(f"{name} is in purchase {run.bought}, which does not exist")
        elif bought[run.bought].term != option.term:
            wrong.append(f"{name} is in a purchase of another term")
        else:
            purchase = bought[run.bought]
            start_s, end_s = purchase.start * problem.step_s, (purchase.start + purchase.length) * problem.step_s
            if run.start_s < start_s or run.end_s > end_s:
                wrong.append(f"{name} leaves its purchase, held from {start_s} s to {end_s} s")
    for index, purchase in enumerate(bought):
        mine = [run for run in runs if run.bought == index]
        for moment in sorted({run.start_s for run in mine}):
            nodes = sum(problem.options[run.option].nodes for run in mine if run.start_s <= moment < run.end_s)
            if nodes > purchase.nodes:
                wrong.append(f"{nodes} nodes run at {moment} s in purchase {index}, which has {purchase.nodes}")
    return wrong


def _largest_by_windows(problem: Problem, offers: Iterable[str]) -> dict[str, list[RunOption]]:
    """The options of each of these offers; of those that have the very same windows the one with the most nodes."""
    found: dict[str, dict[int, RunOption]] = {offer: {} for offer in offers}
    for option in problem.options:
        mine = found.get(option.offer)
        if mine is not None:
            known = mine.setdefault(id(option.windows), option)
            if option.nodes > known.nodes:
                mine[id(option.windows)] = option
    return {offer: list(mine.values()) for offer, mine in found.items()}


def capacity_at(options: Iterable[RunOption], step: int) -> int:
    """Nodes in a step of the offer that these options are of: what is stated, else the largest that may run then."""
    stated, seen = 0, 0
    for option in options:
        for window in option.windows:
            if window.start <= step < window.end:
                stated = max(stated, window.capacity)
                seen = max(seen, option.nodes)
    return stated or seen
