"""Mixture of experts, latent attention, windows: each equation against published numbers or plain arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hardware_catalog.catalog import load
from planner.architecture import model
from planner.errors import InputError
from planner.performance.collectives import exchange_time
from planner.performance.compute import (
    attention_time,
    expert_tokens,
    experts_time,
    latent_time,
    layer_time,
    linear_time,
    routing_bytes,
)
from planner.performance.estimate import estimate
from planner.performance.flops import layer_parameters, model_flops_per_token
from planner.performance.hardware import Hardware, Machine, hardware_of_accelerator, machine
from planner.performance.layout import Layout, degrees
from planner.performance.memory import memory_use
from planner.performance.parameters import mean_reach, shape, stage_experts, stage_moe_layers, stage_parameters
from planner.performance.search import layouts
from planner.performance.software import Software
from planner.performance.step_time import expert_time, step_time
from planner.performance.topology import path

BALANCED = Software(balanced_experts=True)
QWEN_30B = model("qwen3-30b-a3b")
DEEPSEEK = model("deepseek-v3")
MIXTRAL = model("mixtral-8x7b")


@pytest.fixture
def ideal(h100: Hardware) -> Machine:
    """Full rates: no latency, no lost rows, no memory time, balanced experts."""
    return replace(
        machine(h100, "bf16", software=BALANCED), depth=0.0, roofline=0.0, tile=0.0, grouped=1.0, alpha1=0.0, alpha3=0.0
    )


def test_experts_multiply_each_token_by_the_experts_it_is_sent_to(ideal: Machine) -> None:
    # 4,096 tokens x 8 of 128 experts, gated, 2048 x 768: 2 x 3 x 2048 x 768 FLOPs a copy
    work, split = shape(QWEN_30B, 4096, 64), degrees(Layout(dp=8, ep=8))
    assert float(experts_time(work, split, ideal)) == pytest.approx(4096 * 8 * 6 * 2048 * 768 / ideal.G)


def test_few_rows_an_expert_cost_half_a_tile_each(ideal: Machine) -> None:
    work, split = shape(QWEN_30B, 4096, 64), degrees(Layout(dp=8, ep=8))
    # 16 experts a rank lose 64 rows each: 32,768 + 1,024 rows
    padded = experts_time(work, split, replace(ideal, tile=128.0))
    assert float(padded / experts_time(work, split, ideal)) == pytest.approx((32768 + 1024) / 32768)


def test_reading_the_weights_of_more_experts_takes_longer(ideal: Machine) -> None:
    work = shape(QWEN_30B, 4096, 64)
    bound = replace(ideal, roofline=1.0)
    alone = experts_time(work, degrees(Layout(dp=8, ep=1)), bound)
    spread = experts_time(work, degrees(Layout(dp=8, ep=8)), bound)
    # 112 more experts of 3 x 2048 x 768 weights of 2 bytes
    assert float(alone - spread) == pytest.approx(112 * 3 * 2048 * 768 * 2 / bound.W)


def test_the_busiest_rank_waits_for_its_share_of_the_tokens(ideal: Machine) -> None:
    work, split = shape(MIXTRAL, 4096, 64), degrees(Layout(dp=8, ep=8))
    assert float(expert_tokens(work, split, replace(ideal, imbalance=1.25))) == pytest.approx(1.25 * 4096 * 2)


def test_tensor_parallel_ranks_route_their_share_of_the_sequence(ideal: Machine) -> None:
    work = shape(MIXTRAL, 4096, 64)
    assert float(expert_tokens(work, degrees(Layout(tp=4, dp=2, ep=8)), ideal)) == pytest.approx(4096 * 2 / 4)
    whole = Layout(tp=4, dp=2, ep=8, sequence_parallel=False)
    assert float(expert_tokens(work, degrees(whole), ideal)) == pytest.approx(4096 * 2)


def test_a_token_crosses_to_each_domain_once() -> None:
    # 64 ranks in domains of 8, 8 experts a token: it reaches 8 (1 - (7/8)^8) = 5.251 domains, of which 7/8 are remote
    seconds = exchange_time(1e6, 8.0, 64.0, 8.0, 1e18, 50e9, 0.0)
    assert float(seconds) == pytest.approx(1e6 * 8 * (1 - (7 / 8) ** 8) * 7 / 8 / 50e9)
    # inside one domain of 8 every copy but 1/8 crosses its links
    assert float(exchange_time(1e6, 8.0, 8.0, 8.0, 400e9, 50e9, 0.0)) == pytest.approx(8e6 * 7 / 8 / 400e9)
    assert float(exchange_time(1e6, 8.0, 1.0, 1.0, 400e9, 50e9, 1.0)) == 0.0


def test_a_domain_of_72_spares_the_network(ideal: Machine) -> None:
    work, split = shape(DEEPSEEK, 4096, 2048), degrees(Layout(dp=64, ep=64))
    rack = machine(hardware_of_accelerator(load(), "gb200-nvl72"), "bf16", software=BALANCED)
    assert float(expert_time(work, split, rack, 64.0)) < 0.5 * float(expert_time(work, split, ideal, 64.0))


def test_h800_exchanges_inside_a_host_at_less_than_half_the_rate_of_h100(ideal: Machine) -> None:
    # 400 GB/s of NVLink for 900 (arXiv:2412.19437, section 3.1): 8 experts a token on 8 ranks
    work, split = shape(DEEPSEEK, 4096, 256), degrees(Layout(dp=8, ep=8))
    h800 = replace(machine(hardware_of_accelerator(load(), "h800-sxm5-80"), "bf16", software=BALANCED), alpha1=0.0)
    assert float(expert_time(work, split, h800, 8.0) / expert_time(work, split, ideal, 8.0)) == pytest.approx(900 / 400)


def test_deepseek_v3_needs_the_flops_nvidia_counts() -> None:
    # Megatron-Bridge performance summary, container 26.08: 1,635 TFLOP/s at 6,288 tokens/s a GPU, causal attention and
    # one layer of multi-token prediction counted: 260 GFLOP a token
    work = shape(DEEPSEEK, 4096, 4096)
    whole = 6.0 * (61 + 1) * 128 * (192 + 128) * 4096
    assert float(model_flops_per_token(work)) - whole / 2 == pytest.approx(1635e12 / 6288, rel=0.01)


def test_qwen3_30b_needs_the_flops_nvidia_counts() -> None:
    # the same page: 1,029 TFLOP/s at 44,544 tokens/s
    work = shape(QWEN_30B, 4096, 512)
    causal = 6.0 * 48 * 32 * (128 + 128) * 4096 / 2
    assert float(model_flops_per_token(work)) - causal == pytest.approx(1029e12 / 44544, rel=0.01)


def test_the_parameters_of_layers_and_tables_are_all_there() -> None:
    for name in ("deepseek-v3", "mixtral-8x7b", "gpt-oss-120b", "llama-4-maverick", "llama-3-70b"):
        spec = model(name)
        work = shape(spec, 4096, 64)
        routed = spec.moe_layers * spec.experts * spec.expert_parameters
        held = float(stage_parameters(work, 1.0, 1.0, 1.0)) + routed
        assert held == pytest.approx(spec.parameters, rel=1e-5)
        assert float(spec.layers * layer_parameters(work) + work.N_embedding) == pytest.approx(
            spec.active_parameters, rel=1e-4
        )


def test_stages_hold_their_layers_experts() -> None:
    work = shape(DEEPSEEK, 4096, 2048)
    # 58 of 61 layers route to 256 experts of 3 x 7168 x 2048 = 44,040,192 weights, 4 of them on each of 64 ranks
    assert float(stage_experts(work, 64.0, 1.0, 1.0)) == pytest.approx(58 * 4 * 44_040_192)
    # 16 stages: at most ceil(63 / 16) = 4 layers
    assert float(stage_moe_layers(work, 16.0, 1.0)) == 4
    maverick = shape(model("llama-4-maverick"), 8192, 1024)
    assert float(stage_moe_layers(maverick, 2.0, 1.0)) == 12  # every second of 24 layers


def test_experts_are_sharded_over_their_own_replicas(h100: Hardware) -> None:
    work, letters = shape(QWEN_30B, 4096, 512), machine(h100, "bf16", software=BALANCED)
    one = memory_use(work, degrees(Layout(dp=16, ep=8, zero=1)), letters)
    routed = 48 * 128 * 3 * 2048 * 768
    rest = QWEN_30B.parameters - routed
    assert float(one.weights) == pytest.approx(2 * (rest + routed / 8), rel=1e-4)
    # ZeRO-1: the rest over 16 ranks, each expert over the 16 / 8 = 2 ranks that hold it
    assert float(one.optimizer) == pytest.approx(12 * (rest / 16 + routed / 8 / 2), rel=1e-4)


def test_latent_attention_expands_latents_into_heads(ideal: Machine) -> None:
    work, split = shape(DEEPSEEK, 4096, 64), degrees(Layout())
    up = 1536 * 128 * 192 + 512 * 128 * (128 + 128)
    assert float(latent_time(work, split, ideal)) == pytest.approx(2 * 4096 * up / ideal.G)
    # all of it: 7168 to the latents 1536 + 512 + 64, up, and 128 x 128 back; 3 of 61 layers have a dense block of
    # 18432, the others a shared expert of 2048 and a router of 256
    attention = 7168 * (1536 + 576) + up + 128 * 128 * 7168
    mlp = 3 * 7168 * (3 * 18432 + 58 * 2048) / 61 + 58 / 61 * 7168 * 256
    assert float(linear_time(work, split, ideal)) == pytest.approx(2 * 4096 * (attention + mlp) / ideal.G)


def test_value_heads_may_be_smaller_than_query_heads(ideal: Machine) -> None:
    work, split = shape(DEEPSEEK, 4096, 64), degrees(Layout())
    forward, _ = attention_time(work, split, ideal)
    same, _ = attention_time(replace(work, d_v=192.0), split, ideal)
    assert float(forward / same) == pytest.approx((192 + 128) / (2 * 192))


def test_windows_shorten_what_a_query_sees() -> None:
    full = model("llama-3-70b")
    assert mean_reach(full, 8192) == 4096
    # a window of 128: all but the first tokens see 128; 128 (1 - 128 / 16384) = 127
    assert mean_reach(replace(full, sliding_window=128), 8192) == 127
    # gpt-oss: every second layer sees all
    assert mean_reach(replace(full, sliding_window=128, global_attention_every=2), 8192) == (127 + 4096) / 2
    # Llama 4: three of four layers see their chunk of 8,192 only: 4,096 on average; of 32,768 the fourth sees 16,384
    chunked = replace(full, sliding_window=8192, global_attention_every=4, chunked_attention=True)
    assert mean_reach(chunked, 32768) == 0.75 * 4096 + 0.25 * 16384
    assert mean_reach(chunked, 4096) == 2048


def test_fused_kernels_move_less_when_routing(h100: Hardware) -> None:
    work, split = shape(QWEN_30B, 4096, 64), degrees(Layout(dp=8, ep=8))
    now, before = (machine(h100, "bf16", software=Software(fused_routing=fused)) for fused in (True, False))
    assert float(routing_bytes(work, split, now)) < float(routing_bytes(work, split, before))


def test_parts_of_a_mixture_add_up_and_a_dense_model_has_none(h100: Hardware) -> None:
    found = estimate(QWEN_30B, h100, 64, 4096, 512, "bf16")
    assert found.layout is not None
    assert found.breakdown_s["experts"] > 0
    assert sum(found.breakdown_s.values()) == pytest.approx(found.step_time_s)
    dense = step_time(shape(model("llama-3-8b"), 8192, 128), degrees(Layout(dp=8)), machine(h100, "bf16"))
    assert float(dense.experts) == float(dense.expert_communication) == 0


def test_expert_parallelism_divides_experts_and_accelerators(h100: Hardware) -> None:
    table = layouts(QWEN_30B, h100, [48], 4096, 384, "bf16")
    e, t, c, D = (np.asarray(getattr(table.degrees, name)) for name in "etcD")
    assert len(e) > 0
    assert (128 % e == 0).all()
    assert ((t * c * D) % e == 0).all()
    assert e.max() == 16  # 48 accelerators hold no more than 16 equal groups of powers of two
    with pytest.raises(InputError, match=r"ep: 6 does not divide the experts \(128\)"):
        estimate(QWEN_30B, h100, 48, 4096, 384, "bf16", ep=6)
    with pytest.raises(InputError, match=r"ep: 32 does not divide the accelerators of a pipeline stage \(48\)"):
        estimate(QWEN_30B, h100, 48, 4096, 384, "bf16", ep=32)
    with pytest.raises(InputError, match="needs a mixture of experts; llama-3-8b is dense"):
        estimate(model("llama-3-8b"), h100, 48, 4096, 384, "bf16", ep=2)


def test_multi_token_prediction_costs_a_layer_and_a_loss(ideal: Machine) -> None:
    split = degrees(Layout(dp=64, ep=64))
    with_it = step_time(shape(DEEPSEEK, 4096, 2048), split, ideal)
    without = step_time(shape(replace(DEEPSEEK, mtp_layers=0), 4096, 2048), split, ideal)
    # at least one more of 61 layers, at most three layers' worth with the second loss
    assert 1 / 61 < float(with_it.total / without.total) - 1 < 3 / 61


def test_small_micro_batches_wait_for_the_launch_of_the_experts_kernels(h100: Hardware) -> None:
    letters = machine(h100, "fp8", software=BALANCED)
    layer = layer_time(shape(QWEN_30B, 512, 64), degrees(Layout(dp=8, ep=8)), letters)
    forward = layer.matmul_forward + layer.experts_forward + layer.attention_forward + layer.elementwise_forward
    assert float(forward) == pytest.approx(letters.launch + letters.expert_launch)
    static = layer_time(
        shape(QWEN_30B, 512, 64),
        degrees(Layout(dp=8, ep=8)),
        machine(h100, "fp8", software=replace(BALANCED, dropless=False)),
    )
    assert float(static.elementwise_forward) < float(layer.elementwise_forward)


def test_slices_too_small_to_wrap_round_have_lines_for_rings() -> None:
    letters = machine(hardware_of_accelerator(load(), "tpu-v5p"), "bf16")
    whole, half = path(letters, 64.0, 1.0, 64.0), path(letters, 32.0, 1.0, 32.0)
    assert float(half.x) == pytest.approx(0.5 * float(whole.x))
