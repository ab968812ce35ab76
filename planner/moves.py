"""What it costs to move a job's checkpoint out of a region.

A checkpoint is as large as goodput takes it to be (`checkpoint_bytes_per_parameter` of failure_rates.csv): weights,
their 32-bit copy and two moments of Adam for every parameter, also of LoRA and of frozen layers. GB are 10^9 bytes.
The price is the list price of traffic to the internet, whatever the destination: between two regions of a provider it
can be lower.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import Offer
from planner.performance.goodput import checkpoint_bytes
from planner.workload import TrainingJob, Workload

GB = 10**9


@dataclass(frozen=True, slots=True)
class EgressPrice:
    """USD for a GB that leaves, and where the price is from."""

    usd_gb: Decimal
    basis: str


def checkpoint_gb(job: TrainingJob) -> Decimal:
    """GB to be moved with a job, to the MB; 0 where its number of parameters is not known."""
    parameters = float(job.model.parameters) if job.model is not None else job.parameters or 0.0
    return Decimal(round(checkpoint_bytes(parameters) / GB, 3)).quantize(Decimal("0.001"))


def can_move(job: TrainingJob) -> bool:
    """Whether a job has more than one run, so that its checkpoint may have to move."""
    return len(job.phases) > 1 or any(phase.max_segments > 1 for phase in job.phases)


def egress_price(workload: Workload, catalog: Catalog, offer: Offer) -> EgressPrice:
    """The policy's price, else the list price of who has the nodes: own nodes are their owner's, wherever they stand.

    A quote is all there is to pay: list prices do not add to it.
    """
    if workload.policy.egress_usd_gb is not None:
        return EgressPrice(workload.policy.egress_usd_gb, "policy.egress_usd_gb of the workload")
    if offer.quoted:
        return EgressPrice(Decimal(0), "a quote: only policy.egress_usd_gb adds to it")
    provider = catalog.providers[catalog.regions[offer.region].provider]
    row = catalog.egress_of(provider)
    flags = "".join(f" ({flag})" for flag in row.flags if flag != "default")
    return EgressPrice(row.usd_gb, f"{row.source}{flags}")
