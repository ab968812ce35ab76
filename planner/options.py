"""Every allowed way to run every phase, with the reason for everything refused. Knows physics and prices, no solver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import InstanceType, Offer, Region
from planner.allowed_offers import Offered, Refusal, allowed_offers
from planner.energy import power
from planner.moves import can_move, checkpoint_gb, egress_price
from planner.performance.efficiency import Efficiency
from planner.placements import Placed, Placement, Placements, Unplaced
from planner.pricing import (
    MOST_COST,
    STEP_S,
    PricedWindow,
    horizon_steps,
    pieces,
    step_at_or_after,
    step_at_or_before,
    windows_for,
)
from planner.shared_limits import Limited, shared_limits
from planner.workload import Phase, TrainingJob, Workload

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Option:
    """One phase on n nodes of one offer with its best layout: a row of the options table."""

    job: str
    phase: str
    offer: Offer
    instance_type: InstanceType
    region: Region
    nodes: int
    placement: Placement
    windows: tuple[PricedWindow, ...]
    rate: int  # tokens per step, goodput included
    loss: int  # tokens not trained while a run starts up
    power_w: float  # all nodes, PUE included
    carbon_g_step: float  # all nodes
    claims: tuple[tuple[int, int], ...] = ()  # (index of a shared limit of the workload, what it claims of it)
    leave_usd: Decimal = Decimal(0)  # to move the job's checkpoint out of the region

    @property
    def accelerators(self) -> int:
        """Accelerators used."""
        return self.nodes * self.instance_type.accelerators

    @property
    def usd_hour(self) -> float:
        """Lowest price of the option over its windows, USD per hour for all nodes."""
        return min(window.price for window in self.windows) * self.nodes / 1e6

    @property
    def usd_per_million_tokens(self) -> float:
        """Lowest price of a million tokens, start-up left out."""
        return self.usd_hour / self.rate * 1e6 * STEP_S / 3600


@dataclass(frozen=True, slots=True)
class PhaseWindow:
    """The steps a phase may use: from `earliest` to `deadline` (soft when the job pays for lateness) or the horizon."""

    earliest: int
    deadline: int
    horizon: int
    soft: bool

    @property
    def last(self) -> int:
        """The step by which the phase must have ended whatever it pays."""
        return self.horizon if self.soft else self.deadline


@dataclass(frozen=True, slots=True)
class OptionsTable:
    """All options and all refusals of a workload."""

    options: tuple[Option, ...]
    refusals: tuple[Refusal, ...]
    warnings: dict[str, tuple[str, ...]]  # offer id -> what the law or the data make worth saying

    def frame(self) -> pd.DataFrame:
        """The options as a DataFrame: one row per option; rates in tokens/s, prices in USD."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def refused_for(self, *phases: str) -> list[Refusal]:
        """The refusals that concern any of these phases (`job/phase`)."""
        return [refusal for refusal in self.refusals if refusal.phase in ("", *phases)]

    def rows(self) -> list[dict[str, object]]:
        """The options as plain rows, in the order of phases and offers."""
        return [_row(option) for option in self.options]

    def refused(self) -> pd.DataFrame:
        """The refusals as a DataFrame."""
        import pandas as pd

        rows = [
            {"kind": r.kind, "phase": r.phase or "any", "offer": r.offer, "nodes": sizes(r.nodes), "reason": r.reason}
            for r in self.refusals
        ]
        return pd.DataFrame(rows, columns=["kind", "phase", "offer", "nodes", "reason"])


def options(
    workload: Workload,
    catalog: Catalog,
    constants: Efficiency | None = None,
    placed: dict[str, Placed] | None = None,
) -> OptionsTable:
    """Every way to run every phase that catalog, policy, law and physics allow, and why not the rest.

    `placed` keeps the placements by job from one call to the next, for workloads that differ in policy and dates alone.
    """
    placed = {} if placed is None else placed
    refusals: list[Refusal] = []
    warnings: dict[str, tuple[str, ...]] = {}
    offered = list(allowed_offers(workload, catalog, refusals, warnings))
    found: list[Option] = []
    for job in workload.jobs:
        placements = Placements(job, workload.policy, catalog, constants, placed.setdefault(job.name, {}))
        for phase in job.phases:
            found.extend(_phase_options(workload, catalog, job, phase, placements, offered, refusals))
    return OptionsTable(tuple(found), tuple(refusals), warnings)


def phase_window(workload: Workload, job: TrainingJob) -> PhaseWindow:
    """The steps in which the phases of a job may run."""
    horizon = horizon_steps(workload)
    earliest = max(0, step_at_or_after(workload, job.earliest_start)) if job.earliest_start else 0
    deadline = min(horizon, step_at_or_before(workload, job.deadline)) if job.deadline else horizon
    return PhaseWindow(earliest, deadline, horizon, soft=bool(job.deadline and job.late_cost_usd_day))


def sizes(nodes: Iterable[int]) -> str:
    """Node counts in short: '1-8, 10, 12'."""
    ordered = sorted(nodes)
    parts: list[str] = []
    index = 0
    while index < len(ordered):
        end = index
        while end + 1 < len(ordered) and ordered[end + 1] == ordered[end] + 1:
            end += 1
        parts.append(str(ordered[index]) if end == index else f"{ordered[index]}-{ordered[end]}")
        index = end + 1
    return ", ".join(parts)


