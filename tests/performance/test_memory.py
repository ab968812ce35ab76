"""Memory by part against numbers published by others; the arithmetic stands in the comments."""

from __future__ import annotations

import pytest

from planner.model_spec import ModelSpec
from planner.performance.hardware import Hardware, Machine, machine
from planner.performance.layout import Layout, degrees
from planner.performance.memory import memory_use
from planner.performance.parameters import shape

GPT_7B = ModelSpec(
    "7.5b", layers=36, hidden_size=4096, ffn_size=16384, heads=32, kv_heads=32, vocabulary=51200, gated_mlp=False
)


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


def test_loss_scaling_adds_a_32_bit_copy_of_the_gradients_to_what_is_sharded(h100: Hardware) -> None:
    # 2 + 2 + (4 + 12)/64 bytes of 7.5e9: 31.9 GB
    assert states_gb(machine(h100, "fp16", fused_attention=False), 1) == pytest.approx(31.9, rel=0.01)
