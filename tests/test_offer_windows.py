"""Windows of options: which they are, and that equal ones of an offer are the very same tuple in the problem."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware_catalog.catalog import load, with_offers
from hardware_catalog.quotes import read_quotes
from planner.offer_windows import SharedWindows
from planner.optimizer.problem import Problem, RunOption
from planner.options import options
from planner.pricing import PricedWindow
from planner.run_options import to_problem
from planner.workload import read_workload

HEADER = (
    "offer,instance_type,region,purchase_option,price,currency,per,minimum_nodes,maximum_nodes,"
    "available_from,available_until,valid_from,source\n"
)
WORKLOAD = """
workload: shared
start: 2026-12-01
horizon_days: 30
policy: {{startup_minutes: 0, failures: {failures}{policy}}}
jobs:
{jobs}
"""
JOB = """
  - name: {name}
    model: llama-2-7b
    {dates}
    measured:
      - {{instance_type: aws/p5.48xlarge, nodes: 2, tokens_per_second: 500_000}}
      - {{instance_type: aws/p5.48xlarge, nodes: 4, tokens_per_second: 1_000_000}}
      - {{instance_type: aws/p5.48xlarge, nodes: 8, tokens_per_second: 2_000_000}}
    phases:
      - {{name: train, tokens: 3_600_000_000, sequence_length: 4096, global_batch_tokens: 4194304}}
      - {{name: tune, tokens: 1_800_000_000, sequence_length: 4096, global_batch_tokens: 4194304, after: [train]}}
