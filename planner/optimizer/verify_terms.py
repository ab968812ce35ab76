"""Rules of `verify` about nodes bought for a time and shared by runs: what is sold, what is inside, what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction

from planner.optimizer.verify_words import (
    CENT,
    MILLIONTH,
    offer_of,
    purchase_name,
    run_name,
    seconds_of,
    time_text,
)
from planner.plan import Assignment, OfferFact, Plan, Purchase, TermFact


def terms_are_kept(plan: Plan) -> Iterator[str]:
    """Every purchase for a time is one that its offer sells, and all held at once are no more than there are."""
    for purchase in plan.purchases:
        if purchase.term is not None:
            yield from _sold(purchase, offer_of(plan, purchase.offer).terms[purchase.term])
    for offer in plan.offers:
        for number, term in enumerate(offer.terms):
            mine = [p for p in plan.purchases if (p.offer, p.term) == (offer.offer, number)]
            for moment in sorted({purchase.start for purchase in mine}):
                held = sum(purchase.nodes for purchase in mine if purchase.start <= moment < purchase.end)
                if held > term.maximum_nodes:
                    bought = f"{held} nodes of {offer.offer} are bought"
                    yield f"At {time_text(moment)} {bought}; it has {term.maximum_nodes}."


def runs_stay_in_their_purchase(plan: Plan) -> Iterator[str]:
    """A run on nodes bought for a time lies inside one purchase, with enough nodes for all runs inside it."""
    times = Counter(number for purchase in plan.purchases for number in purchase.runs)
    for number, run in enumerate(plan.assignments):
        if times[number] > 1:
            yield f"{run_name(run)} is in {times[number]} purchases."
        if offer_of(plan, run.offer).terms and not times[number]:
            yield f"{run_name(run)} is in no purchase."
    for purchase in plan.purchases:
        runs = _inside(plan, purchase)
        for run in runs:
            if run.offer != purchase.offer:
                yield f"{run_name(run)} is in a purchase of {purchase.offer}."
            if run.start < purchase.start or run.end > purchase.end:
                yield f"{run_name(run)} is not inside {_lower(purchase)}, which ends {time_text(purchase.end)}."
        for moment in sorted({run.start for run in runs}):
            used = sum(run.nodes for run in runs if run.start <= moment < run.end)
            if used > purchase.nodes:
                yield f"At {time_text(moment)} {used} nodes run in {_lower(purchase)}."


def shared_purchases_cost_what_they_say(plan: Plan) -> Iterator[str]:
    """A purchase for a time costs nodes x time x price and what use costs on top; each run bears what it uses."""
    for purchase in plan.purchases:
        if purchase.term is None:
            continue
        offer = offer_of(plan, purchase.offer)
        price = Fraction(str(offer.terms[purchase.term].price_usd_node_hour))
        use = Fraction(0)
        for run in _inside(plan, purchase):
            on_top = _use(offer, run)
            use += on_top
            borne = run.nodes * seconds_of(run.end - run.start) * price / 3600 + on_top
            if abs(borne - Fraction(run.cost_usd)) > CENT:
                yield f"{run_name(run)} says {run.cost_usd:,.2f} USD; it uses {float(borne):,.2f} USD of its purchase."
        expected = purchase.nodes * seconds_of(purchase.end - purchase.start) * price / 3600 + use
        if abs(Fraction(purchase.cost_usd) - expected) > CENT:
            yield f"{purchase_name(purchase)} says {purchase.cost_usd:,.2f} USD; it costs {float(expected):,.2f} USD."
        if abs(Fraction(purchase.use_usd) - use) > CENT:
            yield f"{purchase_name(purchase)} says {purchase.use_usd:,.2f} USD of use; it is {float(use):,.2f} USD."


def unused_is_what_nobody_uses(plan: Plan) -> Iterator[str]:
    """The unused share of a purchase is that of its node-seconds, and the costs name what it was paid."""
    if not all(purchase.runs for purchase in plan.purchases):
        return  # a document that does not say which runs are inside
    unused: dict[str, Fraction] = {}
    for purchase in plan.purchases:
        held = purchase.nodes * seconds_of(purchase.end - purchase.start)
        used = sum((run.nodes * seconds_of(run.end - run.start) for run in _inside(plan, purchase)), Fraction(0))
        share = 1 - used / held if held > 0 else Fraction(0)
        if abs(share - Fraction(purchase.unused_share)) > MILLIONTH:
            yield f"{purchase_name(purchase)} says {purchase.unused_share:.6f} is unused; it is {float(share):.6f}."
        paid = (Fraction(purchase.cost_usd) - Fraction(purchase.use_usd)) * share
        unused[purchase.purchase_option] = unused.get(purchase.purchase_option, Fraction(0)) + paid
    for option, paid in unused.items():
        said = plan.costs.get(f"{option}_unused", 0.0)
        if abs(Fraction(said) - paid) > CENT * (1 + len(plan.purchases)):
            yield f"Unused {option} nodes cost {float(paid):,.2f} USD, the plan says {said:,.2f} USD."


def _sold(purchase: Purchase, term: TermFact) -> Iterator[str]:
    """What is wrong with a purchase on a term alone."""
    late, every = purchase.start - term.first, timedelta(seconds=term.every_seconds)
    if late < timedelta(0) or purchase.start > term.last or late % every:
        yield f"{purchase_name(purchase)} starts when the offer does not sell it."
    length = seconds_of(purchase.end - purchase.start)
    if length not in term.lengths_seconds:
        yield f"{purchase_name(purchase)} lasts {float(length):,.0f} s, which the offer does not sell."
    if purchase.nodes < 1 or (term.sizes and purchase.nodes not in term.sizes):
        yield f"{purchase_name(purchase)} has {purchase.nodes} nodes, which the offer does not sell."


def _inside(plan: Plan, purchase: Purchase) -> list[Assignment]:
    return [plan.assignments[number] for number in purchase.runs]


def _use(offer: OfferFact, run: Assignment) -> Fraction:
    """USD that a run pays on top of the nodes it is in."""
    total = Fraction(0)
    for window in offer.windows:
        span = seconds_of(min(run.end, window.end) - max(run.start, window.start))
        if span > 0:
            total += Fraction(str(window.price_usd_node_hour)) * span / 3600
    return run.nodes * total


def _lower(purchase: Purchase) -> str:
    return purchase_name(purchase).replace("The", "the", 1)
