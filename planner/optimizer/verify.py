"""Verification of a plan document: every claim recomputed from the document alone, in exact arithmetic, no solver.

`verify` returns one sentence per violation, naming the item. It knows the plan's models, and not how plans are made.

Tolerances: money to the cent, tokens to what a run trains in a second, carbon and energy to a millionth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from planner.plan import Assignment, OfferFact, PhaseFact, Plan, Purchase

CENT = Fraction(1, 100)
MILLIONTH = Fraction(1, 10**6)


def verify(plan: Plan) -> list[str]:
    """The violations of a plan, in the order of RULES; an empty list when everything it says holds."""
    unreadable = [*_values(plan.model_dump(), ""), *_names(plan)]
    return unreadable or [sentence for rule in RULES for sentence in rule(plan)]


def _values(value: object, path: str) -> Iterator[str]:
    """Numbers must be finite and times have a zone before anything can be recomputed."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _values(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from _values(part, f"{path}.{number}")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path} is not a finite number."
    elif isinstance(value, datetime) and value.tzinfo is None:
        yield f"{path}, {value.isoformat()}, has no time zone."


def _names(plan: Plan) -> Iterator[str]:
    """Names must resolve, and phases have tokens, before anything can be recomputed."""
    offers = {offer.offer for offer in plan.offers}
    phases = {(phase.job, phase.phase) for phase in plan.phases}
    for assignment in plan.assignments:
        if assignment.offer not in offers:
            yield f"{_name(assignment)} uses offer {assignment.offer}, which the plan does not describe."
        if (assignment.job, assignment.phase) not in phases:
            yield f"{_name(assignment)} belongs to a phase that the plan does not describe."
    for purchase in plan.purchases:
        if purchase.offer not in offers:
            yield f"{_bought(purchase)} buys an offer that the plan does not describe."
    for phase in plan.phases:
        if phase.tokens < 1:
            yield f"Phase {_phase(phase)} has {phase.tokens} tokens."


def status_fits(plan: Plan) -> Iterator[str]:
    """A plan found has assignments, a cost and a finish; one not found has none of them, and reasons if infeasible."""
    found = plan.status in ("optimal", "feasible")
    if found and (not plan.assignments or plan.cost_usd is None or plan.finish is None):
        yield f"Status {plan.status} needs assignments, a cost and a finish."
    if not found and (plan.assignments or plan.purchases or plan.cost_usd is not None):
        yield f"Status {plan.status} must not come with assignments, purchases or a cost."
    if plan.status == "infeasible" and not plan.reasons:
        yield "Status infeasible needs reasons."


def phases_are_run(plan: Plan) -> Iterator[str]:
    """Every phase of a plan has runs, not more than its segments, that do not overlap."""
    if not plan.assignments:
        return
    for phase in plan.phases:
        runs = _runs(plan, phase)
        if not runs:
            yield f"Phase {_phase(phase)} has no assignment."
        if len(runs) > phase.max_segments:
            yield f"Phase {_phase(phase)} has {len(runs)} runs; at most {phase.max_segments} are allowed."
        for one, two in pairwise(runs):
            if two.start < one.end:
                yield f"{_name(two)} starts before {_name(one)} has ended."


def runs_keep_dates(plan: Plan) -> Iterator[str]:
    """Every run lies inside the horizon and its phase's dates, after the phases before it."""
    facts = {(phase.job, phase.phase): phase for phase in plan.phases}
    for run in plan.assignments:
        phase = facts[run.job, run.phase]
        if run.end <= run.start:
            yield f"{_name(run)} ends at {_time(run.end)}, not after its start."
        if run.start < max(plan.start, phase.earliest):
            yield f"{_name(run)} starts before {_time(max(plan.start, phase.earliest))}, the earliest allowed."
        if run.end > plan.horizon_end:
            yield f"{_name(run)} ends at {_time(run.end)}, after the horizon {_time(plan.horizon_end)}."
        if not phase.late_cost_usd_day and run.end > phase.deadline:
            yield f"{_name(run)} ends at {_time(run.end)}, after the deadline {_time(phase.deadline)}."
        for before in phase.after:
            ends = [other.end for other in plan.assignments if (other.job, other.phase) == (run.job, before)]
            if (run.job, before) not in facts:
                yield f"Phase {_phase(phase)} comes after {before}, which the plan does not describe."
            elif ends and max(ends) > run.start:
                yield f"{_name(run)} starts before phase {before} has ended at {_time(max(ends))}."


