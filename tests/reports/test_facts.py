from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from planner.reports import facts
from tests.reports.plans import A3, BARE, INFEASIBLE, LLAMA, OWNED, PALM, SEVERAL, START, UNKNOWN, plan_of, run


def test_the_headline_says_what_to_rent_where_when_and_for_how_much() -> None:
    assert facts.headline(LLAMA) == (
        "Rent 96 nodes of gcp/a3-highgpu-8g (768 h100-sxm5-80) in gcp/us-central1, on demand, "
        "2026-12-10 -> 2027-03-01 14:24: 12.1M USD"
    )
    assert facts.headline(PALM).startswith("Rent 1,536 then 768 nodes of gcp/ct4p-hightpu-4t (up to 6,144 tpu-v4)")
    assert facts.headline(SEVERAL).startswith("Rent from 4 offers for 6 runs, at most 704 accelerators at once")
    assert facts.headline(INFEASIBLE) == "No plan exists for autumn-2026."
    assert "time allowed" in facts.headline(UNKNOWN)


def test_owned_nodes_are_used_not_rented() -> None:
    plan = plan_of([run(OWNED, "pretrain", 1, START, 3)], [OWNED])
    assert facts.headline(plan).startswith("Use 1 node of own/dgx-a100 (8 a100-sxm4-80) in own/frankfurt, 2026-12-01")


def test_the_proof_never_claims_more_than_the_status() -> None:
    assert "proven that no plan in the class considered can cost less" in facts.proof(LLAMA)
    assert "finish earlier" in facts.proof(LLAMA.model_copy(update={"aim": "finish"}))
    assert "within 1.84 % of the best possible: no plan can cost less than 6.29M USD" in facts.proof(SEVERAL)
    assert "Infeasible" in facts.proof(INFEASIBLE)
    assert "neither a plan nor a proof" in facts.proof(UNKNOWN)


def test_rates_are_cost_over_work() -> None:
    # 96 nodes x 8 x 24 h x 81.6 days = 1,504,051.2 accelerator-hours, all paid for; 12,107,612 USD for 6T tokens
    rates = facts.rates(LLAMA)
    assert rates.hours_used == pytest.approx(1_504_051.2)
    assert rates.hours_paid == pytest.approx(1_504_051.2)
    assert rates.usd_per_million_tokens == pytest.approx(12_107_612 / 6e6, rel=1e-6)
    assert rates.usd_per_hour == pytest.approx(12_107_612 / 1_504_051.2, rel=1e-6)


def test_peaks_count_only_runs_at_the_same_time() -> None:
    # one run ends at the instant the next one starts: 6,144 accelerators, not 6,144 + 3,072
    assert facts.rates(PALM).peak_accelerators == 6144
    assert facts.rates(PALM).peak_power_mw == pytest.approx(2.3)
    # 512 (base-70b) + 128 (draft-8b) + 64 (deutsch-8b) on 10 December
    assert facts.rates(SEVERAL).peak_accelerators == 704


def test_nodes_bought_but_not_used_are_seen() -> None:
    longer = LLAMA.purchases[0].model_copy(update={"end": LLAMA.purchases[0].end + timedelta(days=8.16)})
    rates = facts.rates(LLAMA.model_copy(update={"purchases": (longer,)}))
    assert rates.hours_paid == pytest.approx(1.1 * rates.hours_used)


def test_slack_is_that_of_the_tightest_job() -> None:
    assert facts.slack(LLAMA) == "44.4 days before the deadline"  # 2027-03-01 14:24 to 2027-04-15
    assert facts.slack(SEVERAL) == "22 days before the deadline of base-70b"
    assert facts.slack(BARE) == ""
    early = LLAMA.phases[0].model_copy(update={"deadline": LLAMA.assignments[0].end})
    assert facts.slack(LLAMA.model_copy(update={"phases": (early,)})) == "on the deadline"


def test_memory_is_given_of_the_capacity_where_the_plan_states_it() -> None:
    assert facts.memory_line(LLAMA.assignments[0]).startswith(
        "59.0 of 74.5 GiB (79.2 %) per accelerator: activations 38.6"
    )
    unknown = run(A3, "pretrain", 1, START, 1, memory_gib={"weights": 4.0, "activations": 6.0})
    assert facts.memory_line(unknown) == "10.0 GiB per accelerator: activations 6.0 + weights 4.0 GiB"
    assert facts.memory_line(BARE.assignments[0]) == ""


def test_a_plan_without_runs_has_no_rates() -> None:
    rates = facts.rates(INFEASIBLE)
    assert rates.usd_per_hour is None
    assert rates.usd_per_million_tokens is None
    assert rates.peak_accelerators == 0


def test_a_late_job_says_so() -> None:
    missed = LLAMA.phases[0].model_copy(update={"deadline": datetime.fromisoformat("2027-02-01T00:00+00:00")})
    assert facts.slack(LLAMA.model_copy(update={"phases": (missed,)})) == "28.6 days after the deadline"
