"""The records of the catalog: immutable, one class per file of `data/`.

Numeric fields keep the name and unit of their column; None means that no source gives the figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

PURCHASE_OPTIONS = ("on_demand", "spot", "reserved", "capacity_block", "owned")
TIERS = ("hyperscaler", "cloud", "marketplace", "owned")
HOURS_PER_MONTH = 730
EGRESS_FLAGS = ("default", "recalled")  # of a whole tier, for want of a price; from memory, not read again

FLAGS = {
    "before_reported_rise": "a later price rise is reported, but no table of the new prices was found",
    "below_other_regions": "far below the same machine in other regions of its provider, as the source has it",
    "broker_quote": "a broker's quote, not a list price",
    "fabric_assumed": "the source names no fabric: the network of the reference server is assumed",
    "form_factor_unknown": "the source does not say SXM or PCIe: PCIe is assumed",
    "local_ssd_not_included": "the price leaves out the local SSD, about 1 USD an hour",
    "lower_bound": "the price leaves out the host: the real one is higher",
    "marketplace_price": "a price of the day on a marketplace",
    "old_price": "the newest price found is old",
    "price_date_earliest": "the source is a snapshot without a date: this is the earliest day that fits it",
    "price_date_unknown": "the source is a snapshot without a date",
    "region_inferred": "the source says 'most regions'",
    "region_not_availability": "a list price of all regions: it does not say that the region has the machine",
    "region_unknown": "the source does not name the place: export rules and carbon cannot be judged",
    "shape_from_older_snapshot": "the price per accelerator is newer than the list of shapes and regions",
    "stale_spot_row": "the spot price may be stale",
    "unconfirmed": "no second source confirms the price",
    "unusual_price": "more than 4 times or less than a quarter of the median of its accelerator and purchase option",
}


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One chip: dense peaks (TFLOP/s, no sparsity), GB and GB/s of memory, links, power and the figures of export law.

    `intra_node_bw_gbs` is both directions summed; `scale_out_bw_gbps_per_chip` is Gbit/s in one direction;
    `doubtful_fields` names the columns its source is weakest on; `family` groups chips for calibration.
    """

    id: str
    vendor: str
    name: str
    variant: str
    family: str
    trains: bool
    form_factor: str
    release_date: date | None
    process_nm: float | None
    die_area_mm2: float | None
    memory_gb: float
    memory_type: str
    memory_bw_gbs: float | None
    fp32_tflops: float | None
    tf32_tflops: float | None
    fp16_tflops: float | None
    bf16_tflops: float | None
    fp8_tflops: float | None
    fp4_tflops: float | None
    int8_tops: float | None
    tdp_w: float | None
    intra_node_link: str
    intra_node_bw_gbs: float | None
    io_bw_total_gbs: float | None
    scale_up_domain_size: int
    typical_chips_per_host: int
    scale_out_bw_gbps_per_chip: float | None
    topology: str
    host_overhead_w_per_chip: float | None
    host_overhead_basis: str
    price_usd: float | None
    price_date: date | None
    price_basis: str
    tpp: float | None
    tpp_basis: str
    performance_density: float | None
    dc_marketed: bool
    purchasable: str
    export_variant_of: str
    notes: str
    source_kind: str
    doubtful_fields: tuple[str, ...]
    source: str
    peaks_reviewed: str
    date_checked: date


@dataclass(frozen=True, slots=True)
class Country:
    """A country, the groups its regions belong to, and the power figures of regions that have none of their own."""

    id: str
    name: str
    groups: tuple[str, ...]
    grid_gco2e_kwh: float
    elec_usd_kwh: float
    source: str
    date_checked: date


@dataclass(frozen=True, slots=True)
class Provider:
    """A seller of machines; billing in seconds, None where no source says; `country` is that of its headquarters."""

    id: str
    name: str
    country: str
    tier: str
    billing_unit_seconds: int | None
    minimum_seconds: int | None
    source: str
    date_checked: date


@dataclass(frozen=True, slots=True)
class Region:
    """A provider's place. `country` is '' where the source of its prices does not name the place.

    Grid carbon in g CO2e/kWh (methods differ between providers: see `grid_basis`), electricity in USD/kWh.
    """

    id: str
    provider: str
    name: str
    country: str
    groups: tuple[str, ...]
    grid_gco2e_kwh: float
    grid_basis: str
    pue: float
    pue_basis: str
    elec_usd_kwh: float
    elec_basis: str
    source: str
    date_checked: date


@dataclass(frozen=True, slots=True)
class InstanceType:
    """A provider's model of node. `network_gbps` is Gbit/s per node in one direction.

    `multi_node`: nodes can be joined in one fabric. `slice_hosts`: node counts of one TPU slice as sold, () for others.
    """

    id: str
    provider: str
    name: str
    accelerator: str
    accelerators: int
    vcpus: float | None
    memory_gib: float | None
    network_gbps: float | None
    network_basis: str
    multi_node: bool
    slice_hosts: tuple[int, ...]
    maximum_slices: int
    source: str
    date_checked: date
    notes: str


@dataclass(frozen=True, slots=True)
class TpuSlice:
    """A TPU slice shape: `is_default` is the shape a size is given when none is asked for; `sold`: seen on sale."""

    generation: str
    name: str
    chips: int
    topology: tuple[int, ...]
    hosts: int
    chips_per_host: int
    machine_type: str
    is_default: bool
    sold: bool
    maximum_slice_chips: int
    pod_chips: int
    interconnect: str
    source: str
    date_checked: date
    notes: str


@dataclass(frozen=True, slots=True)
class Availability:
    """How many nodes of a scope (an instance type, a provider or a tier) are assumed where no source says."""

    scope: str
    purchase_option: str
    maximum_nodes: int
    basis: str


@dataclass(frozen=True, slots=True)
class Egress:
    """List price of a GB of data that leaves a region of a scope (a provider or a tier) for another place."""

    scope: str
    usd_gb: Decimal
    flags: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Rate:
    """Units of a currency that bought one USD on a day."""

    currency: str
    date: date
    per_usd: Decimal
    source: str


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) in UTC, None = open; between `minimum_nodes` and `maximum_nodes` at one price per node-hour."""

    start: datetime | None
    end: datetime | None
    minimum_nodes: int
    maximum_nodes: int
    price_usd_node_hour: Decimal


@dataclass(frozen=True, slots=True)
class Offer:
    """Instance type x region x purchase option x price x dates; windows are sorted and disjoint.

    A run is billed for at least `minimum_seconds`, in whole `billing_unit_seconds`, or as the smallest of
    `blocks_seconds` that holds it; `node_counts` are the only sizes sold, () any. `price_date` is '' where unknown.
    What is bought for a time starts at least `lead_time_hours` and at most `ahead_hours` after it is ordered (None:
    any time), at `start_hour_utc` of a day (None: any hour); `use_usd_node_hour` of the price is paid only in use.
    """

    id: str
    instance_type: str
    region: str
    purchase_option: str
    windows: tuple[Window, ...]
    minimum_seconds: int = 0
    billing_unit_seconds: int = 1
    blocks_seconds: tuple[int, ...] = ()
    node_counts: tuple[int, ...] = ()
    lead_time_hours: float = 0.0
    ahead_hours: float | None = None
    start_hour_utc: float | None = None
    use_usd_node_hour: Decimal = Decimal(0)
    zone: str = ""
    price_date: str = ""
    source: str = ""
    date_checked: str = ""
    availability_basis: str = ""
    flags: tuple[str, ...] = ()
    notes: str = ""
    quoted: bool = False  # in a user's own file: what it does not say costs nothing
