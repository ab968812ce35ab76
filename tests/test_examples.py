"""Every example plans and verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardware_catalog.catalog import load, with_offers
from hardware_catalog.quotes import read_quotes
from planner.optimizer.verify import verify
from planner.planning import plan
from planner.workload import read_workload

EXAMPLES = Path(__file__).parents[1] / "examples"
QUOTES = {"palm-540b-model": "palm-540b-quotes.csv"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_has_a_proven_plan_that_verifies(path: Path) -> None:
    catalog = load()
    quotes = EXAMPLES / QUOTES.get(path.stem, f"{path.stem}-quotes.csv")
    if quotes.is_file():
        catalog = with_offers(catalog, read_quotes(quotes, catalog), only="china" not in path.stem)
    made = plan(read_workload(path), catalog)
    assert made.status == "optimal"
    assert verify(made) == []


def test_the_china_run_of_2023_is_on_the_a800_and_the_rule_refuses_the_a100() -> None:
    from planner.options import options

    catalog = load()
    catalog = with_offers(catalog, read_quotes(EXAMPLES / "china-13b-2023-quotes.csv", catalog), only=False)
    workload = read_workload(EXAMPLES / "china-13b-2023.yaml")
    assert {a.accelerator for a in plan(workload, catalog).assignments} == {"a800-sxm4-80"}
    refused = {r.offer: r.reason for r in options(workload, catalog).refusals if r.kind == "export rule"}
    assert "ifr-2022-10" in refused["a100-broker"]
    assert "87 FR 62186" in refused["a100-broker"]
