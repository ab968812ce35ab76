"""Pipeline parallelism: bubble and uneven stages."""

from __future__ import annotations

import numpy as np

from planner.performance.parameters import Number, layers_per_stage


def slowest_stage(L: Number, p: Number, v: Number, T_layer: Number, T_last: Number) -> Number:
    """Seconds one micro-batch spends in the slowest stage; the last stage also computes the loss (T_last).

    The bounds of a stage are whole layers. Where the layers are spread evenly the last stage is the slowest; where they
    would be with one more at either end, embedding and loss take the place of one layer each (`layers_per_stage`);
    otherwise the last stage has what the others leave (Megatron Core `--pipeline-model-parallel-layout`).
    """
    ell = layers_per_stage(L, p, v)
    rest = np.maximum(L - (p - 1.0) * ell, 0.0)
    uneven_last = np.where((np.mod(L + 2.0, p * v) == 0) & (p > 2), ell - 1.0, rest)
    last = np.where(np.mod(L, p * v) == 0, L / p, np.where(p > 1, uneven_last, L))
    return np.maximum(ell * T_layer, last * T_layer + T_last)


def bubble(p: Number, v: Number, T_stages: Number, T_slowest: Number) -> Number:
    """Seconds the slowest stage waits while the pipeline fills and drains: the other stages' time, divided by v chunks.

    Megatron SC21 (arXiv:2104.04473), sections 2.2.1 and 2.2.2: t_pb = (p - 1)(t_f + t_b) / v for even stages;
    `T_stages` is the sum over all stages of one micro-batch's time.
    """
    return np.where(p > 1, np.maximum(T_stages - T_slowest, 0.0) / v, 0.0)


def in_flight(p: Number, v: Number, m: Number) -> Number:
    """Micro-batches whose activations the first stage keeps at once, in units of its layers.

    p for 1F1B, p (1 + (p - 1)/(p v)) interleaved, never more than m: Korthikanti et al. (arXiv:2205.05198), section
    4.2.3.
    """
    return np.minimum(np.where(v > 1, p + (p - 1.0) / v, p), m)


def kept_layers(L: Number, ell: Number, p: Number, v: Number, m: Number) -> Number:
    """Layers of the fullest stage (ell in all) times micro-batches whose activations it keeps at once.

    Where the embedding takes a layer's place (see `layers_per_stage`), the first stage lacks one of the layers of its
    first chunk, which keeps p micro-batches, 2 p - 1 interleaved; the second stage has all its layers and keeps one
    micro-batch less, interleaved two chunks less (Megatron SC21, arXiv:2104.04473, figure 4).
    """
    first = in_flight(p, v, m) * ell
    chunk = np.minimum(np.where(v > 1, 2.0 * p - 1.0, p), m)
    second = np.minimum(np.where(v > 1, p + (p - 3.0) / v, p - 1.0), m) * ell
    return np.where(ell * p > L + 0.5, np.maximum(first - chunk, second), first)
