"""Ctrl-C at every stage of `planner plan` and `planner explain`: what is known so far, its exit code, no traceback."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from planner.cli import EXIT_INFEASIBLE, EXIT_NO_PLAN_IN_TIME
from planner.optimizer.verify import verify
from planner.plan import Plan

HEADER = (
    "offer,instance_type,region,purchase_option,price,currency,per,minimum_nodes,maximum_nodes,"
    "available_from,available_until,valid_from,source\n"
)
WORKLOAD = """
workload: interrupted
start: 2026-12-01
horizon_days: 40
{more}
policy: {{organisation_country: US, startup_minutes: 30, failures: false, max_nodes: 12}}
jobs:
"""
JOB = """
  - name: job-{number}
    model: llama-2-7b
    measured:
      - {{instance_type: aws/p5.48xlarge, nodes: 4, tokens_per_second: 1_000_000, effective: true}}
      - {{instance_type: aws/p5.48xlarge, nodes: 8, tokens_per_second: 1_800_000, effective: true}}
    phases:
      - {{name: train, tokens: {tokens}B, sequence_length: 4096, global_batch_tokens: 4194304,
         max_segments: {segments}}}
"""
# the signal is sent to the process itself, at the moment that matters: a terminal does the same on Ctrl-C
INTERRUPT = """
import os, signal, threading
def interrupt(): os.kill(os.getpid(), signal.SIGINT)
def before(owner, name, seconds=None):
    known = getattr(owner, name)
    def interrupted(*arguments, **named):
        interrupt() if seconds is None else threading.Timer(seconds, interrupt).start()
        return known(*arguments, **named)
    setattr(owner, name, interrupted)
"""
RUN = "\nfrom planner.cli import main\nmain()\n"


def interrupted(
    folder: Path, verb: str, where: str, jobs: int = 1, more: str = "", segments: int = 1
) -> subprocess.CompletedProcess[str]:
    """The verb on jobs that want the same spot nodes, whose prices change by the day; `where` calls `before`."""
    rng = random.Random(1)
    days = [(datetime(2026, 12, 1) + timedelta(days=day)).isoformat() + "Z" for day in range(41)]
    rows = [
        f"q{offer},aws/p5.48xlarge,aws/us-east-1,spot,{rng.randint(2000, 6000) / 100},USD,node_hour,1,8,"
        f"{start},{end},2026-11-01,test\n"
        for offer in range(4)
        for start, end in pairwise(days)
    ]
    (folder / "quotes.csv").write_text(HEADER + "".join(rows))
    described = "".join(
        JOB.format(number=number, tokens=300 + 20 * number, segments=segments) for number in range(jobs)
    )
    (folder / "workload.yaml").write_text(WORKLOAD.format(more=more) + described)
    options = ["--quotes", str(folder / "quotes.csv"), "--only-quotes", "--json", "--time-limit", "100"]
    command = [sys.executable, "-c", INTERRUPT + where + RUN, verb, str(folder / "workload.yaml"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)


def answer(made: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert "Traceback" not in made.stderr
    document: dict[str, Any] = json.loads(made.stdout)
    return document


PLANNING = "import planner.planning as at\n"
SEARCH = "from planner.optimizer import solve as at\n"
EXPLAINING = "import planner.explaining as at\n"
FEASIBILITY = "from planner.optimizer.feasibility import Feasibility as at\n"


def test_the_best_plan_of_several_jobs_so_far_with_its_gap(tmp_path: Path) -> None:
    made = interrupted(tmp_path, "plan", PLANNING + "before(at, 'solve', 5)", jobs=4, segments=3)
    assert made.returncode == 0
    plan = Plan.model_validate(answer(made))
    assert plan.status == "feasible"
    assert plan.gap is not None
    assert 0 < plan.gap < 1
    assert verify(plan) == []
    assert plan.solve_seconds < 50  # of the 100 that it had
    assert plan.alternatives == ()  # no time is spent on more


def test_before_there_is_a_plan(tmp_path: Path) -> None:
    made = interrupted(tmp_path, "plan", SEARCH + "before(at, 'clipped')")
    assert made.returncode == EXIT_NO_PLAN_IN_TIME
    assert answer(made)["status"] == "unknown"


@pytest.mark.parametrize("stage", ["by_family", "kinds_of"])
def test_while_alternatives_are_sought_the_plan_is_there(tmp_path: Path, stage: str) -> None:
    made = interrupted(tmp_path, "plan", PLANNING + f"before(at, '{stage}')")
    assert made.returncode == 0
    document = answer(made)
    assert document["status"] == "optimal"
    assert not document["within_complete"]


@pytest.mark.parametrize("where", [PLANNING + "before(at, 'reasons')", EXPLAINING + "before(at, 'joint_changes')"])
def test_while_reasons_are_sought_it_is_infeasible(tmp_path: Path, where: str) -> None:
    made = interrupted(tmp_path, "plan", where, more="budget_usd: 100")
    assert made.returncode == EXIT_INFEASIBLE
    assert answer(made)["reasons"]


def test_an_explanation_says_what_it_knows(tmp_path: Path) -> None:
    made = interrupted(tmp_path, "explain", EXPLAINING + "before(at, 'joint_changes')", more="budget_usd: 100")
    assert made.returncode == EXIT_INFEASIBLE
    document = answer(made)
    assert [limit["limit"] for limit in document["conflict"]] == ["budget_usd"]
    assert [one["limit"] for change in document["changes"] for one in change["change"]] == ["budget_usd"]
    assert not document["complete"]


def test_an_explanation_that_knows_nothing_yet(tmp_path: Path) -> None:
    made = interrupted(tmp_path, "explain", FEASIBILITY + "before(at, 'plan')", more="budget_usd: 100")
    assert made.returncode == EXIT_NO_PLAN_IN_TIME
    assert answer(made)["feasible"] is None


def test_the_room_of_a_plan_so_far(tmp_path: Path) -> None:
    made = interrupted(tmp_path, "explain", EXPLAINING + "before(at, 'slack')", jobs=2)
    assert made.returncode == 0
    document = answer(made)
    assert (document["feasible"], document["complete"]) == (True, False)
    assert document["cost_usd"] > 0
