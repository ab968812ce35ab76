"""Time of computation on one accelerator for one layer and one micro-batch, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.hardware import Machine
from planner.performance.layout import Degrees
from planner.performance.parameters import Number, Shape


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Seconds of the mean layer on one micro-batch; `latent_forward` is part of the forward products."""

    matmul_forward: Number
    matmul_backward: Number
    latent_forward: Number
    experts_forward: Number
    experts_backward: Number
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
    """Seconds of one layer's matrix multiplies in one direction, without routed experts.

    QKV, output projection, feed-forward up and down, column then row split over t: Shoeybi et al. 2019
    (arXiv:1909.08053), section 3. Key and value heads are repeated where t exceeds their number (Ainslie et al. 2023,
    arXiv:2305.13245). Latent attention projects down to its latents on every rank and up to its heads: DeepSeek-V2
    (arXiv:2405.04434), equations 37 to 47. A mixture of experts multiplies by its router and its shared experts.
    """
    n, t = tokens(shape, degrees), degrees.t

    def product(K: Number, N: Number) -> Number:
        return matmul_time(n, K, N, machine.G, machine.bytes_operand, machine)

    keys = np.maximum(shape.k / t, 1.0)
    plain = product(shape.h, shape.a / t * shape.d + keys * (shape.d + shape.d_v))
    down = product(shape.h, shape.l_kv + np.where(shape.l_q > 0, shape.l_q, shape.a * shape.d / t))
    qkv = np.where(shape.l_kv > 0, down + latent_time(shape, degrees, machine), plain)
    mlp = product(shape.h, (shape.g - 1.0) * shape.f / t) + product(shape.f / t, shape.h)
    router = shape.L_m / shape.L * product(shape.h, shape.q) / np.where(degrees.sp > 0, t, 1.0)
    return qkv + product(shape.a * shape.d_v / t, shape.h) + np.where(shape.f > 0, mlp, 0.0) + router


