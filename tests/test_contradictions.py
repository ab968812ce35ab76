"""Contradictions and absurd sizes through the command line: a clear error, or an honest answer, within the time limit.

Quotes and measured rates make the right answer a matter of multiplication: 4 nodes train a million tokens a second.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from planner.cli import EXIT_BAD_INPUT, EXIT_INFEASIBLE, EXIT_NO_PLAN_IN_TIME, main

ROOT = Path(__file__).parents[1]
COLUMNS = (
    "offer,instance_type,region,purchase_option,price,currency,per,minimum_nodes,maximum_nodes,"
    "available_from,available_until,valid_from,source\n"
)
HEAD = """\
workload: contradiction
start: 2026-12-01
horizon_days: {days}
{top}
policy: {{organisation_country: US, startup_minutes: {startup}, failures: false{policy}}}
jobs:
"""
JOB = """\
  - name: {name}
    model: llama-2-7b
    {job}
    measured:
      - {{instance_type: aws/p5.48xlarge, nodes: 4, tokens_per_second: {rate}, effective: true}}
      - {{instance_type: aws/p5.48xlarge, nodes: {wide}, tokens_per_second: 1_800_000, effective: true}}
    phases:
"""
PHASE = """\
      - {{name: {name}, tokens: {tokens}, sequence_length: 4096, global_batch_tokens: {batch}{phase}}}
"""
DEFAULTS = {
    "days": 30,
    "top": "",
    "startup": 0,
    "policy": "",
    "job": "",
    "rate": "1_000_000",
    "wide": 8,
    "tokens": "360B",  # 100 hours on 4 nodes, 55.6 hours on 8
    "batch": 4194304,
    "phase": "",
}
QUOTE = {"offer": "cheap", "price": "50", "nodes": "8", "start": "", "until": ""}
OTHER = "other,aws/p5.48xlarge,us-east-1,on_demand,49.5,USD,node_hour,1,8,2026-12-02,2026-12-03,2026-11-01,test\n"


def workload(jobs: int = 1, phases: tuple[str, ...] = ("train",), **changes: object) -> str:
    values = DEFAULTS | changes
    every = "".join(
        JOB.format(name=f"job{number}", **values)
        + "".join(PHASE.format(name=name, **(values | {"phase": _after(name, phases, values)})) for name in phases)
        for number in range(jobs)
    )
    return HEAD.format(**values) + every


def _after(name: str, phases: tuple[str, ...], values: dict[str, object]) -> str:
    place = phases.index(name)
    return str(values["phase"]) + (f", after: [{phases[place - 1]}]" if place else "")


def quote(**changes: str) -> str:
    row = QUOTE | changes
    return (
        f"{row['offer']},aws/p5.48xlarge,us-east-1,on_demand,{row['price']},USD,node_hour,1,{row['nodes']},"
        f"{row['start']},{row['until']},2026-11-01,test\n"
    )


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run `planner plan` in this process: exit code, standard output, standard error. Warnings are errors here."""

    def run(text: str, quotes: str = "", *more: str) -> tuple[int, str, str]:
        (tmp_path / "workload.yaml").write_text(text)
        (tmp_path / "quotes.csv").write_text(COLUMNS + (quotes or quote()))
        files = [str(tmp_path / "workload.yaml"), "--quotes", str(tmp_path / "quotes.csv"), "--only-quotes"]
        monkeypatch.setattr(sys, "argv", ["planner", "plan", *files, "--time-limit", "5", "--json", *more])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run


def in_time(folder: Path, text: str, quotes: str, limit_s: float, at_most_s: float) -> subprocess.CompletedProcess[str]:
    """`planner plan` in a process of its own, ended after `at_most_s`."""
    (folder / "workload.yaml").write_text(text)
    (folder / "quotes.csv").write_text(COLUMNS + quotes)
    files = ["workload.yaml", "--quotes", "quotes.csv", "--only-quotes", "--time-limit", str(limit_s), "--json"]
    command = [sys.executable, "-c", "from planner.cli import main; main()", "plan", *files]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=at_most_s)


