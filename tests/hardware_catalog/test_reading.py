"""Every wrong cell of a catalog directory is found, all at once, with its file, line, column and nearest right name."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware_catalog.catalog import load
from hardware_catalog.errors import InputError

Damage = Callable[[list[dict[str, str]]], None]


def edit(path: Path, damage: Damage) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    damage(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def put(line: int, **cells: str) -> Damage:
    def damage(rows: list[dict[str, str]]) -> None:
        assert set(cells) <= set(rows[0])
        rows[line - 2].update(cells)

    return damage


def repeat(line: int, **cells: str) -> Damage:
    def damage(rows: list[dict[str, str]]) -> None:
        rows.append({**rows[line - 2], **cells})

    return damage


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("accelerators.csv", put(2, memory_gb="much"), ":2: memory_gb: expected a number, got 'much'"),
        ("accelerators.csv", put(2, memory_gb=""), ":2: memory_gb: expected a number, is empty"),
        ("accelerators.csv", put(2, bf16_tflops="nan"), ":2: bf16_tflops: expected a number, got 'nan'"),
        ("accelerators.csv", put(2, bf16_tflops="-3"), ":2: bf16_tflops: expected a number of at least 0, got -3"),
        ("accelerators.csv", put(2, release_date="2021-13-01"), ":2: release_date: expected a date such as 2026-07-30"),
        (
            "accelerators.csv",
            put(2, dc_marketed="Yes"),
            ":2: dc_marketed: expected one of yes, no, got 'Yes'; did you mean",
        ),
        ("accelerators.csv", put(2, export_variant_of="a100-sxm4-8"), "did you mean 'a100-sxm4-80'?"),
        ("accelerators.csv", put(2, scale_up_domain_size="0"), "expected a whole number of at least 1, got 0"),
        ("accelerators.csv", put(2, scale_up_domain_size="1.5"), "expected a whole number, got '1.5'"),
        ("accelerators.csv", repeat(2), "'a10' stands twice; first on line 2"),
        ("countries.csv", put(2, country="ae"), "expected a country code of two capital letters"),
        ("providers.csv", put(2, country="XX"), ":2: country: 'XX' is not a country of countries.csv"),
        ("providers.csv", put(2, tier="cloudy"), "did you mean 'cloud'?"),
        ("regions.csv", put(2, provider="alibabacloudd"), "did you mean 'alibabacloud'?"),
        ("regions.csv", put(2, pue="0.9"), ":2: pue: expected a number of at least 1, got 0.9"),
        ("regions.csv", put(2, region="cn-beijing"), "expected 'alibabacloud/' and a name, got 'cn-beijing'"),
        ("instance_types.csv", put(2, accelerator="h100-sxm5"), "'h100-sxm5' is not an accelerator; did you mean"),
        ("instance_types.csv", put(2, network_basis=""), ":2: network_basis: is empty"),
        ("instance_types.csv", put(2, name="other"), ":2: name: expected the part of the id after 'alibabacloud/'"),
        ("instance_types.csv", put(2, slice_hosts="4;2"), "expected rising numbers, got '4;2'"),
        ("tpu_slices.csv", put(2, topology="3x3"), "are not the topology 3x3"),
        ("availability.csv", put(2, scope="clouds"), "a tier, a provider or an instance type; did you mean 'cloud'?"),
        ("availability.csv", put(2, basis="many"), "expected 'default: ' and the reason"),
        ("egress.csv", put(2, usd_gb="-1"), ":2: usd_gb: expected a number of at least 0, got -1"),
        ("egress.csv", put(2, scope="alibabaclud"), "a tier or a provider; did you mean 'alibabacloud'?"),
        ("egress.csv", put(2, flags="default"), "expected 'default' on a tier, and on a tier alone"),
        ("egress.csv", put(6, scope="verda"), "has no row for the tier cloud"),
        ("exchange_rates.csv", put(2, per_usd="0"), ":2: per_usd: expected a number above 0, got 0"),
        ("offers/aws.csv", put(2, instance_type="aws/p5.48xlarg"), "did you mean 'aws/p5.48xlarge'?"),
        ("offers/aws.csv", put(2, region="aws/us-eas-1"), "did you mean 'aws/us-east-1'?"),
        ("offers/aws.csv", put(2, region="gcp/us-east1"), ":2: region: is not a region of aws"),
        ("offers/aws.csv", put(2, purchase_option="on-demand"), "did you mean 'on_demand'?"),
        ("offers/aws.csv", put(2, currency="EUR"), "expected one of CNY, USD, got 'EUR'"),
        ("offers/aws.csv", put(2, per="hour"), "expected one of node_hour, accelerator_hour, node_month, got 'hour'"),
        ("offers/aws.csv", put(2, price="0"), ":2: price: expected a number above 0, got 0"),
        ("offers/aws.csv", put(2, price="1,5"), ":2: price: expected a number, got '1,5'"),
        ("offers/aws.csv", put(2, price_date=""), "is empty without the flag price_date_unknown"),
        ("offers/aws.csv", put(2, flags="old_prize"), "'old_prize' is not known; did you mean 'old_price'?"),
        ("offers/aws.csv", put(2, source=""), ":2: source: is empty"),
        ("offers/aws.csv", put(2, minimum_nodes="9", maximum_nodes="8"), "9 is above maximum_nodes 8"),
        ("offers/aws.csv", repeat(2), "stands twice; first on line 2"),
        ("offers/aws.csv", repeat(2, price_date="2026-10-01", region="aws/us-east-2"), "has another region at"),
        ("terms/aws.csv", put(2, blocks_days="1;x"), "expected whole numbers parted by ';', got '1;x'"),
        ("terms/aws.csv", put(4, ahead_hours="soon"), ":4: ahead_hours: expected a number, got 'soon'"),
        ("terms/aws.csv", put(4, start_hour_utc="25"), "expected an hour of the day from 0 up to 24, got 25"),
        ("terms/aws.csv", put(2, minimum_hours="-1"), "expected a number of at least 0, got -1"),
    ],
)
def test_a_wrong_cell_is_named(directory: Path, file: str, damage: Damage, said: str) -> None:
    edit(directory / file, damage)
    with pytest.raises(InputError) as caught:
        load(directory)
    messages = [str(problem) for problem in caught.value.problems]
    assert any(said in message and str(directory / file) in message for message in messages), messages[:5]


def test_all_problems_of_all_files_come_in_one_error(directory: Path) -> None:
    edit(directory / "offers" / "aws.csv", put(2, price="x", per="y"))
    edit(directory / "offers" / "gcp.csv", put(3, currency="z"))
    edit(directory / "regions.csv", put(4, pue="low"))
    with pytest.raises(InputError) as caught:
        load(directory)
    places = {(Path(p.file).name, p.line, p.field) for p in caught.value.problems}
    assert {
        ("aws.csv", 2, "price"),
        ("aws.csv", 2, "per"),
        ("gcp.csv", 3, "currency"),
        ("regions.csv", 4, "pue"),
    } <= places


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("offer,instance_type,region,prize", "prize: is not a column of this table; did you mean 'price'?"),
        ("offer,instance_type,region", "the column 'price' is missing"),
        ("offer,offer", "offer: the column stands twice"),
        ("", "is empty; expected the columns offer, instance_type"),
    ],
)
def test_a_wrong_header_is_named_once_not_for_each_row(directory: Path, header: str, said: str) -> None:
    path = directory / "offers" / "aws.csv"
    path.write_text(f"{header}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(directory)
    assert any(said in str(problem) for problem in caught.value.problems)


def test_rows_of_the_wrong_length_are_named(directory: Path) -> None:
    path = directory / "offers" / "aws.csv"
    path.write_text(path.read_text(encoding="utf-8") + "aws/x,aws/y\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected 15 cells, got 2"):
        load(directory)


def test_lines_are_counted_as_an_editor_counts_them(directory: Path) -> None:
    """A quoted cell of two lines moves what follows it down by one."""
    path = directory / "offers" / "aws.csv"
    edit(path, put(2, notes="one\ntwo", source="x"))
    edit(path, put(3, price="none"))
    with pytest.raises(InputError) as caught:
        load(directory)
    assert [(problem.line, problem.field) for problem in caught.value.problems] == [(4, "price")]


def test_what_is_not_text_is_refused(directory: Path) -> None:
    (directory / "offers" / "aws.csv").write_bytes(b"\xff\xfe\x00offer")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        load(directory)


def test_a_byte_order_mark_and_blank_lines_do_no_harm(directory: Path) -> None:
    path = directory / "offers" / "aws.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n,,\n\n")
    assert load(directory).offer("aws/p5.48xlarge/us-east-1/on_demand") is not None


def test_the_newest_of_several_dated_prices_is_used(directory: Path) -> None:
    """A price that changed is a new dated row; the old one stays as history."""
    path = directory / "offers" / "aws.csv"
    with path.open(encoding="utf-8", newline="") as file:
        line = next(n for n, row in enumerate(csv.reader(file), 1) if row[0] == "aws/p5.48xlarge/us-east-1/on_demand")
    edit(path, repeat(line, price="60.5", price_date="2026-11-01"))
    edit(path, repeat(line, price="98.32", price_date="2024-01-01"))
    offer = load(directory).offer("aws/p5.48xlarge/us-east-1/on_demand")
    assert offer is not None
    assert (str(offer.windows[0].price_usd_node_hour), offer.price_date) == ("60.5", "2026-11-01")


def test_a_price_in_yuan_is_converted_at_the_rate_of_the_nearest_day(directory: Path) -> None:
    path = directory / "offers" / "aws-china.csv"
    edit(path, put(2, price="71.0", price_date="2024-11-01"))  # 7.10 CNY per USD on 2024-11-06
    edit(path, put(3, price="67.394", price_date="2026-09-01"))  # 6.7394 on 2026-08-22
    catalog = load(directory)
    prices = {
        offer.price_date: offer.windows[0].price_usd_node_hour for offer in catalog.offers if "aws-china" in offer.id
    }
    assert prices["2024-11-01"] == prices["2026-09-01"] == 10