def runs_keep_offers(plan: Plan) -> Iterator[str]:
    """Every run lies inside contiguous windows of its offer, says its facts, is not longer than its longest block."""
    for run in plan.assignments:
        offer = _offer(plan, run.offer)
        for name in ("provider", "region", "country", "instance_type", "accelerator", "purchase_option"):
            if getattr(run, name) != getattr(offer, name):
                yield f"{_name(run)} says {name} {getattr(run, name)}, its offer says {getattr(offer, name)}."
        if run.accelerators != run.nodes * offer.accelerators_per_node:
            expected = run.nodes * offer.accelerators_per_node
            yield f"{_name(run)} says {run.accelerators} accelerators; its nodes have {expected}."
        if run.nodes < 1:
            yield f"{_name(run)} has {run.nodes} nodes."
        reached = run.start
        for window in sorted(offer.windows, key=lambda window: window.start):
            if window.start <= reached < window.end:
                reached = min(window.end, run.end)
        if reached < run.end:
            yield f"{_name(run)} leaves the windows of {offer.offer} at {_time(reached)}."
        if offer.blocks_seconds and run.end - run.start > timedelta(seconds=max(offer.blocks_seconds)):
            yield f"{_name(run)} is longer than the longest block of {offer.offer}, {max(offer.blocks_seconds)} s."


def offers_have_nodes(plan: Plan) -> Iterator[str]:
    """At every moment all runs of an offer together use no more nodes than it has."""
    for offer in plan.offers:
        runs = [run for run in plan.assignments if run.offer == offer.offer]
        for moment in sorted({run.start for run in runs} | {window.start for window in offer.windows}):
            nodes = sum(run.nodes for run in runs if run.start <= moment < run.end)
            there = max((w.maximum_nodes for w in offer.windows if w.start <= moment < w.end), default=0)
            if nodes > there:
                yield f"At {_time(moment)} {nodes} nodes of {offer.offer} are used; it has {there}."


def work_is_done(plan: Plan) -> Iterator[str]:
    """What the runs of a phase train, start-up left out, is its tokens; their tokens and shares say so."""
    for phase in plan.phases:
        runs = _runs(plan, phase)
        if not runs:
            continue
        trained = {id(run): _trained(run) for run in runs}
        slack = sum((Fraction(run.tokens_per_second) for run in runs), Fraction(0))
        if sum(trained.values()) + slack < phase.tokens:
            yield f"Phase {_phase(phase)} trains {float(sum(trained.values())):,.0f} of {phase.tokens:,} tokens."
        for run in runs:
            if trained[id(run)] <= 0:
                yield f"{_name(run)} trains nothing: it ends within its start-up of {run.startup_seconds} s."
            if run.tokens > trained[id(run)] + Fraction(run.tokens_per_second):
                yield f"{_name(run)} claims {run.tokens:,} tokens; it can train {float(trained[id(run)]):,.0f}."
            if abs(Fraction(run.work_share) - Fraction(run.tokens, phase.tokens)) > MILLIONTH:
                yield f"{_name(run)} claims a share of {run.work_share}; its tokens are {run.tokens} of {phase.tokens}."
        tokens = sum(run.tokens for run in runs)
        if tokens != phase.tokens:
            yield f"The tokens of the runs of {_phase(phase)} sum to {tokens:,}, not {phase.tokens:,}."
        if abs(sum((Fraction(run.work_share) for run in runs), Fraction(-1))) > MILLIONTH:
            yield f"The work shares of {_phase(phase)} sum to {sum(run.work_share for run in runs)}, not 1."