# What contradicts itself is an error with its place


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"job": "deadline: 2026-11-01"}, "expected a date after the start"),
        ({"job": "earliest_start: 2026-12-20\n    deadline: 2026-12-10"}, "expected a date after earliest_start"),
        ({"job": "deadline: 2027-12-10"}, "raise horizon_days"),
        ({"job": "earliest_start: 2027-12-10"}, "expected a date before the end of the horizon"),
        ({"phase": ", after: [train]"}, "phases wait for each other"),
        ({"days": 0}, "horizon_days"),
        ({"days": 3650}, "horizon_days: expected at most"),  # ten years
        ({"days": "1e30"}, "horizon_days: expected at most"),
        ({"tokens": "1e30"}, "tokens: expected at most"),
        ({"batch": "1e30"}, "global_batch_tokens: expected at most"),
        ({"top": "budget_usd: 1e30"}, "budget_usd: expected at most"),
        ({"policy": ", max_nodes: 0"}, "max_nodes: expected at least 1"),
        ({"policy": ", max_power_mw: 1e300"}, "max_power_mw"),
        ({"policy": ", max_carbon_t: 1e300"}, "max_carbon_t"),
        ({"startup": "1e300"}, "startup_minutes"),
        ({"job": "deadline: 2026-12-10\n    late_cost_usd_day: 1e30"}, "late_cost_usd_day: expected at most"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_contradiction_in_the_workload_is_one_clear_error(planned, changes: dict[str, object], says: str):
    code, out, err = planned(workload(**changes))
    assert (code, out) == (EXIT_BAD_INPUT, "")
    assert "workload.yaml:" in err
    assert says in err


def test_phases_in_a_circle_are_named(planned):
    text = workload(phases=("a", "b")).replace("name: a, tokens", "name: a, after: [b], tokens")
    code, _, err = planned(text)
    assert code == EXIT_BAD_INPUT
    assert "a after b after a" in err


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"price": "0"}, "price: expected a number above 0"),
        ({"price": "-1"}, "price: expected a number above 0"),
        ({"price": "nan"}, "price: expected a number"),
        ({"price": "inf"}, "price: expected a number"),
        ({"nodes": "0"}, "maximum_nodes: expected a whole number of at least 1"),
        ({"start": "2027-01-01", "until": "2026-12-01"}, "is not after available_from"),
        pytest.param({"price": "1e300"}, "price"),
    ],
)
def test_a_contradiction_in_the_quotes_is_one_clear_error(planned, changes: dict[str, str], says: str):
    code, out, err = planned(workload(), quote(**changes))
    assert (code, out) == (EXIT_BAD_INPUT, "")
    assert "quotes.csv:2: " in err
    assert says in err


