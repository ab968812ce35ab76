"""Quotas, power of sites, own nodes, terms and moves: from the user's file to the optimizer's problem."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from hardware_catalog.errors import InputError
from planner.moves import checkpoint_gb
from planner.optimizer.problem import Level
from planner.optimizer.verify import verify
from planner.options import OptionsTable, options
from planner.own_nodes import use_of_capital
from planner.planning import plan
from planner.pricing import is_term
from planner.run_options import to_problem
from planner.workload import NodePurchase

from .conftest import BLOCK, DEMAND, FAR, LAB, MONTH, WORKLOAD, Read


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
    def test_nodes_that_are_there_cost_their_use_and_no_law_or_provider_quota_takes_them(self, given: Read) -> None:
        quota = "  quotas: [{provider: aws, max_nodes: 1}]\n  organisation_country: CN"
        workload, catalog = given(owned=LAB, policy=quota)
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
        workload, catalog = given(owned=LAB.replace(", usd_node_hour: 3", ""))
        made = plan(workload, catalog, 20)
        assert made.cost_usd == 0
        assert "lab: usd_node_hour is not given: an hour of use is taken as free" in [w.message for w in made.warnings]
        assert verify(made) == []

    def test_dates_are_those_of_the_nodes(self, given: Read) -> None:
        dates = "available_from: 2026-12-03, available_until: 2026-12-11"
        workload, catalog = given(owned=LAB.replace("nodes: 8", f"nodes: 8, {dates}"))
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
        workload, catalog = given(owned=LAB.replace("nodes: 8", f"nodes: 8, {bought}"))
        problem = to_problem(workload, options(workload, catalog), shared_terms=True)
        (term,) = problem.terms
        # 219,000 / (5 x 8,760 h) = 5 USD a node-hour from step 240 on
        assert (term.offer, term.price, term.lengths) == ("lab", 5_000_000, (480,))
        assert (term.first, term.last, term.capacity, term.sizes) == (240, 240, 8, ())
        assert {(w.price, o.term) for o in problem.options if o.offer == "lab" for w in o.windows} == {(3_000_000, 0)}

    def test_without_shared_terms_every_run_buys_its_own(self, given: Read) -> None:
        bought = "purchase: {price_usd_node: 219_000, lead_time_days: 10, life_years: 5}"
        workload, catalog = given(owned=LAB.replace("nodes: 8", f"nodes: 8, {bought}"))
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

    @pytest.mark.parametrize(
        ("quote", "is_one", "why"),
        [
            (MONTH, True, "10 days, then 5 more"),
            (MONTH.replace("240,120", "24,24"), True, "whole days"),
            (MONTH.replace("240,120", "23,24"), False, "less than a day"),
            (MONTH.replace("240,120", "240,1"), False, "prolonged by the hour"),
            (MONTH.replace("240,120", "240,24.5"), False, "not in whole hours"),
            (MONTH.replace("240,120", ","), False, "no minimum at all"),
            (BLOCK.replace("capacity_block", "spot"), False, "spot is billed by the run"),
        ],
    )
    def test_what_is_sold_by_days_is_bought_for_a_time(self, given: Read, quote: str, is_one: bool, why: str) -> None:
        _, catalog = given(quote)
        assert is_term(catalog.offers[0]) is is_one, why

    def test_what_cannot_be_bought_so_far_ahead_is_no_option(self, given: Read) -> None:
        late = BLOCK.replace(",,,2026", ",2026-12-07,,2026")  # step 144; blocks are bought at most 120 h ahead
        workload, catalog = given(DEMAND + late)
        table = options(workload, catalog)
        assert {option.offer.id for option in table.options} == {"demand"}
        assert {(r.kind, r.offer) for r in table.refusals} == {("no offer in time", "block")}

    def test_on_demand_with_a_minimum_is_billed_by_the_run(self, given: Read) -> None:
        workload, catalog = given(MONTH.replace("reserved", "on_demand"))
        problem = to_problem(workload, options(workload, catalog), shared_terms=True)
        assert problem.terms == ()
        assert {o.billing.minimum_s for o in problem.options} == {240 * 3600}


class TestMoves:
    def test_leaving_costs_the_checkpoint_at_the_price_of_the_provider(self, given: Read) -> None:
        workload, catalog = given(DEMAND + FAR)
        assert {o.leave for o in to_problem(workload, options(workload, catalog)).options} == {
            0
        }  # a quote is all there is
        listed = replace(catalog, offers=tuple(replace(offer, quoted=False) for offer in catalog.offers))
        problem = to_problem(workload, options(workload, listed))
        # llama-2-7b: 6,738,415,616 parameters x 14 bytes = 94.338 GB at 0.09 USD
        assert checkpoint_gb(workload.jobs[0]) == Decimal("94.338")
        assert {(o.place, o.leave) for o in problem.options} == {
            ("aws/us-east-1", 8_490_420), ("aws/us-west-2", 8_490_420),
        }  # fmt: skip

    def test_the_policy_has_the_last_word_on_the_price(self, given: Read) -> None:
        workload, catalog = given(policy="  egress_usd_gb: 0.5")
        problem = to_problem(workload, options(workload, catalog))
        assert {o.leave for o in problem.options} == {47_169_000}  # 94.338 x 0.5

    def test_a_job_with_one_run_and_one_whose_moves_are_free_have_no_places(self, given: Read) -> None:
        workload, catalog = given(policy="  egress_usd_gb: 0")
        assert {o.place for o in to_problem(workload, options(workload, catalog)).options} == {""}
        single = WORKLOAD[: WORKLOAD.index("      - {{name: tune")]
        workload, catalog = given(jobs=single)
        assert {o.place for o in to_problem(workload, options(workload, catalog)).options} == {""}


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


def test_two_jobs_on_capacity_blocks_are_proven_to_the_cent(given: Read) -> None:
    """Rounding relaxed prices down leaves some micro-USD open; the search does not go on for them."""
    job = WORKLOAD[WORKLOAD.index("  - name: one") : WORKLOAD.index("      - {{name: tune")]
    jobs = WORKLOAD[: WORKLOAD.index("      - {{name: tune")] + job.replace("name: one", "name: two")
    workload, catalog = given(DEMAND + BLOCK, jobs=jobs)
    made = plan(workload, catalog, 20.0, within=0.0)
    # each trains for a day on 4 nodes; blocks of one day at 30 USD x 4 nodes x 24 h = 2,880 USD
    assert (made.status, made.cost_usd, made.bound_usd) == ("optimal", 5_760.0, 5_760.0)
    assert {purchase.purchase_option for purchase in made.purchases} == {"capacity_block"}
    assert made.solve_seconds < 15
    assert verify(made) == []