def runs_are_paid(plan: Plan) -> Iterator[str]:
    """At every moment of a run, the purchases of its offer hold enough nodes for it and all others."""
    for offer in plan.offers:
        runs = [run for run in plan.assignments if run.offer == offer.offer]
        bought = [purchase for purchase in plan.purchases if purchase.offer == offer.offer]
        moments = {run.start for run in runs} | {purchase.end for purchase in bought}
        for moment in sorted(moments):
            used = sum(run.nodes for run in runs if run.start <= moment < run.end)
            held = sum(purchase.nodes for purchase in bought if purchase.start <= moment < purchase.end)
            if used > held:
                yield f"At {_time(moment)} {used} nodes of {offer.offer} run but {held} are bought."
    for purchase in plan.purchases:
        runs = [run for run in plan.assignments if run.offer == purchase.offer]
        if not any(run.start < purchase.end and purchase.start < run.end for run in runs):
            yield f"{_bought(purchase)} is used by no run."


def purchases_cost_what_they_say(plan: Plan) -> Iterator[str]:
    """A purchase costs nodes x price x time x share held, for a length on sale; unused time has the last price."""
    for purchase in plan.purchases:
        offer = _offer(plan, purchase.offer)
        seconds = _seconds(purchase.end - purchase.start)
        if purchase.purchase_option != offer.purchase_option:
            yield f"{_bought(purchase)} says {purchase.purchase_option}, its offer says {offer.purchase_option}."
        if seconds <= 0 or seconds != _billed(offer, seconds):
            yield f"{_bought(purchase)} lasts {float(seconds):,.0f} s, which the offer does not sell."
            continue
        expected = _price(offer, purchase, _last_use(plan, purchase))
        if expected is None:
            yield f"{_bought(purchase)} is outside the windows of its offer."
        elif abs(Fraction(purchase.cost_usd) - expected) > CENT:
            yield f"{_bought(purchase)} says {purchase.cost_usd:,.2f} USD; it costs {float(expected):,.2f} USD."


def runs_cost_what_they_say(plan: Plan) -> Iterator[str]:
    """Per offer the costs of the runs sum to the costs of the purchases, set-up included."""
    for offer in plan.offers:
        runs = [run for run in plan.assignments if run.offer == offer.offer]
        bought = [purchase for purchase in plan.purchases if purchase.offer == offer.offer]
        used = sum((Fraction(run.cost_usd) for run in runs), Fraction(0))
        paid = sum((Fraction(purchase.cost_usd) for purchase in bought), Fraction(0))
        if abs(used - paid) > CENT * max(1, len(runs)):
            yield f"The runs on {offer.offer} say {float(used):,.2f} USD, its purchases {float(paid):,.2f} USD."


def costs_add_up(plan: Plan) -> Iterator[str]:
    """The parts of the cost sum to the cost, purchases and lateness to their parts; the budget is kept."""
    if plan.cost_usd is None:
        return
    parts = sum((Fraction(cost) for cost in plan.costs.values()), Fraction(0))
    cost, rounding = Fraction(plan.cost_usd), CENT * (1 + len(plan.costs) + len(plan.purchases))
    if abs(parts - cost) > rounding:
        yield f"The parts of the cost sum to {float(parts):,.2f} USD, the cost is {plan.cost_usd:,.2f} USD."
    late = sum((_late(phase, plan) for phase in plan.phases), Fraction(0))
    bought = sum((Fraction(purchase.cost_usd) for purchase in plan.purchases), Fraction(0))
    if abs(bought + late - cost) > rounding:
        yield (
            f"Purchases of {float(bought):,.2f} USD and lateness of {float(late):,.2f} USD are not "
            f"the cost of {plan.cost_usd:,.2f} USD."
        )
    if abs(Fraction(plan.costs.get("late", 0.0)) - late) > rounding:
        yield f"Being late costs {float(late):,.2f} USD, the plan says {plan.costs.get('late', 0.0):,.2f} USD."
    if plan.budget_usd is not None and cost > Fraction(plan.budget_usd) + CENT:
        yield f"The cost of {plan.cost_usd:,.2f} USD is over the budget of {plan.budget_usd:,.2f} USD."


