"""What the data must satisfy beyond being readable: each rule says in its docstring what it looks for and why.

`check` runs every rule of `RULES` over a catalog. A number that breaks a rule and is right nevertheless says so in the
data: a flag on the offer, a reason in `peaks_reviewed` of the accelerator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from statistics import median

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import FLAGS, PURCHASE_OPTIONS, Accelerator, Offer

PRICE_USD_ACCELERATOR_HOUR = (0.05, 150.0)
UNUSUAL = 4.0  # times above or below the median of the providers
WRONG_SKU = 0.75  # of the median of its regions: the price of another product (GCP's other SKUs are 0.43-0.70)
PEAK_BITS = {"fp16_tflops": 16, "bf16_tflops": 16, "fp8_tflops": 8, "int8_tops": 8, "fp4_tflops": 4}


@dataclass(frozen=True, slots=True)
class Finding:
    """What rule is broken, by which record, how."""

    rule: str
    record: str
    message: str

    def __str__(self) -> str:
        return f"{self.record}: {self.message} [{self.rule}]"


Rule = Callable[[Catalog], Iterator[Finding]]


def check(catalog: Catalog) -> list[Finding]:
    """Everything the rules find, in the order of the rules; an empty list is a good catalog."""
    unknown = list(known_ids(catalog))
    return unknown or [finding for rule in RULES for finding in rule(catalog)]


def known_ids(catalog: Catalog) -> Iterator[Finding]:
    """Ids that another record uses exist. Reading a directory sees to it; a catalog changed in memory may break it."""
    for provider in catalog.providers.values():
        if provider.country and provider.country not in catalog.countries:
            yield Finding("known_ids", provider.id, f"unknown country '{provider.country}'")
    for region in catalog.regions.values():
        if region.provider not in catalog.providers:
            yield Finding("known_ids", region.id, f"unknown provider '{region.provider}'")
    for instance_type in catalog.instance_types.values():
        if instance_type.provider not in catalog.providers:
            yield Finding("known_ids", instance_type.id, f"unknown provider '{instance_type.provider}'")
        if instance_type.accelerator not in catalog.accelerators:
            yield Finding("known_ids", instance_type.id, f"unknown accelerator '{instance_type.accelerator}'")
    for offer in catalog.offers:
        if offer.instance_type not in catalog.instance_types:
            yield Finding("known_ids", offer.id, f"unknown instance type '{offer.instance_type}'")
        if offer.region not in catalog.regions:
            yield Finding("known_ids", offer.id, f"unknown region '{offer.region}'")
        if offer.purchase_option not in PURCHASE_OPTIONS:
            yield Finding("known_ids", offer.id, f"unknown purchase option '{offer.purchase_option}'")
        for flag in offer.flags:
            if flag not in FLAGS:
                yield Finding("known_ids", offer.id, f"unknown flag '{flag}'")


def provenance(catalog: Catalog) -> Iterator[Finding]:
    """Every record has a source, every price a date or the flag that says it has none; no date lies after its check."""
    tables = (catalog.accelerators, catalog.instance_types, catalog.regions, catalog.providers, catalog.countries)
    for records in tables:
        for record in records.values():
            if not record.source.strip():
                yield Finding("provenance", record.id, "has no source")
    for offer in catalog.offers:
        if not offer.source.strip():
            yield Finding("provenance", offer.id, "has no source")
        if not offer.availability_basis.strip():
            yield Finding("provenance", offer.id, "does not say on what its number of nodes rests")
        priced, checked = _day(offer.price_date), _day(offer.date_checked)
        if checked is None:
            yield Finding("provenance", offer.id, "has no date on which it was checked")
        if priced is None and "price_date_unknown" not in offer.flags:
            yield Finding("provenance", offer.id, "its price has no date and no flag price_date_unknown")
        if priced is not None and checked is not None and priced > checked:
            yield Finding("provenance", offer.id, f"its price is of {priced}, after it was checked on {checked}")


def dense_peaks(catalog: Catalog) -> Iterator[Finding]:
    """Peaks are dense and agree: none x bits is above TPP, TF32 is half of BF16 (or all of it), FP8 at most 2.1 x BF16.

    Data sheets print the twice as high sparse figure; mixed with dense ones it breaks one of these ratios.
    """
    for accelerator in catalog.accelerators.values():
        if not accelerator.peaks_reviewed:
            for message in _peak_problems(accelerator):
                yield Finding("dense_peaks", accelerator.id, message)


def plausible_accelerators(catalog: Catalog) -> Iterator[Finding]:
    """A chip that trains has memory and a 16-bit peak (or names its doubt), and draws between 50 W and 3 kW."""
    for accelerator in catalog.accelerators.values():
        has_peak = accelerator.bf16_tflops or accelerator.fp16_tflops
        if accelerator.trains and not has_peak and not accelerator.doubtful_fields:
            yield Finding("plausible_accelerators", accelerator.id, "trains, but has no 16-bit peak")
        if not 8 <= accelerator.memory_gb <= 1024:
            yield Finding("plausible_accelerators", accelerator.id, f"{accelerator.memory_gb:g} GB of memory")
        if accelerator.tdp_w is not None and not 50 <= accelerator.tdp_w <= 3000:
            yield Finding("plausible_accelerators", accelerator.id, f"{accelerator.tdp_w:g} W")
        if accelerator.memory_bw_gbs is not None and not 100 <= accelerator.memory_bw_gbs <= 30000:
            yield Finding("plausible_accelerators", accelerator.id, f"{accelerator.memory_bw_gbs:g} GB/s of memory")


def plausible_nodes(catalog: Catalog) -> Iterator[Finding]:
    """A node has 1 to 64 accelerators and a CPU for each; nodes that are joined have a network; slices are TPUs'."""
    for node in catalog.instance_types.values():
        if not 1 <= node.accelerators <= 64:
            yield Finding("plausible_nodes", node.id, f"{node.accelerators} accelerators in a node")
        if node.vcpus is not None and node.vcpus < node.accelerators:
            yield Finding("plausible_nodes", node.id, f"{node.vcpus:g} vCPUs for {node.accelerators} accelerators")
        if node.multi_node and not node.network_gbps:
            yield Finding("plausible_nodes", node.id, "its nodes are joined by a network of unknown speed")
        if node.network_gbps is not None and not 1 <= node.network_gbps <= 25600:
            yield Finding("plausible_nodes", node.id, f"{node.network_gbps:g} Gbit/s of network")
        if node.network_gbps is not None and not node.network_basis:
            yield Finding("plausible_nodes", node.id, "its network speed has no basis")
        if node.slice_hosts and not catalog.accelerators[node.accelerator].form_factor.startswith("TPU"):
            yield Finding("plausible_nodes", node.id, "is sold in slices but is no TPU")