# What cannot be done is infeasible, with the reason


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"top": "budget_usd: 1"}, "raise the budget to"),
        ({"top": "budget_usd: 0"}, "raise the budget to"),
        ({"job": "deadline: 2026-12-01T01:00Z"}, "too slow"),
        ({"tokens": "1e18"}, "too slow"),
        ({"startup": "1e9"}, "too slow"),
        ({"policy": ", max_nodes: 3"}, "no capacity"),
        ({"policy": ", max_power_mw: 0.000001"}, "max_power_mw"),
        ({"policy": ", max_carbon_t: 0"}, "raise the carbon cap to"),
        ({"policy": ", accelerators: [a100]"}, "is not among policy.accelerators"),
        ({"policy": ", availability: [{provider: azure, purchase_option: spot, maximum_nodes: 0}]", "days": 1}, "too"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_impossible_is_infeasible_with_its_reason(planned, changes: dict[str, object], says: str):
    code, out, _ = planned(workload(**changes))
    document = json.loads(out)
    assert (code, document["status"], document["assignments"]) == (EXIT_INFEASIBLE, "infeasible", [])
    assert any(says in reason for reason in document["reasons"]), document["reasons"]


def test_a_window_that_is_over_before_the_start_is_no_offer(planned):
    code, out, _ = planned(workload(), quote(start="2026-01-01", until="2026-02-01"))
    assert code == EXIT_INFEASIBLE
    assert "not available between" in out


# What is absurdly large is refused, or planned right: 4 nodes for 100 hours are cheaper than 8 for 55.6


@pytest.mark.parametrize(
    ("changes", "quotes", "jobs"),
    [
        ({}, {"nodes": "1000000000"}, 1),
        ({"wide": 10**9}, {"nodes": "1000000000"}, 1),
        ({}, {"price": "10000"}, 1),
        ({}, {"price": "10000"}, 2),
        ({}, {"price": "10000000"}, 1),
        ({"phase": ", max_segments: 20"}, {}, 1),
        ({"top": "budget_usd: 1e15"}, {}, 1),
        ({"days": 1098}, {}, 1),
        ({"job": "deadline: 2026-12-06\n    late_cost_usd_day: 1e9"}, {}, 1),
        ({"job": "deadline: 2026-12-06\n    late_cost_usd_day: 1e9"}, {}, 2),
        pytest.param({}, {"price": "1000000000000"}, 1),
        pytest.param({"phase": ", max_segments: 2"}, {"price": "1000000000"}, 1),
        pytest.param({"wide": 10**12}, {"nodes": "1000000000000"}, 1),
        pytest.param({"job": "deadline: 2026-12-02\n    late_cost_usd_day: 1e12"}, {}, 1),
    ],
)
def test_great_sizes_are_refused_or_planned_right(
    planned, changes: dict[str, object], quotes: dict[str, str], jobs: int
):
    code, out, err = planned(workload(jobs, **changes), quote(**quotes))
    if code == EXIT_BAD_INPUT:
        assert "error: " in err
        return
    document = json.loads(out)
    assert (code, document["status"]) == (0, "optimal")
    price = float(quotes.get("price", "50"))
    # 100 h x 4 nodes for every job; lateness apart, which no choice avoids where it is due
    expected = jobs * 100 * 4 * price
    late = sum(cost for part, cost in document["costs"].items() if part == "late")
    assert document["cost_usd"] - late == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("jobs", "segments", "rate", "tokens"),
    [
        (1, 1, "1e15", "360e18"),
        pytest.param(1, 2, "1e15", "360e18"),
        pytest.param(2, 1, "1e15", "360e18"),
    ],
)
def test_great_rates_are_refused_or_planned_right(planned, jobs: int, segments: int, rate: str, tokens: str):
    text = workload(jobs, rate=rate, tokens=tokens, phase=f", max_segments: {segments}")
    code, out, err = planned(text, quote(nodes="4"))
    if code == EXIT_BAD_INPUT:
        assert "error: " in err
        return
    # 360e18 tokens at 1e15 a second: 100 hours
    assert json.loads(out)["cost_usd"] == pytest.approx(jobs * 100 * 4 * 50)


# The time limit holds whatever is asked


def test_a_hundred_thousand_rows_of_quotes_are_planned(tmp_path: Path):
    rng = random.Random(1)
    rows = []
    for number in range(1000):  # offers of a hundred windows of six hours: 10^5 rows
        for window in range(100):
            day, hour = 1 + window // 4, 6 * (window % 4)
            until = f"2026-12-{day:02d}T{hour + 6:02d}:00Z" if hour < 18 else f"2026-12-{day + 1:02d}T00:00Z"
            rows.append(
                quote(
                    offer=f"q{number}",
                    price=f"{rng.uniform(20, 80):.2f}",
                    start=f"2026-12-{day:02d}T{hour:02d}:00Z",
                    until=until,
                )
            )
    made = in_time(tmp_path, workload(tokens="36B"), "".join(rows), 10, 60)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["status"] == "optimal"


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        pytest.param(
            workload(phase=", max_segments: 1000000000", tokens="1T"),
            quote() + OTHER,
            id="a billion segments",
        ),
        pytest.param(
            workload(phases=tuple(f"p{number}" for number in range(1000)), tokens="1B"),
            quote(),
            id="a thousand phases in a row",
        ),
        pytest.param(workload(jobs=200, tokens="10B"), quote(nodes="16"), id="two hundred jobs"),
    ],
)
def test_the_time_limit_holds_for_many_of_anything(tmp_path: Path, text: str, quotes: str):
    made = in_time(tmp_path, text, quotes, 1, 7)  # 1 s, 1 s for alternatives; the rest for starting on a busy machine
    assert made.returncode in (0, EXIT_INFEASIBLE, EXIT_NO_PLAN_IN_TIME, EXIT_BAD_INPUT)
    assert "Traceback" not in made.stderr
