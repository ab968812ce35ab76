"""Placements: the best layout, what it says, what it refuses, and how fast it is found."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_catalog.catalog import load
from planner.architecture import model
from planner.errors import InputError
from planner.model_spec import ModelSpec
from planner.performance.estimate import best_layouts, estimate
from planner.performance.goodput import goodput
from planner.performance.hardware import Hardware, hardware, hardware_of_accelerator
from planner.performance.search import Fixed, best_rows, layouts

CATALOG = load()
LLAMA_8B = model("llama-3-8b")
H100 = hardware_of_accelerator(CATALOG, "h100-sxm5-80")


def test_llama_405b_on_16384_h100_reaches_about_400_tflops(h100: Hardware) -> None:
    # arXiv:2407.21783 table 4: TP8 PP16 DP128, 2,048 sequences of 8,192, 400 TFLOP/s = 40.4 % of 989.5
    found = estimate(
        model("llama-3.1-405b"), h100, 16_384, 8192, 2048, "bf16", tp=8, pp=16, cp=1, micro_batch=1, zero=2
    )
    assert found.fits
    assert found.mfu == pytest.approx(0.404, rel=0.25)  # no congestion, no stragglers beyond the usual


def test_nvidias_70b_recipe_is_predicted_within_a_fifth(llama_70b: ModelSpec, h100: Hardware) -> None:
    # dgxc-benchmarking: 64 H100, TP4 PP4 VP5 CP2, 128 sequences of 8,192: 14.66 s
    found = estimate(llama_70b, h100, 64, 8192, 128, "bf16", tp=4, pp=4, vp=5, cp=2, micro_batch=1)
    assert found.step_time_s == pytest.approx(14.66, rel=0.2)
    assert found.layout is not None
    assert found.layout.dp == 2


def test_breakdowns_add_up(llama_70b: ModelSpec, h100: Hardware) -> None:
    found = estimate(llama_70b, h100, 128, 8192, 256, "fp8")
    assert sum(found.breakdown_s.values()) == pytest.approx(found.step_time_s, rel=1e-9)
    assert sum(found.memory_gib.values()) == pytest.approx(2 * found.memory_gib["total"], rel=1e-9)
    assert all(part >= 0 for part in found.breakdown_s.values())
    assert found.binds in found.breakdown_s
    assert found.tokens_per_second == pytest.approx(256 * 8192 / found.step_time_s)
    json.dumps(found.as_json(), allow_nan=False)


def test_what_does_not_fit_says_by_how_much(llama_70b: ModelSpec, h100: Hardware) -> None:
    found = estimate(llama_70b, h100, 8, 8192, 8, "bf16")
    assert not found.fits
    assert found.short_by_gib == pytest.approx(found.memory_gib["total"] - h100.memory_gib)
    assert found.short_by_gib > 0


def test_a_batch_that_cannot_be_shared_has_no_layout(h100: Hardware) -> None:
    found = best_layouts(LLAMA_8B, h100, [1000], 8192, 3, "bf16")[0]
    assert found.layout is None
    assert not found.fits
    assert "3 sequences" in found.binds
    assert found.as_json()["step_time_s"] is None


@pytest.mark.parametrize(("given", "message"), [
    ({"tp": 3}, "3 does not divide the attention heads (32)"),
    ({"pp": 5}, "5 does not divide the accelerators (64)"),
    ({"pp": 4, "vp": 3}, "pp * vp = 12 does not divide the layers (32)"),
    ({"micro_batch": 7}, "7 does not divide the global batch in sequences (128)"),
    ({"tp": 1, "pp": 1, "cp": 1, "micro_batch": 4}, "dp * micro_batch = 64 * 4 does not divide the global batch"),
    ({"zero": 4}, "expected 0, 1, 2 or 3"),
    ({"recompute": "ful"}, "did you mean 'full'"),
    ({"ep": 8}, "is dense"),
])  # fmt: skip
def test_a_degree_that_cannot_be_is_named_with_what_it_should_divide(given: dict[str, int], message: str) -> None:
    with pytest.raises(InputError) as caught:
        estimate(LLAMA_8B, H100, 64, 8192, 128, "bf16", **given)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_precision_without_matrix_units_is_refused(a100: Hardware) -> None:
    with pytest.raises(InputError, match="a100-sxm4-80 cannot train in fp8"):
        estimate(LLAMA_8B, a100, 8, 2048, 64, "fp8")


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'h100-sxm5-80'"):
        hardware_of_accelerator(CATALOG, "h100-sxm5-8")
    with pytest.raises(InputError, match="did you mean"):
        hardware(CATALOG, "aws/p5.48xlargee")


def test_a800_differs_from_a100_by_its_links_alone_and_moves_the_layout() -> None:
    a100, a800 = (hardware_of_accelerator(CATALOG, name) for name in ("a100-sxm4-80", "a800-sxm4-80"))
    assert replace(a800, name=a100.name, accelerator=a100.accelerator, scale_up=a100.scale_up) == a100
    spec = model("gpt-3-175b")
    times = [
        estimate(spec, one, 128, 2048, 512, "bf16", tp=8, pp=8, vp=1, micro_batch=2).step_time_s for one in (a100, a800)
    ]
    assert times[1] > times[0]


def test_an_instance_types_network_replaces_the_accelerators() -> None:
    name = next(name for name, kind in CATALOG.instance_types.items() if kind.network_gbps and kind.accelerators == 8)
    kind = CATALOG.instance_types[name]
    assert hardware(CATALOG, name).scale_out == pytest.approx((kind.network_gbps or 0) / 8 * 1e9 / 8)


@settings(max_examples=25, deadline=None)
@given(
    nodes=st.sampled_from([1, 2, 4, 8, 16, 32]),
    sequences=st.sampled_from([128, 256, 512]),
    length=st.sampled_from([2048, 4096, 8192]),
)
def test_more_of_the_same_costs_more(nodes: int, sequences: int, length: int) -> None:
    fixed = {"tp": 2, "pp": 2, "vp": 1, "cp": 1, "micro_batch": 1, "zero": 1, "recompute": "full"}
    base = estimate(LLAMA_8B, H100, 8 * nodes, length, sequences, "bf16", **fixed)  # type: ignore[arg-type]
    longer = estimate(LLAMA_8B, H100, 8 * nodes, 2 * length, sequences, "bf16", **fixed)  # type: ignore[arg-type]
    larger = estimate(LLAMA_8B, H100, 8 * nodes, length, 2 * sequences, "bf16", **fixed)  # type: ignore[arg-type]
    deeper = estimate(replace(LLAMA_8B, layers=36), H100, 8 * nodes, length, sequences, "bf16", **fixed)  # type: ignore[arg-type]
    assert (
        longer.step_time_s
        > 2 * (base.step_time_s - base.breakdown_s["overhead"] - base.breakdown_s["data_communication"]) * 0.95
    )
    assert larger.step_time_s > base.step_time_s
    assert deeper.step_time_s > base.step_time_s
    assert deeper.memory_gib["total"] > base.memory_gib["total"]
    assert 0 < base.mfu <= base.hfu < 1


@settings(max_examples=15, deadline=None)
@given(bandwidth=st.floats(1.0, 4.0), memory=st.floats(1.0, 3.0))
def test_better_hardware_is_never_slower(bandwidth: float, memory: float) -> None:
    better = replace(
        H100,
        scale_up=H100.scale_up * bandwidth,
        scale_out=H100.scale_out * bandwidth,
        memory_gib=H100.memory_gib * memory,
    )
    slow, fast = (estimate(LLAMA_8B, one, 64, 8192, 256, "bf16") for one in (H100, better))
    assert fast.step_time_s <= slow.step_time_s * (1 + 1e-9)


def test_the_search_finds_the_fastest_of_its_table(llama_70b: ModelSpec, h100: Hardware) -> None:
    table = layouts(llama_70b, h100, [256], 8192, 512, "bf16")
    row = best_rows(table, 1)[0]
    assert table.step_s[row] == table.step_s.min()
    found = best_layouts(llama_70b, h100, [32], 8192, 512, "bf16")[0]
    assert found.step_time_s == pytest.approx(table.step_s[row])
    assert found.layout == table.layout(row)


def test_fixing_the_layout_found_gives_the_same_estimate(llama_70b: ModelSpec, h100: Hardware) -> None:
    best = best_layouts(llama_70b, h100, [32], 8192, 512, "bf16")[0]
    layout = best.layout
    assert layout is not None
    again = estimate(
        llama_70b,
        h100,
        256,
        8192,
        512,
        "bf16",
        tp=layout.tp,
        pp=layout.pp,
        vp=layout.vp,
        cp=layout.cp,
        micro_batch=layout.micro_batch,
        zero=layout.zero,
        recompute=layout.recompute,
    )
    assert again == best


def test_the_table_holds_every_fixed_degree(llama_70b: ModelSpec, h100: Hardware) -> None:
    table = layouts(llama_70b, h100, [64], 8192, 128, "bf16", Fixed(tp=4, recompute="full"))
    assert set(table.degrees.t.tolist()) == {4.0}  # type: ignore[union-attr]
    assert set(table.degrees.full.tolist()) == {1.0}  # type: ignore[union-attr]


def test_a_million_layouts_take_seconds(llama_70b: ModelSpec, h100: Hardware) -> None:
    sizes = [8 * nodes for nodes in range(1, 65)]
    layouts(llama_70b, h100, sizes, 8192, 1024, "bf16")
    start = time.perf_counter()
    table = layouts(llama_70b, h100, sizes, 8192, 1024, "bf16")
    assert len(table.step_s) / (time.perf_counter() - start) > 50_000  # about a million on an idle core


@pytest.mark.parametrize(("nodes", "expected"), [
    (32, 0.994), (256, 0.981), (2048, 0.928),  # runs.md section 9, first line of its table: 10 s stall, 5 min restart
])  # fmt: skip
def test_goodput_is_that_of_current_large_runs(nodes: int, expected: float) -> None:
    found = goodput(
        nodes=nodes,
        purchase_option="on_demand",
        accelerator=CATALOG.accelerators["h100-sxm5-80"],
        accelerators_per_node=8,
        parameters=405e9,
    )
    assert found.fraction == pytest.approx(expected, abs=0.012)
    assert found.available == 1


def test_spot_nodes_lose_more_and_are_not_always_there() -> None:
    kinds = [
        goodput(
            nodes=16,
            purchase_option=option,
            accelerator=CATALOG.accelerators["h100-sxm5-80"],
            accelerators_per_node=8,
            parameters=7e9,
        )
        for option in ("on_demand", "spot")
    ]
    assert kinds[1].fraction < kinds[0].fraction
    assert kinds[1].available == pytest.approx(0.42, abs=0.03)  # spot traces: 16 nodes 42 % of the time


@pytest.mark.parametrize(
    ("given", "message", "suggested"),
    [
        ({"tp": 16}, "16 exceeds the 8 accelerators of a scale-up domain by 8", "TP8"),
        ({"pp": 33}, "33 does not divide the accelerators", "PP32"),
        ({"vp": 3, "pp": 4}, "does not divide the layers (32), nor with the tables (34)", "PP4 VP4"),
        ({"tp": 1, "pp": 4, "cp": 1, "vp": 2, "micro_batch": 4}, "needs a multiple of 4 micro-batches, not 2", "PP4"),
        (
            {"tp": 2, "pp": 2, "zero": 0, "micro_batch": 64},
            "no legal layout has tp = 2, pp = 2, micro_batch = 64",
            "micro-batch 32",
        ),
    ],
)
def test_an_illegal_layout_names_the_rule_and_the_nearest_legal_one(
    given: dict[str, int], message: str, suggested: str
) -> None:
    with pytest.raises(InputError) as caught:
        estimate(LLAMA_8B, H100, 64, 8192, 128, "bf16", **given)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "nearest legal layout: " in str(caught.value)
    assert suggested in str(caught.value)


def test_a_layout_that_does_not_fit_says_by_how_much_and_the_nearest_that_does() -> None:
    # 70B in 16 bits with Adam: 16 bytes a parameter, 1,129 GB on 8 x 86 GB
    found = estimate(model("llama-3-70b"), H100, 64, 8192, 128, "bf16", tp=8, pp=1, zero=0, recompute="none")
    assert not found.fits
    assert found.short_by_gib > 60
    assert found.nearest_fitting is not None
    assert found.nearest_fitting.tp == 8
    again = estimate(
        model("llama-3-70b"),
        H100,
        64,
        8192,
        128,
        "bf16",
        tp=found.nearest_fitting.tp,
        pp=found.nearest_fitting.pp,
        cp=found.nearest_fitting.cp,
        micro_batch=found.nearest_fitting.micro_batch,
        zero=found.nearest_fitting.zero,
        recompute=found.nearest_fitting.recompute,
    )
    assert again.fits