def power_and_carbon_add_up(plan: Plan) -> Iterator[str]:
    """Energy is power x time, totals are sums, and the caps on power and carbon are kept."""
    for run in plan.assignments:
        energy = Fraction(run.power_mw) * Fraction(run.held_share) * _seconds(run.end - run.start) / 3600
        if abs(energy - Fraction(run.energy_mwh)) > MILLIONTH * (1 + energy):
            yield f"{_name(run)} says {run.energy_mwh} MWh; {run.power_mw} MW make {float(energy):.6f} MWh in its time."
    for moment in sorted({run.start for run in plan.assignments}):
        drawn = [Fraction(run.power_mw) for run in plan.assignments if run.start <= moment < run.end]
        power = sum(drawn, Fraction(0))
        if plan.max_power_mw is not None and power > Fraction(plan.max_power_mw) * (1 + MILLIONTH):
            yield f"At {_time(moment)} {float(power):.3f} MW are drawn; the limit is {plan.max_power_mw} MW."
    totals: tuple[tuple[str, float | None, Callable[[Assignment], float]], ...] = (
        ("energy_mwh", plan.energy_mwh, lambda run: run.energy_mwh),
        ("carbon_t", plan.carbon_t, lambda run: run.carbon_t),
    )
    for name, total, of in totals:
        parts = sum((Fraction(of(run)) for run in plan.assignments), Fraction(0))
        if total is not None and abs(Fraction(total) - parts) > MILLIONTH * (1 + parts):
            yield f"The runs' {name} sum to {float(parts):.6f}, the plan says {total}."
    cap = plan.max_carbon_t
    if cap is not None and plan.carbon_t is not None and plan.carbon_t > cap * (1 + 1e-6):
        yield f"The plan emits {plan.carbon_t} t; the cap is {cap} t."


def memory_adds_up(plan: Plan) -> Iterator[str]:
    """The parts of memory and of the step time sum to their totals, and the memory is there."""
    for run in plan.assignments:
        parts = [gib for part, gib in run.memory_gib.items() if part not in ("total", "capacity")]
        total, capacity = run.memory_gib.get("total"), run.memory_gib.get("capacity")
        if total is not None and capacity is not None and total > capacity:
            yield f"{_name(run)} needs {total:.3f} GiB of memory per accelerator; there are {capacity:.3f} GiB."
        if total is not None and parts and abs(sum(parts) - total) > 1e-3 * max(1.0, total):
            yield f"{_name(run)}: the parts of memory sum to {sum(parts):.3f} GiB, the total says {total:.3f} GiB."
        step = sum(run.breakdown_s.values())
        if run.breakdown_s and abs(step - run.step_time_s) > 1e-3 * max(1e-9, run.step_time_s):
            yield f"{_name(run)}: the parts of the step time sum to {step:.6f} s, not to {run.step_time_s:.6f} s."


def bound_is_consistent(plan: Plan) -> Iterator[str]:
    """gap = (cost - bound) / cost; no bound is above the cost; optimal for cost means bound = cost to the cent."""
    if plan.cost_usd is None:
        return
    cost = Fraction(plan.cost_usd)
    if plan.finish is not None and plan.assignments:
        finish = max(run.end for run in plan.assignments)
        if plan.finish != finish:
            yield f"The plan says it finishes at {_time(plan.finish)}; its last run ends at {_time(finish)}."
    if plan.bound_usd is None:
        if plan.status == "optimal" and plan.aim == "cost":
            yield "An optimal plan needs a bound."
        return
    bound = Fraction(plan.bound_usd)
    if bound > cost + CENT:
        yield f"The bound of {plan.bound_usd:,.2f} USD is above the cost of {plan.cost_usd:,.2f} USD."
    if plan.status == "optimal" and plan.aim == "cost" and cost - bound > CENT:
        yield f"Called optimal, but the bound is {plan.bound_usd:,.2f} USD and the cost {plan.cost_usd:,.2f} USD."
    gap = (cost - bound) / cost if cost else Fraction(0)
    if plan.gap is not None and abs(Fraction(plan.gap) - max(gap, Fraction(0))) > MILLIONTH:
        yield f"The gap is {float(gap):.6f}, the plan says {plan.gap}."


