"""Rules of `verify` about what all runs share: power, carbon, nodes, quotas and the power of sites."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from planner.optimizer.verify_words import MILLIONTH, offer_of, run_name, seconds_of, time_text
from planner.plan import Assignment, LimitFact, OfferFact, Plan


def power_and_carbon_add_up(plan: Plan) -> Iterator[str]:
    """Energy is power x time, totals are sums, and the caps on power and carbon are kept."""
    for run in plan.assignments:
        energy = Fraction(run.power_mw) * Fraction(run.held_share) * seconds_of(run.end - run.start) / 3600
        if abs(energy - Fraction(run.energy_mwh)) > MILLIONTH * (1 + energy):
            made = f"{run.power_mw} MW make {float(energy):.6f} MWh in its time"
            yield f"{run_name(run)} says {run.energy_mwh} MWh; {made}."
    for moment in sorted({run.start for run in plan.assignments}):
        drawn = [Fraction(run.power_mw) for run in plan.assignments if run.start <= moment < run.end]
        power = sum(drawn, Fraction(0))
        if plan.max_power_mw is not None and power > Fraction(plan.max_power_mw) * (1 + MILLIONTH):
            yield f"At {time_text(moment)} {float(power):.3f} MW are drawn; the limit is {plan.max_power_mw} MW."
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


def limits_are_kept(plan: Plan) -> Iterator[str]:
    """At every moment what runs stays within the node cap, every quota and the power of every site."""
    for moment in sorted({run.start for run in plan.assignments}):
        nodes = sum(run.nodes for run in plan.assignments if run.start <= moment < run.end)
        if plan.max_nodes is not None and nodes > plan.max_nodes:
            yield f"At {time_text(moment)} {nodes} nodes run; the limit is {plan.max_nodes}."
    for limit in plan.limits:
        runs = [run for run in plan.assignments if covers(limit, offer_of(plan, run.offer))]
        moments = {run.start for run in runs} | ({limit.start} if limit.start else set())
        for moment in sorted(moments):
            if (limit.start and moment < limit.start) or (limit.end and moment >= limit.end):
                continue
            claimed = sum((_claim(limit, run) for run in runs if run.start <= moment < run.end), Fraction(0))
            if claimed > Fraction(limit.maximum) * (1 + MILLIONTH):
                yield (
                    f"At {time_text(moment)} {float(claimed):g} {limit.unit} are used of {limit.name}, "
                    f"which allows {limit.maximum:g}."
                )


def covers(limit: LimitFact, offer: OfferFact) -> bool:
    """Whether runs on an offer count; own nodes are in no provider's account unless the quota says owned."""
    if limit.provider not in (None, offer.provider):
        return False
    if limit.region not in (None, offer.region, *offer.region_names):
        return False
    if limit.accelerator not in (None, offer.accelerator, *offer.accelerator_names):
        return False
    if limit.unit != "MW" and limit.provider and not limit.purchase_option and offer.purchase_option == "owned":
        return False
    return limit.purchase_option in (None, offer.purchase_option)


def _claim(limit: LimitFact, run: Assignment) -> Fraction:
    return Fraction({"nodes": run.nodes, "accelerators": run.accelerators, "MW": run.power_mw}[limit.unit])
