"""The bundled data breaks no rule, and every rule finds the defect it is there for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hardware_catalog.catalog import Catalog
from hardware_catalog.checks import RULES, check
from hardware_catalog.records import Offer

ON_DEMAND = "aws/p5.48xlarge/us-east-1/on_demand"
SPOT = "aws/p5.48xlarge/us-east-1/spot"


def test_the_bundled_catalog_breaks_no_rule(catalog: Catalog) -> None:
    assert [str(finding) for finding in check(catalog)] == []


def changed(catalog: Catalog, table: str, record: str, **fields: Any) -> Catalog:
    known = getattr(catalog, table)
    return replace(catalog, **{table: {**known, record: replace(known[record], **fields)}})


def offered(catalog: Catalog, offer_id: str, **fields: Any) -> Catalog:
    offers = tuple(replace(offer, **fields) if offer.id == offer_id else offer for offer in catalog.offers)
    assert offers != catalog.offers
    return replace(catalog, offers=offers)


def priced(catalog: Catalog, offer_id: str, usd: str) -> Catalog:
    offer = catalog.offer(offer_id)
    assert offer is not None
    return offered(catalog, offer_id, windows=(replace(offer.windows[0], price_usd_node_hour=Decimal(usd)),))


def moved(catalog: Catalog, offer_id: str, **fields: Any) -> Catalog:
    offer = catalog.offer(offer_id)
    assert offer is not None
    return replace(catalog, offers=(*catalog.offers, replace(offer, **fields)))


DEFECTS = [
    # rule, record, defect, why it is one
    (
        "known_ids",
        ON_DEMAND,
        lambda c: offered(c, ON_DEMAND, region="aws/mars-1"),
        "a region that is not in regions.csv",
    ),
    ("known_ids", ON_DEMAND, lambda c: offered(c, ON_DEMAND, flags=("cheap",)), "a flag without a meaning"),
    (
        "known_ids",
        "aws/p5.48xlarge",
        lambda c: changed(c, "instance_types", "aws/p5.48xlarge", accelerator="h100"),
        "a chip",
    ),
    ("known_ids", "aws", lambda c: changed(c, "providers", "aws", country="USA"), "not an ISO code"),
    ("provenance", "h100-sxm5-80", lambda c: changed(c, "accelerators", "h100-sxm5-80", source=" "), "no source"),
    ("provenance", ON_DEMAND, lambda c: offered(c, ON_DEMAND, source=""), "a price without a source"),
    ("provenance", ON_DEMAND, lambda c: offered(c, ON_DEMAND, price_date=""), "a price without a date"),
    ("provenance", ON_DEMAND, lambda c: offered(c, ON_DEMAND, price_date="2027-01-01"), "a price from the future"),
    ("provenance", ON_DEMAND, lambda c: offered(c, ON_DEMAND, date_checked=""), "never checked"),
    (
        "dense_peaks",
        "h100-sxm5-80",
        lambda c: changed(c, "accelerators", "h100-sxm5-80", bf16_tflops=1979.0),
        "the sparse BF16 figure of the data sheet: 1979 x 16 > TPP 15832",
    ),
    (
        "dense_peaks",
        "h100-sxm5-80",
        lambda c: changed(c, "accelerators", "h100-sxm5-80", fp8_tflops=3958.0),
        "the sparse FP8 figure: 4 x BF16",
    ),
    (
        "dense_peaks",
        "a100-sxm4-80",
        lambda c: changed(
            c, "accelerators", "a100-sxm4-80", tf32_tflops=312.0, bf16_tflops=312.0, fp16_tflops=312.0, int8_tops=1248.0
        ),
        "sparse INT8: 1248 x 8 > TPP 4992",
    ),
    (
        "dense_peaks",
        "tpu-v6e",
        lambda c: changed(c, "accelerators", "tpu-v6e", bf16_tflops=1836.0),
        "v6e INT8 taken for BF16",
    ),
    (
        "plausible_accelerators",
        "h100-sxm5-80",
        lambda c: changed(c, "accelerators", "h100-sxm5-80", memory_gb=80000.0),
        "megabytes",
    ),
    (
        "plausible_accelerators",
        "h100-sxm5-80",
        lambda c: changed(c, "accelerators", "h100-sxm5-80", tdp_w=0.7),
        "kilowatts",
    ),
    (
        "plausible_accelerators",
        "h100-sxm5-80",
        lambda c: changed(c, "accelerators", "h100-sxm5-80", memory_bw_gbs=3.35),
        "TB/s",
    ),
    (
        "plausible_accelerators",
        "h100-sxm5-80",
        lambda c: changed(c, "accelerators", "h100-sxm5-80", bf16_tflops=None, fp16_tflops=None),
        "nothing to train with",
    ),
    (
        "plausible_nodes",
        "aws/p5.48xlarge",
        lambda c: changed(c, "instance_types", "aws/p5.48xlarge", network_gbps=None),
        "joined by nothing",
    ),
    (
        "plausible_nodes",
        "aws/p5.48xlarge",
        lambda c: changed(c, "instance_types", "aws/p5.48xlarge", network_gbps=3.2e6),
        "Mbit/s",
    ),
    (
        "plausible_nodes",
        "aws/p5.48xlarge",
        lambda c: changed(c, "instance_types", "aws/p5.48xlarge", accelerators=192),
        "vCPUs for accelerators",
    ),
    (
        "plausible_nodes",
        "aws/p5.48xlarge",
        lambda c: changed(c, "instance_types", "aws/p5.48xlarge", slice_hosts=(1, 2)),
        "a GPU in slices",
    ),
    (
        "plausible_regions",
        "aws/us-east-1",
        lambda c: changed(c, "regions", "aws/us-east-1", country="UK"),
        "ISO says GB",
    ),
    ("plausible_regions", "aws/us-east-1", lambda c: changed(c, "regions", "aws/us-east-1", pue=115.0), "per cent"),
    (
        "plausible_regions",
        "aws/us-east-1",
        lambda c: changed(c, "regions", "aws/us-east-1", elec_usd_kwh=89.2),
        "USD/MWh",
    ),
    ("plausible_regions", ON_DEMAND, lambda c: changed(c, "regions", "aws/us-east-1", country=""), "an unnamed place"),
    ("plausible_prices", ON_DEMAND, lambda c: priced(c, ON_DEMAND, "0.16"), "0.02 USD an accelerator-hour"),
    ("plausible_prices", ON_DEMAND, lambda c: priced(c, ON_DEMAND, "440.32"), "node price times 8 once more"),
    ("plausible_prices", ON_DEMAND, lambda c: priced(c, ON_DEMAND, "6.88"), "the price of one GPU as that of the node"),
    ("spot_below_on_demand", SPOT, lambda c: priced(c, SPOT, "55.04"), "equal: no discount, no capacity"),
    (
        "right_product",
        "gcp/a3-highgpu-8g/us-central1/on_demand",
        lambda c: priced(c, "gcp/a3-highgpu-8g/us-central1/on_demand", "43.77"),
        "DWS SKU: 8 x 4.20 + host 10.17",
    ),
    ("no_duplicates", "again", lambda c: moved(c, ON_DEMAND, id="again"), "one price under two ids"),
    (
        "trainable",
        "bad",
        lambda c: moved(
            changed(c, "instance_types", "aws/p4d.24xlarge", accelerator="inferentia2"),
            "aws/p4d.24xlarge/us-east-1/on_demand",
            id="bad",
        ),
        "Inferentia2 is for inference",
    ),
    (
        "one_node_without_fabric",
        "runpod/h100-sxm-1x/unspecified/on_demand",
        lambda c: many(c, "runpod/h100-sxm-1x/unspecified/on_demand", 8),
        "strangers' hosts",
    ),
    (
        "slices_as_sold",
        "gcp/ct4p-hightpu-4t",
        lambda c: changed(c, "instance_types", "gcp/ct4p-hightpu-4t", slice_hosts=(1, 1024)),
        "a whole pod of 4,096 chips was never listed",
    ),
    (
        "slices_as_sold",
        "gcp/ct5p-hightpu-4t",
        lambda c: changed(c, "instance_types", "gcp/ct5p-hightpu-4t", slice_hosts=()),
        "a pod of no size",
    ),
]


@pytest.mark.parametrize(("rule", "record", "defect", "why"), DEFECTS, ids=[f"{d[0]}: {d[3]}" for d in DEFECTS])
def test_a_rule_finds_its_defect(catalog: Catalog, rule: str, record: str, defect: Any, why: str) -> None:
    found = check(defect(catalog))
    assert (rule, record) in {(finding.rule, finding.record) for finding in found}, why


def test_every_rule_has_a_defect_that_it_finds() -> None:
    assert {rule.__name__ for rule in RULES} | {"known_ids"} == {defect[0] for defect in DEFECTS}


def test_an_unusual_price_passes_when_the_data_flags_it(catalog: Catalog) -> None:
    dear = priced(catalog, ON_DEMAND, "160")  # 20 USD an H100-hour: more than 4 x the providers' median of 3.85
    assert {finding.rule for finding in check(dear)} == {"plausible_prices"}
    assert check(offered(dear, ON_DEMAND, flags=("unusual_price",))) == []


def test_a_reviewed_peak_passes(catalog: Catalog) -> None:
    """Trainium3's FP8 is 3.75 x its BF16 by AWS's own figures; without the reason in the data it is a finding."""
    assert catalog.accelerators["trainium3"].peaks_reviewed
    found = check(changed(catalog, "accelerators", "trainium3", peaks_reviewed=""))
    assert [finding.record for finding in found] == ["trainium3"]


def many(catalog: Catalog, offer_id: str, nodes: int) -> Catalog:
    offer: Offer | None = catalog.offer(offer_id)
    assert offer is not None
    return offered(catalog, offer_id, windows=(replace(offer.windows[0], maximum_nodes=nodes),))
