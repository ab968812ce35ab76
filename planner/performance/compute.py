"""Time of computation on one accelerator for one layer and one micro-batch, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.hardware import Machine
from planner.performance.layout import Degrees
from planner.performance.parameters import Number, Shape


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Seconds of one layer on one micro-batch."""

    matmul_forward: Number
    matmul_backward: Number
    attention_forward: Number
    attention_backward: Number
    elementwise_forward: Number
    elementwise_backward: Number


def matmul_time(M: Number, K: Number, N: Number, R: Number, w: Number, machine: Machine) -> Number:
    """Seconds of an (M, K) by (K, N) product at R FLOP/s, with w-byte operands and a 2-byte result.

    Roofline (Williams et al. 2009, doi:10.1145/1498765.1498785) with a soft knee: of the memory time, the share
    `roofline` adds to the arithmetic time 2 M K N / R, so the rate grows smoothly with arithmetic intensity. Each tile
    of the result pays for starting and storing as much as for `depth` steps of the inner dimension K (NVIDIA, "Matrix
    Multiplication Background User's Guide", section 4).
    """
    X = w * (M * K + K * N) + 2.0 * M * N
    return 2.0 * M * N * (K + machine.depth) / R + machine.roofline * X / machine.W


def tokens(shape: Shape, degrees: Degrees) -> Number:
    """Tokens of one micro-batch on one context-parallel rank, n = s b / c."""
    return shape.s * degrees.b / degrees.c


