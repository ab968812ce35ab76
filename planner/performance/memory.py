"""Memory of the fullest accelerator, by part, in bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from planner.performance.compute import expert_tokens, tokens
from planner.performance.hardware import Machine
from planner.performance.layout import Degrees
from planner.performance.parameters import Number, Shape, layers_per_stage, stage_experts, stage_parameters
from planner.performance.pipeline import kept_layers


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes on one accelerator; the total is the sum of the parts."""

    weights: Number
    gradients: Number
    optimizer: Number
    activations: Number
    logits: Number
    buffers: Number
    reserve: Number

    @property
    def total(self) -> Number:
        """Sum of the parts."""
        return sum((getattr(self, part.name) for part in fields(self)), start=0.0)


def layer_activations(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Bytes one layer keeps for its backward pass on one micro-batch.

    Korthikanti et al. (arXiv:2205.05198), equations 1 to 4: s b h (10 + 24/t + 5 a s/(h t)) with tensor parallelism,
    all of it divided by t with sequence parallelism, for GELU, as many key/value heads as heads, dropout and scores
    kept. FlashAttention keeps no scores, recent models no dropout; a gated block keeps 6 f for 4 f. Selective
    recomputation drops the scores, or where there are none the outputs of norms and activation (Megatron Core
    `--recompute-modules layernorm mlp_act`). FlashAttention takes 16 bits only: in 32 bits the probabilities are kept.

    8-bit recipes (Transformer Engine) keep the inputs of linear layers in 8 bits and all else in 16, so the attention
    output twice. Under frozen weights those inputs are not needed; low-rank adapters beside QKV and output projection
    (arXiv:2106.09685) keep theirs after dropout, and its mask: 3 bytes a value.

    Latent attention also keeps its latents; each token copy sent to an expert keeps its input, its result and what the
    feed-forward keeps. Selective recomputation drops an expert's activation and the heads expanded from latents
    (DeepSeek-V3, arXiv:2412.19437, section 3.2.3).
    """
    n, t = tokens(shape, degrees), degrees.t
    split = np.where(degrees.sp > 0, t, 1.0)
    w = np.maximum(machine.bytes_operand, 2.0)
    x = (1.0 - shape.lora) * np.where(machine.cast > 0, machine.bytes_operand, w)  # an input of a linear layer
    adapters = 3.0 * shape.lora * (shape.h / split + shape.a * shape.d_v / t)
    outside = (2.0 * w + 2.0 * x) * shape.h + np.where(machine.fused > 0, 0.0, 2.0 * shape.h)
    heads = shape.a / t * shape.d + np.maximum(shape.k / t, 1.0) * (shape.d + shape.d_v)
    qkv = w * (heads + shape.l_q + shape.l_kv)
    inside = ((w + machine.cast * x) * shape.a * shape.d_v + (w * (shape.g - 1.0) + x) * shape.f) / t
    probabilities = np.where(machine.fused > 0, np.where(machine.bytes_operand > 2.0, w, 0.0), 2.0 * w + 1.0)
    scores = np.where(degrees.selective > 0, 0.0, probabilities * shape.a * shape.s / t)
    cheap = x * (2.0 * shape.h / split + shape.f / t) + np.where(shape.l_kv > 0, w * heads, 0.0)
    saved = np.where((machine.fused > 0) & (degrees.selective > 0), cheap, 0.0)
    experts = (w + x) * shape.h + (w * (shape.g - 1.0) + (1.0 - degrees.selective) * x) * shape.y
    routed = shape.L_m / shape.L * expert_tokens(shape, degrees, machine) * experts
    return n * (outside / split + qkv + inside + adapters + scores - saved) + routed


def checkpoint(shape: Shape, degrees: Degrees) -> Number:
    """Bytes one layer keeps under full recomputation in 16 bits: its input, 2 s b h (Korthikanti et al., section 5)."""
    return 2.0 * tokens(shape, degrees) * shape.h / np.where(degrees.sp > 0, degrees.t, 1.0)


def outputs(shape: Shape, degrees: Degrees, machine: Machine, m: Number) -> Number:
    """Bytes of stage outputs that software from before 2023 keeps for every micro-batch in flight, 2 s b h each.

    Later ones free them once sent: Korthikanti et al. (arXiv:2205.05198), appendix B.
    """
    kept = np.where(degrees.p > 1, np.minimum(degrees.p, m), 0.0)
    return np.where(machine.fused > 0, 0.0, kept * checkpoint(shape, degrees))


def held_parameters(shape: Shape, degrees: Degrees, ell: Number) -> Number:
    """Parameters on one accelerator of the fullest stage, of ell layers or of embedding and one layer less."""
    both = stage_parameters(shape, degrees.t, degrees.p, degrees.v)
    layer = shape.N_layer / degrees.t
    return np.where(ell * degrees.p > shape.L + 0.5, np.maximum(both - layer, ell * layer), both)


def gradient_bytes(degrees: Degrees, machine: Machine) -> Number:
    """Bytes of gradients per weight before sharding.

    Below ZeRO stage 2 they are summed over micro-batches in 32 bits (Megatron's `accumulate-allreduce-grads-in-fp32`,
    which bf16 switches on), in software from before 2023 beside 16-bit ones (DeepSpeed's bf16 optimizer, as BLOOM used
    it). Loss scaling (fp16) and 8-bit recipes (NVIDIA's set `grad_reduce_in_fp32` false) keep 2 bytes. From stage 2 on
    they are sharded as they arise, 2 bytes: ZeRO (arXiv:1910.02054), section 3.1; FSDP's 4 are those 2 and the 2 that
    its 32-bit weights save in the optimizer.
    """
    summed = np.where(machine.fused > 0, 4.0, 6.0)
    half = (degrees.z >= 2) | (machine.scaled > 0) | (machine.bytes_operand < 2.0)
    return np.where(machine.bytes_operand > 2.0, 4.0, np.where(half, 2.0, summed))


def layer_buffers(shape: Shape, degrees: Degrees, machine: Machine) -> Number:
    """Bytes of activations that exist only while one layer is computed.

    The sequence gathered from the tensor-parallel ranks and its gradient, 4 h a token, and the gradients of the
    feed-forward block, as many bytes as it keeps.
    """
    block = np.maximum(machine.bytes_operand, 2.0) * shape.g * shape.f / degrees.t
    return tokens(shape, degrees) * (4.0 * shape.h + block)


def weight_buffers(shape: Shape, degrees: Degrees, w: Number) -> Number:
    """Bytes of weights and their gradients that exist only while one layer is computed, with weights of w bytes.

    16-bit gradients on their way to the sums, 2 bytes; one of each shape in Transformer Engine, so experts hardly
    count. FSDP also gathers two layers and the output table: Zhao et al. 2023 (arXiv:2304.11277), section 3.
    """
    dense, table = shape.N_layer / degrees.t, shape.N_embedding / shape.tables / degrees.t
    experts = np.where(shape.L_m > 0, shape.q * shape.N_expert / degrees.e, 0.0)
    gathered = np.where(degrees.z >= 3, w * (2.0 * (dense + experts) + table), 0.0)
    return gathered + 2.0 * (1.0 - shape.lora) * dense


def memory_use(shape: Shape, degrees: Degrees, machine: Machine) -> MemoryUse:
    """Memory of the fullest accelerator.

    Weights 2 bytes, gradients as in `gradient_bytes`, Adam in 32 bits 12 (weight and two moments), each divided by the
    shard group from ZeRO stage 3, 2 and 1 on: ZeRO (arXiv:1910.02054), section 3.1. Training in 32 bits needs no second
    copy of the weights; under loss scaling the optimizer makes 32-bit gradients (4) in the room that activations have
    left. Frozen weights (LoRA) have neither gradients nor optimizer state and may be kept in 8 bits under 8-bit
    training.

    Logits are kept in 32 bits with a 16-bit gradient (Korthikanti et al., section 4.3, counts the 4 bytes), on the last
    stage and before the backward pass of the layers: what they take beyond what the fullest stage needs then counts.
    """
    ell = layers_per_stage(shape.L, degrees.p, degrees.v)
    Psi = held_parameters(shape, degrees, ell)
    trained = 1.0 - shape.lora
    w = np.where((shape.lora > 0) & (machine.bytes_operand < 2.0), 1.0, 2.0) * np.where(
        machine.bytes_operand > 2.0, 2.0, 1.0
    )
    experts = stage_experts(shape, degrees.e, degrees.p, degrees.v)
    replicas = np.maximum(degrees.t * degrees.D * degrees.c / degrees.e, 1.0)  # of one expert; ZeRO shards over them

    def held(stage: float) -> Number:
        S_e = np.minimum(degrees.S, replicas)
        return Psi / np.where(degrees.z >= stage, degrees.S, 1.0) + experts / np.where(degrees.z >= stage, S_e, 1.0)

    m = np.maximum(np.ceil(shape.B / (degrees.D * degrees.b)), 1.0)
    whole = layer_activations(shape, degrees, machine)
    size = np.maximum(machine.bytes_operand, 2.0) / 2.0
    kept = np.where(degrees.full > 0, size * checkpoint(shape, degrees), whole)
    working = np.where(degrees.full > 0, whole, 0.0)
    n = tokens(shape, degrees)
    activations = (
        kept_layers(shape.L, ell, degrees.p, degrees.v, m) * kept + working + outputs(shape, degrees, machine, m)
    )
    logits = 6.0 * n * shape.V / degrees.t
    moving = layer_buffers(shape, degrees, machine)
    converted = np.maximum(trained * machine.scaled * 4.0 * held(1.0) - activations, 0.0)
    return MemoryUse(
        weights=w * held(3.0),
        gradients=trained * gradient_bytes(degrees, machine) * held(2.0),
        optimizer=trained * np.where(machine.bytes_operand > 2.0, 8.0, 12.0) * held(1.0) + converted,
        activations=activations,
        logits=np.maximum(ell * kept + logits - activations - moving, 0.0),
        buffers=moving + weight_buffers(shape, degrees, w),
        reserve=machine.reserve + machine.fragmentation * activations,
    )
