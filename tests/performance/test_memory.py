"""Memory by part against numbers published by others; the arithmetic stands in the comments."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hardware_catalog.catalog import load
from planner.architecture import model
from planner.model_spec import ModelSpec
from planner.performance.hardware import GIB, Hardware, Machine, hardware_of_accelerator, machine
from planner.performance.layout import Layout, degrees
from planner.performance.memory import held_parameters, layer_activations, memory_use
from planner.performance.parameters import shape
from planner.performance.pipeline import kept_layers
from planner.performance.software import Software

GPT_7B = ModelSpec(
    "7.5b", layers=36, hidden_size=4096, ffn_size=16384, heads=32, kv_heads=32, vocabulary=51200, gated_mlp=False
)
BLOOM = model("bloom-176b")
LLAMA_8B = model("llama-3-8b")
LLAMA_2_70B = model("llama-2-70b")
LLAMA_405B = model("llama-3.1-405b")
LLAMA_70B_12 = replace(model("llama-3-70b"), layers=12)
LLAMA_405B_4 = replace(LLAMA_405B, layers=4, kv_heads=16)
DEEPSEEK_V2_4 = replace(model("deepseek-v2"), layers=4, dense_layers=1)
DEEPSEEK_V3_4 = replace(model("deepseek-v3"), layers=4, dense_layers=1, mtp_layers=0)


@pytest.fixture
def b200() -> Hardware:
    return hardware_of_accelerator(load(), "b200-sxm-180")


@pytest.fixture
def hopper(h100: Hardware) -> Machine:
    return machine(h100, "bf16")


def states_gb(work_machine: Machine, zero: int) -> float:
    """Weights, gradients and optimizer state of 7.5B parameters on 64 ranks, in GB."""
    used = memory_use(shape(GPT_7B, 2048, 64), degrees(Layout(dp=64, zero=zero)), work_machine)
    return float((used.weights + used.gradients + used.optimizer) * 7.5e9 / GPT_7B.parameters / 1e9)


@pytest.mark.parametrize(("zero", "gigabytes"), [(0, 120.0), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_gradients_of_two_bytes_give_the_table_of_zero(h100: Hardware, zero: int, gigabytes: float) -> None:
    # arXiv:1910.02054, figure 1: 7.5B parameters, 64 ranks, 16 bytes each: 120 GB; 31.4, 16.6 and 1.9 GB by stage
    assert states_gb(machine(h100, "fp8"), zero) == pytest.approx(gigabytes, rel=0.02)


@pytest.mark.parametrize(("zero", "gigabytes"), [(0, 135.0), (1, 46.4), (2, 16.6), (3, 1.9)])
def test_gradients_summed_in_32_bits_take_two_bytes_more_until_they_are_sharded(
    hopper: Machine, zero: int, gigabytes: float
) -> None:
    # Megatron: 2 + 4 + 12 bytes (2 + 4 + 12/64 with the distributed optimizer), 15 GB more than ZeRO's table
    assert states_gb(hopper, zero) == pytest.approx(gigabytes, rel=0.02)


def test_training_in_32_bits_has_one_copy_of_the_weights(h100: Hardware) -> None:
    # 4 (weight) + 4 (gradient) + 8 (two moments) = 16 bytes: 120 GB
    assert states_gb(machine(h100, "fp32"), 0) == pytest.approx(120.0, rel=0.02)


def test_loss_scaling_makes_32_bit_gradients_in_the_room_of_activations(h100: Hardware) -> None:
    # a step without activations holds 2 + 2 + 4 + 12 bytes of 7.5e9: 150 GB, which ends by the time they are kept
    letters, work = machine(h100, "fp16", software=Software(fused_attention=False)), shape(GPT_7B, 2048, 64)
    used = memory_use(work, degrees(Layout(dp=64, zero=0, recompute="full")), letters)
    states = used.weights + used.gradients + used.optimizer + used.activations
    assert states * 7.5e9 / GPT_7B.parameters / 1e9 == pytest.approx(150.0, rel=0.001)
    # activations of 34 GB outlast the 4/64 bytes of stage 1: ZeRO's 31.4 GB
    assert states_gb(letters, 1) == pytest.approx(31.4, rel=0.01)


def test_8_bit_recipes_keep_the_inputs_of_linear_layers_in_8_bits(h100: Hardware) -> None:
    # Llama 3 8B, h = 4096, f = 14336, 32 + 2 * 8 heads of 128, bytes a token:
    # 16 bits: 4 h + 4 h (norms' inputs and outputs) + 2 * 6144 (QKV) + 2 h (attention) + 6 f = 139,264
    # 8 bits: 4 h + 2 h + 2 * 6144 + 3 h (attention output twice) + 5 f = 120,832
    work, plain = shape(LLAMA_8B, 8192, 64), degrees(Layout(dp=64))
    assert layer_activations(work, plain, machine(h100, "bf16")) == pytest.approx(8192 * 139264)
    assert layer_activations(work, plain, machine(h100, "fp8")) == pytest.approx(8192 * 120832)


def test_mlperf_lora_on_llama_2_70b_keeps_what_was_measured(b200: Hardware) -> None:
    # MLPerf Training v5.0, max_memory_usage of one copy on 2, 4 and 8 context-parallel B200s: 134, 100, 82 GiB.
    # 134 - 82 = 52 GiB are 3/8 of the activations of 80 layers on 8192 tokens: 139 GiB
    work = shape(LLAMA_2_70B, 8192, 8, lora=True)
    spread = machine(b200, "fp8")
    kept = 80 * layer_activations(work, degrees(Layout()), spread) / GIB
    assert kept == pytest.approx(139.0, rel=0.05)
    # what is left at 8: 82 - 139/8 = 65 GiB: 69e9 frozen weights of one byte are 64.3
    assert memory_use(work, degrees(Layout(cp=8, zero=0)), spread).weights / GIB == pytest.approx(65.0, rel=0.03)


def test_training_in_32_bits_keeps_the_attention_probabilities(h100: Hardware) -> None:
    # FlashAttention takes 16 bits only. 7.5B, s = 2048, bytes a token: twice the 32 h of 16 bits, and 4 a s
    kept = layer_activations(shape(GPT_7B, 2048, 64), degrees(Layout(dp=64)), machine(h100, "fp32"))
    assert kept == pytest.approx(2048 * (64 * 4096 + 4 * 32 * 2048))


def test_an_embedding_in_place_of_a_layer_is_not_counted_on_top_of_it() -> None:
    # Llama 3.1 405B, 126 layers on 16 stages: 7 layers and the embedding first, then 8 layers; 2.1e9 < 3.19e9 a layer
    work = shape(LLAMA_405B, 8192, 512)
    stage = held_parameters(work, degrees(Layout(tp=8, pp=16)), 8.0)
    assert stage == pytest.approx(8 * LLAMA_405B.layer_parameters / 8)
    # BLOOM, 70 layers on 12 stages: 5 layers and 250,880 * 14336 = 3.6e9 of embedding outweigh 6 layers of 2.47e9
    stage = held_parameters(shape(BLOOM, 2048, 2048), degrees(Layout(tp=4, pp=12)), 6.0)
    assert stage == pytest.approx((5 * BLOOM.layer_parameters + BLOOM.embedding_parameters) / 4)


def test_stages_of_uneven_pipelines_keep_fewer_layers() -> None:
    # 126 layers, 8 stages of 8 chunks of 2 layers: the first stage 71 chunks in flight, 15 of them of one layer, 127;
    # the second 69 chunks of 2 layers, 138
    assert kept_layers(126.0, 16.0, 8.0, 8.0, 96.0) == pytest.approx(138)
    # 70 layers on 12 stages, plain: 12 * 5 on the first, 11 * 6 on the second
    assert kept_layers(70.0, 6.0, 12.0, 1.0, 256.0) == 66
    assert kept_layers(96.0, 8.0, 12.0, 1.0, 256.0) == 96  # even: 12 * 8


@pytest.mark.parametrize(
    ("accelerator", "layout", "gibibytes"),
    [
        ("h100-sxm5-80", Layout(tp=8, pp=8, vp=8, cp=2, dp=16), 52.5),
        ("h100-sxm5-80", Layout(tp=8, pp=8, vp=8, cp=2, dp=4), 58.8),
        ("h200-sxm-141", Layout(tp=4, pp=8, vp=8, cp=2, dp=16), 104.8),
    ],
)
def test_llama_405b_takes_the_memory_that_mlperf_logs(accelerator: str, layout: Layout, gibibytes: float) -> None:
    # MLPerf Training v5.0, max_memory_usage: allocated, so without the reserve
    letters = machine(hardware_of_accelerator(load(), accelerator), "fp8")
    used = memory_use(shape(LLAMA_405B, 8192, 1152), degrees(layout), letters)
    assert (used.total - used.reserve) / GIB == pytest.approx(gibibytes, rel=0.1)


@pytest.mark.parametrize(
    ("spec", "layout", "sequence_length", "gibibytes"),
    [
        (LLAMA_70B_12, Layout(pp=2, dp=4), 4096, 66.55),
        (LLAMA_70B_12, Layout(tp=2, dp=4), 4096, 60.68),
        (LLAMA_70B_12, Layout(tp=4, dp=2), 4096, 39.07),
        (LLAMA_70B_12, Layout(tp=8), 4096, 28.29),
        (LLAMA_405B_4, Layout(pp=2, dp=4), 4096, 87.08),
        (LLAMA_405B_4, Layout(tp=2, dp=4), 4096, 81.59),
        (LLAMA_405B_4, Layout(tp=4, dp=2), 4096, 52.89),
        (LLAMA_405B_4, Layout(tp=8), 4096, 38.57),
        (LLAMA_70B_12, Layout(tp=2, cp=4), 32768, 68.43),
        (LLAMA_70B_12, Layout(cp=8), 32768, 104.51),
        (LLAMA_405B_4, Layout(tp=2, cp=4), 32768, 87.03),
        (LLAMA_405B_4, Layout(cp=8), 32768, 139.22),
        (LLAMA_70B_12, Layout(tp=2, cp=4), 131072, 112.67),
        (LLAMA_70B_12, Layout(cp=8), 131072, 147.99),
        (LLAMA_405B_4, Layout(tp=2, cp=4), 131072, 118.13),
    ],
)
def test_truncated_llamas_take_what_simumax_measured(
    b200: Hardware, spec: ModelSpec, layout: Layout, sequence_length: int, gibibytes: float
) -> None:
    # github:MooreThreads/SimuMax docs/b200/b200_release_v1.2_summary.md: largest torch.cuda.max_memory_allocated of
    # all ranks, Megatron in bf16 with 32-bit gradients on 8 B200s; allocated, so without the reserve
    used = memory_use(shape(spec, sequence_length, 4 * layout.dp), degrees(layout), machine(b200, "bf16"))
    assert (used.total - used.reserve) / GIB == pytest.approx(gibibytes, rel=0.03)


def test_sharding_llama_8b_over_more_ranks_frees_what_torchtitan_measured(h100: Hardware) -> None:
    # github:pytorch/torchtitan benchmarks/llama3_h100_202412_torchtitan.md, tables 1 and 3, torch.compile: 77.0 GiB on
    # 8 ranks, 62.0 on 128. 16 bytes of 8.03e9 weights: (1/8 - 1/128) * 119.7 = 14.0 GiB
    few, many = (
        memory_use(shape(LLAMA_8B, 8192, 2 * n), degrees(Layout(dp=n, zero=3, micro_batch=2)), machine(h100, "bf16"))
        for n in (8, 128)
    )
    assert (few.total - many.total) / GIB == pytest.approx(77.0 - 62.0, rel=0.1)


@pytest.mark.parametrize(
    ("spec", "layout", "fits"),
    [
        (model("llama-2-13b"), Layout(dp=64, zero=3, micro_batch=2, recompute="none"), True),
        (LLAMA_2_70B, Layout(dp=64, zero=3, micro_batch=2, recompute="selective"), False),
        (LLAMA_2_70B, Layout(dp=64, zero=3, micro_batch=2, recompute="full"), True),
    ],
)
def test_torchtitan_on_a100s_fits_where_it_ran_and_not_where_it_ran_out_of_memory(
    a100: Hardware, spec: ModelSpec, layout: Layout, fits: bool
) -> None:
    # github:pytorch/torchtitan docs/performance.md at 04133643: Llama 2 on 64 A100s, FSDP; "the 70B training with
    # local batch size 2 will cause an OOM error when selective activation checkpointing is used"
    letters = machine(a100, "bf16")
    assert (memory_use(shape(spec, 4096, 128), degrees(layout), letters).total <= letters.memory) == fits


@pytest.mark.parametrize(
    ("layers", "precision", "layout", "gigabytes"),
    [
        (72, "fp16", Layout(tp=8, pp=12, dp=4, micro_batch=4), 49.0),
        (72, "fp16", Layout(tp=8, pp=6, dp=8, micro_batch=4), 56.0),
        (72, "fp16", Layout(tp=8, pp=4, dp=12, micro_batch=4), 59.0),
        (72, "fp16", Layout(tp=4, pp=12, dp=8, micro_batch=2), 44.0),
        (70, "bf16", Layout(tp=8, pp=12, dp=4, micro_batch=2), 40.0),
        (70, "bf16", Layout(tp=4, pp=12, dp=8, micro_batch=2), 59.0),
        (70, "bf16", Layout(tp=4, pp=12, dp=8, micro_batch=4), 73.0),
    ],
)
def test_blooms_trials_take_what_nvidia_smi_showed(
    a100: Hardware, layers: int, precision: str, layout: Layout, gigabytes: float
) -> None:
    # github:bigscience-workshop/bigscience train/tr11-176B-ml/chronicles-prequel.md, h = 14336, full recomputation,
    # no sequence parallelism; whole GB of the fullest GPU, context and fragmentation included
    split = replace(layout, recompute="full", sequence_parallel=False)
    letters = machine(a100, precision, software=Software(fused_attention=False))
    used = memory_use(shape(replace(BLOOM, layers=layers), 2048, 2048), degrees(split), letters)
    assert used.total / 1e9 == pytest.approx(gigabytes, rel=0.12)


@pytest.mark.parametrize(
    ("name", "layout", "sequences", "none", "selective"),
    [
        ("megatron-22b", Layout(tp=8, micro_batch=4), 4, 59.25, 9.56),
        ("gpt-3-175b", Layout(tp=8, pp=8, vp=3), 64, 66.84, 12.35),
        ("megatron-530b", Layout(tp=8, pp=35, vp=3), 280, 114.02, 23.08),
        ("megatron-1t", Layout(tp=8, pp=64), 512, 131.25, 26.56),
    ],
)
def test_activations_are_those_of_korthikantis_figure_one(
    a100: Hardware, name: str, layout: Layout, sequences: int, none: float, selective: float
) -> None:
    # arXiv:2205.05198, figure 1, GiB of activations without recomputation and with sequence parallelism and selective
    # recomputation, as read by github:calculon-ai/calculon calculon/llm/validation.py
    letters, work = machine(a100, "fp16", software=Software(fused_attention=False)), shape(model(name), 2048, sequences)
    plain = memory_use(work, degrees(replace(layout, sequence_parallel=False)), letters)
    assert plain.activations / GIB == pytest.approx(none, rel=0.05)
    assert plain.total > letters.memory  # figure 1: none of the four fits an 80 GB A100
    both = memory_use(work, degrees(replace(layout, recompute="selective")), letters)
    assert both.activations / GIB == pytest.approx(selective, rel=0.05)
    assert both.total < letters.memory  # table 5: all four ran


@pytest.mark.parametrize(
    ("spec", "layout", "gibibytes"),
    [
        (DEEPSEEK_V2_4, Layout(dp=8, ep=8), 45.63),
        (DEEPSEEK_V2_4, Layout(pp=2, dp=4, ep=4), 44.70),
        (DEEPSEEK_V3_4, Layout(dp=8, ep=8), 104.30),
        (DEEPSEEK_V3_4, Layout(pp=2, dp=4, ep=4), 114.00),
    ],
)
def test_truncated_mixtures_of_experts_take_what_simumax_measured(
    b200: Hardware, spec: ModelSpec, layout: Layout, gibibytes: float
) -> None:
    # as for the dense models; one dense layer, experts padded to a capacity factor of 1 (run_pretrain_deepseekv2.sh)
    letters = replace(machine(b200, "bf16"), imbalance=1.0)
    used = memory_use(shape(spec, 4096, 4 * layout.dp), degrees(layout), letters)
    assert (used.total - used.reserve) / GIB == pytest.approx(gibibytes, rel=0.05)
