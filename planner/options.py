"""Every allowed way to run every phase, with the reason for everything refused. Knows physics and prices, no solver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hardware_catalog.catalog import Catalog
from hardware_catalog.collection import no_cycle_search
from hardware_catalog.records import InstanceType, Offer, Region
from planner.allowed_offers import Refusal, allowed_offers
from planner.market import Market, market_of
from planner.moves import can_move, checkpoint_gb
from planner.performance.efficiency import Efficiency
from planner.placements import Placed, Placement, Placements, Unplaced
from planner.pricing import (
    STEP_S,
    PricedWindow,
    horizon_steps,
    step_at_or_after,
    step_at_or_before,
)
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


@no_cycle_search()
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
    market = market_of(workload, catalog, list(allowed_offers(workload, catalog, refusals, warnings)))
    found: list[Option] = []
    for job in workload.jobs:
        placements = Placements(job, workload.policy, catalog, constants, placed.setdefault(job.name, {}))
        for phase in job.phases:
            found.extend(_phase_options(workload, market, job, phase, placements, refusals))
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


@dataclass(frozen=True, slots=True)
class _Speed:
    """A phase on n nodes of an instance type bought in one way: the same in every place and at every price."""

    placement: Placement
    rate: int
    loss: int


def _phase_options(
    workload: Workload,
    market: Market,
    job: TrainingJob,
    phase: Phase,
    placements: Placements,
    refusals: list[Refusal],
) -> Iterator[Option]:
    """The options of one phase; sizes refused for one reason are put together."""
    windows = market.windows
    gigabytes = checkpoint_gb(job) if can_move(job) else Decimal(0)
    span = phase_window(workload, job)
    earliest, last = span.earliest, span.last
    label = f"{job.name}/{phase.name}"
    placed = placements.of_phase(phase, market.most, market.named)
    speeds: dict[tuple[str, str, int], _Speed] = {}
    for sold in market.sold:
        offer, instance_type = sold.offer, sold.instance_type
        refused: dict[tuple[str, str], list[int]] = defaultdict(list)
        slow: dict[int, float] = {}
        usable = False
        leave_usd = gigabytes * sold.leave_usd_gb
        for nodes, placement in placed[instance_type.id].items():
            if offer.node_counts and nodes not in offer.node_counts:
                continue
            sized = windows.sized(sold.windows, nodes)
            here = windows.dated(sized, earliest, last)
            if not here:
                continue
            if isinstance(placement, Unplaced):
                refused[placement.kind, placement.reason].append(nodes)
                continue
            accelerators = nodes * instance_type.accelerators
            power_w = sold.watts.watts * accelerators
            claims = sold.claims(nodes, accelerators, power_w)
            dearest = windows.dearest(here) * nodes * last
            if broken := sold.broken(workload.policy, here, claims, power_w, dearest):
                refused["policy", broken].append(nodes)
                continue
            key = instance_type.id, offer.purchase_option, nodes
            if key not in speeds:
                speeds[key] = _speed(placements.with_goodput(placement, offer))
            speed = speeds[key]
            rate, loss = speed.rate, speed.loss
            if rate <= 0 or (phase.max_segments == 1 and (last - earliest) * rate < phase.tokens + loss):
                slow[nodes] = (phase.tokens + loss) / max(rate, 1) * STEP_S / 86400
                continue
            usable = True
            held = speed.placement.held_share
            here = windows.dated(windows.scaled(sized, held), earliest, last)
            carbon_g_step = sold.watts.grams_per_hour * accelerators * held * STEP_S / 3600
            for piece in windows.pieces(offer, here):
                yield Option(
                    job.name,
                    phase.name,
                    offer,
                    instance_type,
                    sold.region,
                    nodes,
                    speed.placement,
                    piece,
                    rate,
                    loss,
                    power_w,
                    carbon_g_step,
                    market.claims.setdefault(claims, claims),
                    leave_usd,
                )
        refusals.extend(_refusals(offer, label, refused, slow, last - earliest))
        if not (usable or refused or slow):
            refusals.append(Refusal("no capacity", offer.id, "no size of it is both on sale and wanted", label))


def _refusals(
    offer: Offer, phase: str, refused: dict[tuple[str, str], list[int]], slow: dict[int, float], steps: int
) -> Iterator[Refusal]:
    """The refusals of an offer's sizes, one for each reason; `slow` are the days that a size needs."""
    for (kind, reason), nodes in refused.items():
        yield Refusal(kind, offer.id, reason, phase, tuple(nodes))
    if slow:
        fastest = min(slow, key=lambda nodes: slow[nodes])
        room = steps * STEP_S / 86400
        reason = f"too slow: {fastest} nodes need {slow[fastest]:,.1f} of the {room:,.1f} days there are"
        yield Refusal("deadline", offer.id, reason, phase, tuple(slow))


def _speed(placement: Placement) -> _Speed:
    """Tokens in a step, and those not trained while a run starts up."""
    rate = int(placement.tokens_per_second * STEP_S + 1e-6)
    return _Speed(placement, rate, -int(-rate * placement.startup_s // STEP_S))


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
