"""`planner explain` on workloads whose answer can be worked out by hand, and on the bundled catalog."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hardware_catalog.catalog import Catalog, load, with_offers
from hardware_catalog.quotes import read_quotes
from planner.cli import EXIT_BAD_INPUT, EXIT_INFEASIBLE
from planner.explaining import explain
from planner.explanation import Explanation
from planner.planning import plan
from planner.workload import read_workload

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
HEADER = (
    "offer,instance_type,region,purchase_option,price,currency,per,minimum_nodes,maximum_nodes,"
    "available_from,available_until,valid_from,source\n"
)
WORKLOAD = """
workload: by-hand
start: 2026-12-01
horizon_days: 30
{more}
policy: {{organisation_country: US, startup_minutes: 0, failures: false{policy}}}
jobs:
  - name: job
    model: llama-2-7b
    {job}
    measured:
      - {{instance_type: aws/p5.48xlarge, nodes: 4, tokens_per_second: 1_000_000, effective: true}}
      - {{instance_type: aws/p5.48xlarge, nodes: 8, tokens_per_second: 1_600_000, effective: true}}
    phases:
      - {{name: train, tokens: 360_000_000_000, sequence_length: 4096, global_batch_tokens: 4194304}}
"""
# 100 h on 4 nodes, 62.5 h on 8 nodes: 20,000 and 25,000 USD
CHEAP = "cheap,aws/p5.48xlarge,aws/us-east-1,{},50,USD,node_hour,1,8,,,2026-11-01,test\n"


def planner(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from planner.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)


class Case:
    """A workload and quotes in a folder."""

    def __init__(self, folder: Path) -> None:
        self.workload, self.quotes = folder / "workload.yaml", folder / "quotes.csv"

    def write(self, quotes: str = CHEAP.format("on_demand"), more: str = "", policy: str = "", job: str = "") -> Case:
        self.quotes.write_text(HEADER + quotes)
        self.workload.write_text(WORKLOAD.format(more=more, policy=policy, job=job))
        return self

    def catalog(self) -> Catalog:
        catalog = load()
        return with_offers(catalog, read_quotes(self.quotes, catalog), only=True)

    def explained(self) -> Explanation:
        return explain(read_workload(self.workload), self.catalog(), 30)

    def printed(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return planner("explain", self.workload, "--quotes", self.quotes, "--only-quotes", *arguments)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def changes(explanation: Explanation) -> list[tuple[dict[str, Any], float]]:
    return [({one.limit: one.to for one in change.change}, change.cost_usd) for change in explanation.changes]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


def test_too_early_a_deadline(case: Case) -> None:
    found = case.write(job="deadline: 2026-12-03").explained()  # 48 h
    assert [limit.text for limit in found.conflict] == ["the deadline of job on 2026-12-03"]
    assert changes(found) == [({"deadline": utc("2026-12-03T15:00")}, 25_000)]  # 62.5 h end in the 63rd hour
    assert found.changes[0].nodes == 8
    assert found.changes[0].finish == utc("2026-12-03T14:30")
    assert found.minimal
    assert found.complete


def test_too_small_a_budget(case: Case) -> None:
    found = case.write(more="budget_usd: 15000").explained()
    assert [limit.limit for limit in found.conflict] == ["budget_usd"]
    assert changes(found) == [({"budget_usd": 20_000}, 20_000)]
    assert found.changes[0].text == "raise the budget to 20,000 USD (5,000.00 USD more)"


def test_both_need_both_at_exact_points_of_their_trade_off(case: Case) -> None:
    found = case.write(more="budget_usd: 15000", job="deadline: 2026-12-03").explained()
    assert [limit.limit for limit in found.conflict] == ["budget_usd"]
    assert [[limit.limit for limit in one] for one in found.further_conflicts] == [["deadline"]]
    assert changes(found) == [
        ({"deadline": utc("2026-12-05T04:00"), "budget_usd": 20_000}, 20_000),  # 100 h
        ({"deadline": utc("2026-12-03T15:00"), "budget_usd": 25_000}, 25_000),
    ]


def test_a_budget_and_a_deadline_that_only_together_are_too_tight(case: Case) -> None:
    found = case.write(more="budget_usd: 22000", job="deadline: 2026-12-04").explained()  # 72 h
    assert {limit.limit for limit in found.conflict} == {"budget_usd", "deadline"}
    assert changes(found) == [
        ({"deadline": utc("2026-12-05T04:00")}, 20_000),
        ({"budget_usd": 25_000}, 25_000),
    ]


def test_more_nodes_than_the_policy_allows_are_known_though_the_options_lack_them(case: Case) -> None:
    found = case.write(policy=", max_nodes: 4", job="deadline: 2026-12-04").explained()
    assert {limit.limit for limit in found.conflict} == {"policy.max_nodes", "deadline"}
    assert changes(found) == [
        ({"deadline": utc("2026-12-05T04:00")}, 20_000),
        ({"policy.max_nodes": 8}, 25_000),
    ]


def test_a_deadline_beyond_the_horizon_takes_the_horizon_along(case: Case) -> None:
    case.write(job="deadline: 2026-12-02")
    case.workload.write_text(case.workload.read_text().replace("horizon_days: 30", "horizon_days: 1"))
    (change, cost) = changes(case.explained())[0]
    assert (change, cost) == ({"deadline": utc("2026-12-03T15:00"), "horizon_days": 3}, 25_000)


def test_a_horizon_that_is_too_short_for_a_job_without_a_deadline(case: Case) -> None:
    case.write()
    case.workload.write_text(case.workload.read_text().replace("horizon_days: 30", "horizon_days: 2"))
    found = case.explained()
    assert [limit.text for limit in found.conflict] == ["the horizon of 2 days"]
    ((change, cost),) = changes(found)
    assert (change, cost) == ({"horizon_days": 3}, 25_000)


def test_the_plan_after_each_change_is_the_one_that_was_promised_and_less_is_not_enough(case: Case) -> None:
    def status(deadline: datetime, budget: float) -> tuple[str, float | None]:
        case.write(more=f"budget_usd: {budget}", job=f"deadline: {deadline.isoformat()}")
        made = plan(read_workload(case.workload), case.catalog(), 30)
        return made.status, made.cost_usd

    for change, cost in changes(case.write(more="budget_usd: 15000", job="deadline: 2026-12-03").explained()):
        deadline, budget = change["deadline"], change["budget_usd"]
        assert status(deadline, budget) == ("optimal", cost)
        assert status(deadline - timedelta(hours=1), budget)[0] == "infeasible"
        assert status(deadline, budget - 0.01)[0] == "infeasible"


@pytest.mark.parametrize(
    ("quote", "policy", "key", "to"),
    [
        ("spot", "purchase_options: [on_demand, reserved]", "purchase_options", ("on_demand", "reserved", "spot")),
        ("on_demand", "regions: [eu]", "regions", ("eu", "aws/us-east-1")),
        ("on_demand", "providers: [gcp]", "providers", ("gcp", "aws")),
        ("on_demand", "accelerators: [a100]", "accelerators", ("a100", "h100-sxm5-80")),
    ],
)
def test_a_filter_of_the_policy_is_named_with_what_it_would_have_to_allow(
    case: Case, quote: str, policy: str, key: str, to: tuple[str, ...]
) -> None:
    found = case.write(CHEAP.format(quote), policy=f", {policy}").explained()
    assert [limit.limit for limit in found.conflict] == [f"policy.{key}"]
    assert found.changes == ()
    ((change,), cost) = next((one.change, one.cost_usd) for one in found.policy_changes)
    assert (change.limit, change.to, cost) == (f"policy.{key}", to, 20_000)


def test_two_filters_that_must_give_way_together(case: Case) -> None:
    found = case.write(policy=", regions: [eu], providers: [gcp]").explained()
    assert len(found.conflict) == 1  # each alone leaves nothing
    (change,) = found.policy_changes
    assert [one.text for one in change.change] == [
        "allow aws/us-east-1 (policy.regions)",
        "allow aws (policy.providers)",
    ]


def test_a_filter_and_a_budget_are_one_conflict_and_either_can_give_way(case: Case) -> None:
    quotes = CHEAP.format("on_demand") + CHEAP.format("spot").replace("cheap,", "spot,").replace(",50,", ",20,")
    found = case.write(quotes, more="budget_usd: 15000", policy=", purchase_options: [on_demand]").explained()
    assert {limit.limit for limit in found.conflict} == {"budget_usd", "policy.purchase_options"}
    assert changes(found) == [({"budget_usd": 20_000}, 20_000)]
    (change,) = found.policy_changes
    assert change.text == "allow spot (policy.purchase_options)"
    assert change.cost_usd == 8_000  # 100 h x 4 nodes x 20 USD
    assert [sentence.split(":")[0] for sentence in found.sentences()[len(found.conflict_sentences()) :]] == [
        "To get a plan, allow spot (policy.purchase_options)",
        "To get a plan, raise the budget to 20,000 USD (5,000.00 USD more)",
    ]


def test_export_rules_are_reported_and_never_lifted() -> None:
    found = explain(read_workload(EXAMPLES / "china-13b-2023.yaml"), load(), 60)
    assert found.law is not None
    assert "export_rules" in {limit.limit.removeprefix("policy.") for limit in found.conflict}
    assert any("ifr-2022-10" in rule for rule in found.law.rules)
    assert found.policy_changes
    assert not any("export" in one.limit for change in found.policy_changes for one in change.change)


def test_room_of_a_workload_with_a_plan(case: Case) -> None:
    case.write(more="budget_usd: 22000", job="deadline: 2026-12-06", policy=", max_nodes: 6")
    found = case.explained()
    assert found.feasible
    assert {one.limit: one.tightest for one in found.slack} == {
        "budget_usd": 20_000,
        "deadline": utc("2026-12-05T04:00"),
        "policy.max_nodes": 4,
    }
    shown = case.printed()
    assert shown.returncode == 0
    assert "by-hand has a plan for 20,000 USD" in shown.stdout
    assert "2,000.00 USD left: 20,000 USD is enough" in shown.stdout
    assert "0.8 days before it: 2026-12-05 04:00 can be met" in shown.stdout  # 20 h


def test_the_options_made_for_lifted_limits_change_no_optimum() -> None:
    workload, catalog = read_workload(EXAMPLES / "fine-tune-7b.yaml"), load()
    assert explain(workload, catalog).cost_usd == plan(workload, catalog).cost_usd


def test_text_and_json_say_the_same(case: Case) -> None:
    case.write(more="budget_usd: 15000", job="deadline: 2026-12-03")
    shown, told = case.printed(), case.printed("--json")
    assert shown.returncode == told.returncode == EXIT_INFEASIBLE
    document = json.loads(told.stdout)
    assert document["feasible"] is False
    assert document["conflict"][0]["limit"] == "budget_usd"
    words = " ".join(shown.stdout.split())
    assert "- The budget of 15,000 USD alone leaves no plan." in words
    assert "- Apart from that, the deadline of job on 2026-12-03 alone leaves no plan" in words
    assert [change["cost_usd"] for change in document["changes"]] == [20_000, 25_000]
    assert words.index("2026-12-05 04:00") < words.index("2026-12-03 14:30")  # cheapest first


REAL = [
    ({"deadline: 2027-08-01": "deadline: 2026-12-20"}, {"deadline"}, "extend the deadline"),
    ({"budget_usd: 40M": "budget_usd: 4M"}, {"budget_usd"}, "raise the budget to"),
    (
        {"deadline: 2027-08-01": "deadline: 2026-12-20", "budget_usd: 40M": "budget_usd: 4M"},
        {"deadline", "budget_usd"},
        "and raise the budget to",
    ),
]


@pytest.mark.parametrize(("edits", "limits", "says"), REAL)
def test_the_bundled_catalog_says_what_a_70b_run_needs(
    tmp_path: Path, edits: dict[str, str], limits: set[str], says: str
) -> None:
    text = (EXAMPLES / "llama-3-70b.yaml").read_text()
    for old, new in edits.items():
        text = text.replace(old, new)
    path = tmp_path / "workload.yaml"
    path.write_text(text)
    made = planner("explain", path, "--time-limit", "12", "--json")
    assert made.returncode == EXIT_INFEASIBLE, made.stderr
    document = json.loads(made.stdout)
    first = document["changes"][0]
    assert limits <= {one["limit"] for one in first["change"]}
    assert says in first["text"]
    assert document["seconds"] < 1.1 * 12
    for one in first["change"]:
        old = next(line for line in text.splitlines() if line.strip().startswith(one["limit"].split(".")[-1] + ":"))
        text = text.replace(old, f"{old.partition(':')[0]}: {one['to']}")
    path.write_text(text)
    changed = plan(read_workload(path), load(), 30)
    assert changed.cost_usd == pytest.approx(first["cost_usd"], abs=0.01)


def test_a_time_limit_of_nothing_is_bad_input(case: Case) -> None:
    made = case.write().printed("--time-limit", "0")
    assert made.returncode == EXIT_BAD_INPUT
    assert "--time-limit" in made.stderr
