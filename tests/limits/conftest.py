"""A small workload with quotes, and plan documents of solutions made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hardware_catalog.catalog import Catalog, load, with_offers
from hardware_catalog.quotes import read_quotes
from planner.assembly import Assembly
from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import Bought, Problem, Run, Solution
from planner.optimizer.runs import duration_s
from planner.options import options
from planner.plan import Plan
from planner.run_options import to_problem
from planner.workload import Workload, check_against, read_workload

HEADER = (
    "offer,instance_type,region,purchase_option,price,currency,per,minimum_nodes,maximum_nodes,available_from,"
    "available_until,valid_from,source,minimum_hours,billing_hours,blocks_days,node_counts,lead_time_hours,ahead_hours,"
    "start_hour_utc\n"
)
# 30 days; 4 nodes of p5 train 1,000,000 tokens/s, so that 24 h x 3600 s x 1e6 = 8.64e10 tokens take a day
WORKLOAD = """
workload: shared
start: 2026-12-01
horizon_days: 30
policy:
  startup_minutes: 0
  failures: false
{policy}
{owned}
jobs:
  - name: one
    model: llama-2-7b
    measured:
      - {{instance_type: aws/p5.48xlarge, nodes: 4, tokens_per_second: 1_000_000, effective: true}}
      - {{instance_type: aws/p5.48xlarge, nodes: 8, tokens_per_second: 2_000_000, effective: true}}
    phases:
      - {{name: train, tokens: 86_400_000_000, sequence_length: 4096, global_batch_tokens: 4194304}}
      - {{name: tune, tokens: 43_200_000_000, sequence_length: 4096, global_batch_tokens: 4194304, after: [train]}}
"""
DEMAND = "demand,aws/p5.48xlarge,aws/us-east-1,on_demand,50,USD,node_hour,1,8,,,2026-11-01,test,,,,,,,\n"
FAR = "far,aws/p5.48xlarge,aws/us-west-2,on_demand,60,USD,node_hour,1,8,,,2026-11-01,test,,,,,,,\n"
MONTH = "month,aws/p5.48xlarge,aws/us-east-2,reserved,20,USD,node_hour,1,16,,,2026-11-01,test,240,120,,,24,,\n"
BLOCK = (
    "block,aws/p5.48xlarge,aws/us-east-2,capacity_block,30,USD,node_hour,1,16,,,2026-11-01,test,,,1;2;7;28;35;42,4;8,"
    "0,120,11.5\n"
)

Read = Callable[..., tuple[Workload, Catalog]]


@pytest.fixture
def given(tmp_path: Path) -> Read:
    """A workload with quotes alone, its names checked."""

    def read(quotes: str = DEMAND, policy: str = "", owned: str = "", jobs: str = WORKLOAD) -> tuple[Workload, Catalog]:
        (tmp_path / "quotes.csv").write_text(HEADER + quotes)
        (tmp_path / "w.yaml").write_text(jobs.format(policy=policy, owned=owned))
        catalog = load()
        catalog = with_offers(catalog, read_quotes(tmp_path / "quotes.csv", catalog), only=True)
        workload = read_workload(tmp_path / "w.yaml")
        check_against(workload, catalog)
        return workload, catalog

    return read


LAB = "owned: [{name: lab, instance_type: aws/p5.48xlarge, region: on-premises/de, nodes: 8, usd_node_hour: 3}]"


# One month of 16 nodes: train on 8 nodes for 12 h from 24 h on, tune on 8 nodes for 6 h after it, in one purchase.
# train: 8.64e10 tokens at 2e6 tokens/s = 43,200 s = 12 h; tune: half of it = 6 h
# purchase: 8 nodes x 240 h x 20 USD = 38,400; train uses 8 x 12 x 20 = 1,920, tune 960, unused 35,520
def solved(problem: Problem, runs: list[tuple[str, int, int, int | None]], bought: tuple[Bought, ...] = ()) -> Solution:
    """A solution of these runs (offer, phase, nodes, start step, purchase), with the values it truly has."""
    made = []
    for offer, phase, start, purchase in runs:
        option = next(i for i, o in enumerate(problem.options) if (o.offer, o.phase, o.nodes) == (offer, phase, 8))
        seconds = duration_s(problem.options[option], problem.phases[phase].work, problem.step_s)
        made.append(Run(option, start * 3600, start * 3600 + seconds, purchase))
    cost, finish_s, carbon = evaluate(problem, tuple(made), bought)
    return Solution("feasible", tuple(made), cost, finish_s, carbon, 0, (), bought)


@pytest.fixture
def document(given: Read) -> Callable[..., Plan]:
    """The plan of a hand-made solution that keeps every rule of the optimizer."""

    def make(
        quotes: str,
        runs: list[tuple[str, int, int, int | None]],
        bought: tuple[Bought, ...] = (),
        **texts: str,
    ) -> Plan:
        workload, catalog = given(quotes, **texts)
        table = options(workload, catalog)
        problem = to_problem(workload, table, shared_terms=True)
        solution = solved(problem, runs, bought)
        assert check(problem, solution) == []
        return Assembly(workload, catalog, table, problem, solution).plan(0.0)

    return make
