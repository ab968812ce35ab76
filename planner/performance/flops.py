"""Useful work: model FLOPs and hardware FLOPs per step, and the ratios to peak."""

from __future__ import annotations

from planner.performance.parameters import Number, Shape


def model_flops_per_token(shape: Shape) -> Number:
    """Model FLOPs per token, 6 N + 6 L a (d + d_v) s: forward and backward, full (not causal) attention.

    PaLM (arXiv:2204.02311), appendix B. The 12 L H Q T term counts the whole attention matrix even where mask or window
    make half of it unneeded. N counts the parameters a token passes (of a mixture of experts the active ones), without
    the input table, which multiplies nothing, when the tables are two. With frozen weights (LoRA) the weight gradients
    fall away: 4 N. Multi-token prediction adds a layer, a projection of 2 h to h, and the output table once more.
    """
    N = shape.N - (shape.tables - 1.0) * shape.V * shape.h
    more = shape.mtp * (layer_parameters(shape) + 2.0 * shape.h**2 + shape.V * shape.h)
    return (6.0 - 2.0 * shape.lora) * (N + more) + 6.0 * (shape.L + shape.mtp) * shape.a * (
        shape.d + shape.d_v
    ) * shape.s


def layer_parameters(shape: Shape) -> Number:
    """Parameters of the mean layer that one token passes."""
    return shape.N_layer + shape.L_m / shape.L * shape.r * shape.N_expert


def hardware_flops_per_token(shape: Shape, full: Number, selective: Number) -> Number:
    """Model FLOPs per token plus what recomputation runs again: a forward pass (2 N + 2 L a (d + d_v) s), or attention.

    Korthikanti et al. (arXiv:2205.05198), appendix A.
    """
    N = shape.N - shape.N_embedding
    attention = 2.0 * shape.L * shape.a * (shape.d + shape.d_v) * shape.s
    return model_flops_per_token(shape) + full * (2.0 * N + attention) + selective * attention


def utilisation(flops_per_token: Number, tokens_per_second: Number, peak_flops: Number, accelerators: Number) -> Number:
    """Share of the dense peak: MFU with model FLOPs, HFU with hardware FLOPs (PaLM, arXiv:2204.02311, appendix B)."""
    return flops_per_token * tokens_per_second / (peak_flops * accelerators)