def linear_time(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Seconds of one layer's matrix multiplies in one direction: QKV, output projection, feed-forward up and down.

    Column then row split over t: Shoeybi et al. 2019 (arXiv:1909.08053), section 3. Key and value heads are repeated
    where t exceeds their number (Ainslie et al. 2023, arXiv:2305.13245).
    """
    n, t = tokens(shape, degrees), degrees.t
    qkv = (shape.a / t + 2.0 * np.maximum(shape.k / t, 1.0)) * shape.d
    w, R = machine.bytes_operand, machine.G
    return (
        matmul_time(n, shape.h, qkv, R, w, machine)
        + matmul_time(n, shape.a * shape.d / t, shape.h, R, w, machine)
        + matmul_time(n, shape.h, (shape.g - 1.0) * shape.f / t, R, w, machine)
        + matmul_time(n, shape.f / t, shape.h, R, w, machine)
    )


def attention_time(shape: Shape, degrees: Degrees, machine: Machine) -> tuple[Number, Number]:
    """Seconds of one layer's attention, forward and backward.

    Fused: FlashAttention-2 (arXiv:2307.08691), section 3: 4 s^2 d a FLOPs forward, 2.5 times as many backward (it
    computes the scores again), half of them under a causal mask. Otherwise two batched products without the mask's
    saving, and the scores through memory: scale, mask and softmax, dropout read and write 9 a s^2 b bytes forward and
    11 backward (element sizes of Korthikanti et al., arXiv:2205.05198, section 4.1).
    """
    n, t, s = tokens(shape, degrees), degrees.t, shape.s
    reach = shape.window * (1.0 - shape.window / (2.0 * s))  # keys a query sees on average; s/2 without a window
    F = 4.0 * n * reach * shape.d * shape.a / t
    rate = machine.A * shape.d / (shape.d + machine.head_size) * (128.0 + machine.head_size) / 128.0
    fused = F / rate
    scores = n * s * shape.a / t
    product = 4.0 * scores * shape.d / machine.U + machine.roofline * 4.0 * scores / machine.W
    forward = np.where(machine.fused > 0, fused, product + 9.0 * scores / machine.E)
    backward = np.where(machine.fused > 0, 2.5 * fused, 2.0 * machine.backward * product + 11.0 * scores / machine.E)
    return forward, backward


def elementwise_bytes(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Bytes of memory traffic of one layer's forward elementwise kernels: norms, residuals, activation, rotary, casts.

    Counted from Korthikanti et al. (arXiv:2205.05198), section 4.1: a norm reads and writes 4 h bytes a token, a
    residual addition 6 h, dropout 5 h; a gated activation reads 4 f and writes 2 f, GELU 4 f in all. Sequence
    parallelism divides what lies outside the tensor-parallel region by t. Quantising reads 2 bytes and writes 2 of 1
    byte (Transformer Engine keeps a transpose) for each input of a linear layer. Low-rank adapters read and drop out
    their input (7 bytes a value) and are added to the output (6), `adapters` times that with their small products.
    """
    n, t = tokens(shape, degrees), degrees.t
    split = np.where(degrees.sp > 0, t, 1.0)
    norms = (2.0 - shape.parallel) * 4.0 * shape.h
    outside = norms + 12.0 * shape.h + np.where(machine.fused > 0, 0.0, 10.0 * shape.h)
    gated = shape.g - 2.0
    inside = (4.0 + 2.0 * gated) * shape.f + 4.0 * (shape.a + shape.k) * shape.d
    inputs = 2.0 * shape.h + shape.a * shape.d + shape.f
    outputs = (shape.a + 2.0 * shape.k) * shape.d + 2.0 * shape.h + (shape.g - 1.0) * shape.f
    adapters = machine.adapters * shape.lora * (7.0 * inputs + 6.0 * outputs) / t
    cast = machine.cast * 4.0 * (2.0 * shape.h + (shape.a * shape.d + shape.f) / t)
    return n * (outside / split + inside / t + adapters + cast)


def layer_time(shape: Shape, degrees: Degrees, machine: Machine) -> LayerTime:
    """Seconds of one layer on one micro-batch.

    Backward runs each product twice (input and weight gradients), once where weights are frozen (LoRA,
    arXiv:2106.09685); elementwise kernels move 1.4 times the bytes (a norm 6 h for 4 h, an addition 6 h, GELU 6 f for
    4 f, a gate 10 f for 6 f), and each micro-batch adds its weight gradients to 32-bit sums (8 bytes read and written
    per weight). A layer never takes less than launching its kernels.
    """
    linear = linear_time(shape, degrees, machine)
    attention, attention_backward = attention_time(shape, degrees, machine)
    elementwise = elementwise_bytes(shape, degrees, machine) / machine.E
    idle = np.maximum(machine.launch - linear - attention - elementwise, 0.0)
    linear_backward = (2.0 - shape.lora) * machine.backward * linear
    sums = (1.0 - shape.lora) * 8.0 * shape.N_layer / degrees.t / machine.E
    elementwise_backward = 1.4 * elementwise + sums
    idle_backward = np.maximum(2.0 * machine.launch - linear_backward - attention_backward - elementwise_backward, 0.0)
    return LayerTime(
        linear, linear_backward, attention, attention_backward, elementwise + idle, elementwise_backward + idle_backward
    )


def loss_time(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Seconds of output projection and cross-entropy of one micro-batch, forward and backward, and of the embedding.

    The projection stays in 16 bits under 8-bit recipes (Transformer Engine); logits are kept in 32 bits and cross
    memory four times (Korthikanti et al., arXiv:2205.05198, section 4.3).
    """
    n, t = tokens(shape, degrees), degrees.t
    product = matmul_time(n, shape.h, shape.V / t, machine.U, 2.0, machine)
    return (
        (1.0 + (2.0 - shape.lora) * machine.backward) * product
        + 16.0 * n * shape.V / t / machine.E
        + 12.0 * n * shape.h / machine.E
    )


def optimizer_time(parameters: Number, shard: Number, trained: Number, machine: Machine) -> Number:
    """Seconds of one Adam update: 40 bytes moved per parameter held by this rank.

    Reads gradient, weight and two moments (16 bytes), writes weight, moments and the 16-bit copy (14), and reads the
    gradients again to clip and clear them (10): ZeRO (arXiv:1910.02054), section 3.1.
    """
    return trained * 40.0 * parameters / shard / machine.E