"""
Made = Callable[..., Problem]


def row(offer: str, price: float, nodes: tuple[int, int], days: tuple[int, int], sold: str = "on_demand") -> str:
    """A quote from one day of December to another."""
    first, last = (f"2026-12-{day:02}" for day in days)
    least, most = nodes
    return f"{offer},aws/p5.48xlarge,aws/us-east-1,{sold},{price},USD,node_hour,{least},{most},{first},{last},,test\n"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """The problem of jobs, by name each with its dates, on quotes alone."""

    def run(*quotes: str, failures: str = "false", policy: str = "", **jobs: str) -> Problem:
        (tmp_path / "quotes.csv").write_text(HEADER + "".join(quotes))
        text = "".join(JOB.format(name=name, dates=dates) for name, dates in (jobs or {"one": ""}).items())
        (tmp_path / "workload.yaml").write_text(WORKLOAD.format(failures=failures, policy=policy, jobs=text))
        catalog = load()
        catalog = with_offers(catalog, read_quotes(tmp_path / "quotes.csv", catalog), only=True)
        workload = read_workload(tmp_path / "workload.yaml")
        return to_problem(workload, options(workload, catalog))

    return run


def of(problem: Problem, phase: str, nodes: int) -> RunOption:
    """The one option of a phase on this many nodes."""
    (option,) = (o for o in problem.options if problem.phases[o.phase].name == phase and o.nodes == nodes)
    return option


class TestSharing:
    def test_sizes_phases_and_jobs_share_the_windows_of_an_offer(self, made: Made) -> None:
        problem = made(row("q", 50, (1, 8), (1, 3)), row("q", 60, (1, 8), (3, 6)), one="", two="")
        assert len(problem.options) == 12  # 2 jobs x 2 phases x 3 sizes
        first = problem.options[0].windows
        assert [(w.start, w.end, w.price) for w in first] == [(0, 48, 50_000_000), (48, 120, 60_000_000)]
        assert all(option.windows is first for option in problem.options)

    def test_sizes_with_other_windows_have_their_own(self, made: Made) -> None:
        problem = made(row("q", 50, (1, 8), (1, 3)), row("q", 60, (4, 4), (3, 6)))
        two, four, eight = (of(problem, "one/train", nodes).windows for nodes in (2, 4, 8))
        assert [len(windows) for windows in (two, four, eight)] == [1, 2, 1]
        assert two is eight, "the window of 4 nodes alone parts them, but both have the first alone"
        assert four[0] is two[0]

    def test_offers_do_not_share(self, made: Made) -> None:
        problem = made(row("q", 50, (1, 8), (1, 3)), row("r", 50, (1, 8), (1, 3)))
        (q,) = {id(option.windows) for option in problem.options if option.offer == "q"}
        (r,) = {id(option.windows) for option in problem.options if option.offer == "r"}
        assert q != r

    def test_dates_that_cut_nothing_share(self, made: Made) -> None:
        quotes = row("q", 50, (1, 8), (1, 3)), row("q", 60, (1, 8), (3, 6)), row("q", 70, (1, 8), (6, 9))
        problem = made(
            *quotes,
            free="",
            wide="deadline: 2026-12-08T05:00Z",
            short="deadline: 2026-12-04",
            shorter="deadline: 2026-12-03T12:00Z",
            late="earliest_start: 2026-12-03",
        )
        free, wide, short, shorter, late = (
            of(problem, f"{job}/train", 4).windows for job in ("free", "wide", "short", "shorter", "late")
        )
        assert free is wide
        assert short is shorter
        assert [w.price for w in short] == [50_000_000, 60_000_000], "a window that begins in time stays whole"
        assert short[1].end == 120  # 5 days x 24 h
        assert [w.price for w in late] == [60_000_000, 70_000_000], "one that ends with the earliest start is left out"
        assert short[1] is late[0] is free[1]

    def test_spot_prices_are_scaled_once_for_all_jobs(self, made: Made) -> None:
        quotes = row("q", 50, (1, 8), (1, 3), "spot"), row("q", 60, (1, 8), (3, 6), "spot")
        problem = made(*quotes, failures="true", one="", two="deadline: 2026-12-03T00:00Z", three="")
        one, two, three = (of(problem, f"{job}/train", 4).windows for job in ("one", "two", "three"))
        assert one is three
        assert one[0].price < 50_000_000, "what is taken back is not paid"
        assert len(two) == 1
        assert two[0] is one[0]

    def test_options_share_billing_and_claims(self, made: Made) -> None:
        quota = ", quotas: [{max_nodes: 64, region: aws/us-east-1}]"
        problem = made(row("q", 50, (1, 8), (1, 3)), policy=quota, one="", two="")
        assert len({id(option.billing) for option in problem.options}) == 1
        assert of(problem, "one/train", 4).claims == ((0, 4),)
        assert of(problem, "one/train", 4).claims is of(problem, "two/tune", 4).claims


@pytest.mark.parametrize("seed", range(20))
def test_windows_by_size_and_dates_are_those_of_the_plain_definition(seed: int) -> None:
    draw = random.Random(seed)
    edges = sorted(draw.sample(range(40), 2 * draw.randint(1, 8)))
    sold = tuple(
        PricedWindow(start, end, draw.randint(1, 9) * 100, least := draw.randint(1, 4), draw.randint(least, 6))
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    )
    shared = SharedWindows()
    made: dict[tuple[PricedWindow, ...], tuple[PricedWindow, ...]] = {}
    for nodes in range(8):
        for earliest in range(0, 41, 3):
            for last in range(earliest + 1, 42, 4):
                sized = shared.sized(sold, nodes)
                found = shared.dated(shared.scaled(sized, 0.5), earliest, last)
                plain = [
                    w
                    for w in sold
                    if w.minimum_nodes <= nodes <= w.maximum_nodes and w.start < last and w.end > earliest
                ]
                assert [(w.start, w.end, w.price) for w in found] == [(w.start, w.end, w.price // 2) for w in plain]
                here = shared.dated(sized, earliest, last)
                assert here == tuple(plain)
                if here:
                    assert shared.dearest(here) == max(w.price for w in plain)
        whole = shared.sized(sold, nodes)
        assert made.setdefault(whole, whole) is whole