def _phase_options(
    workload: Workload,
    catalog: Catalog,
    job: TrainingJob,
    phase: Phase,
    placements: Placements,
    offered: list[Offered],
    refusals: list[Refusal],
) -> Iterator[Option]:
    """The options of one phase; sizes refused for one reason are put together."""
    policy = workload.policy
    limits = shared_limits(workload)
    gigabytes = checkpoint_gb(job) if can_move(job) else Decimal(0)
    span = phase_window(workload, job)
    label = f"{job.name}/{phase.name}"
    placed = placements.of_phase(phase, *_sizes_wanted(offered, policy.max_nodes))
    for offer, instance_type, region, windows in offered:
        watts = power(catalog.accelerators[instance_type.accelerator], region)
        refused: dict[tuple[str, str], list[int]] = defaultdict(list)
        slow: dict[int, float] = {}
        usable = False
        shared = [(index, limit) for index, limit in enumerate(limits) if limit.covers(offer, catalog)]
        leave_usd = gigabytes * egress_price(workload, catalog, offer).usd_gb
        for nodes, placement in placed[instance_type.id].items():
            if offer.node_counts and nodes not in offer.node_counts:
                continue
            here = tuple(w for w in windows_for(windows, nodes) if w.start < span.last and w.end > span.earliest)
            if not here:
                continue
            if isinstance(placement, Unplaced):
                refused[placement.kind, placement.reason].append(nodes)
                continue
            accelerators = nodes * instance_type.accelerators
            power_w = watts.watts * accelerators
            if policy.max_power_mw is not None and power_w > policy.max_power_mw * 1e6:
                refused["policy", f"draws more than policy.max_power_mw = {policy.max_power_mw:g}"].append(nodes)
                continue
            claims = _claims(shared, nodes, accelerators, power_w)
            if above := [limits[at] for at, claim in claims if not limits[at].leaves(here, claim)]:
                refused["policy", f"is more than {above[0].text} allows"].append(nodes)
                continue
            if max(w.price for w in here) * nodes * span.last > MOST_COST:
                refused["policy", "costs more than can be counted: over 100 billion USD"].append(nodes)
                continue
            placement = placements.with_goodput(placement, offer)
            rate = int(placement.tokens_per_second * STEP_S + 1e-6)
            loss = -int(-rate * placement.startup_s // STEP_S)
            if rate <= 0 or (phase.max_segments == 1 and (span.last - span.earliest) * rate < phase.tokens + loss):
                slow[nodes] = (phase.tokens + loss) / max(rate, 1) * STEP_S / 86400
                continue
            usable = True
            held = placement.held_share
            if held < 1:
                here = tuple(replace(window, price=round(window.price * held)) for window in here)
            carbon_g_step = watts.grams_per_hour * accelerators * held * STEP_S / 3600
            for piece in pieces(offer, here):
                yield Option(
                    job.name,
                    phase.name,
                    offer,
                    instance_type,
                    region,
                    nodes,
                    placement,
                    piece,
                    rate,
                    loss,
                    power_w,
                    carbon_g_step,
                    claims,
                    leave_usd,
                )
        for (kind, reason), nodes_refused in refused.items():
            refusals.append(Refusal(kind, offer.id, reason, label, tuple(nodes_refused)))
        if slow:
            fastest = min(slow, key=lambda nodes: slow[nodes])
            room = (span.last - span.earliest) * STEP_S / 86400
            reason = f"too slow: {fastest} nodes need {slow[fastest]:,.1f} of the {room:,.1f} days there are"
            refusals.append(Refusal("deadline", offer.id, reason, label, tuple(slow)))
        if not (usable or refused or slow):
            refusals.append(Refusal("no capacity", offer.id, "no size of it is both on sale and wanted", label))


def _claims(
    shared: list[tuple[int, Limited]], nodes: int, accelerators: int, power_w: float
) -> tuple[tuple[int, int], ...]:
    """What a run of this size claims of each shared limit that covers its offer."""
    return tuple((index, limit.claim(nodes, accelerators, power_w)) for index, limit in shared)


def _sizes_wanted(offered: list[Offered], max_nodes: int | None) -> tuple[dict[str, int], dict[str, set[int]]]:
    """Per instance type: the most nodes any offer has, and the node counts that offers name."""
    most: dict[str, int] = defaultdict(int)
    named: dict[str, set[int]] = defaultdict(set)
    for offer, instance_type, _, windows in offered:
        limit = max(window.maximum_nodes for window in windows)
        most[instance_type.id] = max(most[instance_type.id], min(limit, max_nodes or limit))
        named[instance_type.id].update(window.minimum_nodes for window in windows)
        named[instance_type.id].update(window.maximum_nodes for window in windows if window.maximum_nodes <= 64)
        named[instance_type.id].update(offer.node_counts)
    return most, named


def _row(option: Option) -> dict[str, object]:
    placement = option.placement
    return {
        "job": option.job,
        "phase": option.phase,
        "offer": option.offer.id,
        "purchase_option": option.offer.purchase_option,
        "region": option.region.id,
        "accelerator": option.instance_type.accelerator,
        "nodes": option.nodes,
        "accelerators": option.accelerators,
        "layout": placement.layout_text,
        "tokens_per_second": placement.tokens_per_second,
        "mfu": placement.mfu,
        "goodput": placement.goodput,
        "usd_hour": option.usd_hour,
        "usd_per_million_tokens": option.usd_per_million_tokens,
    }
