"""The letters of the model being trained, and its parameters per device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from planner.model_spec import ModelSpec

Number: TypeAlias = float | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """One model on one batch, as numbers or arrays of equal length; flags are 0 or 1."""

    L: Number
    h: Number
    f: Number
    a: Number
    k: Number
    d: Number
    V: Number
    g: Number
    s: Number
    B: Number
    N: Number  # all parameters
    N_layer: Number
    N_embedding: Number  # input and output tables and learned positions
    tables: Number  # 1 with tied embeddings, 2 otherwise
    window: Number  # sliding attention window, or the sequence length
    parallel: Number  # attention and feed-forward computed from one norm
    lora: Number  # frozen weights: no weight gradients, no optimizer state


def shape(model: ModelSpec, sequence_length: int, global_batch_sequences: int, lora: bool = False) -> Shape:
    """The letters of a model spec, for one sequence length and one global batch (in sequences)."""
    return Shape(
        L=float(model.layers),
        h=float(model.hidden_size),
        f=float(model.ffn_size),
        a=float(model.heads),
        k=float(model.kv_heads),
        d=float(model.head_size),
        V=float(model.vocabulary),
        g=3.0 if model.gated_mlp else 2.0,
        s=float(sequence_length),
        B=float(global_batch_sequences),
        N=float(model.parameters),
        N_layer=float(model.layer_parameters),
        N_embedding=float(model.embedding_parameters),
        tables=1.0 if model.tied_embeddings else 2.0,
        window=float(min(model.sliding_window or sequence_length, sequence_length)),
        parallel=float(model.parallel_block),
        lora=float(lora),
    )


def layers_per_stage(L: Number, p: Number, v: Number) -> Number:
    """Layers of the fullest pipeline stage; when p v does not divide L, embedding and loss each take a layer's place.

    That is how Llama 3 405B runs 126 layers on 16 stages (Grattafiori et al. 2024, arXiv:2407.21783, section 3.3.2).
    """
    even = np.mod(L, p * v) == 0
    return np.where(even, L / p, np.minimum(v * np.ceil((L + 2.0) / (p * v)), L))


def stage_parameters(shape: Shape, t: Number, p: Number, v: Number) -> Number:
    """Parameters held by one accelerator of the fullest stage before any ZeRO sharding.

    Weights are split over t (Shoeybi et al. 2019, arXiv:1909.08053, section 3) and the layers over p; the first and
    last stages also hold one embedding table each.
    """
    ell = layers_per_stage(shape.L, p, v)
    table = shape.N_embedding / np.where(p > 1, 2.0, 1.0) * np.where((p > 1) & (shape.tables == 1.0), 2.0, 1.0)
    return (ell * shape.N_layer + table) / t
