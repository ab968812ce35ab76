"""Physics of one job's phases on slices: which node counts are tried, with which layout and throughput.

A placement comes from the performance model, from the user's own measurement (which wins), or, when the architecture
is unknown, from an assumed MFU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import InstanceType, Offer
from planner.performance.efficiency import Efficiency
from planner.performance.estimate import Estimate, best_layouts
from planner.performance.goodput import Goodput, goodput
from planner.performance.hardware import hardware
from planner.performance.software import software_of
from planner.workload import Phase, Policy, TrainingJob

OPTIMIZER_BYTES = 16  # weights, gradients and Adam state of mixed-precision training, ZeRO arXiv:1910.02054 section 3.1
USABLE_MEMORY = 0.8  # guess: the rest goes to activations and buffers when the architecture is unknown
BATCH_TOLERANCE = 0.02
ASSUMED_MFU_P90 = 1.0  # guess: nine in ten throughputs from an assumed MFU are right within a factor of two
MEMORY_HEADROOM = 0.05  # guess: what fragmentation takes; a plan that runs out of memory is worth nothing


@dataclass(frozen=True, slots=True)
class Placement:
    """One phase on n nodes: throughput (tokens/s, wall-clock once goodput is in), layout and breakdowns."""

    nodes: int
    tokens_per_second: float
    basis: str  # model | measured | assumed_mfu
    layout: Mapping[str, Any] = field(default_factory=dict)
    layout_text: str = ""
    step_time_s: float = 0.0
    mfu: float = 0.0
    hfu: float = 0.0
    breakdown_s: Mapping[str, float] = field(default_factory=dict)
    memory_gib: Mapping[str, float] = field(default_factory=dict)
    expected_error: float | None = None
    expected_error_p90: float | None = None
    goodput: float = 1.0
    held_share: float = (
        1.0  # of the time in which the nodes are there and billed: spot nodes are taken back and waited for
    )
    goodput_included: bool = False
    margin: float = 1.0  # of the expected throughput, so that deadlines hold at policy.on_time_probability
    startup_s: int = 0


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Why a phase does not run on n nodes."""

    kind: str
    reason: str


Placed = dict[object, dict[int, Placement | Unplaced]]  # by phase and machine, then by nodes: physics alone


class Placements:
    """Placements of one job, each distinct machine computed once; `placed` are those known before, to be added to."""

    def __init__(
        self,
        job: TrainingJob,
        policy: Policy,
        catalog: Catalog,
        constants: Efficiency | None = None,
        placed: Placed | None = None,
    ) -> None:
        self._job = job
        self._policy = policy
        self._catalog = catalog
        self._constants = constants
        self._machines = {} if placed is None else placed
        self._goodputs: dict[tuple[str, int, str], Goodput] = {}

    def of_phase(
        self, phase: Phase, most_nodes: Mapping[str, int], named: Mapping[str, set[int]]
    ) -> dict[str, dict[int, Placement | Unplaced]]:
        """Per instance type and node count, the best placement of a phase or why there is none."""
        return {
            instance_type: self._of_type(phase, self._catalog.instance_types[instance_type], most, named[instance_type])
            for instance_type, most in most_nodes.items()
        }

    def with_goodput(self, placement: Placement, offer: Offer) -> Placement:
        """The placement at wall-clock throughput: failures, checkpoints and preemption included."""
        policy = self._policy
        instance_type = self._catalog.instance_types[offer.instance_type]
        key = (offer.instance_type, placement.nodes, offer.purchase_option)
        if key not in self._goodputs:
            self._goodputs[key] = goodput(
                nodes=placement.nodes,
                purchase_option=offer.purchase_option,
                accelerator=self._catalog.accelerators[instance_type.accelerator],
                accelerators_per_node=instance_type.accelerators,
                parameters=_parameters(self._job),
            )
        found = self._goodputs[key]
        fraction, held, startup_s = found.fraction, found.available, found.startup_s
        if placement.goodput_included or not policy.failures:
            fraction = held = 1.0
        if policy.startup_minutes is not None:
            startup_s = policy.startup_minutes * 60
        margin = throughput_margin(placement, policy)
        return replace(
            placement,
            goodput=fraction,
            held_share=held,
            margin=margin,
            tokens_per_second=placement.tokens_per_second * fraction * held * margin,
            startup_s=round(startup_s),
        )

    def _of_type(
        self, phase: Phase, instance_type: InstanceType, most: int, named: set[int]
    ) -> dict[int, Placement | Unplaced]:
        measured = {
            row.nodes: row
            for row in self._job.measured
            if row.instance_type == instance_type.id and row.phase in (None, phase.name)
        }
        if measured:
            return {
                nodes: Placement(
                    nodes, row.tokens_per_second, "measured", layout_text="as measured", goodput_included=row.effective
                )
                for nodes, row in measured.items()
                if nodes <= most
            }
        counts = node_counts(instance_type, most, named)
        machine = (
            phase.name,
            instance_type.accelerator,
            instance_type.accelerators,
            instance_type.network_gbps,
            instance_type.multi_node,
            instance_type.slice_hosts,
        )
        known = self._machines.setdefault(machine, {})
        missing = [nodes for nodes in counts if nodes not in known]
        if missing:
            known.update(zip(missing, self._place(phase, instance_type, missing), strict=True))
        return {nodes: known[nodes] for nodes in counts}

    def _place(self, phase: Phase, instance_type: InstanceType, counts: list[int]) -> list[Placement | Unplaced]:
        accelerator = self._catalog.accelerators[instance_type.accelerator]
        peak_tflops = getattr(accelerator, f"{self._job.precision}_tflops")
        if peak_tflops is None:
            reason = f"{accelerator.id} has no {self._job.precision} matrix units"
            return [Unplaced("precision", reason)] * len(counts)
        if self._job.model is None:
            return [
                self._assumed(nodes * instance_type.accelerators, nodes, peak_tflops, accelerator.memory_gb)
                for nodes in counts
            ]
        machine = hardware(self._catalog, instance_type.id)
        estimates = best_layouts(
            self._job.model,
            replace(machine, memory_gib=machine.memory_gib * (1 - MEMORY_HEADROOM)),
            counts,
            phase.sequence_length,
            batch_sequences(phase),
            self._job.precision,
            lora=phase.method == "lora",
            constants=self._constants,
            software=software_of(self._job.software_year),
        )
        return [
            _placement(nodes, estimate, machine.memory_gib) for nodes, estimate in zip(counts, estimates, strict=True)
        ]

    def _assumed(self, accelerators: int, nodes: int, peak_tflops: float, memory_gb: float) -> Placement | Unplaced:
        """Throughput at the job's assumed MFU; memory by the 16 bytes a parameter of mixed-precision Adam."""
        parameters = _parameters(self._job)
        mfu, flops = self._job.mfu, self._job.flops_per_token
        assert mfu is not None, "a job without a model has an MFU"
        assert flops is not None, "a job without a model has a number of FLOPs"
        room = accelerators * memory_gb * 2**30 * USABLE_MEMORY
        if parameters * OPTIMIZER_BYTES > room:
            short = (parameters * OPTIMIZER_BYTES - room) / 2**30
            return Unplaced("does not fit", f"weights and optimizer state exceed memory by {short:,.0f} GiB in all")
        return Placement(
            nodes,
            accelerators * peak_tflops * 1e12 * mfu / flops,
            "assumed_mfu",
            layout_text="assumed MFU",
            mfu=mfu,
            hfu=mfu,
        )