def plausible_regions(catalog: Catalog) -> Iterator[Finding]:
    """A region's country is known or its offers say that it is not; grid, PUE and electricity price are possible."""
    for region in catalog.regions.values():
        if region.country and region.country not in catalog.countries:
            yield Finding("plausible_regions", region.id, f"'{region.country}' is not a country of countries.csv")
        if not 0 <= region.grid_gco2e_kwh <= 1200:
            yield Finding("plausible_regions", region.id, f"{region.grid_gco2e_kwh:g} g CO2e/kWh")
        if not 1 <= region.pue <= 2:
            yield Finding("plausible_regions", region.id, f"a PUE of {region.pue:g}")
        if not 0.01 <= region.elec_usd_kwh <= 0.6:
            yield Finding("plausible_regions", region.id, f"{region.elec_usd_kwh:g} USD/kWh")
    for offer in catalog.offers:
        if not catalog.regions[offer.region].country and "region_unknown" not in offer.flags:
            yield Finding("plausible_regions", offer.id, "its region has no country and it has no flag region_unknown")


def plausible_prices(catalog: Catalog) -> Iterator[Finding]:
    """Prices per accelerator-hour are possible, and unusual ones (against the median of the providers) are flagged."""
    least, most = PRICE_USD_ACCELERATOR_HOUR
    like: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for offer in catalog.offers:
        node = catalog.instance_types[offer.instance_type]
        like[node.accelerator, offer.purchase_option][node.provider].append(_usd_accelerator_hour(catalog, offer))
    for offer in catalog.offers:
        price = _usd_accelerator_hour(catalog, offer)
        if not least <= price <= most:
            yield Finding("plausible_prices", offer.id, f"{price:.3f} USD an accelerator-hour")
        key = catalog.instance_types[offer.instance_type].accelerator, offer.purchase_option
        middle = median(median(prices) for prices in like[key].values())
        if not middle / UNUSUAL <= price <= middle * UNUSUAL and "unusual_price" not in offer.flags:
            message = f"{price:.3f} USD an accelerator-hour, median {middle:.3f}, without the flag unusual_price"
            yield Finding("plausible_prices", offer.id, message)


def spot_below_on_demand(catalog: Catalog) -> Iterator[Finding]:
    """Spot is cheaper than on demand in the same region: otherwise one of them is the price of something else."""
    on_demand = {(o.instance_type, o.region): o for o in catalog.offers if o.purchase_option == "on_demand"}
    for offer in catalog.offers:
        other = on_demand.get((offer.instance_type, offer.region))
        if offer.purchase_option == "spot" and other is not None and _usd(offer) >= _usd(other):
            message = f"{_usd(offer):.4f} USD a node-hour is not below on demand, {_usd(other):.4f}"
            yield Finding("spot_below_on_demand", offer.id, message)


