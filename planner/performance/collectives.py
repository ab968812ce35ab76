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


def exchange_time(
    X: Number, r: Number, n: Number, inside: Number, x_up: Number, x_out: Number, alpha: Number
) -> Number:
    """Seconds to send tokens of X bytes to r experts each on n ranks, of which `inside` lie in one scale-up domain.

    A token crosses to a domain once and is copied there (DeepSeek-V3, arXiv:2412.19437, section 3.2.2): of H = n/inside
    domains r random experts lie in H (1 - (1 - 1/H)^r), and one of H is the token's own. Both kinds of links carry
    their part side by side: max(r X (n - 1)/n / x_up, copies X (H - 1)/H / x_out) + alpha.
    """
    H = n / inside
    copies = H * (1.0 - (1.0 - 1.0 / H) ** r)
    up = np.where(inside > 1, r * X * (n - 1.0) / n / x_up, 0.0)
    out = copies * X * (H - 1.0) / H / x_out
    return np.where(n > 1, np.maximum(up, out) + alpha, 0.0)


def exposed(T: Number, window: Number, floor: Number) -> Number:
    """The part of communication time T that computation does not hide.

    At most `window` seconds hide behind computation, and the share `floor` never does: the first and last transfers
    have nothing to hide behind, and transfers slow the kernels they run beside (FSDP, arXiv:2304.11277, section 3.3).
    """
    return np.maximum(T - window, floor * T)
