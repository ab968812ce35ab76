"""The letters of the model being trained, and its parameters per device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from planner.model_spec import ModelSpec

Number: TypeAlias = float | NDArray[np.float64]
LEAST_FILLED = 0.9  # of a pipeline's places for layers


@dataclass(frozen=True, slots=True)
class Shape:
    """One model on one batch, as numbers or arrays of equal length; flags are 0 or 1."""

    L: Number
    h: Number
    f: Number  # mean over the layers: the dense width, or that of the shared experts
    a: Number
    k: Number
    d: Number
    d_v: Number
    l_q: Number
    l_kv: Number  # latent and shared rotary key of latent attention, 0 otherwise
    d_rope: Number
    V: Number
    g: Number
    s: Number
    B: Number
    q: Number
    r: Number
    y: Number
    L_m: Number
    mtp: Number
    N: Number  # parameters that one token passes, of the layers and tables
    N_layer: Number  # mean over the layers, without routed experts
    N_expert: Number  # one routed expert
    N_embedding: Number  # input and output tables and learned positions
    tables: Number  # 1 with tied embeddings, 2 otherwise
    reach: Number  # keys a query sees under the causal mask, mean over tokens and layers
    parallel: Number  # attention and feed-forward computed from one norm
    lora: Number  # frozen weights: no weight gradients, no optimizer state


def shape(model: ModelSpec, sequence_length: int, global_batch_sequences: int, lora: bool = False) -> Shape:
    """The letters of a model spec, for one sequence length and one global batch (in sequences)."""
    dense = model.layers - model.moe_layers
    width = dense * model.ffn_size + model.moe_layers * model.shared_ffn_size
    fixed = dense * model.layer_parameters + model.moe_layers * (model.block_parameters + model.shared_parameters)
    return Shape(
        L=float(model.layers),
        h=float(model.hidden_size),
        f=width / model.layers,
        a=float(model.heads),
        k=float(model.kv_heads),
        d=float(model.head_size),
        d_v=float(model.value_head_size),
        l_q=float(model.query_rank),
        l_kv=float(model.latent_rank + model.rope_head_size if model.latent_rank else 0),
        d_rope=float(model.rope_head_size),
        V=float(model.vocabulary),
        g=3.0 if model.gated_mlp else 2.0,
        s=float(sequence_length),
        B=float(global_batch_sequences),
        q=float(model.experts),
        r=float(model.experts_per_token),
        y=float(model.expert_ffn_size),
        L_m=float(model.moe_layers),
        mtp=float(model.mtp_layers),
        N=float(model.active_parameters),
        N_layer=fixed / model.layers,
        N_expert=float(model.expert_parameters if model.experts else 0),
        N_embedding=float(model.embedding_parameters),
        tables=1.0 if model.tied_embeddings else 2.0,
        reach=mean_reach(model, sequence_length),
        parallel=float(model.parallel_block),
        lora=float(lora),
    )


def mean_reach(model: ModelSpec, s: int) -> float:
    """Keys a query sees under the causal mask, mean over tokens and layers.

    s/2 in full attention; with a window w the first w tokens see less: w (1 - w/(2 s)) (Beltagy et al. 2020,
    arXiv:2004.05150, section 3.1, causal); w/2 in chunks of w (Llama 4). Every `global_attention_every`-th layer sees
    all.
    """
    w = min(model.sliding_window or s, s)
    local = w / 2.0 if model.chunked_attention else w * (1.0 - w / (2.0 * s))
    share = 1.0 / model.global_attention_every if model.global_attention_every else 0.0
    return share * s / 2.0 + (1.0 - share) * local


def layers_per_stage(L: Number, p: Number, v: Number) -> Number:
    """Layers of the fullest pipeline stage; when p v does not divide L, embedding and loss each take a layer's place.

    That is how Llama 3 405B runs 126 layers on 16 stages (Grattafiori et al. 2024, arXiv:2407.21783, section 3.3.2).
    """
    chunk = L / (p * v)
    return np.where(chunk == np.floor(chunk), L / p, np.minimum(v * np.ceil((L + 2.0) / (p * v)), L))


def shared_out(layers: int, p: int, v: int) -> bool:
    """Whether p stages of v chunks share the layers evenly, alone or with embedding and loss, or to within a tenth.

    DeepSeek-V3's 61 layers run on 4 stages of 4 chunks in NVIDIA's recipes (Megatron Core `--pipeline-model-parallel-
    layout`); fuller stages than that make the others wait.
    """
    places = p * float(layers_per_stage(layers, p, v))
    return (layers + 2) % (p * v) == 0 or layers >= LEAST_FILLED * places


def stage_parameters(shape: Shape, t: Number, p: Number, v: Number) -> Number:
    """Parameters held by one accelerator of the fullest stage before any ZeRO sharding, without routed experts.

    Weights are split over t (Shoeybi et al. 2019, arXiv:1909.08053, section 3) and the layers over p; the first and
    last stages also hold one embedding table each.
    """
    ell = layers_per_stage(shape.L, p, v)
    table = shape.N_embedding / np.where(p > 1, 2.0, 1.0) * np.where((p > 1) & (shape.tables == 1.0), 2.0, 1.0)
    return (ell * shape.N_layer + table) / t


def stage_moe_layers(shape: Shape, p: Number, v: Number) -> Number:
    """Mixture-of-experts layers of the fullest stage: the dense layers, where there are some, lie on the first."""
    every = np.maximum(np.round(shape.L / np.maximum(shape.L_m, 1.0)), 1.0)
    return np.asarray(np.minimum(np.ceil(layers_per_stage(shape.L, p, v) / every), shape.L_m))


def stage_experts(shape: Shape, e: Number, p: Number, v: Number) -> Number:
    """Parameters of routed experts held by one accelerator of the fullest stage: the experts are split over e alone.

    Lepikhin et al. 2020 (GShard, arXiv:2006.16668), section 3.2; experts are not split further by tensor parallelism
    (Megatron Core `--expert-tensor-parallel-size 1`, arXiv:2504.14960).
    """
    return stage_moe_layers(shape, p, v) * shape.q * shape.N_expert / e
