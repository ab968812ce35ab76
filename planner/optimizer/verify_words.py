"""What the rules of `verify` share: tolerances, look-ups in a plan, and how its parts are named."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction

from planner.plan import Assignment, OfferFact, PhaseFact, Plan, Purchase

CENT = Fraction(1, 100)
MILLIONTH = Fraction(1, 10**6)


def seconds_of(span: timedelta) -> Fraction:
    """A span in seconds."""
    return Fraction(span // timedelta(microseconds=1), 10**6)


def runs_of(plan: Plan, phase: PhaseFact) -> list[Assignment]:
    """The runs of a phase by start."""
    mine = [run for run in plan.assignments if (run.job, run.phase) == (phase.job, phase.phase)]
    return sorted(mine, key=lambda run: run.start)


def offer_of(plan: Plan, name: str) -> OfferFact:
    """The facts of an offer, which must be there."""
    return next(offer for offer in plan.offers if offer.offer == name)


def time_text(moment: datetime) -> str:
    """A moment in words."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def phase_name(phase: PhaseFact) -> str:
    """A phase in words."""
    return f"{phase.job}/{phase.phase}"


def run_name(run: Assignment) -> str:
    """A run in words."""
    return f"The run of {run.job}/{run.phase} on {run.nodes} nodes of {run.offer} from {time_text(run.start)}"


def purchase_name(purchase: Purchase) -> str:
    """A purchase in words."""
    return f"The purchase of {purchase.nodes} nodes of {purchase.offer} from {time_text(purchase.start)}"