def right_product(catalog: Catalog) -> Iterator[Finding]:
    """An on-demand price far below the same machine's in other regions is the price of another product."""
    prices: dict[str, list[Offer]] = defaultdict(list)
    for offer in catalog.offers:
        if offer.purchase_option == "on_demand":
            prices[offer.instance_type].append(offer)
    for offers in prices.values():
        middle = median(map(_usd, offers))
        for offer in offers:
            if _usd(offer) < WRONG_SKU * middle and "below_other_regions" not in offer.flags:
                message = f"{_usd(offer):.4f} USD a node-hour, median of its regions {middle:.4f}"
                yield Finding("right_product", offer.id, message)


def no_duplicates(catalog: Catalog) -> Iterator[Finding]:
    """No offer stands twice under two ids: same machine, place, way to buy, term, price and source."""
    seen: dict[object, str] = {}
    for offer in catalog.offers:
        key = (
            offer.instance_type, offer.region, offer.purchase_option, offer.minimum_seconds, offer.blocks_seconds,
            offer.zone, offer.windows, offer.source,
        )  # fmt: skip
        if key in seen:
            yield Finding("no_duplicates", offer.id, f"is the same as {seen[key]}")
        seen.setdefault(key, offer.id)


def trainable(catalog: Catalog) -> Iterator[Finding]:
    """Nothing is offered that cannot train."""
    for offer in catalog.offers:
        accelerator = catalog.accelerators[catalog.instance_types[offer.instance_type].accelerator]
        if not accelerator.trains:
            yield Finding("trainable", offer.id, f"{accelerator.id} cannot train")


def one_node_without_fabric(catalog: Catalog) -> Iterator[Finding]:
    """Hosts of a marketplace are strangers: more than one of them is sold only as machines with a fabric."""
    for offer in catalog.offers:
        node = catalog.instance_types[offer.instance_type]
        most = max(window.maximum_nodes for window in offer.windows)
        if catalog.providers[node.provider].tier == "marketplace" and not node.multi_node and most > 1:
            yield Finding("one_node_without_fabric", offer.id, f"{most} nodes of a marketplace without a fabric")


def slices_as_sold(catalog: Catalog) -> Iterator[Finding]:
    """Slice sizes of a TPU machine are sold shapes, and every TPU machine that is joined has some."""
    sold: dict[str, set[int]] = defaultdict(set)
    for shape in catalog.tpu_slices:
        if shape.sold:
            sold[f"gcp/{shape.machine_type}"].add(shape.hosts)
    for node in catalog.instance_types.values():
        tpu = catalog.accelerators[node.accelerator].form_factor.startswith("TPU")
        if strange := sorted(set(node.slice_hosts) - sold[node.id]):
            yield Finding("slices_as_sold", node.id, f"no slice of {strange[0]} hosts is sold")
        if tpu and node.multi_node and not node.slice_hosts:
            yield Finding("slices_as_sold", node.id, "names no slice sizes")


RULES: tuple[Rule, ...] = (
    provenance,
    dense_peaks,
    plausible_accelerators,
    plausible_nodes,
    plausible_regions,
    plausible_prices,
    spot_below_on_demand,
    right_product,
    no_duplicates,
    trainable,
    one_node_without_fabric,
    slices_as_sold,
)


def _peak_problems(accelerator: Accelerator) -> Iterator[str]:
    tops = {name: getattr(accelerator, name) * bits for name, bits in PEAK_BITS.items() if getattr(accelerator, name)}
    if accelerator.tpp and tops:
        name = max(tops, key=lambda known: tops[known])
        if tops[name] > 1.02 * accelerator.tpp:
            yield f"{name} x bits = {tops[name]:,.0f} is above TPP {accelerator.tpp:,.0f}: a sparse figure?"
    bf16, tf32 = accelerator.bf16_tflops, accelerator.tf32_tflops
    if bf16 and tf32 and not any(abs(bf16 / tf32 / ratio - 1) < 0.05 for ratio in (1, 2)):
        yield f"bf16_tflops {bf16:g} is neither once nor twice tf32_tflops {tf32:g}: dense and sparse mixed?"
    fp16, fp8 = accelerator.fp16_tflops, accelerator.fp8_tflops
    if bf16 and fp16 and abs(bf16 / fp16 - 1) > 0.05:
        yield f"bf16_tflops {bf16:g} differs from fp16_tflops {fp16:g}"
    if bf16 and fp8 and not 0.95 <= fp8 / bf16 <= 2.1:
        yield f"fp8_tflops {fp8:g} is {fp8 / bf16:.2f} x bf16_tflops {bf16:g}: dense and sparse mixed?"
    if fp8 and accelerator.fp4_tflops and not 0.95 <= accelerator.fp4_tflops / fp8 <= 3.2:
        yield f"fp4_tflops {accelerator.fp4_tflops:g} is {accelerator.fp4_tflops / fp8:.2f} x fp8_tflops {fp8:g}"


def _usd(offer: Offer) -> float:
    return float(min(window.price_usd_node_hour for window in offer.windows))


def _usd_accelerator_hour(catalog: Catalog, offer: Offer) -> float:
    return _usd(offer) / catalog.instance_types[offer.instance_type].accelerators


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
