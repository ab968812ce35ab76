"""Rules of `verify` about money: what is bought for a run, what runs bear, moves, lateness, the sum, the bound."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction

from planner.optimizer.verify_words import (
    CENT,
    MILLIONTH,
    offer_of,
    purchase_name,
    runs_of,
    seconds_of,
    time_text,
)
from planner.plan import OfferFact, PhaseFact, Plan, Purchase


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
                yield f"At {time_text(moment)} {used} nodes of {offer.offer} run but {held} are bought."
    for purchase in plan.purchases:
        runs = [run for run in plan.assignments if run.offer == purchase.offer]
        if not any(run.start < purchase.end and purchase.start < run.end for run in runs):
            yield f"{purchase_name(purchase)} is used by no run."


def purchases_cost_what_they_say(plan: Plan) -> Iterator[str]:
    """A run's own purchase costs nodes x price x time x share held, for a length on sale; idle time the last price."""
    for purchase in plan.purchases:
        offer = offer_of(plan, purchase.offer)
        seconds = seconds_of(purchase.end - purchase.start)
        if purchase.purchase_option != offer.purchase_option:
            yield f"{purchase_name(purchase)} says {purchase.purchase_option}, its offer says {offer.purchase_option}."
        if purchase.term is not None:
            continue
        if seconds <= 0 or seconds != _billed(offer, seconds):
            yield f"{purchase_name(purchase)} lasts {float(seconds):,.0f} s, which the offer does not sell."
            continue
        expected = _price(offer, purchase, _last_use(plan, purchase))
        if expected is None:
            yield f"{purchase_name(purchase)} is outside the windows of its offer."
        elif abs(Fraction(purchase.cost_usd) - expected) > CENT:
            yield f"{purchase_name(purchase)} says {purchase.cost_usd:,.2f} USD; it costs {float(expected):,.2f} USD."


def runs_cost_what_they_say(plan: Plan) -> Iterator[str]:
    """Per offer that runs buy for themselves, their costs sum to those of the purchases."""
    for offer in plan.offers:
        if offer.terms:
            continue
        runs = [run for run in plan.assignments if run.offer == offer.offer]
        bought = [purchase for purchase in plan.purchases if purchase.offer == offer.offer]
        used = sum((Fraction(run.cost_usd) for run in runs), Fraction(0))
        paid = sum((Fraction(purchase.cost_usd) for purchase in bought), Fraction(0))
        if abs(used - paid) > CENT * max(1, len(runs)):
            yield f"The runs on {offer.offer} say {float(used):,.2f} USD, its purchases {float(paid):,.2f} USD."


def costs_add_up(plan: Plan) -> Iterator[str]:
    """The parts of the cost sum to the cost, as do purchases, moves and lateness; the budget is kept."""
    if plan.cost_usd is None:
        return
    parts = sum((Fraction(cost) for cost in plan.costs.values()), Fraction(0))
    cost, rounding = Fraction(plan.cost_usd), CENT * (1 + len(plan.costs) + len(plan.purchases))
    if abs(parts - cost) > rounding:
        yield f"The parts of the cost sum to {float(parts):,.2f} USD, the cost is {plan.cost_usd:,.2f} USD."
    late = sum((_late(phase, plan) for phase in plan.phases), Fraction(0))
    bought = sum((Fraction(purchase.cost_usd) for purchase in plan.purchases), Fraction(0))
    moved = _egress(plan)
    if abs(bought + moved + late - cost) > rounding:
        yield (
            f"Purchases of {float(bought):,.2f} USD, moves of {float(moved):,.2f} USD and lateness of "
            f"{float(late):,.2f} USD are not the cost of {plan.cost_usd:,.2f} USD."
        )
    if abs(Fraction(plan.costs.get("egress", 0.0)) - moved) > rounding:
        yield f"Moves cost {float(moved):,.2f} USD, the plan says {plan.costs.get('egress', 0.0):,.2f} USD."
    if abs(Fraction(plan.costs.get("late", 0.0)) - late) > rounding:
        yield f"Being late costs {float(late):,.2f} USD, the plan says {plan.costs.get('late', 0.0):,.2f} USD."
    if plan.budget_usd is not None and cost > Fraction(plan.budget_usd) + CENT:
        yield f"The cost of {plan.cost_usd:,.2f} USD is over the budget of {plan.budget_usd:,.2f} USD."


def bound_is_consistent(plan: Plan) -> Iterator[str]:
    """gap = (cost - bound) / cost; no bound is above the cost; optimal for cost means bound = cost to the cent."""
    if plan.cost_usd is None:
        return
    cost = Fraction(plan.cost_usd)
    if plan.finish is not None and plan.assignments:
        finish = max(run.end for run in plan.assignments)
        if plan.finish != finish:
            yield f"The plan says it finishes at {time_text(plan.finish)}; its last run ends at {time_text(finish)}."
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


def _late(phase: PhaseFact, plan: Plan) -> Fraction:
    """USD of ending after a soft deadline: every begun hour costs a 24th of a day."""
    ends = [run.end for run in runs_of(plan, phase)]
    if not ends or not phase.late_cost_usd_day:
        return Fraction(0)
    hours = math.ceil(max(Fraction(0), seconds_of(max(ends) - phase.deadline)) / 3600)
    return hours * Fraction(phase.late_cost_usd_day) / 24


def _egress(plan: Plan) -> Fraction:
    """USD for every run's checkpoint that leaves its region: to the phase's next run, else to each phase after it."""
    total = Fraction(0)
    for phase in plan.phases:
        runs = runs_of(plan, phase)
        later = [other for other in plan.phases if other.job == phase.job and phase.phase in other.after]
        firsts = [started[0] for started in (runs_of(plan, other) for other in later) if started]
        for number, run in enumerate(runs):
            following = runs[number + 1 : number + 2] or firsts
            moves = sum(other.region != run.region for other in following)
            price = Fraction(str(offer_of(plan, run.offer).egress_usd_gb))
            total += moves * Fraction(str(phase.checkpoint_gb)) * price
    return total


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
        span = seconds_of(min(used_until, window.end) - max(purchase.start, window.start))
        if span > 0:
            price = Fraction(str(window.price_usd_node_hour)) * Fraction(purchase.held_share)
            last = price if purchase.held_share == 1 else Fraction(round(price * 10**6), 10**6)  # whole micro-USD
            total += last * span / 3600
            inside += span
    if inside != seconds_of(used_until - purchase.start):
        return None
    return purchase.nodes * (total + last * seconds_of(purchase.end - used_until) / 3600)
