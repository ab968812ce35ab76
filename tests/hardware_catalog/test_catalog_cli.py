"""`planner catalog list | show | check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hardware_catalog.catalog import Catalog
from hardware_catalog.cli import app
from hardware_catalog.errors import InputError


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def document(*arguments: str, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code))


@pytest.mark.parametrize("kind", ["accelerators", "instances", "offers", "regions", "providers", "tpu-slices"])
def test_everything_can_be_listed_as_a_table_and_as_json(kind: str) -> None:
    rows = document("list", kind)
    assert len(rows) > 20
    assert f"{len(rows)} {kind}" in run("list", kind)


def test_offers_are_selected_by_provider_accelerator_place_and_option(catalog: Catalog) -> None:
    rows = document(
        "list",
        "offers",
        "--provider",
        "aws",
        "--accelerator",
        "h100-sxm5-80",
        "--region",
        "eu",
        "--purchase-option",
        "spot",
    )
    assert {row["region"] for row in rows} == {"aws/eu-north-1"}  # London is not in the EU
    assert [row["usd_accelerator_hour"] for row in rows] == [3.5398]  # 28.3188 / 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "offers", "--provider", "amazon"), "'amazon' is not among the catalog's providers"),
        (("list", "offers", "--accelerator", "h100-sxm-80"), "did you mean 'h100-sxm5-80'?"),
        (("list", "offers", "--purchase-option", "on-demand"), "did you mean 'on_demand'?"),
        (("list", "offers", "--region", "aws/us-eas-1"), "did you mean 'aws/us-east-1'?"),
        (("list", "providers", "--accelerator", "l4"), "these records have no accelerator to select by"),
        (("show", "aws/p5.48xlage"), "'aws/p5.48xlage' is not in the catalog; did you mean 'aws/p5.48xlarge'?"),
    ],
)
def test_a_wrong_name_gets_the_nearest_right_one(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError) as caught:
        run(*arguments)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ("tpu-v4", "accelerator"),
        ("aws/p5.48xlarge", "instance type"),
        ("gcp/us-central2", "region"),
        ("gcp", "provider"),
        ("gcp/ct4p-hightpu-4t/us-central2/on_demand", "offer"),
    ],
)
def test_a_record_is_shown_with_its_source(record: str, kind: str) -> None:
    shown = document("show", record)
    assert (shown["kind"], shown["id"]) == (kind, record)
    assert shown["source"]
    assert record in run("show", record)


def test_an_offer_is_shown_with_the_meaning_of_its_flags() -> None:
    shown = document("show", "gcp/a4-highgpu-8g/us-central1/on_demand")
    assert shown["flags"] == {"lower_bound": "the price leaves out the host: the real one is higher"}


def test_the_bundled_data_is_green(catalog: Catalog) -> None:
    report = document("check")
    assert report["findings"] == []
    assert report["digest"] == catalog.digest
    assert report["counts"]["offers"] == len(catalog.offers)
    assert "no findings" in run("check")


def test_findings_are_printed_and_exit_with_2(directory: Path) -> None:
    path = directory / "offers" / "aws.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",55.04,", ",440.32,"), encoding="utf-8")
    assert "median" in run("check", str(directory), code=2)
    findings = document("check", str(directory), code=2)["findings"]
    assert {finding["rule"] for finding in findings} == {"plausible_prices"}


def test_a_directory_that_cannot_be_read_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a directory"):
        run("check", str(tmp_path / "none"))


def test_another_catalog_can_be_listed(directory: Path) -> None:
    assert len(document("list", "providers", "--catalog", str(directory))) == 30
