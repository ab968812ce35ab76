"""The service answers with the planner's own documents, and with problems instead of failures."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from planner.optimizer.verify import verify
from planner.plan import Plan
from service.app import create_app

EXAMPLE = Path(__file__).parents[2] / "examples" / "fine-tune-7b.yaml"


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_app())


def test_health_names_the_catalog(client):
    answer = client.get("/v1/health").json()
    assert answer["status"] == "ok"
    assert len(answer["catalog_digest"]) == 64  # SHA-256 in hexadecimal


def test_a_workload_in_yaml_is_planned_and_the_plan_verifies(client):
    answer = client.post("/v1/plans", content=EXAMPLE.read_bytes(), headers={"content-type": "application/yaml"})
    assert answer.status_code == 200
    plan = Plan.model_validate(answer.json())
    assert plan.status == "optimal"
    assert verify(plan) == []


@pytest.mark.parametrize(
    ("body", "content_type", "says"),
    [
        ("workload: x\nstart: 2026-12-01\nhorizon_days: 9\njobz: []\n", "application/yaml", "jobs"),
        ("{", "application/json", "line"),
        ("[1, 2]", "application/json", "expected a workload"),
        ("", "application/yaml", "workload"),
        (
            "workload: x\nstart: 2026-12-01\nhorizon_days: 9\njobs: [{name: a, model: ../../etc/passwd}]",
            "application/yaml",
            "model",
        ),
    ],
)
def test_bad_workloads_are_problems_and_not_failures(client, body, content_type, says):
    answer = client.post("/v1/plans", content=body.encode(), headers={"content-type": content_type})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["problems"]
    assert says in answer.text


def test_offers_can_be_filtered_and_paged(client):
    first = client.get("/v1/offers", params={"accelerator": "h100-sxm5-80", "limit": 2}).json()
    second = client.get("/v1/offers", params={"accelerator": "h100-sxm5-80", "limit": 2, "offset": 2}).json()
    assert len(first) == len(second) == 2
    assert {offer["id"] for offer in first}.isdisjoint(offer["id"] for offer in second)


def test_an_unknown_accelerator_comes_with_the_nearest_name(client):
    answer = client.get("/v1/offers", params={"accelerator": "h100-smx5-80"})
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["nearest"] == "h100-sxm5-80"


def test_a_body_over_a_megabyte_is_refused(client):
    answer = client.post("/v1/plans", content=b"#" * 1_000_001, headers={"content-type": "application/yaml"})
    assert answer.status_code == 413
