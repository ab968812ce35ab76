"""Time of collective operations on the links their group crosses."""

from __future__ import annotations

import numpy as np

from planner.performance.parameters import Number


def gather_time(X: Number, n: Number, x: Number, alpha: Number) -> Number:
    """Seconds of a ring all-gather or reduce-scatter of X bytes (the whole buffer) over n ranks at x bytes/s each way.

    (n - 1)/n X / x + alpha: Thakur et al. 2005 (doi:10.1177/1094342005051521), sections 4.1 and 4.3; alpha is the
    latency of all the ring's steps together.
    """
    return np.where(n > 1, (n - 1.0) / n * X / x + alpha, 0.0)


def reduce_time(X: Number, n: Number, x: Number, alpha: Number) -> Number:
    """Seconds of an all-reduce of X bytes: a reduce-scatter and an all-gather (Thakur et al. 2005, section 4.5)."""
    return 2.0 * gather_time(X, n, x, alpha)


def send_time(X: Number, x: Number, alpha: Number) -> Number:
    """Seconds to send X bytes to one neighbour: alpha + X / x (Hockney 1994, doi:10.1016/S0167-8191(06)80021-9)."""
    return alpha + X / x


def exposed(T: Number, window: Number, floor: Number) -> Number:
    """The part of communication time T that computation does not hide.

    At most `window` seconds hide behind computation, and the share `floor` never does: the first and last transfers
    have nothing to hide behind, and transfers slow the kernels they run beside (FSDP, arXiv:2304.11277, section 3.3).
    """
    return np.maximum(T - window, floor * T)
