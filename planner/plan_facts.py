"""What a plan relied on, from workload, catalog and problem to the facts of its document."""

from __future__ import annotations

from collections.abc import Sequence

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import Offer
from planner.moves import checkpoint_gb, egress_price
from planner.optimizer.problem import PhaseTask, RunOption, Term
from planner.options import Option
from planner.plan import LimitFact, OfferFact, PhaseFact, PriceWindow, TermFact
from planner.pricing import STEP_S, availability_limit, instant, priced_windows
from planner.selection import accelerator_names, region_names
from planner.shared_limits import Limited
from planner.workload import Phase, Quota, TrainingJob, Workload


def phase_fact(workload: Workload, job: TrainingJob, phase: Phase, task: PhaseTask, moves_cost: bool) -> PhaseFact:
    """What had to be done."""
    return PhaseFact(
        job=job.name,
        phase=phase.name,
        tokens=phase.tokens,
        sequence_length=phase.sequence_length,
        global_batch_tokens=phase.global_batch_tokens,
        earliest=instant(workload, task.earliest * STEP_S),
        deadline=instant(workload, task.deadline * STEP_S),
        late_cost_usd_day=task.late_cost * (86400 // STEP_S) / 1e6,
        max_segments=phase.max_segments,
        after=phase.after,
        checkpoint_gb=float(checkpoint_gb(job)) if moves_cost else 0.0,
    )


def offer_fact(
    workload: Workload, catalog: Catalog, option: Option, run_option: RunOption, terms: Sequence[Term]
) -> OfferFact:
    """Place, machine, prices and rules of the offer of an option."""
    offer, bought_for_a_time = option.offer, run_option.term is not None
    egress = egress_price(workload, catalog, offer)
    return OfferFact(
        offer=offer.id,
        provider=option.instance_type.provider,
        region=option.region.id,
        country=option.region.country,
        instance_type=option.instance_type.id,
        accelerator=option.instance_type.accelerator,
        accelerators_per_node=option.instance_type.accelerators,
        purchase_option=offer.purchase_option,
        windows=tuple(
            PriceWindow(
                start=instant(workload, window.start * STEP_S),
                end=instant(workload, window.end * STEP_S),
                price_usd_node_hour=(run_option.windows[0].price if bought_for_a_time else window.price) / 1e6,
                maximum_nodes=window.maximum_nodes,
            )
            for window in priced_windows(workload, catalog, offer)
        ),
        minimum_seconds=0 if bought_for_a_time else offer.minimum_seconds,
        unit_seconds=1 if bought_for_a_time else offer.billing_unit_seconds,
        blocks_seconds=() if bought_for_a_time else offer.blocks_seconds,
        terms=tuple(_term_fact(workload, term) for term in terms),
        region_names=tuple(sorted(region_names(option.region))),
        accelerator_names=tuple(sorted(accelerator_names(catalog.accelerators[option.instance_type.accelerator]))),
        egress_usd_gb=float(egress.usd_gb),
        egress_basis=egress.basis,
        price_source=offer.source,
        price_date=offer.price_date,
        availability_basis=availability_basis(workload, catalog, offer),
    )


def limit_fact(limited: Limited) -> LimitFact:
    """A quota or a power limit of a site."""
    limit = limited.limit
    quota = limit if isinstance(limit, Quota) else None
    return LimitFact(
        name=limited.key,
        unit="MW" if limited.unit == "W" else limited.unit,
        maximum=limited.amount / 1e6 if limited.unit == "W" else limited.amount,
        provider=limit.provider,
        region=limit.region,
        purchase_option=quota.purchase_option if quota else None,
        accelerator=quota.accelerator if quota else None,
        start=limit.since,
        end=limit.until,
    )


def availability_basis(workload: Workload, catalog: Catalog, offer: Offer) -> str:
    """Why so many nodes are believed to be had."""
    limit = availability_limit(workload.policy, offer, catalog)
    if limit is not None:
        return f"policy.availability of the workload: {limit} nodes"
    return offer.availability_basis


def _term_fact(workload: Workload, term: Term) -> TermFact:
    aligned = term.first + (term.offset - term.first) % term.every
    return TermFact(
        price_usd_node_hour=term.price / 1e6,
        lengths_seconds=tuple(length * STEP_S for length in term.lengths),
        sizes=term.sizes,
        first=instant(workload, aligned * STEP_S),
        last=instant(workload, term.last * STEP_S),
        every_seconds=term.every * STEP_S,
        maximum_nodes=term.capacity,
    )
