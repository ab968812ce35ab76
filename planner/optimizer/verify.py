"""Verification of a plan document: every claim recomputed from the document alone, in exact arithmetic, no solver.

`verify` returns one sentence per violation, naming the item. It knows the plan's models, and not how plans are made.
The rules stand in `verify_runs`, `verify_limits`, `verify_terms` and `verify_money`.

Tolerances: money to the cent, tokens to what a run trains in a second, carbon and energy to a millionth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime

from planner.optimizer.verify_limits import limits_are_kept, power_and_carbon_add_up
from planner.optimizer.verify_money import (
    bound_is_consistent,
    costs_add_up,
    purchases_cost_what_they_say,
    runs_are_paid,
    runs_cost_what_they_say,
)
from planner.optimizer.verify_runs import (
    memory_adds_up,
    offers_have_nodes,
    phases_are_run,
    runs_keep_dates,
    runs_keep_offers,
    work_is_done,
)
from planner.optimizer.verify_terms import (
    runs_stay_in_their_purchase,
    shared_purchases_cost_what_they_say,
    terms_are_kept,
    unused_is_what_nobody_uses,
)
from planner.optimizer.verify_words import phase_name, purchase_name, run_name
from planner.plan import Plan


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
    offers = {offer.offer: offer for offer in plan.offers}
    phases = {(phase.job, phase.phase) for phase in plan.phases}
    for assignment in plan.assignments:
        if assignment.offer not in offers:
            yield f"{run_name(assignment)} uses offer {assignment.offer}, which the plan does not describe."
        if (assignment.job, assignment.phase) not in phases:
            yield f"{run_name(assignment)} belongs to a phase that the plan does not describe."
    for purchase in plan.purchases:
        if purchase.offer not in offers:
            yield f"{purchase_name(purchase)} buys an offer that the plan does not describe."
        elif purchase.term is not None and not 0 <= purchase.term < len(offers[purchase.offer].terms):
            yield f"{purchase_name(purchase)} is bought on term {purchase.term}, which its offer does not have."
        for number in purchase.runs:
            if not 0 <= number < len(plan.assignments):
                yield f"{purchase_name(purchase)} names run {number}, which does not exist."
    for offer in plan.offers:
        if any(term.every_seconds < 1 for term in offer.terms):
            yield f"A term of {offer.offer} starts every {min(term.every_seconds for term in offer.terms)} s."
    for phase in plan.phases:
        if phase.tokens < 1:
            yield f"Phase {phase_name(phase)} has {phase.tokens} tokens."


def status_fits(plan: Plan) -> Iterator[str]:
    """A plan found has assignments, a cost and a finish; one not found has none of them, and reasons if infeasible."""
    found = plan.status in ("optimal", "feasible")
    if found and (not plan.assignments or plan.cost_usd is None or plan.finish is None):
        yield f"Status {plan.status} needs assignments, a cost and a finish."
    if not found and (plan.assignments or plan.purchases or plan.cost_usd is not None):
        yield f"Status {plan.status} must not come with assignments, purchases or a cost."
    if plan.status == "infeasible" and not plan.reasons:
        yield "Status infeasible needs reasons."


RULES: tuple[Callable[[Plan], Iterator[str]], ...] = (
    status_fits,
    phases_are_run,
    runs_keep_dates,
    runs_keep_offers,
    offers_have_nodes,
    work_is_done,
    runs_are_paid,
    terms_are_kept,
    runs_stay_in_their_purchase,
    purchases_cost_what_they_say,
    shared_purchases_cost_what_they_say,
    runs_cost_what_they_say,
    unused_is_what_nobody_uses,
    costs_add_up,
    power_and_carbon_add_up,
    limits_are_kept,
    memory_adds_up,
    bound_is_consistent,
)