def throughput_margin(placement: Placement, policy: Policy) -> float:
    """The share of the expected throughput that is reached with `policy.on_time_probability`; 1 without one.

    Throughput errors are taken as log-normal, nine in ten within the validated error of runs like this one, which is
    1.645 standard deviations. The user's own measurement has no error.
    """
    if policy.on_time_probability is None or placement.basis == "measured":
        return 1.0
    p90 = ASSUMED_MFU_P90 if placement.expected_error_p90 is None else placement.expected_error_p90
    sigma = math.log1p(p90) / NormalDist().inv_cdf(0.95)
    return math.exp(-NormalDist().inv_cdf(min(policy.on_time_probability, 0.9999)) * sigma)


def batch_sequences(phase: Phase) -> int:
    """Sequences in a global batch: as stated when the tokens are whole sequences, else the roundest count within 2 %.

    16e6 tokens of 8,192 are 1,953.1 sequences, which almost nothing divides; one would train with 1,920 (2^7 x 15).
    """
    exact, rest = divmod(phase.global_batch_tokens, phase.sequence_length)
    if rest == 0:
        return exact
    wanted = phase.global_batch_tokens / phase.sequence_length
    for power in range(exact.bit_length(), -1, -1):
        count = round(wanted / (1 << power)) << power
        if count and abs(count - wanted) <= BATCH_TOLERANCE * wanted:
            return count
    return exact


def node_counts(instance_type: InstanceType, most: int, named: set[int]) -> list[int]:
    """Node counts worth trying: TPU slices as sold and their multiples; else 1 to 8, then the 5-smooth numbers.

    5-smooth counts (2^a 3^b 5^c) are at most 8 % apart between 8 and 2,000 and are those that divide batches and
    layers; counts that an offer names are tried too.
    """
    if not instance_type.multi_node:
        return [1] if most >= 1 else []
    if instance_type.slice_hosts:
        slices = range(1, instance_type.maximum_slices + 1)
        return sorted({hosts * n for hosts in instance_type.slice_hosts for n in slices if hosts * n <= most})
    return [n for n in range(1, most + 1) if n <= 8 or n in named or _smooth(n)]


def _smooth(n: int) -> bool:
    for prime in (2, 3, 5):
        while n % prime == 0:
            n //= prime
    return n == 1


def _parameters(job: TrainingJob) -> float:
    return float(job.model.parameters) if job.model is not None else float(job.parameters or 0.0)


def _placement(nodes: int, estimate: Estimate, capacity_gib: float) -> Placement | Unplaced:
    if estimate.layout is None:
        return Unplaced("no layout", "no layout divides the model and the batch over this many accelerators")
    if not estimate.fits:
        return Unplaced("does not fit", f"does not fit by {estimate.short_by_gib:,.1f} GiB per accelerator")
    return Placement(
        nodes=nodes,
        tokens_per_second=estimate.tokens_per_second,
        basis="model",
        layout=estimate.layout.as_dict(),
        layout_text=str(estimate.layout),
        step_time_s=estimate.step_time_s,
        mfu=estimate.mfu,
        hfu=estimate.hfu,
        breakdown_s=estimate.breakdown_s,
        memory_gib={**estimate.memory_gib, "capacity": capacity_gib},
        expected_error=estimate.expected_error,
        expected_error_p90=estimate.expected_error_p90,
    )
