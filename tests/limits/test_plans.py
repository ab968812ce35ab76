"""Plans with shared purchases, moves and limits: what they say adds up, and a broken rule is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from planner.optimizer.problem import Bought
from planner.optimizer.verify import verify
from planner.plan import Plan

from .conftest import DEMAND, FAR, LAB, MONTH


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
        ("offers.0.terms.0.first", "2026-12-01T00:30:00Z", "starts when the offer does not sell it"),  # on the hour
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
    owned = LAB.replace("nodes: 8", f"nodes: 8, {bought}")
    runs = [("month", 0, 24, 1), ("lab", 1, 240, 0)]
    made = document(MONTH, runs, (Bought(1, 8, 240, 480), Bought(0, 8, 24, 240)), owned=owned, policy=EGRESS)
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
    made = document(DEMAND + FAR, [("demand", 0, 0, None), ("far", 1, 12, None)], policy=EGRESS)
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
    made = document(DEMAND + FAR, [("demand", 0, 0, None), ("demand", 1, 12, None)], policy=EGRESS)
    assert "egress" not in made.costs
    assert verify(made) == []


EGRESS = "  egress_usd_gb: 0.09"
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


def test_a_quota_ends_with_its_last_date(document: Callable[..., Plan]) -> None:
    limit = "  quotas: [{max_nodes: 4, until: 2026-12-02}]"
    made = document(DEMAND, [("demand", 0, 24, None), ("demand", 1, 36, None)], policy=limit)
    assert verify(made) == []
    assert verify(changed(made, "limits.0.end", "2026-12-02T06:00:00Z"))


def test_a_quota_of_a_provider_does_not_count_own_nodes(document: Callable[..., Plan]) -> None:
    limit = "  quotas: [{provider: aws, max_nodes: 4}]"
    made = document(DEMAND, [("lab", 0, 0, None), ("lab", 1, 12, None)], policy=limit, owned=LAB)
    assert verify(made) == []
    assert verify(changed(made, "limits.0.purchase_option", "owned"))
