"""A plan: facts that stand alone, so that anyone can check them without the solver.

The JSON of a plan is exactly these models (`Plan.model_dump(mode="json")`). Money is in USD, times are UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["optimal", "feasible", "infeasible", "unknown"]
AlternativeKind = Literal["accelerator", "near"]


class Fact(BaseModel):
    """Base of every part of a plan: immutable, and no field that is not stated here."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceWindow(Fact):
    """An offer's nodes and price between two instants."""

    start: datetime
    end: datetime
    price_usd_node_hour: float
    maximum_nodes: int


class TermFact(Fact):
    """How nodes of an offer can be bought for a time: how long, how many, from when.

    A purchase starts at `first` or a whole number of `every_seconds` later, not after `last`; those held at the same
    time have at most `maximum_nodes` together. `sizes` are the only node counts sold, () any.
    """

    price_usd_node_hour: float
    lengths_seconds: tuple[int, ...]
    sizes: tuple[int, ...] = ()
    first: datetime
    last: datetime
    every_seconds: int
    maximum_nodes: int


class OfferFact(Fact):
    """What the plan relied on about one offer."""

    offer: str
    provider: str
    region: str
    country: str
    instance_type: str
    accelerator: str
    accelerators_per_node: int
    purchase_option: str
    windows: tuple[PriceWindow, ...]
    minimum_seconds: int = 0
    unit_seconds: int = 1
    blocks_seconds: tuple[int, ...] = ()
    terms: tuple[TermFact, ...] = ()  # bought for a time; `windows` then hold what an hour of use costs on top
    region_names: tuple[str, ...] = ()  # what limits may call the region: id, name, country, groups
    accelerator_names: tuple[str, ...] = ()  # what limits may call the accelerator
    egress_usd_gb: float = 0.0  # of a checkpoint that leaves the region
    egress_basis: str = ""
    price_source: str = ""
    price_date: str = ""
    availability_basis: str = ""


class PhaseFact(Fact):
    """What had to be done."""

    job: str
    phase: str
    tokens: int
    sequence_length: int
    global_batch_tokens: int
    earliest: datetime
    deadline: datetime
    late_cost_usd_day: float = 0.0
    max_segments: int = 1
    after: tuple[str, ...] = ()
    checkpoint_gb: float = 0.0  # to be moved when the next run is elsewhere


class LimitFact(Fact):
    """A limit on what runs at the same time over the offers that it names; no end or no name: all."""

    name: str
    unit: Literal["nodes", "accelerators", "MW"]
    maximum: float
    provider: str | None = None
    region: str | None = None
    purchase_option: str | None = None
    accelerator: str | None = None
    start: datetime | None = None
    end: datetime | None = None


class Assignment(Fact):
    """One run: this phase on these nodes with this layout, from start to end."""

    job: str
    phase: str
    offer: str
    provider: str
    region: str
    country: str
    instance_type: str
    accelerator: str
    purchase_option: str
    nodes: int
    accelerators: int
    layout: dict[str, Any]
    start: datetime
    end: datetime
    work_share: float
    tokens: int
    tokens_per_second: float  # wall-clock: goodput included
    startup_seconds: int
    throughput_margin: float = 1.0  # of the expected throughput that is planned on, by policy.on_time_probability
    held_share: float = 1.0  # of the time in which spot nodes are there and billed; 1 for all else
    step_time_s: float
    mfu: float
    hfu: float
    goodput: float
    breakdown_s: dict[str, float] = Field(default_factory=dict)
    memory_gib: dict[str, float] = Field(default_factory=dict)
    throughput_basis: str = "model"  # model | measured | assumed_mfu
    expected_error: float | None = None  # of the step time: half of the validated runs like this one are off by less
    expected_error_p90: float | None = None  # nine in ten are
    power_mw: float = 0.0
    energy_mwh: float = 0.0
    carbon_t: float = 0.0
    cost_usd: float  # its own purchase, or its part of a shared one; what nobody uses is in the plan's costs


class Purchase(Fact):
    """What is paid for: this offer, n nodes, from, until; the runs inside it, by their place in the plan."""

    offer: str
    purchase_option: str
    nodes: int
    start: datetime
    end: datetime
    held_share: float = 1.0
    cost_usd: float  # what the use of its nodes costs on top included
    use_usd: float = 0.0  # of the cost, what is paid for use alone
    unused_share: float = 0.0  # of the node-hours paid
    term: int | None = None  # of the offer's terms, the one it is bought on; None: a run's own
    runs: tuple[int, ...] = ()


class Alternative(Fact):
    """Another plan: the cheapest on another accelerator, or why there is none; or one near the optimum.

    Near the optimum means within the share `within` of it, on another accelerator, purchase option or region: the best
    plan that uses none of the kinds before it. Offer, nodes and the like are those of the run that holds most nodes for
    longest. `gap`: how much better, as a share of the aim, another plan like it could be.
    """

    kind: AlternativeKind = "accelerator"
    accelerator: str
    cost_usd: float | None = None
    finish: datetime | None = None
    offer: str = ""
    purchase_option: str = ""
    region: str = ""
    nodes: int = 0
    accelerators: int = 0
    gap: float | None = None
    difference: str = ""  # in words, from the plan
    reason: str = ""


class DelayFact(Fact):
    """The cheapest plan that ends at least some days before this one (`days` below 0), or whose deadlines are so many
    days later; and what that costs more (below 0: less), in all and for each of the days.
    """

    days: int
    finish: datetime | None = None
    cost_usd: float | None = None
    extra_usd: float | None = None
    extra_usd_day: float | None = None
    gap: float | None = None
    reason: str = ""  # why there is none


class Warning_(Fact):
    """Something the reader must know; `rule` and `source` are set when a law or a data gap stands behind it."""

    message: str
    rule: str = ""
    source: str = ""


class Plan(Fact):
    """Assignments, purchases, costs and the proof; or the reasons why there is no plan."""

    workload: str
    status: Status
    aim: str = "cost"
    cost_usd: float | None = None
    bound_usd: float | None = None
    gap: float | None = None
    start: datetime
    finish: datetime | None = None
    horizon_end: datetime
    budget_usd: float | None = None
    max_nodes: int | None = None
    max_power_mw: float | None = None
    max_carbon_t: float | None = None
    carbon_t: float | None = None
    energy_mwh: float | None = None
    solve_seconds: float = 0.0
    assignments: tuple[Assignment, ...] = ()
    purchases: tuple[Purchase, ...] = ()
    costs: dict[str, float] = Field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()
    within: float = 0.0  # of the aim, in which alternatives near the optimum were sought; 0: none were
    within_complete: bool = False  # proven that no other kind of plan is within that
    delay: tuple[DelayFact, ...] = ()
    reasons: tuple[str, ...] = ()
    warnings: tuple[Warning_, ...] = ()
    options_considered: int = 0
    options_refused: dict[str, int] = Field(default_factory=dict)
    phases: tuple[PhaseFact, ...] = ()
    offers: tuple[OfferFact, ...] = ()
    limits: tuple[LimitFact, ...] = ()
    catalog_digest: str = ""
    workload_digest: str = ""
    planner_version: str = ""
