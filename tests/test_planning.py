"""Plans from files to documents, on quotes and measured rates whose optimum can be worked out by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hardware_catalog.catalog import load, with_offers
from hardware_catalog.quotes import read_quotes
from planner.optimizer.verify import verify
from planner.plan import Plan
from planner.planning import plan
from planner.workload import read_workload

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
      - {{instance_type: aws/p5.48xlarge, nodes: 8, tokens_per_second: 1_800_000, effective: true}}
      - {{instance_type: aws/p4de.24xlarge, nodes: 4, tokens_per_second: 400_000, effective: true}}
    phases:
      - {{name: train, tokens: {tokens}, sequence_length: 4096, global_batch_tokens: 4194304{phase}}}
"""
CHEAP = "cheap,aws/p5.48xlarge,aws/us-east-1,on_demand,50,USD,node_hour,1,4,,,2026-11-01,test\n"
WIDE = "wide,aws/p5.48xlarge,aws/us-east-2,on_demand,60,USD,node_hour,1,8,,,2026-11-01,test\n"
OLD = "old,aws/p4de.24xlarge,aws/us-east-1,on_demand,2.25,USD,accelerator_hour,1,4,,,2026-11-01,test\n"


@pytest.fixture
def planned(tmp_path: Path):
    def run(quotes: str, tokens: int, more: str = "", policy: str = "", job: str = "", phase: str = "") -> Plan:
        (tmp_path / "quotes.csv").write_text(HEADER + quotes)
        text = WORKLOAD.format(tokens=tokens, more=more, policy=policy, job=job, phase=phase)
        (tmp_path / "workload.yaml").write_text(text)
        catalog = load()
        catalog = with_offers(catalog, read_quotes(tmp_path / "quotes.csv", catalog), only=True)
        made = plan(read_workload(tmp_path / "workload.yaml"), catalog, 30)
        assert verify(made) == []
        return made

    return run


def hours(n: float, tokens_per_second: int = 1_000_000) -> int:
    return round(n * 3600 * tokens_per_second)


def test_the_cheaper_node_hour_wins_when_the_rate_is_the_same(planned):
    made = planned(CHEAP + WIDE, hours(100))
    assert made.status == "optimal"
    assert made.cost_usd == made.bound_usd == 100 * 4 * 50  # 100 h x 4 nodes x 50 USD
    assert [(a.offer, a.nodes) for a in made.assignments] == [("cheap", 4)]
    assert made.finish == datetime(2026, 12, 5, 4, tzinfo=UTC)  # 100 h after the start


def test_the_slower_accelerator_wins_when_its_tokens_are_cheaper(planned):
    made = planned(CHEAP + OLD, hours(100))
    assert made.assignments[0].offer == "old"
    assert made.cost_usd == 250 * 4 * 18  # 2.5 x the hours, 8 x 2.25 USD a node-hour: 18,000 against 20,000
    assert [(a.accelerator, a.cost_usd) for a in made.alternatives] == [("h100-sxm5-80", 20_000)]


def test_a_deadline_buys_the_faster_accelerator(planned):
    made = planned(CHEAP + OLD, hours(100), job="deadline: 2026-12-08")  # 168 h: too short for 250 h
    assert (made.assignments[0].offer, made.cost_usd) == ("cheap", 20_000)


def test_the_end_of_a_run_inside_an_hour_is_billed_by_the_second(planned):
    made = planned(CHEAP, hours(10.5))
    assert made.cost_usd == 10.5 * 4 * 50


def test_two_segments_mix_a_cheap_window_with_a_dear_rest(planned):
    window = (
        "cheap,aws/p5.48xlarge,aws/us-east-1,on_demand,50,USD,node_hour,4,4,2026-12-01,2026-12-03,2026-11-01,test\n"
    )
    made = planned(window + WIDE, hours(100), phase=", max_segments: 2")
    assert made.cost_usd == 48 * 4 * 50 + 52 * 4 * 60  # 48 h in the window, the other 52 h outside
    assert [a.offer for a in made.assignments] == ["cheap", "wide"]
    assert made.assignments[0].work_share == pytest.approx(0.48)


