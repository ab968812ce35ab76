"""The bundled data loads, is immutable, and says what its sources say."""

from __future__ import annotations

import copy
import csv
import dataclasses
import pickle
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from hardware_catalog.catalog import BUNDLED, Catalog, load, with_offers
from hardware_catalog.errors import InputError

DAY, HOUR = 86400, 3600


def test_the_bundled_catalog_is_read_once(catalog: Catalog) -> None:
    assert load() is catalog


def test_a_copy_of_the_directory_is_an_equal_catalog_with_the_same_digest(catalog: Catalog, directory: Path) -> None:
    other = load(directory)
    assert other == catalog
    assert other.digest == catalog.digest
    assert len(catalog.digest) == 64


def test_the_digest_changes_with_any_byte(catalog: Catalog, directory: Path) -> None:
    path = directory / "offers" / "aws.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",55.04,", ",55.05,"), encoding="utf-8")
    assert load(directory).digest != catalog.digest


def test_a_catalog_cannot_be_changed_in_place(catalog: Catalog) -> None:
    with pytest.raises(TypeError):
        catalog.regions["aws/us-east-1"] = catalog.regions["aws/us-east-2"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalog.digest = ""  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalog.offers[0].region = ""  # type: ignore[misc]


def test_a_catalog_can_be_sent_to_another_process_and_copied(catalog: Catalog) -> None:
    assert pickle.loads(pickle.dumps(catalog)) == catalog
    assert copy.deepcopy(catalog) == catalog


def test_there_is_enough_of_everything(catalog: Catalog) -> None:
    options = Counter(offer.purchase_option for offer in catalog.offers)
    assert len(catalog.accelerators) == 70
    assert len(catalog.instance_types) > 250
    assert len(catalog.regions) > 200
    assert len(catalog.providers) >= 25
    assert options["on_demand"] > 700
    assert options["spot"] > 250
    assert options["reserved"] > 100
    assert options["capacity_block"] >= 10


@pytest.mark.parametrize(
    ("offer", "usd_node_hour"),
    [
        # 6.88 USD per H100 x 8: AWS price list of 2026-07-20, after the cut of June 2025
        ("aws/p5.48xlarge/us-east-1/on_demand", "55.04"),
        # 2.7447 USD per A100-40 x 8
        ("aws/p4d.24xlarge/us-east-1/on_demand", "21.95764"),
        # 34.608 USD per instance-hour = 4.326 USD per H100
        ("aws/p5.48xlarge/us-west-2/capacity_block", "34.608"),
        # 11.06125 USD per H100 x 8: list price of the whole node, unmoved from 2022 to 2026
        ("gcp/a3-highgpu-8g/us-central1/on_demand", "88.49"),
        # three-year commitment: 4.858 USD per H100 x 8, 56 % below on demand
        ("gcp/a3-highgpu-8g/us-central1/reserved-3y", "38.864"),
        # 3.22 USD per chip-hour x 4 chips of a host
        ("gcp/ct4p-hightpu-4t/us-central2/on_demand", "12.88"),
        # 2.03 USD per chip-hour x 4
        ("gcp/ct4p-hightpu-4t/us-central2/reserved-1y", "8.12"),
        # a slice of 256 chips costs 307.20 USD an hour: 1.20 per chip x 4
        ("gcp/ct5lp-hightpu-4t/us-central1/on_demand", "4.8"),
        # Azure's retail price of ND96isr_H100_v5 never moved: 12.29 x 8
        ("azure/Standard_ND96isr_H100_v5/eastus/on_demand", "98.32"),
        # CNY 277.933 an hour at 7.30 CNY per USD on 2024-12-31
        ("alibabacloud/ecs.ebmgn7e.32xlarge/cn-beijing/on_demand", "38.073014"),
        # CNY 69,000 a server-month / 730 h at 6.7394 CNY per USD
        ("china-market/h800-sxm-8x/cn/reserved-1mo", "14.025069"),
        # 36,999 USD an instance-month / 730 h
        ("nvidia-dgx-cloud/dgx-a100-80gb/unspecified/reserved-1mo", "50.683562"),
    ],
)
def test_prices_are_those_of_their_sources(catalog: Catalog, offer: str, usd_node_hour: str) -> None:
    found = catalog.offer(offer)
    assert found is not None
    assert float(found.windows[0].price_usd_node_hour) == pytest.approx(float(usd_node_hour), abs=2e-6)


def test_prices_are_decimals_without_an_exponent(catalog: Catalog) -> None:
    prices = [window.price_usd_node_hour for offer in catalog.offers for window in offer.windows]
    assert all(isinstance(price, Decimal) and "E" not in str(price) for price in prices)


def test_a_capacity_block_is_sold_in_whole_days_then_weeks_and_in_powers_of_two(catalog: Catalog) -> None:
    block = catalog.offer("aws/p5.48xlarge/us-west-2/capacity_block")
    assert block is not None
    assert block.blocks_seconds[:14] == tuple(days * DAY for days in range(1, 15))
    assert block.blocks_seconds[14:16] == (21 * DAY, 28 * DAY)
    assert block.blocks_seconds[-1] == 182 * DAY
    assert block.node_counts == (1, 2, 4, 8, 16, 32, 64)
    assert (block.ahead_hours, block.start_hour_utc) == (8 * 7 * 24, 11.5)  # 8 weeks; 11:30 UTC
    assert block.windows[0].maximum_nodes == 256  # of an account, over its blocks
    assert not block.availability_basis.startswith("default")


@pytest.mark.parametrize(
    ("provider", "usd_gb", "flags"),
    [("aws", "0.09", ()), ("gcp", "0.12", ()), ("oci", "0.0085", ("recalled",)), ("hotaisle", "0", ("default",)),
     ("on-premises", "0", ("default",))],
)  # fmt: skip
def test_egress_is_the_providers_price_or_the_default_of_its_tier(
    catalog: Catalog, provider: str, usd_gb: str, flags: tuple[str, ...]
) -> None:
    found = catalog.egress_of(catalog.providers[provider])
    assert (found.usd_gb, found.flags) == (Decimal(usd_gb), flags)


def test_a_commitment_is_billed_for_its_term(catalog: Catalog) -> None:
    offer = catalog.offer("gcp/a3-highgpu-8g/us-central1/reserved-1y")
    assert offer is not None
    assert offer.minimum_seconds == offer.billing_unit_seconds == 8760 * HOUR
    on_demand = catalog.offer("gcp/a3-highgpu-8g/us-central1/on_demand")
    assert on_demand is not None
    assert (on_demand.minimum_seconds, on_demand.billing_unit_seconds) == (60, 1)


def test_tpu_v4_is_sold_up_to_3072_chips_a_slice_and_two_slices_are_palm(catalog: Catalog) -> None:
    host = catalog.instance_types["gcp/ct4p-hightpu-4t"]
    assert host.accelerators == 4
    assert host.slice_hosts[-1] == 3072 // 4
    assert 4096 // 4 not in host.slice_hosts  # a whole pod is not sold: no v4-8192 was ever listed
    offer = catalog.offer("gcp/ct4p-hightpu-4t/us-central2/on_demand")
    assert offer is not None
    assert offer.windows[0].maximum_nodes == host.maximum_slices * 3072 // 4  # PaLM: 2 x 3,072 chips


def test_gpus_have_no_slices_and_single_machines_no_fabric(catalog: Catalog) -> None:
    assert catalog.instance_types["aws/p5.48xlarge"].slice_hosts == ()
    assert catalog.instance_types["aws/p5.48xlarge"].network_gbps == 3200  # EFA v2: 32 x 100 Gbit/s
    assert not catalog.instance_types["aws/p5.4xlarge"].multi_node
    assert not catalog.instance_types["lambda/gpu_8x_h100_sxm5"].multi_node  # no InfiniBand outside 1-Click Clusters


def test_a_rack_tray_is_a_node_of_four_in_a_domain_of_seventy_two(catalog: Catalog) -> None:
    tray = catalog.instance_types["azure/Standard_ND128isr_NDR_GB200_v6"]
    assert tray.accelerators == 4
    assert catalog.accelerators[tray.accelerator].scale_up_domain_size == 72
    assert tray.multi_node


@pytest.mark.parametrize(
    ("region", "country", "group"),
    [
        ("aws/eu-west-2", "GB", "uk"),  # London has been outside the EU since 2020
        ("aws/eu-central-1", "DE", "eu"),
        ("gcp/us-central2", "US", "us"),
        ("azure/switzerlandnorth", "CH", "europe"),
        ("alibabacloud/cn-hongkong", "HK", "asia"),  # not CN: the export rules know Hong Kong as its own destination
        ("verda/FIN-01", "FI", "eu"),
    ],
)
def test_regions_know_their_country_and_groups(catalog: Catalog, region: str, country: str, group: str) -> None:
    assert catalog.regions[region].country == country
    assert group in catalog.regions[region].groups
    assert ("eu" in catalog.regions[region].groups) == (country in ("DE", "FI"))


def test_a_place_that_the_source_does_not_name_is_not_guessed(catalog: Catalog) -> None:
    assert catalog.regions["coreweave/unspecified"].country == ""
    assert all("region_unknown" in offer.flags for offer in catalog.offers if offer.region == "coreweave/unspecified")


def test_measured_carbon_figures_are_kept_and_others_say_that_they_are_defaults(catalog: Catalog) -> None:
    iowa = catalog.regions["gcp/us-central1"]
    assert (iowa.grid_gco2e_kwh, iowa.pue) == (431.95, 1.1)  # GoogleCloudPlatform/region-carbon-info, 2025
    assert "default" not in iowa.grid_basis
    assert catalog.regions["azure/norwayeast"].grid_basis.startswith("default of the country")


def test_the_capped_chips_differ_from_their_originals_only_by_their_links(catalog: Catalog) -> None:
    a100, a800 = catalog.accelerators["a100-sxm4-80"], catalog.accelerators["a800-sxm4-80"]
    assert (a100.bf16_tflops, a100.memory_bw_gbs) == (a800.bf16_tflops, a800.memory_bw_gbs) == (312, 2039)
    assert (a100.intra_node_bw_gbs, a800.intra_node_bw_gbs) == (600, 400)
    assert a800.export_variant_of == a100.id
    assert a800.family == a100.family == "nvidia-ampere"


@pytest.mark.parametrize(
    ("trap", "matches"),
    [
        (
            "TPU sentinel of 700 USD",
            lambda c, o: "tpu" in c.instance_types[o.instance_type].accelerator and _usd(o) > 100,
        ),
        ("Mithril's auction floor", lambda c, o: o.instance_type.startswith("mithril/")),
        ("aggregators list others' machines twice", lambda c, o: o.instance_type.split("/")[0] in _AGGREGATORS),
        (
            "CoreWeave's stale 4.25 and 4.76",
            lambda c, o: o.region.startswith("coreweave") and o.windows[0].maximum_nodes < 2,
        ),
        ("DeepSeek's assumed 2 USD", lambda c, o: "assumption" in o.source or "2412.19437" in o.source),
        (
            "GCP's other SKU: H100 at 4.20",
            lambda c, o: (
                o.id.startswith("gcp/a3-")
                and o.purchase_option == "on_demand"
                and _usd(o) / c.instance_types[o.instance_type].accelerators < 8
            ),
        ),
        (
            "GCP's other SKU: B200 at 64.44 and 90.22",
            lambda c, o: o.id.startswith("gcp/a4-") and o.purchase_option == "on_demand" and _usd(o) < 100,
        ),
        (
            "Azure's placeholders at twice the US price",
            lambda c, o: o.region == "azure/brazilsouth" and "ND96amsr" in o.id,
        ),
        (
            "AWS has no on-demand price of p5e",
            lambda c, o: o.id.startswith("aws/p5e.") and o.purchase_option == "on_demand",
        ),
        ("AWS GovCloud is closed to most", lambda c, o: "us-gov" in o.region),
        ("TPU v3 prices typed into SkyPilot by hand", lambda c, o: o.region == "gcp/us-east1" and "tpu-v3" in o.id),
        ("inferred DWS prices", lambda c, o: "dws" in o.id.lower()),
        (
            "low-trust B200 and B300 quotes of China",
            lambda c, o: o.region == "china-market/cn" and ("b200" in o.id or "b300" in o.id),
        ),
        (
            "GH200 listed as H200",
            lambda c, o: "gh200" in o.id and "gh200" not in c.instance_types[o.instance_type].accelerator,
        ),
    ],
)
def test_prices_known_to_be_wrong_are_left_out(catalog: Catalog, trap: str, matches) -> None:  # type: ignore[no-untyped-def]
    assert [offer.id for offer in catalog.offers if matches(catalog, offer)] == [], trap


def test_partial_prices_that_are_kept_say_so(catalog: Catalog) -> None:
    offer = catalog.offer("gcp/a4-highgpu-8g/us-central1/on_demand")
    assert offer is not None
    assert "lower_bound" in offer.flags  # 8 x 16.11 of the accelerators, the host not found


def test_files_are_sorted_by_id_for_the_reviewer() -> None:
    for path in [*BUNDLED.glob("offers/*.csv"), *BUNDLED.glob("terms/*.csv"), BUNDLED / "instance_types.csv"]:
        with path.open(encoding="utf-8", newline="") as file:
            ids = [row[0] for row in csv.reader(file)][1:]
        assert ids == sorted(ids), path.name


def test_with_offers_replaces_by_id_or_leaves_only_the_new(catalog: Catalog) -> None:
    old = catalog.offers[0]
    cheaper = dataclasses.replace(old, windows=(dataclasses.replace(old.windows[0], price_usd_node_hour=Decimal(1)),))
    merged = with_offers(catalog, [cheaper], only=False)
    assert merged.offer(old.id) == cheaper
    assert len(merged.offers) == len(catalog.offers)
    alone = with_offers(catalog, [cheaper], only=True)
    assert alone.offers == (cheaper,)
    assert len({catalog.digest, merged.digest, alone.digest}) == 3
    assert with_offers(catalog, [cheaper], only=True).digest == alone.digest


def test_a_small_catalog_of_five_files_borrows_the_rest(directory: Path, catalog: Catalog) -> None:
    for name in ("countries", "availability", "egress", "exchange_rates", "tpu_slices"):
        (directory / f"{name}.csv").unlink()
    shutil.rmtree(directory / "terms")
    small = load(directory)
    assert (small.countries, small.egress) == (catalog.countries, catalog.egress)
    assert small.tpu_slices == ()
    assert {offer.purchase_option for offer in small.offers} == {"on_demand", "spot"}


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: is not a directory with a catalog"):
        load(tmp_path / "nowhere")


def test_an_empty_directory_lists_every_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    files = {Path(problem.file).name for problem in caught.value.problems}
    assert files == {"providers.csv", "accelerators.csv", "regions.csv", "instance_types.csv"}


def test_a_catalog_without_offers_is_not_one(directory: Path) -> None:
    shutil.rmtree(directory / "offers")
    shutil.rmtree(directory / "terms")
    with pytest.raises(InputError, match="has no offers"):
        load(directory)


_AGGREGATORS = ("shadeform", "primeintellect", "spheron", "dataoorts", "akash", "salad")


def _usd(offer) -> float:  # type: ignore[no-untyped-def]
    return float(offer.windows[0].price_usd_node_hour)
