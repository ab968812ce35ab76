"""`verify` accepts a true plan and names what is wrong in every false one, without a solver."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from hardware_catalog.errors import InputError
from planner.cli.verify import read_plan
from planner.cli.verify import verify as verify_command
from planner.optimizer.verify import verify
from planner.plan import Assignment, OfferFact, PhaseFact, Plan, PriceWindow, Purchase

START = datetime(2026, 12, 1, tzinfo=UTC)


def hour(n: float) -> datetime:
    return START + timedelta(hours=n)


OFFER = OfferFact(
    offer="o", provider="aws", region="aws/us-east-1", country="US", instance_type="aws/p5", accelerator="h100",
    accelerators_per_node=8, purchase_option="on_demand", minimum_seconds=4 * 3600, unit_seconds=60,
    windows=(
        PriceWindow(start=START, end=hour(10), price_usd_node_hour=10.0, maximum_nodes=4),
        PriceWindow(start=hour(10), end=hour(30), price_usd_node_hour=20.0, maximum_nodes=4),
    ),
)  # fmt: skip


def run(phase: str, start: float, end: float, tokens: int, share: float, cost: float, nodes: int = 2) -> Assignment:
    return Assignment(
        job="j", phase=phase, offer="o", provider="aws", region="aws/us-east-1", country="US", instance_type="aws/p5",
        accelerator="h100", purchase_option="on_demand", nodes=nodes, accelerators=8 * nodes, layout={"tp": 1},
        start=hour(start), end=hour(end), work_share=share, tokens=tokens, tokens_per_second=100.0, startup_seconds=600,
        step_time_s=2.0, breakdown_s={"compute": 1.5, "communication": 0.5}, mfu=0.4, hfu=0.4, goodput=1.0,
        memory_gib={"weights": 10.0, "activations": 20.0, "total": 30.0}, power_mw=0.02,
        energy_mwh=0.02 * (end - start), carbon_t=0.001 * (end - start), cost_usd=cost,
    )  # fmt: skip


def bought(start: float, end: float, cost: float, nodes: int = 2) -> Purchase:
    return Purchase(
        offer="o", purchase_option="on_demand", nodes=nodes, start=hour(start), end=hour(end), cost_usd=cost
    )


# train: 100 tokens/s for 6 h - 600 s = 2,100,000, then for 4 h 10 min - 600 s = 1,440,000; tune: 2 h - 600 s = 660,000
# money: 2 nodes x 6 h x 10 = 120; 2 h x 10 + 2 h 10 min x 20, two nodes = 126.67; 4 h (the minimum) x 2 x 20 = 160
# tune ends at 16 h, two hours after its soft deadline: 2 x 24 / 24 = 2 USD
PLAN = Plan(
    workload="w", status="optimal", cost_usd=408.67, bound_usd=408.67, gap=0.0, start=START, finish=hour(16),
    horizon_end=hour(30), budget_usd=500.0, max_power_mw=0.05, max_carbon_t=1.0, carbon_t=0.001 * (12 + 1 / 6),
    energy_mwh=0.02 * (12 + 1 / 6), offers=(OFFER,),
    phases=(
        PhaseFact(
            job="j", phase="train", tokens=3_540_000, sequence_length=1, global_batch_tokens=1, earliest=START,
            deadline=hour(13), max_segments=2,
        ),
        PhaseFact(
            job="j", phase="tune", tokens=660_000, sequence_length=1, global_batch_tokens=1, earliest=START,
            deadline=hour(14), late_cost_usd_day=24.0, after=("train",),
        ),
    ),
    assignments=(
        run("train", 0, 6, 2_100_000, 2_100_000 / 3_540_000, 120.0),
        run("train", 8, 12 + 1 / 6, 1_440_000, 1_440_000 / 3_540_000, 126.67),
        run("tune", 14, 16, 660_000, 1.0, 160.0),
    ),
    purchases=(bought(0, 6, 120.0), bought(8, 12 + 1 / 6, 126.67), bought(14, 18, 160.0)),
    costs={"on_demand": 326.67, "on_demand_unused": 80.0, "late": 2.0},
)  # fmt: skip


def changed(path: str, value: Any) -> Plan:
    """The plan with one value replaced: 'assignments.0.nodes'."""
    document = json.loads(PLAN.model_dump_json())
    at: Any = document
    *steps, last = path.split(".")
    for step in steps:
        at = at[int(step)] if step.isdigit() else at[step]
    at[int(last) if last.isdigit() else last] = value
    return Plan.model_validate(document)


def without(path: str, number: int) -> Plan:
    document = json.loads(PLAN.model_dump_json())
    del document[path][number]
    return Plan.model_validate(document)


def test_a_true_plan_has_no_violation():
    assert verify(PLAN) == []


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (changed("assignments.0.nodes", 3), "3 nodes of o run but 2 are bought"),
        (changed("assignments.0.nodes", 5), "5 nodes of o are used; it has 4"),
        (changed("assignments.0.nodes", 0), "has 0 nodes"),
        (changed("assignments.0.accelerators", 8), "says 8 accelerators; its nodes have 16"),
        (changed("assignments.0.offer", "x"), "uses offer x, which the plan does not describe"),
        (changed("assignments.0.phase", "x"), "belongs to a phase that the plan does not describe"),
        (changed("assignments.0.region", "mars"), "says region mars, its offer says aws/us-east-1"),
        (changed("assignments.0.start", hour(-1).isoformat()), "the earliest allowed"),
        (changed("assignments.0.end", hour(5).isoformat()), "trains 3,180,000 of 3,540,000 tokens"),
        (changed("assignments.0.end", hour(0.1).isoformat()), "trains nothing"),
        (changed("assignments.0.end", hour(0).isoformat()), "not after its start"),
        (changed("assignments.0.end", hour(9).isoformat()), "starts before"),
        (changed("assignments.0.tokens", 3_000_000), "claims 3,000,000 tokens; it can train 2,100,000"),
        (changed("assignments.0.work_share", 0.7), "claims a share of 0.7"),
        (changed("assignments.0.tokens_per_second", 90.0), "tokens"),
        (changed("assignments.0.cost_usd", 100.0), "The runs on o say 386.67 USD, its purchases 406.67 USD"),
        (changed("assignments.0.energy_mwh", 1.0), "says 1.0 MWh"),
        (changed("assignments.0.power_mw", 0.06), "0.060 MW are drawn; the limit is 0.05 MW"),
        (changed("assignments.0.memory_gib.total", 40.0), "memory sum to 30.000 GiB, the total says 40.000"),
        (changed("assignments.0.step_time_s", 3.0), "step time sum to 2.000000 s, not to 3.000000 s"),
        (changed("assignments.1.end", hour(13.5).isoformat()), "after the deadline 2026-12-01 13:00:00"),
        (changed("assignments.2.start", hour(12).isoformat()), "starts before phase train has ended"),
        (changed("assignments.2.end", hour(31).isoformat()), "after the horizon"),
        (changed("phases.0.max_segments", 1), "has 2 runs; at most 1 are allowed"),
        (changed("phases.0.tokens", 3_600_000), "trains 3,540,000 of 3,600,000 tokens"),
        (changed("phases.1.after", ["nothing"]), "comes after nothing, which the plan does not describe"),
        (changed("phases.1.late_cost_usd_day", 48.0), "Being late costs 4.00 USD, the plan says 2.00 USD"),
        (changed("offers.0.windows.1.start", hour(11).isoformat()), "leaves the windows of o at 2026-12-01 10:00:00"),
        (changed("offers.0.windows.0.price_usd_node_hour", 11.0), "says 120.00 USD; it costs 132.00 USD"),
        (changed("offers.0.windows.0.maximum_nodes", 1), "2 nodes of o are used; it has 1"),
        (changed("offers.0.minimum_seconds", 5 * 3600), "lasts 14,400 s, which the offer does not sell"),
        (changed("offers.0.unit_seconds", 3600), "lasts 15,000 s, which the offer does not sell"),
        (changed("offers.0.blocks_seconds", [3600]), "longer than the longest block of o, 3600 s"),
        (changed("purchases.0.cost_usd", 119.98), "says 119.98 USD; it costs 120.00 USD"),
        (changed("purchases.0.end", hour(5).isoformat()), "2 nodes of o run but 0 are bought"),
        (changed("purchases.0.nodes", 1), "2 nodes of o run but 1 are bought"),
        (changed("purchases.0.purchase_option", "spot"), "says spot, its offer says on_demand"),
        (changed("purchases.2.end", hour(17).isoformat()), "lasts 10,800 s, which the offer does not sell"),
        (changed("purchases.2.offer", "x"), "buys an offer that the plan does not describe"),
        (without("purchases", 1), "run but 0 are bought"),
        (without("assignments", 2), "Phase j/tune has no assignment"),
        (changed("costs.on_demand", 300.0), "The parts of the cost sum to 382.00 USD, the cost is 408.67 USD"),
        (changed("cost_usd", 400.0), "are not the cost of 400.00 USD"),
        (changed("budget_usd", 408.0), "over the budget of 408.00 USD"),
        (changed("max_carbon_t", 0.01), "the cap is 0.01 t"),
        (changed("carbon_t", 0.5), "carbon_t sum to 0.012167, the plan says 0.5"),
        (changed("energy_mwh", 0.5), "energy_mwh sum to"),
        (changed("finish", hour(17).isoformat()), "says it finishes at 2026-12-01 17:00:00"),
        (changed("bound_usd", 400.0), "Called optimal, but the bound is 400.00 USD"),
        (changed("bound_usd", 409.0), "The bound of 409.00 USD is above the cost"),
        (changed("bound_usd", None), "An optimal plan needs a bound"),
        (changed("gap", 0.1), "The gap is 0.000000, the plan says 0.1"),
        (changed("status", "infeasible"), "must not come with assignments"),
        (changed("status", "infeasible"), "Status infeasible needs reasons"),
        (changed("cost_usd", None), "needs assignments, a cost and a finish"),
        (changed("start", "2026-12-01T00:00:00"), "start, 2026-12-01T00:00:00, has no time zone"),
        (changed("assignments.1.cost_usd", float("inf")), "assignments.1.cost_usd is not a finite number"),
        (changed("phases.0.tokens", 0), "Phase j/train has 0 tokens"),
    ],
)
def test_a_false_plan_is_refused_with_a_sentence_that_names_the_item(plan: Plan, sentence: str):
    assert any(sentence in violation for violation in verify(plan)), verify(plan)


def test_a_plan_that_was_not_found_needs_reasons_only_when_there_is_none():
    common: dict[str, Any] = {"workload": "w", "start": START, "horizon_end": hour(30)}
    assert verify(Plan(status="infeasible", reasons=("too late",), **common)) == []
    assert verify(Plan(status="unknown", **common)) == []
    assert verify(Plan(status="feasible", **common)) != []


def test_verify_imports_no_solver():
    code = (
        "import sys, planner.optimizer.verify; "
        "bad = [m for m in sys.modules if m.startswith(('ortools', 'numpy', 'planner.optimizer.'))]; print(sorted(bad))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rules = [f"planner.optimizer.verify{part}" for part in ("", "_limits", "_money", "_runs", "_terms", "_words")]
    assert result.stdout.strip() == str(rules)


def command() -> typer.Typer:
    app = typer.Typer()
    app.command()(verify_command)
    return app


def test_the_command_prints_violations_and_its_exit_code_says_whether_there_are_any(tmp_path: Path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(PLAN.model_dump_json())
    bad.write_text(changed("budget_usd", 1.0).model_dump_json())
    clean = CliRunner().invoke(command(), [str(good), "--json"])
    assert (clean.exit_code, json.loads(clean.stdout)) == (0, {"violations": []})
    dirty = CliRunner().invoke(command(), [str(bad), "--json"])
    assert dirty.exit_code == 3
    assert "over the budget" in json.loads(dirty.stdout)["violations"][0]
    spoken = CliRunner().invoke(command(), [str(bad)])
    assert (spoken.exit_code, spoken.stdout.count("\n")) == (3, 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON"),
        ('{"workload": "w"}', "status: Field required"),
        ("[]", "should be an object"),
        ("[" * 100_000, "is nested too deeply"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_plan_is_bad_input_with_its_place(tmp_path: Path, content: str | bytes | None, sentence: str):
    path = tmp_path / "plan.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)
    with pytest.raises(InputError) as error:
        read_plan(path)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)