def test_start_up_time_is_paid_and_trains_nothing(planned, tmp_path):
    made = planned(CHEAP, hours(100))
    text = (tmp_path / "workload.yaml").read_text().replace("startup_minutes: 0", "startup_minutes: 30")
    (tmp_path / "workload.yaml").write_text(text)
    catalog = load()
    catalog = with_offers(catalog, read_quotes(tmp_path / "quotes.csv", catalog), only=True)
    slower = plan(read_workload(tmp_path / "workload.yaml"), catalog)
    assert slower.cost_usd == pytest.approx(made.cost_usd + 0.5 * 4 * 50)
    assert verify(slower) == []


def test_spot_nodes_are_waited_for_and_paid_only_while_held(planned, tmp_path):
    planned(CHEAP.replace("on_demand", "spot"), hours(10))
    text = (tmp_path / "workload.yaml").read_text().replace("failures: false", "failures: true")
    (tmp_path / "workload.yaml").write_text(text.replace(", effective: true", ""))
    catalog = load()
    catalog = with_offers(catalog, read_quotes(tmp_path / "quotes.csv", catalog), only=True)
    made = plan(read_workload(tmp_path / "workload.yaml"), catalog)
    run = made.assignments[0]
    assert 0 < run.held_share < 1
    assert run.tokens_per_second == pytest.approx(1_000_000 * run.goodput * run.held_share)
    held_hours = (run.end - run.start).total_seconds() / 3600 * run.held_share
    assert made.cost_usd == pytest.approx(held_hours * 4 * 50, abs=0.01)
    assert verify(made) == []


def test_on_time_probability_plans_on_a_throughput_that_is_reached_that_often(planned):
    modelled = CHEAP.replace("aws/p5.48xlarge,", "aws/p5en.48xlarge,")  # no measured rows: the performance model's
    expected = planned(modelled, hours(10)).assignments[0]
    careful = planned(modelled, hours(10), policy=", on_time_probability: 0.9").assignments[0]
    # 0.9 of a normal distribution lies below 1.2816 standard deviations, and 0.9 of it within 1.6449 of its middle
    margin = math.exp(-1.2816 * math.log1p(expected.expected_error_p90) / 1.6449)
    assert careful.throughput_margin == pytest.approx(margin, rel=1e-3)
    assert planned(CHEAP, hours(10), policy=", on_time_probability: 0.9").assignments[0].throughput_margin == 1


def test_a_plan_close_to_its_deadline_says_how_late_it_may_be(planned):
    modelled = CHEAP.replace("aws/p5.48xlarge,", "aws/p5en.48xlarge,")
    end = planned(modelled, hours(100)).finish
    made = planned(modelled, hours(100), job=f"deadline: {(end + timedelta(hours=2)).isoformat()}")
    assert any("expected error" in warning.message for warning in made.warnings)


def test_a_soft_deadline_is_missed_when_being_late_is_cheaper(planned):
    job = "deadline: 2026-12-08\n    late_cost_usd_day: {}"
    # 250 h on the old nodes end 82 h after the deadline of 168 h and save 2,000 USD: worth it below 585 USD a day
    late = planned(CHEAP + OLD, hours(100), job=job.format(480))
    assert late.assignments[0].offer == "old"
    assert late.costs == {"on_demand": 18_000, "late": 82 * 20}
    assert planned(CHEAP + OLD, hours(100), job=job.format(960)).assignments[0].offer == "cheap"


def test_minimise_finish_takes_the_widest_slice(planned):
    made = planned(CHEAP + WIDE, hours(90), more="minimise: finish")
    assert (made.assignments[0].nodes, made.cost_usd) == (8, 50 * 8 * 60)  # 90 h / 1.8 = 50 h


def test_an_unreachable_deadline_says_what_would_help(planned):
    made = planned(CHEAP, hours(100), job="deadline: 2026-12-03")
    assert made.status == "infeasible"
    assert made.assignments == ()
    assert any("too slow" in reason for reason in made.reasons)


def test_a_budget_below_the_cheapest_plan_is_infeasible_and_says_by_how_much(planned):
    made = planned(CHEAP, hours(100), more="budget_usd: 15000")
    assert made.status == "infeasible"
    assert any("20,000" in reason or "5,000" in reason for reason in made.reasons)


def test_the_same_input_gives_the_same_plan(planned):
    first, second = (planned(CHEAP + WIDE + OLD, hours(77)) for _ in range(2))
    same = {"solve_seconds"}
    assert first.model_dump(exclude=same) == second.model_dump(exclude=same)