RULES: tuple[Callable[[Plan], Iterator[str]], ...] = (
    status_fits,
    phases_are_run,
    runs_keep_dates,
    runs_keep_offers,
    offers_have_nodes,
    work_is_done,
    runs_are_paid,
    purchases_cost_what_they_say,
    runs_cost_what_they_say,
    costs_add_up,
    power_and_carbon_add_up,
    memory_adds_up,
    bound_is_consistent,
)


def _seconds(span: timedelta) -> Fraction:
    return Fraction(span // timedelta(microseconds=1), 10**6)


def _runs(plan: Plan, phase: PhaseFact) -> list[Assignment]:
    mine = [run for run in plan.assignments if (run.job, run.phase) == (phase.job, phase.phase)]
    return sorted(mine, key=lambda run: run.start)


def _offer(plan: Plan, name: str) -> OfferFact:
    return next(offer for offer in plan.offers if offer.offer == name)


def _trained(run: Assignment) -> Fraction:
    return Fraction(run.tokens_per_second) * (_seconds(run.end - run.start) - run.startup_seconds)


def _late(phase: PhaseFact, plan: Plan) -> Fraction:
    """USD of ending after a soft deadline: every begun hour costs a 24th of a day."""
    ends = [run.end for run in _runs(plan, phase)]
    if not ends or not phase.late_cost_usd_day:
        return Fraction(0)
    hours = math.ceil(max(Fraction(0), _seconds(max(ends) - phase.deadline)) / 3600)
    return hours * Fraction(phase.late_cost_usd_day) / 24


def _billed(offer: OfferFact, seconds: Fraction) -> Fraction:
    """The least time the offer sells that holds this many seconds."""
    if offer.blocks_seconds:
        return Fraction(min((block for block in offer.blocks_seconds if block >= seconds), default=0))
    unit = max(1, offer.unit_seconds)
    return Fraction(math.ceil(max(seconds, Fraction(offer.minimum_seconds)) / unit) * unit)


def _last_use(plan: Plan, purchase: Purchase) -> datetime:
    """When the last run inside the purchase ends."""
    ends = [
        run.end
        for run in plan.assignments
        if run.offer == purchase.offer and purchase.start <= run.start and run.end <= purchase.end
    ]
    return max(ends, default=purchase.end)


def _price(offer: OfferFact, purchase: Purchase, used_until: datetime) -> Fraction | None:
    """USD of a purchase, None when its used part leaves the offer's windows."""
    total, inside, last = Fraction(0), Fraction(0), Fraction(0)
    for window in sorted(offer.windows, key=lambda window: window.start):
        span = _seconds(min(used_until, window.end) - max(purchase.start, window.start))
        if span > 0:
            price = Fraction(str(window.price_usd_node_hour)) * Fraction(purchase.held_share)
            last = price if purchase.held_share == 1 else Fraction(round(price * 10**6), 10**6)  # whole micro-USD
            total += last * span / 3600
            inside += span
    if inside != _seconds(used_until - purchase.start):
        return None
    return purchase.nodes * (total + last * _seconds(purchase.end - used_until) / 3600)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _phase(phase: PhaseFact) -> str:
    return f"{phase.job}/{phase.phase}"


def _name(run: Assignment) -> str:
    return f"The run of {run.job}/{run.phase} on {run.nodes} nodes of {run.offer} from {_time(run.start)}"


def _bought(purchase: Purchase) -> str:
    return f"The purchase of {purchase.nodes} nodes of {purchase.offer} from {_time(purchase.start)}"
