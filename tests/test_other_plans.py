"""Plans beside the best one, from files to the document, on quotes whose optimum can be worked out by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hardware_catalog.catalog import Catalog, load, with_offers
from hardware_catalog.quotes import read_quotes
from planner.cli import EXIT_BAD_INPUT, EXIT_INFEASIBLE
from planner.plan import Plan
from planner.planning import plan
from planner.workload import Workload, read_workload
from tests.test_cli_explain import HEADER, WORKLOAD

ROOT = Path(__file__).parents[1]
# 100 h on 4 nodes, 62.5 h on 8 nodes (measured rates of the workload): 20,000 and 25,000 USD at 50 USD a node-hour
HERE = "here,aws/p5.48xlarge,aws/us-east-1,on_demand,50,USD,node_hour,1,8,,,2026-11-01,test\n"
THERE = "there,aws/p5.48xlarge,aws/us-east-2,on_demand,51,USD,node_hour,1,8,,,2026-11-01,test\n"  # 20,400 USD
SPOT = "spot,aws/p5.48xlarge,aws/us-east-1,spot,52,USD,node_hour,1,8,2026-12-02,,2026-11-01,test\n"  # 20,800 USD
DEAR = "dear,aws/p5.48xlarge,aws/us-west-2,on_demand,60,USD,node_hour,1,8,,,2026-11-01,test\n"  # 24,000 USD


class Case:
    """A workload and quotes in a folder."""

    def __init__(self, folder: Path, quotes: str, more: str = "", job: str = "", policy: str = "") -> None:
        self.workload, self.quotes = folder / "workload.yaml", folder / "quotes.csv"
        self.quotes.write_text(HEADER + quotes)
        self.workload.write_text(WORKLOAD.format(more=more, job=job, policy=policy))

    def read(self) -> tuple[Workload, Catalog]:
        catalog = load()
        return read_workload(self.workload), with_offers(catalog, read_quotes(self.quotes, catalog), only=True)

    def planned(self, **named: Any) -> Plan:
        return plan(*self.read(), 30, **named)

    def printed(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        files = ["plan", str(self.workload), "--quotes", str(self.quotes), "--only-quotes"]
        command = [sys.executable, "-c", "from planner.cli import main; main()", *files, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)


def near(made: Plan) -> list[tuple[str, str, float | None]]:
    return [(a.purchase_option, a.region, a.cost_usd) for a in made.alternatives if a.kind == "near"]


def test_plans_of_another_kind_within_a_share_cheapest_first(tmp_path: Path) -> None:
    case = Case(tmp_path, HERE + THERE + SPOT + DEAR)
    made = case.planned()
    assert made.cost_usd == 20_000
    assert near(made) == [
        ("on_demand", "aws/us-east-2", 20_400),
        ("spot", "aws/us-east-1", 20_800),
    ]  # DEAR is 20 % more
    assert (made.within, made.within_complete) == (0.05, True)
    assert [a.difference for a in made.alternatives] == [
        "+2.0 %: same accelerator, on demand at aws/us-east-2, ends at the same time",
        "+4.0 %: same accelerator, spot at aws/us-east-1, ends 24 h later",  # spot begins a day later
    ]
    assert {a.gap for a in made.alternatives} == {0.0}
    assert len(near(case.planned(within=0.2))) == 3
    without = case.planned(within=0.0)
    assert (near(without), without.within, without.within_complete) == ([], 0.0, False)


def test_the_command_line_asks_for_another_share(tmp_path: Path) -> None:
    case = Case(tmp_path, HERE + THERE + SPOT)
    shown = case.printed("--within", "3%")
    assert shown.returncode == 0
    words = " ".join(shown.stdout.split())
    assert "20.4k USD, +2.0 %: same accelerator, on demand at aws/us-east-2" in words
    assert "no other kind of plan is within 3 % of it (proven)" in words
    document = json.loads(case.printed("--within", "0", "--json").stdout)
    assert document["alternatives"] == []
    wrong = case.printed("--within", "much")
    assert wrong.returncode == EXIT_BAD_INPUT
    assert "--within" in wrong.stderr


def test_what_days_cost(tmp_path: Path) -> None:
    # the deadline of 72 h leaves 8 nodes for 62.5 h: 25,000 USD; 7 days more leave 4 nodes for 100 h: 20,000 USD
    made = Case(tmp_path, HERE, job="deadline: 2026-12-04").planned(delay=True)
    assert made.cost_usd == 25_000
    assert [(d.days, d.cost_usd, d.extra_usd) for d in made.delay] == [
        (-1, None, None),  # 38.5 h are too few
        (1, 25_000, 0),  # 96 h are too few for 4 nodes
        (7, 20_000, -5_000),
        (30, 20_000, -5_000),
    ]
    assert made.delay[0].reason == "no plan ends that early"
    assert made.delay[2].extra_usd_day == pytest.approx(-5_000 / 7, abs=0.01)
    earlier = Case(tmp_path, HERE).planned(delay=True)
    assert [(d.days, d.cost_usd) for d in earlier.delay][:2] == [(-3, None), (-1, 25_000)]  # 100 h - 24 h = 76 h
    assert earlier.delay[1].finish == datetime.fromisoformat("2026-12-03T14:30+00:00")
    assert Case(tmp_path, HERE).planned().delay == ()


def test_an_infeasible_plan_says_what_an_explanation_knows(tmp_path: Path) -> None:
    case = Case(tmp_path, HERE, more="budget_usd: 22000", job="deadline: 2026-12-04")
    made = case.planned()
    assert made.status == "infeasible"
    assert made.reasons[0].startswith(
        "No plan keeps all of these (a minimal conflict): the deadline of job on 2026-12-04"
    )
    assert [reason.partition(":")[0] for reason in made.reasons[1:3]] == [
        "To get a plan, extend the deadline of job by 1.2 days (to 2026-12-05 04",
        "To get a plan, raise the budget to 25,000 USD (3,000.00 USD more)",
    ]
    shown = case.printed("--html", str(tmp_path / "plan.html"))
    assert shown.returncode == EXIT_INFEASIBLE
    for text in (" ".join(shown.stdout.split()), (tmp_path / "plan.html").read_text()):
        assert "raise the budget to 25,000 USD (3,000.00 USD more): 25,000 USD, ends 2026-12-03 14:30" in text


def test_a_quota_that_is_too_small_is_named_in_the_words_of_the_file(tmp_path: Path) -> None:
    policy = ", quotas: [{provider: aws, purchase_option: on_demand, max_nodes: 3}]"
    made = Case(tmp_path, HERE, policy=policy).planned()
    assert made.reasons[0] == "The quota of 3 nodes (policy.quotas.0: aws, on demand) alone leaves no plan."
    assert made.reasons[1].startswith(
        "To get a plan, raise the quota to 4 nodes (1 node more; policy.quotas.0: aws, on"
    )


@pytest.mark.parametrize("seconds", [0.3, 3.0])
def test_a_short_time_limit_holds_and_still_gives_reasons(tmp_path: Path, seconds: float) -> None:
    text = (ROOT / "examples" / "llama-3-70b.yaml").read_text().replace("budget_usd: 40M", "budget_usd: 4M")
    (tmp_path / "w.yaml").write_text(text)
    made = plan(read_workload(tmp_path / "w.yaml"), load(), seconds)
    assert made.status == "infeasible"
    assert any("budget" in reason for reason in made.reasons)