def latent_time(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Seconds to expand the latents of latent attention into query, key and value heads; 0 for other attention.

    DeepSeek-V2 (arXiv:2405.04434), equations 38 and 42 to 44.
    """
    n, t = tokens(shape, degrees), degrees.t
    w, R = machine.bytes_operand, machine.G
    up_q = matmul_time(n, shape.l_q, shape.a * shape.d / t, R, w, machine)
    heads = shape.a / t * (shape.d - shape.d_rope + shape.d_v)
    up_kv = matmul_time(n, shape.l_kv - shape.d_rope, heads, R, w, machine)
    return np.where(shape.l_kv > 0, np.where(shape.l_q > 0, up_q, 0.0) + up_kv, 0.0)


def expert_tokens(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Copies of tokens that the busiest rank's experts receive of one micro-batch: n r / t times the imbalance.

    With tensor parallelism each rank routes its share of the sequence (sequence parallelism), otherwise all of it.
    """
    split = np.where(degrees.sp > 0, degrees.t, 1.0)
    return machine.imbalance * tokens(shape, degrees) * shape.r / split


def experts_time(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Seconds of the routed experts' grouped products in one direction, mean over the layers.

    q/e experts on each rank share the copies they receive; each has its own weights to read and a last tile that is
    half empty: Gale et al. 2022 (MegaBlocks, arXiv:2211.15841), section 5.
    """
    held = shape.q / degrees.e
    M = expert_tokens(shape, degrees, machine) + held * machine.tile / 2.0
    rate = machine.G * machine.grouped
    w = machine.bytes_operand
    F = 2.0 * M * shape.g * shape.h * (shape.y + machine.depth)
    X = w * (M * (shape.h + shape.y) + held * shape.g * shape.h * shape.y) + 2.0 * M * (
        (shape.g - 1.0) * shape.y + shape.h
    )
    return shape.L_m / shape.L * (F / rate + machine.roofline * X / machine.W)


def attention_time(shape: Shape, degrees: Degrees, machine: Machine) -> tuple[Number, Number]:
    """Seconds of one layer's attention, forward and backward.

    Fused: FlashAttention-2 (arXiv:2307.08691), section 3: 2 s^2 (d + d_v) a FLOPs forward, 2.5 times as many backward
    (it computes the scores again), half of them under a causal mask, fewer in a window. Otherwise two batched products
    without the mask's saving, and the scores through memory: scale, mask and softmax, dropout read and write 9 a s^2 b
    bytes forward and 11 backward (element sizes of Korthikanti et al., arXiv:2205.05198, section 4.1).
    """
    n, t, s = tokens(shape, degrees), degrees.t, shape.s
    F = 2.0 * n * shape.reach * (shape.d + shape.d_v) * shape.a / t
    rate = machine.A * shape.d / (shape.d + machine.head_size) * (128.0 + machine.head_size) / 128.0
    fused = F / rate
    scores = n * s * shape.a / t
    product = 2.0 * scores * (shape.d + shape.d_v) / machine.U + machine.roofline * 4.0 * scores / machine.W
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


def routing_bytes(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Bytes of memory traffic of routing in one layer's forward pass, mean over the layers.

    Each token copy is gathered for its expert's rank, sorted by expert, brought back into order and weighted: four
    reads and three writes of 2 h bytes, of which fused kernels save all but the share `routing`; between them the
    activation of width y, and quantising under 8-bit training. The router writes and reads 32-bit scores: Megatron
    Core's MoE token dispatcher (arXiv:2504.14960).
    """
    copies = expert_tokens(shape, degrees, machine)
    gated = shape.g - 2.0
    each = machine.routing * 14.0 * shape.h + (4.0 + 2.0 * gated) * shape.y + machine.cast * 4.0 * (shape.h + shape.y)
    scores = tokens(shape, degrees) * 16.0 * shape.q / np.where(degrees.sp > 0, degrees.t, 1.0)
    return shape.L_m / shape.L * (copies * each + scores)


def layer_time(shape: Shape, degrees: Degrees, machine: Machine) -> LayerTime:
    """Seconds of one layer on one micro-batch.

    Backward runs each product twice (input and weight gradients), once where weights are frozen (LoRA,
    arXiv:2106.09685); elementwise kernels move 1.4 times the bytes (a norm 6 h for 4 h, an addition 6 h, GELU 6 f for
    4 f, a gate 10 f for 6 f), and each micro-batch adds its weight gradients to 32-bit sums (8 bytes read and written
    per weight): by a kernel of its own, or since 2023 by the product that makes them (Megatron-LM's gradient
    accumulation fusion), which hides most of the traffic. A layer never takes less than launching its kernels; a
    mixture of experts launches many more and waits for the routing.
    """
    linear = linear_time(shape, degrees, machine)
    experts = experts_time(shape, degrees, machine)
    attention, attention_backward = attention_time(shape, degrees, machine)
    elementwise = (elementwise_bytes(shape, degrees, machine) + routing_bytes(shape, degrees, machine)) / machine.E
    launch = machine.launch + shape.L_m / shape.L * machine.expert_launch
    idle = np.maximum(launch - linear - experts - attention - elementwise, 0.0)
    linear_backward = (2.0 - shape.lora) * machine.backward * linear
    experts_backward = (2.0 - shape.lora) * machine.backward * experts
    held = shape.N_layer / degrees.t + shape.L_m / shape.L * shape.q * shape.N_expert / degrees.e
    exposed_sums = np.where(machine.fused > 0, machine.roofline / machine.W, 1.0 / machine.E)
    sums = (1.0 - shape.lora) * 8.0 * held * exposed_sums
    elementwise_backward = 1.4 * elementwise + sums
    idle_backward = np.maximum(
        2.0 * launch - linear_backward - experts_backward - attention_backward - elementwise_backward, 0.0
    )
    return LayerTime(
        linear,
        linear_backward,
        latent_time(shape, degrees, machine),
        experts,
        experts_backward,
        attention,
        attention_backward,
        elementwise + idle,
        elementwise_backward + idle_backward,
    )


def loss_time(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Seconds of output projection and cross-entropy of one micro-batch, forward and backward, and of the embedding.

    The projection stays in 16 bits under 8-bit recipes (Transformer Engine); logits are kept in 32 bits and cross
    memory four times (Korthikanti et al., arXiv:2205.05198, section 4.3). Each layer of multi-token prediction does it
    all once more (DeepSeek-V3, arXiv:2412.19437, section 2.2).
    """
    n, t = tokens(shape, degrees), degrees.t
    product = matmul_time(n, shape.h, shape.V / t, machine.U, 2.0, machine)
    return (1.0 + shape.mtp) * (
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
