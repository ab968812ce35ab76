"""Plans of every kind a report must show; numbers are realistic and add up, none is an optimum of a real catalog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from planner.plan import (
    Alternative,
    Assignment,
    DelayFact,
    OfferFact,
    PhaseFact,
    Plan,
    PriceWindow,
    Purchase,
    Warning_,
)

START = datetime(2026, 12, 1, tzinfo=UTC)
HORIZON = START + timedelta(days=180)
VERSIONS = {"catalog_digest": "3f2a" * 16, "workload_digest": "9bd1" * 16, "planner_version": "0.1.0"}


def offer(instance_type: str, region: str, accelerator: str, per_node: int, option: str, price: float) -> OfferFact:
    """An offer open for the whole horizon."""
    return OfferFact(
        offer=f"{instance_type}@{region.split('/')[1]}:{option}",
        provider=instance_type.split("/")[0],
        region=region,
        country="US",
        instance_type=instance_type,
        accelerator=accelerator,
        accelerators_per_node=per_node,
        purchase_option=option,
        windows=(PriceWindow(start=START, end=HORIZON, price_usd_node_hour=price, maximum_nodes=512),),
        price_source="https://cloud.google.com/compute/gpus-pricing",
        price_date="2026-10-12",
        availability_basis="default: at most 512 nodes on demand per region",
    )


def run(of: OfferFact, phase: str, nodes: int, start: datetime, days: float, **changes: object) -> Assignment:
    """A run on an offer at its price; the layout and breakdowns of a 70B model unless `changes` say otherwise."""
    end = start + timedelta(days=days)
    facts: dict[str, object] = {
        "job": "base-70b", "phase": phase, "offer": of.offer, "provider": of.provider, "region": of.region,
        "country": of.country, "instance_type": of.instance_type, "accelerator": of.accelerator,
        "purchase_option": of.purchase_option, "nodes": nodes, "accelerators": nodes * of.accelerators_per_node,
        "layout": {
            "tp": 8, "pp": 4, "vp": 5, "dp": 24, "cp": 1, "ep": 1, "micro_batch": 1, "zero": 1,
            "recompute": "selective", "sequence_parallel": True,
        },
        "start": start, "end": end, "work_share": 1.0, "tokens": 6_000_000_000_000, "tokens_per_second": 851_000.0,
        "startup_seconds": 900, "step_time_s": 17.86, "mfu": 0.412, "hfu": 0.428, "goodput": 0.953,
        "breakdown_s": {
            "compute": 12.31, "attention": 2.2, "tensor_parallel": 1.94, "pipeline_bubble": 0.92,
            "data_parallel": 0.38, "optimizer": 0.11,
        },
        "memory_gib": {
            "weights": 4.1, "gradients": 8.2, "optimizer_state": 1.0, "activations": 38.6, "logits": 2.1,
            "framework": 5.0, "total": 59.0, "capacity": 74.5,
        },
        "expected_error": 0.09, "power_mw": 0.93, "energy_mwh": 0.93 * 24 * days, "carbon_t": 0.93 * 24 * days * 0.38,
        "cost_usd": of.windows[0].price_usd_node_hour * nodes * 24 * days,
    }  # fmt: skip
    return Assignment.model_validate(facts | changes)


def plan_of(runs: list[Assignment], offers: list[OfferFact], **changes: object) -> Plan:
    """A plan that buys exactly what its runs use."""
    cost = sum(r.cost_usd for r in runs)
    facts: dict[str, object] = {
        "workload": "autumn-2026", "status": "optimal", "cost_usd": cost, "bound_usd": cost, "gap": 0.0, "start": START,
        "finish": max(r.end for r in runs), "horizon_end": HORIZON, "budget_usd": 20_000_000.0,
        "carbon_t": sum(r.carbon_t for r in runs), "energy_mwh": sum(r.energy_mwh for r in runs), "solve_seconds": 0.84,
        "assignments": runs,
        "purchases": [
            Purchase(
                offer=r.offer, purchase_option=r.purchase_option, nodes=r.nodes, start=r.start, end=r.end,
                cost_usd=r.cost_usd,
            )
            for r in runs
        ],
        "costs": {"compute": cost}, "offers": offers, "options_considered": 412,
        "options_refused": {"price unknown": 12, "memory": 96, "region": 230},
        "phases": [
            PhaseFact(
                job=r.job, phase=r.phase, tokens=r.tokens, sequence_length=8192, global_batch_tokens=16_000_000,
                earliest=START, deadline=START + timedelta(days=135),
            )
            for r in runs
        ],
    }  # fmt: skip
    return Plan.model_validate(facts | VERSIONS | changes)


A3 = offer("gcp/a3-highgpu-8g", "gcp/us-central1", "h100-sxm5-80", 8, "on_demand", 64.4)
TPU = offer("gcp/ct4p-hightpu-4t", "gcp/us-central2", "tpu-v4", 4, "reserved", 8.1)
P5 = offer("aws/p5.48xlarge", "aws/us-east-1", "h100-sxm5-80", 8, "capacity_block", 31.46)
SPOT = offer("azure/ND96isr_H100_v5", "azure/swedencentral", "h100-sxm5-80", 8, "spot", 29.1)
OWNED = offer("own/dgx-a100", "own/frankfurt", "a100-sxm4-80", 8, "owned", 9.4)

ALTERNATIVES = (
    Alternative(accelerator="h200-sxm-141", cost_usd=13_410_000, finish=datetime(2027, 2, 20, tzinfo=UTC),
                offer="aws/p5en.48xlarge@us-east-1:on_demand", nodes=80, accelerators=640),
    Alternative(accelerator="b200-sxm-180", cost_usd=13_985_000, finish=datetime(2027, 2, 3, tzinfo=UTC),
                offer="gcp/a4-highgpu-8g@us-central1:on_demand", nodes=40, accelerators=320),
    Alternative(accelerator="tpu-v5p", cost_usd=15_020_000, finish=datetime(2027, 3, 28, tzinfo=UTC),
                offer="gcp/ct5p-hightpu-4t@us-east5:on_demand", nodes=256, accelerators=1024),
    Alternative(accelerator="a100-sxm4-80", cost_usd=17_730_000, finish=datetime(2027, 4, 14, tzinfo=UTC),
                offer="aws/p4de.24xlarge@us-east-1:on_demand", nodes=256, accelerators=2048),
    Alternative(accelerator="mi300x-oam", reason="no price known in the allowed regions: needs a quote"),
)  # fmt: skip
WARNINGS = (
    Warning_(message="The price of gcp/a3-highgpu-8g is 50 days old; check it before signing.", rule="stale-price",
             source="https://cloud.google.com/compute/gpus-pricing"),
    Warning_(message="Remote access to H100 by an organisation with headquarters in DE: no licence needed today. "
                     "Planning support, not legal advice.", rule="us-eccn-3a090-remote-access",
             source="https://www.federalregister.gov/documents/2023/10/25/2023-23055"),
)  # fmt: skip

LLAMA = plan_of(
    [run(A3, "pretrain", 96, datetime(2026, 12, 10, tzinfo=UTC), 81.6)],
    [A3],
    alternatives=ALTERNATIVES,
    warnings=WARNINGS,
    costs={"compute": 96 * 64.4 * 24 * 81.6 - 130_000, "storage": 96_000.0, "egress": 34_000.0, "lateness": 0.0},
)

_PALM = {"job": "palm-540b", "layout": {"tp": 12, "dp": 256, "pp": 1, "zero": 3, "recompute": "full", "micro_batch": 1}}
_MIDDLE = START + timedelta(hours=1200)
PALM = plan_of(
    [
        run(TPU, "pretrain", 1536, START, 50, work_share=0.877, tokens=684_000_000_000, tokens_per_second=158_000.0,
            power_mw=2.3, mfu=0.462, **_PALM),
        run(TPU, "pretrain", 768, _MIDDLE, 14, work_share=0.123, tokens=96_000_000_000, tokens_per_second=79_500.0,
            power_mw=1.15, mfu=0.465, **_PALM),
    ],
    [TPU],
    workload="palm",
    alternatives=ALTERNATIVES[:1],
)  # fmt: skip

_SEVERAL_RUNS = [
    run(P5, "pretrain", 64, START + timedelta(days=9), 91, job="base-70b"),
    run(A3, "long-context", 64, START + timedelta(days=100, hours=11), 12.5, job="base-70b", mfu=0.36),
    run(SPOT, "pretrain", 16, START, 31, job="draft-8b", tokens=2_000_000_000_000, goodput=0.87, mfu=0.44),
    run(OWNED, "continued pretraining on German web text", 8, START, 62, job="deutsch-8b", mfu=0.47),
    run(OWNED, "instruct", 4, START + timedelta(days=63), 1.25, job="deutsch-8b", throughput_basis="measured",
        layout={}, mfu=0.0, hfu=0.0, step_time_s=0.0, breakdown_s={}, memory_gib={}, expected_error=None),
    run(SPOT, "lora", 1, START + timedelta(days=40, hours=7), 0.125, job="assistant", tokens=52_000_000),
]  # fmt: skip
SEVERAL_COSTS = {
    option: sum(r.cost_usd for r in _SEVERAL_RUNS if r.purchase_option == option)
    for option in ("capacity_block", "on_demand", "spot", "owned")
} | {"storage": 81_000.0, "egress": 22_500.0, "unused_reservation": 60_000.0, "lateness": 150_000.0}
SEVERAL = plan_of(
    _SEVERAL_RUNS,
    [P5, A3, SPOT, OWNED],
    workload="quarter",
    status="feasible",
    bound_usd=sum(SEVERAL_COSTS.values()) * (1 - 0.0184),
    gap=0.0184,
    cost_usd=sum(SEVERAL_COSTS.values()),
    costs=SEVERAL_COSTS,
    alternatives=ALTERNATIVES,
    warnings=WARNINGS * 5,
)  # fmt: skip

INFEASIBLE = Plan.model_validate(
    {
        "workload": "autumn-2026",
        "status": "infeasible",
        "start": START,
        "horizon_end": HORIZON,
        "budget_usd": 5_000_000.0,
        "solve_seconds": 0.21,
        "reasons": [
            "base-70b/pretrain needs at least 11.9M USD: 6.9M above the budget of 5M. Raise budget_usd to 11.9M.",
            "With this budget at most 2.5T of the 6T tokens can be trained. Cut tokens to 2.5T.",
            "No option ends before 2027-02-03. Move the deadline.",
        ],
        "alternatives": [Alternative(accelerator="h200-sxm-141", reason="13.4M USD is above the budget")],
        "options_considered": 412,
        "options_refused": {"region": 230, "memory": 96, "export rule": 3},
        "phases": [LLAMA.phases[0]],
    }
    | VERSIONS
)
UNKNOWN = INFEASIBLE.model_copy(update={"status": "unknown", "reasons": (), "alternatives": (), "options_refused": {}})
BARE = plan_of(
    [run(A3, "pretrain", 96, START, 10, breakdown_s={}, memory_gib={})], [], costs={}, purchases=[], phases=[]
)

HOSTILE_TEXT = "<script>alert('x')</script>[bold]\x1b[31m&\"</svg>"
HOSTILE = LLAMA.model_copy(
    update={
        "workload": HOSTILE_TEXT,
        "assignments": tuple(
            r.model_copy(
                update={"job": HOSTILE_TEXT, "phase": HOSTILE_TEXT, "offer": HOSTILE_TEXT, "accelerator": HOSTILE_TEXT}
            )
            for r in LLAMA.assignments
        ),
        "costs": {HOSTILE_TEXT: 5.0, "compute": 10.0},
        "alternatives": (
            Alternative(accelerator=HOSTILE_TEXT, cost_usd=5.0, offer=HOSTILE_TEXT, reason=HOSTILE_TEXT),
            Alternative(kind="near", accelerator=HOSTILE_TEXT, region=HOSTILE_TEXT, difference=HOSTILE_TEXT),
        ),
        "delay": (DelayFact(days=-1, reason=HOSTILE_TEXT),),
        "warnings": (Warning_(message=HOSTILE_TEXT, rule=HOSTILE_TEXT, source="javascript:alert(1)"),),
        "reasons": (HOSTILE_TEXT,),
    }
)

NEAR = Alternative(
    kind="near", accelerator="h100-sxm5-80", cost_usd=LLAMA.assignments[0].cost_usd * 1.013,
    finish=datetime(2027, 2, 26, tzinfo=UTC), offer="gcp/a3-highgpu-8g@us-east4:spot", purchase_option="spot",
    region="gcp/us-east4", nodes=100, accelerators=800, gap=0.004,
    difference="+1.3 %: same accelerator, spot at gcp/us-east4, 800 accelerators, ends 3.0 days earlier",
)  # fmt: skip
COMPARED = LLAMA.model_copy(
    update={
        "alternatives": (NEAR, *ALTERNATIVES),
        "within": 0.05,
        "within_complete": True,
        "delay": (
            DelayFact(days=-14, reason="no plan ends that early"),
            DelayFact(days=-7, finish=datetime(2027, 2, 20, tzinfo=UTC), cost_usd=12.6e6, extra_usd=0.5e6,
                      extra_usd_day=0.5e6 / 7, gap=0.0),
            DelayFact(days=-3, finish=datetime(2027, 2, 20, tzinfo=UTC), cost_usd=12.6e6, extra_usd=0.5e6,
                      extra_usd_day=0.5e6 / 3, gap=0.0),
            DelayFact(days=7, finish=datetime(2027, 3, 5, tzinfo=UTC), cost_usd=12.0e6, extra_usd=-0.1e6,
                      extra_usd_day=-0.1e6 / 7, gap=0.0),
        ),
    }
)  # fmt: skip

PLANS = {
    "other plans": COMPARED,
    "one run": LLAMA,
    "two segments": PALM,
    "several phases, gap": SEVERAL,
    "infeasible": INFEASIBLE,
    "unknown": UNKNOWN,
    "bare": BARE,
    "hostile names": HOSTILE,
}


@cache
def page_of(name: str) -> str:
    """The page of a plan of PLANS, drawn once."""
    from planner.reports.html import plan_html

    return plan_html(PLANS[name])
