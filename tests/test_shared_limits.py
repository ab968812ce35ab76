"""Quotas, power of sites, own nodes, terms and moves: from the user's file to a plan that verifies."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hardware_catalog.catalog import Catalog, load, with_offers
from hardware_catalog.errors import InputError
from hardware_catalog.quotes import read_quotes
from planner.assembly import Assembly
from planner.moves import checkpoint_gb
from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import Bought, Level, Problem, Run, Solution
from planner.optimizer.runs import duration_s
from planner.optimizer.verify import verify
from planner.options import OptionsTable, options
from planner.own_nodes import use_of_capital
from planner.plan import Plan
from planner.planning import plan
from planner.run_options import to_problem
from planner.workload import NodePurchase, Workload, check_against, read_workload

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


def sizes_of(table: OptionsTable, offer: str) -> set[int]:
    return {option.nodes for option in table.options if option.offer.id == offer}


class TestQuotas:
    def test_a_quota_becomes_a_cap_that_its_offers_claim_nodes_of(self, given: Read) -> None:
        workload, catalog = given(DEMAND + FAR, policy="  quotas: [{provider: aws, region: us-east-1, max_nodes: 8}]")
        problem = to_problem(workload, options(workload, catalog))
        assert [(cap.name, cap.levels) for cap in problem.caps] == [("policy.quotas.0", (Level(0, 720, 8),))]
        assert {(o.offer, o.nodes, o.claims) for o in problem.options} == {
            ("demand", 4, ((0, 4),)), ("demand", 8, ((0, 8),)), ("far", 4, ()), ("far", 8, ()),
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("quota", "claimed", "why"),
        [
            ("{purchase_option: on_demand, max_nodes: 8}", {("demand", 4), ("demand", 8)}, "by purchase option"),
            ("{accelerator: h100, max_accelerators: 64}", {("demand", 32), ("demand", 64)}, "in accelerators of 8"),
            ("{region: us, max_nodes: 8}", {("demand", 4), ("demand", 8)}, "by group"),
            ("{region: DE, max_nodes: 8}", set(), "another country"),
            ("{provider: gcp, max_nodes: 8}", set(), "another provider"),
            ("{accelerator: nvidia-ampere, max_nodes: 8}", set(), "another family"),
        ],
    )
    def test_selectors_are_those_of_the_policy(
        self, given: Read, quota: str, claimed: set[tuple[str, int]], why: str
    ) -> None:
        workload, catalog = given(policy=f"  quotas: [{quota}]")
        problem = to_problem(workload, options(workload, catalog))
        assert {(o.offer, amount) for o in problem.options for _, amount in o.claims} == claimed, why

    def test_an_option_above_a_quota_is_refused_with_it(self, given: Read) -> None:
        workload, catalog = given(policy="  quotas: [{max_nodes: 7}]")
        table = options(workload, catalog)
        assert sizes_of(table, "demand") == {4}
        assert {(r.kind, r.reason, r.nodes) for r in table.refusals} == {
            ("policy", "is more than policy.quotas.0.max_nodes = 7 allows", (8,))
        }

    def test_a_dated_quota_limits_its_steps_alone_begun_hours_included(self, given: Read) -> None:
        quotas = "  quotas: [{max_nodes: 4, from: 2026-12-03T12:30Z, until: 2026-12-11}]"
        workload, catalog = given(policy=quotas)
        problem = to_problem(workload, options(workload, catalog))
        # 2 x 24 + 12 = step 60; 10 x 24 = 240; outside both phases may claim their 8 at once
        assert problem.caps[0].levels == (Level(0, 60, 16), Level(60, 240, 4), Level(240, 720, 16))
        assert sizes_of(options(workload, catalog), "demand") == {4, 8}

    def test_several_rows_give_levels_over_time(self, given: Read) -> None:
        rows = "{max_nodes: 4, until: 2026-12-11}, {max_nodes: 0, from: 2026-12-11, until: 2026-12-21}"
        workload, catalog = given(policy=f"  quotas: [{rows}]")
        problem = to_problem(workload, options(workload, catalog))
        assert [cap.levels for cap in problem.caps] == [
            (Level(0, 240, 4), Level(240, 720, 16)),
            (Level(0, 240, 16), Level(240, 480, 0), Level(480, 720, 16)),
        ]

    def test_power_of_a_site_is_a_cap_in_watts(self, given: Read) -> None:
        workload, catalog = given(DEMAND + FAR, policy="  power_limits: [{region: us-east-1, max_mw: 0.05}]")
        table = options(workload, catalog)
        problem = to_problem(workload, table)
        assert problem.caps[0].levels == (Level(0, 720, 50_000),)
        assert sizes_of(table, "far") == {4, 8}
        assert sizes_of(table, "demand") == {4}  # 64 H100 draw more than 50 kW, 32 less
        assert all(option.claims == ((0, option.power_w),) for option in problem.options if option.offer == "demand")


class TestOwnNodes:
    HERE = "owned: [{name: lab, instance_type: aws/p5.48xlarge, region: on-premises/de, nodes: 8, usd_node_hour: 3}]"

    def test_nodes_that_are_there_cost_their_use_and_no_law_or_provider_quota_takes_them(self, given: Read) -> None:
        quota = "  quotas: [{provider: aws, max_nodes: 1}]\n  organisation_country: CN"
        workload, catalog = given(owned=self.HERE, policy=quota)
        table = options(workload, catalog)
        assert {o.offer.id for o in table.options} == {"lab"}
        problem = to_problem(workload, table)
        assert {(w.start, w.end, w.price, w.capacity) for o in problem.options for w in o.windows} == {
            (0, 720, 3_000_000, 8)
        }
        made = plan(workload, catalog, 20)
        # the train phase takes 12 h on 8 nodes, the tune phase 6 h: 18 h x 8 nodes x 3 USD
        assert (made.cost_usd, made.costs) == (432.0, {"owned": 432.0})
        assert verify(made) == []

    def test_nodes_without_a_price_are_free_and_the_plan_says_so(self, given: Read) -> None:
        workload, catalog = given(owned=self.HERE.replace(", usd_node_hour: 3", ""))
        made = plan(workload, catalog, 20)
        assert made.cost_usd == 0
        assert "lab: usd_node_hour is not given: an hour of use is taken as free" in [w.message for w in made.warnings]
        assert verify(made) == []

    def test_dates_are_those_of_the_nodes(self, given: Read) -> None:
        dates = "available_from: 2026-12-03, available_until: 2026-12-11"
        workload, catalog = given(owned=self.HERE.replace("nodes: 8", f"nodes: 8, {dates}"))
        table = options(workload, catalog)
        assert {(w.start, w.end) for o in table.options if o.offer.id == "lab" for w in o.windows} == {(48, 240)}

    @pytest.mark.parametrize(
        ("hours", "usd", "why"),
        [
            (8760, 16_000, "100,000 x (1 - 0.2) / 5 years"),
            (24, Decimal(80_000) * 24 / 43_800, "a day of 5 x 8,760 h"),
            (60_000, 80_000, "never more than it loses in its life"),
        ],
    )
    def test_a_node_loses_its_worth_in_a_straight_line(self, hours: int, usd: Decimal, why: str) -> None:
        node = NodePurchase(price_usd_node=100_000, lead_time_days=10, life_years=5, residual_share=0.2)
        assert use_of_capital(node, hours) == pytest.approx(usd), why

    def test_nodes_to_be_bought_are_one_term_from_their_arrival_to_the_end_of_the_horizon(self, given: Read) -> None:
        bought = "purchase: {price_usd_node: 219_000, lead_time_days: 10, life_years: 5}"
        workload, catalog = given(owned=self.HERE.replace("nodes: 8", f"nodes: 8, {bought}"))
        problem = to_problem(workload, options(workload, catalog), shared_terms=True)
        (term,) = problem.terms
        # 219,000 / (5 x 8,760 h) = 5 USD a node-hour from step 240 on
        assert (term.offer, term.price, term.lengths) == ("lab", 5_000_000, (480,))
        assert (term.first, term.last, term.capacity, term.sizes) == (240, 240, 8, ())
        assert {(w.price, o.term) for o in problem.options if o.offer == "lab" for w in o.windows} == {(3_000_000, 0)}

    def test_without_shared_terms_every_run_buys_its_own(self, given: Read) -> None:
        bought = "purchase: {price_usd_node: 219_000, lead_time_days: 10, life_years: 5}"
        workload, catalog = given(owned=self.HERE.replace("nodes: 8", f"nodes: 8, {bought}"))
        problem = to_problem(workload, options(workload, catalog), shared_terms=False)
        assert problem.terms == ()
        lab = [option for option in problem.options if option.offer == "lab"]
        assert {(o.billing.blocks_s, o.windows[0].price) for o in lab} == {((480 * 3600,), 8_000_000)}  # 5 + 3 USD


class TestTerms:
    def test_a_reservation_is_a_term_of_multiples_up_to_the_end_of_the_horizon(self, given: Read) -> None:
        workload, catalog = given(MONTH)
        problem = to_problem(workload, options(workload, catalog), shared_terms=True)
        (term,) = problem.terms
        # from step 24 there are 696 steps: 240 h, then 120 h more each, the least that covers them is 720
        assert (term.offer, term.price, term.lengths) == ("month", 20_000_000, (240, 360, 480, 600, 720))
        assert (term.first, term.last, term.every, term.capacity) == (24, 719, 1, 16)
        assert {(w.start, w.end, w.price) for o in problem.options for w in o.windows} == {(24, 720, 0)}
        assert {(o.term, o.billing.minimum_s, o.billing.unit_s) for o in problem.options} == {(0, 0, 1)}

    def test_a_block_has_sizes_start_times_and_a_last_start(self, given: Read) -> None:
        workload, catalog = given(BLOCK)
        problem = to_problem(workload, options(workload, catalog), shared_terms=True)
        (term,) = problem.terms
        assert term.lengths == (24, 48, 168, 672, 840)  # days 1, 2, 7, 28 and the least that covers 30
        assert (term.sizes, term.every, term.offset) == ((4, 8), 24, 12)  # 11:30 is 12:00 in whole hours
        assert (term.first, term.last) == (0, 120)

    def test_the_hour_of_a_start_is_counted_from_the_start_of_the_workload(self, given: Read) -> None:
        workload, catalog = given(BLOCK, jobs=WORKLOAD.replace("start: 2026-12-01", "start: 2026-12-01T18:00Z"))
        (term,) = to_problem(workload, options(workload, catalog), shared_terms=True).terms
        assert term.offset == 18  # 18:00 to 12:00 of the next day

    def test_every_window_with_a_price_of_its_own_is_a_term(self, given: Read) -> None:
        rows = [MONTH.replace(",,,2026", f",{since},{until},2026").replace(",20,USD", f",{price},USD")
                for since, until, price in (("", "2026-12-11", 20), ("2026-12-11", "2026-12-21", 20),
                                            ("2026-12-21", "", 25))]  # fmt: skip
        workload, catalog = given("".join(rows))
        problem = to_problem(workload, options(workload, catalog), shared_terms=True)
        assert [(t.price, t.first, t.last) for t in problem.terms] == [(20_000_000, 24, 479), (25_000_000, 480, 719)]
        assert {(o.term, o.windows[0].start) for o in problem.options} == {(0, 24), (1, 480)}

    def test_today_every_run_buys_its_own(self, given: Read) -> None:
        workload, catalog = given(MONTH + BLOCK)
        problem = to_problem(workload, options(workload, catalog), shared_terms=False)
        assert problem.terms == ()
        billed = {
            o.offer: (o.billing.minimum_s // 3600, o.billing.unit_s // 3600, o.billing.blocks_s[:1])
            for o in problem.options
        }
        assert billed == {"month": (240, 120, ()), "block": (0, 0, (86_400,))}

    def test_on_demand_with_a_minimum_is_billed_by_the_run(self, given: Read) -> None:
        workload, catalog = given(MONTH.replace("reserved", "on_demand"))
        problem = to_problem(workload, options(workload, catalog), shared_terms=True)
        assert problem.terms == ()
        assert {o.billing.minimum_s for o in problem.options} == {240 * 3600}


class TestMoves:
    def test_leaving_costs_the_checkpoint_at_the_price_of_the_provider(self, given: Read) -> None:
        workload, catalog = given(DEMAND + FAR)
        problem = to_problem(workload, options(workload, catalog), paid_moves=True)
        # llama-2-7b: 6,738,415,616 parameters x 14 bytes = 94.338 GB at 0.09 USD
        assert checkpoint_gb(workload.jobs[0]) == Decimal("94.338")
        assert {(o.place, o.leave) for o in problem.options} == {
            ("aws/us-east-1", 8_490_420), ("aws/us-west-2", 8_490_420),
        }  # fmt: skip

    def test_the_policy_has_the_last_word_on_the_price(self, given: Read) -> None:
        workload, catalog = given(policy="  egress_usd_gb: 0.5")
        problem = to_problem(workload, options(workload, catalog), paid_moves=True)
        assert {o.leave for o in problem.options} == {47_169_000}  # 94.338 x 0.5

    def test_a_job_with_one_run_and_one_whose_moves_are_free_have_no_places(self, given: Read) -> None:
        workload, catalog = given(policy="  egress_usd_gb: 0")
        assert {o.place for o in to_problem(workload, options(workload, catalog), paid_moves=True).options} == {""}
        single = WORKLOAD[: WORKLOAD.index("      - {{name: tune")]
        workload, catalog = given(jobs=single)
        assert {o.place for o in to_problem(workload, options(workload, catalog), paid_moves=True).options} == {""}


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
        problem = to_problem(workload, table, shared_terms=True, paid_moves=True)
        solution = solved(problem, runs, bought)
        assert check(problem, solution) == []
        return Assembly(workload, catalog, table, problem, solution).plan([], 0.0)

    return make


def changed(plan: Plan, path: str, value: Any) -> Plan:
    """The plan with one value replaced: 'assignments.0.nodes'."""
    whole = json.loads(plan.model_dump_json())
    at: Any = whole
    *steps, last = path.split(".")
    for step in steps:
        at = at[int(step)] if step.isdigit() else at[step]
    at[int(last) if last.isdigit() else last] = value
    return Plan.model_validate(whole)


SHARED = [("month", 0, 24, 0), ("month", 1, 36, 0)]
ONE_MONTH = (Bought(0, 8, 24, 240),)


def test_a_purchase_is_listed_once_with_its_runs_and_what_nobody_uses(document: Callable[..., Plan]) -> None:
    made = document(MONTH, SHARED, ONE_MONTH)
    (purchase,) = made.purchases
    assert (purchase.nodes, purchase.start, purchase.end) == (
        8, datetime(2026, 12, 2, tzinfo=UTC), datetime(2026, 12, 12, tzinfo=UTC),
    )  # fmt: skip
    assert (purchase.cost_usd, purchase.runs, purchase.term) == (38_400.0, (0, 1), 0)
    assert purchase.unused_share == pytest.approx(1 - 18 / 240)
    assert [run.cost_usd for run in made.assignments] == [1_920.0, 960.0]
    assert made.costs == {"reserved": 2_880.0, "reserved_unused": 35_520.0}
    assert made.cost_usd == 38_400.0
    assert verify(made) == []


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("purchases.0.end", "2026-12-11T00:00:00Z", "lasts 777,600 s, which the offer does not sell"),
        ("purchases.0.start", "2026-12-01T00:00:00Z", "starts when the offer does not sell it"),
        ("purchases.0.nodes", 7, "8 nodes run in the purchase of 7 nodes"),
        ("offers.0.terms.0.sizes", [4, 16], "has 8 nodes, which the offer does not sell"),
        ("offers.0.terms.0.maximum_nodes", 4, "8 nodes of month are bought; it has 4"),
        ("offers.0.terms.0.last", "2026-12-01T00:00:00Z", "starts when the offer does not sell it"),
        ("offers.0.terms.0.every_seconds", 0, "starts every 0 s"),
        ("offers.0.terms.0.price_usd_node_hour", 21.0, "says 38,400.00 USD; it costs 40,320.00 USD"),
        ("purchases.0.cost_usd", 38_000.0, "says 38,000.00 USD; it costs 38,400.00 USD"),
        ("purchases.0.use_usd", 5.0, "says 5.00 USD of use; it is 0.00 USD"),
        ("purchases.0.unused_share", 0.5, "says 0.500000 is unused; it is 0.925000"),
        ("purchases.0.runs", [0], "is in no purchase"),
        ("purchases.0.runs", [0, 1, 1], "is in 2 purchases"),
        ("purchases.0.runs", [0, 2], "names run 2, which does not exist"),
        ("purchases.0.term", 1, "is bought on term 1, which its offer does not have"),
        ("purchases.0.purchase_option", "spot", "says spot, its offer says reserved"),
        ("assignments.0.cost_usd", 1_900.0, "it uses 1,920.00 USD of its purchase"),
        ("assignments.0.start", "2026-12-01T23:00:00Z", "is not inside the purchase of 8 nodes of month"),
        ("costs.reserved_unused", 35_000.0, "Unused reserved nodes cost 35,520.00 USD, the plan says 35,000.00 USD"),
        ("costs.reserved", 2_000.0, "The parts of the cost sum to 37,520.00 USD"),
        ("max_nodes", 7, "8 nodes run; the limit is 7"),
    ],
)
def test_a_broken_rule_of_a_term_is_found(document: Callable[..., Plan], path: str, value: Any, sentence: str) -> None:
    broken = verify(changed(document(MONTH, SHARED, ONE_MONTH), path, value))
    assert any(sentence in violation for violation in broken), broken


def test_two_purchases_are_told_apart_and_use_is_paid_on_top(document: Callable[..., Plan]) -> None:
    bought = "purchase: {price_usd_node: 219_000, lead_time_days: 10, life_years: 5}"
    owned = TestOwnNodes.HERE.replace("nodes: 8", f"nodes: 8, {bought}")
    runs = [("month", 0, 24, 1), ("lab", 1, 240, 0)]
    made = document(MONTH, runs, (Bought(1, 8, 240, 480), Bought(0, 8, 24, 240)), owned=owned)
    # lab: 8 nodes x 480 h x 5 USD = 19,200 and 8 x 6 h x 3 USD = 144 of use; its run bears 8 x 6 x 5 + 144 = 384
    billed = [(purchase.offer, purchase.cost_usd, purchase.use_usd) for purchase in made.purchases]
    assert billed == [("month", 38_400.0, 0), ("lab", 19_344.0, 144)]
    assert made.assignments[1].cost_usd == 384.0
    assert made.costs["owned"] == 384.0
    assert made.costs["owned_unused"] == 18_960.0
    # leaving us-east-2 of AWS: 94.338 GB x 0.09 USD = 8.49042
    assert made.costs["egress"] == 8.49
    assert made.cost_usd == 57_752.49
    assert verify(made) == []


def test_a_move_is_paid_and_verified(document: Callable[..., Plan]) -> None:
    made = document(DEMAND + FAR, [("demand", 0, 0, None), ("far", 1, 12, None)])
    assert made.costs["egress"] == 8.49
    assert made.phases[0].checkpoint_gb == 94.338
    assert any("its checkpoint leaves aws/us-east-1 for 8.49 USD" in w.message for w in made.warnings)
    assert verify(made) == []
    for path, value, sentence in (
        ("costs.egress", 0.0, "Moves cost 8.49 USD, the plan says 0.00 USD"),
        ("offers.0.egress_usd_gb", 0.9, "Moves cost 84.90 USD"),
        ("phases.0.checkpoint_gb", 0.0, "Moves cost 0.00 USD, the plan says 8.49 USD"),
    ):
        assert any(sentence in violation for violation in verify(changed(made, path, value))), sentence


def test_runs_in_one_place_move_nothing(document: Callable[..., Plan]) -> None:
    made = document(DEMAND + FAR, [("demand", 0, 0, None), ("demand", 1, 12, None)])
    assert "egress" not in made.costs
    assert verify(made) == []


LIMITS = """  quotas:
    - {provider: aws, region: us-east-1, purchase_option: on_demand, accelerator: h100, max_nodes: 8}
    - {region: us, max_accelerators: 64, from: 2026-12-02, until: 2026-12-20}
  power_limits: [{region: US, max_mw: 0.1}]"""


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("limits.0.maximum", 7, "8 nodes are used of policy.quotas.0, which allows 7"),
        ("limits.1.maximum", 63, "64 accelerators are used of policy.quotas.1, which allows 63"),
        ("limits.1.start", "2026-12-01T00:00:00Z", None),
        ("limits.2.maximum", 0.01, "MW are used of policy.power_limits.0, which allows 0.01"),
        ("limits.0.region", "eu", None),
    ],
)
def test_limits_are_facts_of_the_plan_and_verified(
    document: Callable[..., Plan], path: str, value: Any, sentence: str | None
) -> None:
    made = document(DEMAND + FAR, [("demand", 0, 24, None), ("demand", 1, 36, None)], policy=LIMITS)
    assert [(limit.name, limit.unit, limit.maximum) for limit in made.limits] == [
        ("policy.quotas.0", "nodes", 8), ("policy.quotas.1", "accelerators", 64), ("policy.power_limits.0", "MW", 0.1),
    ]  # fmt: skip
    assert verify(made) == []
    broken = verify(changed(made, path, value))
    assert broken == [] if sentence is None else any(sentence in violation for violation in broken), broken


def test_a_quota_does_not_hold_outside_its_dates(document: Callable[..., Plan]) -> None:
    limit = "  quotas: [{max_nodes: 4, from: 2026-12-05}]"
    made = document(DEMAND, [("demand", 0, 0, None), ("demand", 1, 12, None)], policy=limit)
    assert verify(made) == []
    assert verify(changed(made, "limits.0.start", "2026-12-01T06:00:00Z"))  # while train runs on 8 nodes


def test_a_quota_of_a_provider_does_not_count_own_nodes(document: Callable[..., Plan]) -> None:
    limit = "  quotas: [{provider: aws, max_nodes: 4}]"
    made = document(DEMAND, [("lab", 0, 0, None), ("lab", 1, 12, None)], policy=limit, owned=TestOwnNodes.HERE)
    assert verify(made) == []
    assert verify(changed(made, "limits.0.purchase_option", "owned"))


@pytest.mark.parametrize(
    ("policy", "owned", "said"),
    [
        (
            "  quotas: [{provider: awss, max_nodes: 8}]",
            "",
            "w.yaml:8: policy.quotas.0.provider: 'awss' is not a provider of the catalog; did you mean 'aws'?",
        ),
        (
            "  quotas: [{region: us-east-11, max_nodes: 8}]",
            "",
            "w.yaml:8: policy.quotas.0.region: 'us-east-11' is not a region, country or group of the catalog; did you "
            "mean 'us-east-1'?",
        ),
        (
            "  quotas: [{accelerator: h1000, max_nodes: 8}]",
            "",
            "w.yaml:8: policy.quotas.0.accelerator: 'h1000' is not an accelerator or family of the catalog; did you "
            "mean 'h100'?",
        ),
        (
            "  power_limits: [{provider: aws, region: us-central1, max_mw: 8}]",
            "",
            "w.yaml:8: policy.power_limits.0.region: 'us-central1' is not a place of aws; did you mean 'eu-central-1'?",
        ),
        (
            "",
            "owned: [{instance_type: aws/p5.48xlrge, region: us-east-1, nodes: 8}]",
            "w.yaml:9: owned.0.instance_type: 'aws/p5.48xlrge' is not an instance type of the catalog; did you mean "
            "'aws/p5.48xlarge'?",
        ),
        (
            "",
            "owned: [{instance_type: aws/p5.48xlarge, region: us-east-9, nodes: 8}]",
            "w.yaml:9: owned.0.region: 'us-east-9' is not a region of aws or on-premises; did you mean 'us-east-2'?",
        ),
        (
            "",
            "owned: [{instance_type: aws/p5.48xlarge, region: gcp/us-central1, nodes: 8}]",
            "w.yaml:9: owned.0.region: 'gcp/us-central1' is not a region of aws or on-premises; did you mean "
            "'eu-central-1'?",
        ),
        (
            "",
            "owned: [{name: demand, instance_type: aws/p5.48xlarge, region: us-east-1, nodes: 8}]",
            "w.yaml:9: owned.0.name: 'demand' is the name of an offer: choose another",
        ),
    ],
)
def test_a_name_the_catalog_does_not_know_is_told_with_its_line(
    given: Read, policy: str, owned: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        given(policy=policy, owned=owned)
    assert str(caught.value).rpartition("/w.yaml")[1:] == ("/w.yaml", said.removeprefix("w.yaml"))
