"""Which links a group of ranks crosses, and how fast they are together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.performance.hardware import Machine
from planner.performance.parameters import Number


@dataclass(frozen=True, slots=True)
class Path:
    """Bytes/s each way per rank, and the seconds of latency of one ring pass of a group."""

    x: Number
    alpha: Number


def path(machine: Machine, n: Number, stride: Number, total: Number) -> Path:
    """The links of a group of n ranks that lie `stride` accelerators apart.

    Ranks are numbered with tensor parallelism fastest, then context, data, pipeline (Megatron SC21, arXiv:2104.04473,
    section 3.2) over `total` accelerators. A group inside one scale-up domain uses its links; a group inside one host
    the host's; a wider ring enters each host through as many network adapters as it has ranks there, so its slowest
    link is min(inside, ranks per host x adapter). In a mesh a group reaches only the links to its own members; on a
    torus a group of part of the axes uses those axes (JAX Scaling Book, "Sharded matrices"), and in slices too small to
    wrap round an axis is a line, whose inner links carry twice a ring's share ("How to think about TPUs").
    """
    span = n * stride
    inside = np.clip(machine.n1 / stride, 1.0, n)  # ranks of the group in one scale-up domain
    hosted = np.clip(machine.n2 / stride, 1.0, n)  # ranks of the group in one host
    mesh = np.where(machine.mesh > 0, np.minimum((inside - 1.0) / np.maximum(machine.n1 - 1.0, 1.0), 1.0), 1.0)
    part = np.where(stride > 1, np.maximum(machine.axes - 1.0, 1.0), 1.0) / machine.axes
    axes = np.where(2.0 * span > np.minimum(machine.n1, total), 1.0, part)
    line = np.where(total < machine.wrap, 0.5, 1.0)
    up = machine.x1 * np.where(inside > 1, mesh, 1.0) * axes * line
    ranks = np.maximum(inside, hosted)  # adapters reached together
    out = machine.x3 * ranks
    host = np.where((machine.n2 > machine.n1) & (hosted > inside), machine.x2, np.inf)
    within = np.where(inside > 1, up, np.inf)
    wide = np.minimum(np.minimum(within, host), out)
    x = np.where(span <= machine.n1, up, np.where(span <= machine.n2, np.minimum(within, machine.x2), wide))
    hosts = np.ceil(n / ranks)
    alpha = (ranks - 1.0) * machine.alpha1 + (hosts - 1.0) * machine.alpha3
    return Path(x, np.where(n > 1, alpha, 0.0))
