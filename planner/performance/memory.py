"""Memory of the fullest accelerator, by part, in bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from planner.performance.compute import expert_tokens, tokens
from planner.performance.hardware import Machine
from planner.performance.layout import Degrees
from planner.performance.parameters import (
    Number,
    Shape,
    layers_per_stage,
    stage_experts,
    stage_parameters,
)
from planner.performance.pipeline import in_flight


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
    `--recompute-modules layernorm mlp_act`). Latent attention also keeps its latents; each token copy sent to an expert
    keeps its input, its result (4 h) and the feed-forward's 2 g y. Selective recomputation drops 2 y of those and the
    heads expanded from latents (DeepSeek-V3, arXiv:2412.19437, section 3.2.3).
    """
    n, t = tokens(shape, degrees), degrees.t
    split = np.where(degrees.sp > 0, t, 1.0)
    outside = 8.0 * shape.h + np.where(machine.fused > 0, 0.0, 2.0 * shape.h)
    heads = shape.a / t * shape.d + np.maximum(shape.k / t, 1.0) * (shape.d + shape.d_v)
    qkv = 2.0 * (heads + shape.l_q + shape.l_kv)
    inside = (2.0 * shape.a * shape.d_v + 2.0 * shape.g * shape.f) / t
    scores = np.where((machine.fused > 0) | (degrees.selective > 0), 0.0, 5.0 * shape.a * shape.s / t)
    cheap = 4.0 * shape.h / split + 2.0 * shape.f / t + np.where(shape.l_kv > 0, 2.0 * heads, 0.0)
    saved = np.where((machine.fused > 0) & (degrees.selective > 0), cheap, 0.0)
    size = np.maximum(machine.bytes_operand, 2.0) / 2.0
    experts = 4.0 * shape.h + 2.0 * shape.g * shape.y - 2.0 * degrees.selective * shape.y
    routed = shape.L_m / shape.L * expert_tokens(shape, degrees, machine) * experts
    return size * (n * (outside / split + qkv + inside + scores - saved) + routed)


def checkpoint(shape: Shape, degrees: Degrees) -> Number:
    """Bytes one layer keeps under full recomputation: its input, 2 s b h (Korthikanti et al., section 5)."""
    return 2.0 * tokens(shape, degrees) * shape.h / np.where(degrees.sp > 0, degrees.t, 1.0)


def memory_use(shape: Shape, degrees: Degrees, machine: Machine) -> MemoryUse:
    """Memory of the fullest accelerator.

    Weights 2 bytes, gradients 2 (4 in software from before FlashAttention), Adam in 32 bits 12 (weight and two
    moments), each divided by the shard group from ZeRO stage 3, 2 and 1 on: ZeRO (arXiv:1910.02054), section 3.1. FSDP
    also holds two whole layers while it gathers them. Logits are kept in 32 bits with a 16-bit gradient (Korthikanti
    et al., section 4.3, counts the 4 bytes). Frozen weights (LoRA) have neither gradients nor optimizer state and may
    be kept in 8 bits under 8-bit training.
    """
    Psi = stage_parameters(shape, degrees.t, degrees.p, degrees.v)
    trained = 1.0 - shape.lora
    w = np.where((shape.lora > 0) & (machine.bytes_operand < 2.0), 1.0, 2.0) * np.where(
        machine.bytes_operand > 2.0, 2.0, 1.0
    )
    experts = stage_experts(shape, degrees.e, degrees.p, degrees.v)
    replicas = np.maximum(degrees.t * degrees.D * degrees.c / degrees.e, 1.0)  # of one expert; ZeRO shards over them

    def held(stage: float) -> Number:
        S_e = np.minimum(degrees.S, replicas)
        return Psi / np.where(degrees.z >= stage, degrees.S, 1.0) + experts / np.where(degrees.z >= stage, S_e, 1.0)

    ell = layers_per_stage(shape.L, degrees.p, degrees.v)
    m = np.maximum(np.ceil(shape.B / (degrees.D * degrees.b)), 1.0)
    whole = layer_activations(shape, degrees, machine)
    kept = np.where(degrees.full > 0, checkpoint(shape, degrees), whole)
    working = np.where(degrees.full > 0, whole, 0.0)
    n = tokens(shape, degrees)
    activations = in_flight(degrees.p, degrees.v, m) * ell * kept + working
    logits = 6.0 * n * shape.V / degrees.t
    first_only = np.where(degrees.p > 1, np.maximum(logits - (activations - ell * kept), 0.0), logits)
    gathered = shape.N_layer / degrees.t + np.where(shape.L_m > 0, shape.q * shape.N_expert / degrees.e, 0.0)
    return MemoryUse(
        weights=w * held(3.0),
        gradients=trained * np.where(machine.fused > 0, 2.0, 4.0) * held(2.0),
        optimizer=trained * 12.0 * held(1.0),
        activations=activations,
        logits=first_only,
        buffers=np.where(degrees.z >= 3, 2.0 * w * gathered, 0.0) + 4.0 * n * shape.h,
        reserve=machine.reserve + 0.0 * Psi,
    )
