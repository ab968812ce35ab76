"""Every example plans and verifies, and published systems stand beside plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardware_catalog.catalog import load, with_offers
from hardware_catalog.errors import InputError
from hardware_catalog.quotes import read_quotes
from planner.optimizer.verify import verify
from planner.planning import plan
from planner.systems import COLUMNS, systems
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


def test_published_systems_stand_beside_plans() -> None:
    figures = {(figure.system, figure.quantity): figure for figure in systems(EXAMPLES, load())}
    assert all(figure.planned is not None for figure in figures.values())
    assert figures["LLaMA-65B", "accelerator_hours"].ratio == pytest.approx(1, abs=0.15)
    palm = figures["PaLM-540B as run", "accelerator_hours"]
    assert palm.planned == pytest.approx(6144 * 1200 + 3072 * 336, rel=1e-3)  # 8,404,992 chip-hours
    assert figures["PaLM-540B as run", "segments"].planned == 2


def test_a_figure_that_is_no_number_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "fine-tune-7b.yaml").write_text((EXAMPLES / "fine-tune-7b.yaml").read_text())
    (tmp_path / "systems.csv").write_text(f"{','.join(COLUMNS)}\nx,fine-tune-7b.yaml,,days,many,days,s,\n")
    with pytest.raises(InputError, match=r"systems\.csv:2: published: expected a number, got 'many'"):
        systems(tmp_path, load())
