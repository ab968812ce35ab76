"""Each equation against a number published by others; the arithmetic stands in the comments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.model_spec import ModelSpec
from planner.performance.collectives import exposed, gather_time, reduce_time, send_time
from planner.performance.compute import (
    attention_time,
    elementwise_bytes,
    layer_time,
    loss_time,
    matmul_time,
    optimizer_time,
)
from planner.performance.flops import hardware_flops_per_token, model_flops_per_token, utilisation
from planner.performance.goodput import useful_share, young_daly
from planner.performance.hardware import Hardware, Machine, machine, power_share
from planner.performance.layout import Layout, degrees
from planner.performance.memory import checkpoint, layer_activations, memory_use
from planner.performance.parameters import layers_per_stage, shape, stage_parameters
from planner.performance.pipeline import bubble, in_flight, slowest_stage
from planner.performance.software import Software
from planner.performance.step_time import context_time, data_time, pipeline_time, step_time, tensor_time
from planner.performance.topology import path

GPT_530B = ModelSpec(
    "gpt-530b",
    layers=105,
    hidden_size=20480,
    ffn_size=81920,
    heads=128,
    kv_heads=128,
    vocabulary=51200,
    gated_mlp=False,
)
PALM_540B = ModelSpec(
    "palm-540b",
    layers=118,
    hidden_size=18432,
    ffn_size=73728,
    heads=48,
    kv_heads=1,
    vocabulary=256000,
    head_size=256,
    gated_mlp=True,
    tied_embeddings=True,
    parallel_block=True,
)


@pytest.fixture
def before_flash(a100: Hardware) -> Machine:
    return machine(a100, "fp16", software=Software(fused_attention=False))


@pytest.fixture
def hopper(h100: Hardware) -> Machine:
    return machine(h100, "bf16")


def test_palm_reaches_its_published_model_flops_utilisation() -> None:
    # PaLM appendix B: 238.3e3 tokens/s on 6,144 chips of 275 TFLOP/s is 46.2 % with attention; tied tables count once
    work = shape(PALM_540B, 2048, 2048)
    assert PALM_540B.parameters == pytest.approx(540.35e9, rel=0.01)
    assert utilisation(model_flops_per_token(work), 238_300, 275e12, 6144) == pytest.approx(0.462, abs=0.005)


def test_gpt3_model_flops_are_those_nvidia_prints(gpt_175b: ModelSpec) -> None:
    # NeMo performance pages: 1.0765 TFLOP per token for 175B at 2,048 tokens (vocabulary 51,200 there, 50,257 here)
    assert model_flops_per_token(shape(gpt_175b, 2048, 1)) == pytest.approx(1.0765e12, rel=0.02)


def test_llama_70b_model_flops_are_those_maxtext_prints(llama_70b: ModelSpec) -> None:
    # MaxText and NeMo with full attention: 481.4 GFLOP per token at 8,192
    assert model_flops_per_token(shape(llama_70b, 8192, 1)) == pytest.approx(481.4e9, rel=0.01)


def test_full_recomputation_costs_a_third_more(gpt_175b: ModelSpec) -> None:
    # Megatron SC21 equation 3: 96 B s l h^2 (...) with recomputation, 72 without: 4/3, but for the logits
    work = shape(gpt_175b, 2048, 1)
    assert hardware_flops_per_token(work, 1.0, 0.0) / model_flops_per_token(work) == pytest.approx(4 / 3, rel=0.01)


def test_frozen_weights_cost_four_flops_a_parameter(llama_70b: ModelSpec) -> None:
    with_gradients, frozen = (model_flops_per_token(shape(llama_70b, 1, 1, lora)) for lora in (False, True))
    assert frozen / with_gradients == pytest.approx(4 / 6, rel=1e-3)


def test_activations_are_korthikantis_equations_one_to_four(before_flash: Machine) -> None:
    # 530B, s = 2048, b = 1, h = 20480, a = 128, t = 8: s b h (10 + 24/t + 5 a s/(h t)) = 41.9e6 (10 + 3 + 8) bytes
    work = shape(GPT_530B, 2048, 280)
    sbh = 2048 * 20480
    plain = degrees(Layout(tp=8, pp=35, vp=3, sequence_parallel=False))
    assert layer_activations(work, plain, before_flash) == pytest.approx(
        sbh * (10 + 24 / 8 + 5 * 128 * 2048 / (20480 * 8))
    )
    parallel = degrees(Layout(tp=8, pp=35, vp=3))
    assert layer_activations(work, parallel, before_flash) == pytest.approx(sbh * (34 + 5 * 128 * 2048 / 20480) / 8)
    selective = degrees(Layout(tp=8, pp=35, vp=3, recompute="selective"))
    assert layer_activations(work, selective, before_flash) == pytest.approx(sbh * 34 / 8)
    assert checkpoint(work, plain) == pytest.approx(2 * sbh)


def test_interleaving_keeps_more_micro_batches() -> None:
    # Korthikanti section 4.2.3: factor 1 + (p - 1)/(p m) for m chunks; p = 8, 3 chunks: 8 + 7/3
    assert in_flight(8.0, 3.0, 64.0) == pytest.approx(8 + 7 / 3)
    assert in_flight(8.0, 1.0, 4.0) == 4


def test_bubble_is_the_fraction_of_the_megatron_paper() -> None:
    # SC21 section 2.2: (p - 1)/m of the ideal time, divided by v chunks: p = 8, m = 16, v = 2 -> 7/32
    T = 1.0
    assert bubble(8.0, 2.0, 8 * T, T) / (16 * T) == pytest.approx(7 / 32)
    assert bubble(1.0, 1.0, T, T) == 0


def test_llama_405b_gives_embedding_and_loss_a_layers_place() -> None:
    # arXiv:2407.21783 section 3.3.2: 126 layers on 16 stages, first and last with one layer fewer: 8 in the middle
    assert layers_per_stage(126.0, 16.0, 8.0) == 8
    assert layers_per_stage(80.0, 4.0, 5.0) == 20
    assert slowest_stage(126.0, 16.0, 8.0, 1.0, 0.5) == 8  # 7 layers + half a layer of loss is less
    assert slowest_stage(80.0, 4.0, 5.0, 1.0, 0.5) == 20.5


def test_weights_of_a_stage_add_up_to_the_model(gpt_175b: ModelSpec) -> None:
    work = shape(gpt_175b, 2048, 1)
    assert stage_parameters(work, 1.0, 1.0, 1.0) == pytest.approx(gpt_175b.parameters, rel=1e-3)
    assert stage_parameters(work, 8.0, 1.0, 1.0) == pytest.approx(gpt_175b.parameters / 8, rel=1e-3)


def test_collectives_move_what_rings_move() -> None:
    # all-gather of 8 GB over 8 ranks at 100 GB/s: 7/8 x 8/100 s; all-reduce twice that
    assert gather_time(8e9, 8.0, 100e9, 0.0) == pytest.approx(0.07)
    assert reduce_time(8e9, 8.0, 100e9, 0.0) == pytest.approx(0.14)
    assert gather_time(8e9, 1.0, 100e9, 1.0) == 0
    assert send_time(1e9, 100e9, 1e-5) == pytest.approx(0.01001)


def test_communication_hides_behind_the_window_but_never_all_of_it() -> None:
    assert exposed(1.0, 0.3, 0.1) == pytest.approx(0.7)
    assert exposed(1.0, 5.0, 0.1) == pytest.approx(0.1)


def test_a_matrix_multiply_is_bound_by_arithmetic_or_by_memory(hopper: Machine) -> None:
    ideal = replace(hopper, depth=0.0, roofline=0.0)
    assert matmul_time(4096.0, 8192.0, 8192.0, 1e15, 2.0, ideal) == pytest.approx(2 * 4096 * 8192 * 8192 / 1e15)
    thin = replace(hopper, depth=0.0, roofline=1.0)
    # one row: reading 8192 x 8192 weights takes 134 MB / 3.35 TB/s = 40 us, arithmetic 0.1 us
    assert matmul_time(1.0, 8192.0, 8192.0, 1e15, 2.0, thin) == pytest.approx(2 * 8192 * 8192 / hopper.W, rel=0.01)


def test_flash_attention_halves_causal_work_and_its_backward_costs_two_and_a_half(
    hopper: Machine, llama_70b: ModelSpec
) -> None:
    work = shape(llama_70b, 8192, 1)
    forward, backward = attention_time(work, degrees(Layout()), hopper)
    # FlashAttention-2 section 4.1: 4 s^2 d a FLOPs, halved under the mask
    assert forward * hopper.A == pytest.approx(4 * 8192**2 * 128 * 64 / 2)
    assert backward == pytest.approx(2.5 * forward)


def test_a_window_reaches_fewer_keys(hopper: Machine, llama_70b: ModelSpec) -> None:
    narrow = shape(replace(llama_70b, sliding_window=1024), 8192, 1)
    forward, _ = attention_time(narrow, degrees(Layout()), hopper)
    whole, _ = attention_time(shape(llama_70b, 8192, 1), degrees(Layout()), hopper)
    # mean reach 1024 (1 - 1024/16384) = 960 keys of 4096
    assert forward / whole == pytest.approx(960 / 4096)


def test_sequence_parallelism_divides_norms_and_dropout(before_flash: Machine) -> None:
    work = shape(GPT_530B, 2048, 280)
    with_, without = (
        elementwise_bytes(work, degrees(Layout(tp=8, sequence_parallel=on)), before_flash) for on in (True, False)
    )
    # outside the tensor-parallel region 8 h + 12 h + 10 h = 30 h bytes a token; with sequence parallelism an eighth
    assert without - with_ == pytest.approx(2048 * 30 * 20480 * 7 / 8)


def test_tensor_parallel_traffic_is_two_all_reduces_a_layer(a100: Hardware) -> None:
    # arXiv:1909.08053: 2 x 2 (7/8) x 2 s b h bytes at the scale-up rate, plus latency
    letters = replace(machine(a100, "fp16"), alpha1=0.0)
    found = tensor_time(shape(GPT_530B, 2048, 280), degrees(Layout(tp=8)), letters, 8.0)
    assert found == pytest.approx(4 * 7 / 8 * 2 * 2048 * 20480 / letters.x1)


def test_a_wider_group_leaves_the_scale_up_domain(a100: Hardware) -> None:
    letters = machine(a100, "fp16")
    inside, outside = path(letters, 8.0, 1.0, 16.0), path(letters, 16.0, 1.0, 16.0)
    assert inside.x == letters.x1
    assert outside.x == min(letters.x1, 8 * letters.x3)  # eight adapters a host
    assert path(letters, 2.0, 8.0, 16.0).x == letters.x3  # one rank a host: one adapter


def test_context_and_pipeline_traffic_are_zero_alone(hopper: Machine, llama_70b: ModelSpec) -> None:
    work = shape(llama_70b, 8192, 8)
    assert context_time(work, degrees(Layout()), hopper, 1.0) == 0
    assert pipeline_time(work, degrees(Layout()), hopper, 1.0) == 0
    assert pipeline_time(work, degrees(Layout(pp=2)), hopper, 2.0) > 0
    assert context_time(work, degrees(Layout(cp=2)), hopper, 2.0) > 0


def test_fsdp_moves_half_again_what_an_all_reduce_moves(hopper: Machine, llama_70b: ModelSpec) -> None:
    # ZeRO section 7.2: stage 3 moves 3 Psi, an all-reduce 2 Psi
    letters = replace(hopper, alpha1=0.0, alpha3=0.0)
    work = shape(llama_70b, 8192, 64)
    once, _ = data_time(work, degrees(Layout(dp=64, zero=1)), letters, 64.0, 1.0)
    _, always = data_time(work, degrees(Layout(dp=64, zero=3)), letters, 64.0, 1.0)
    assert always / once == pytest.approx(1.5)


def test_hybrid_sharding_keeps_gathers_inside_its_group(hopper: Machine, llama_70b: ModelSpec) -> None:
    work = shape(llama_70b, 8192, 64)
    hybrid = degrees(Layout(dp=64, zero=3, shard_group=8))
    once, always = data_time(work, hybrid, hopper, 64.0, 1.0)
    _, everywhere = data_time(work, degrees(Layout(dp=64, zero=3)), hopper, 64.0, 1.0)
    assert once > 0
    assert always < everywhere


def test_the_optimizer_moves_forty_bytes_a_parameter(hopper: Machine) -> None:
    assert optimizer_time(1e9, 8.0, 1.0, hopper) == pytest.approx(40e9 / 8 / hopper.E)
    assert optimizer_time(1e9, 8.0, 0.0, hopper) == 0


def test_the_loss_grows_with_the_vocabulary(hopper: Machine, llama_70b: ModelSpec) -> None:
    small = replace(llama_70b, vocabulary=32_000)
    layout = degrees(Layout(tp=4))
    large, little = (loss_time(shape(spec, 8192, 1), layout, hopper) for spec in (llama_70b, small))
    assert 2 < large / little <= llama_70b.vocabulary / 32_000


def test_frozen_weights_need_no_weight_gradients(hopper: Machine, llama_70b: ModelSpec) -> None:
    layout = degrees(Layout(tp=4))
    full, frozen = (layer_time(shape(llama_70b, 4096, 1, lora), layout, hopper) for lora in (False, True))
    assert frozen.matmul_backward == pytest.approx(full.matmul_backward / 2)


def test_chips_under_a_tighter_power_limit_reach_less_of_their_peak() -> None:
    at = [power_share(watts, 989.5e12, 0.7074e-12, 0.3, 0.75) for watts in (350.0, 700.0)]
    assert at[0] < at[1] == pytest.approx(0.75, rel=1e-3)
    assert power_share(400, 148e12, 0.7074e-12, 0.3, 0.75) == pytest.approx(0.95)  # H20: power to spare
    assert power_share(0, 989.5e12, 0.7074e-12, 0.3, 0.75) == 0.75  # unknown limit


def test_young_and_daly() -> None:
    # stall 10 s, mean time between failures 10 h: sqrt(2 x 10 x 36,000) = 849 s
    assert young_daly(10, 36_000) == pytest.approx(848.5, abs=0.1)
    # first order: 1 - 10/849 - (424 + 300)/36,000 = 0.968
    assert useful_share(10, 848.5, 300, 36_000) == pytest.approx(0.968, abs=0.002)


def test_arrays_give_what_numbers_give(hopper: Machine, llama_70b: ModelSpec) -> None:
    work = shape(llama_70b, 8192, 256)
    layouts = [
        Layout(tp=8, pp=4, vp=5, dp=4),
        Layout(dp=128, zero=3, recompute="full"),
        Layout(tp=4, cp=2, dp=16, micro_batch=2),
    ]
    split = [degrees(layout) for layout in layouts]
    together = replace(
        split[0], **{name: np.array([getattr(one, name) for one in split]) for name in split[0].__dataclass_fields__}
    )
    assert np.allclose(
        step_time(work, together, hopper).total, [float(step_time(work, one, hopper).total) for one in split]
    )
    assert np.allclose(
        memory_use(work, together, hopper).total, [float(memory_use(work, one, hopper).total) for one in split]
    )
