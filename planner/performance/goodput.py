"""The share of wall-clock time that advances training: failures, restarts, checkpoints, preemption."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import hardware_catalog
from hardware_catalog.records import Accelerator

DAY = 86_400.0
NODE = 8  # accelerators of the nodes that failure rates are counted on


@dataclass(frozen=True, slots=True)
class Goodput:
    """Goodput of one slice.

    `fraction` is of the time the nodes are held (and billed); `available` the share of the calendar in which spot nodes
    can be had at all, 1 for other purchase options. `mtbf_s` is the mean time between interruptions of the whole slice.
    """

    fraction: float
    available: float
    startup_s: float
    checkpoint_interval_s: float
    checkpoint_stall_s: float
    restart_s: float
    mtbf_s: float


def goodput(
    *,
    nodes: int,
    purchase_option: str,
    accelerator: Accelerator,
    accelerators_per_node: int,
    parameters: float,
    rates: Mapping[str, float] | None = None,
) -> Goodput:
    """Goodput of a slice training a model of `parameters` parameters, with the optimal checkpoint interval.

    Failures grow with the nodes, counted in nodes of 8 accelerators (TPU hosts have a rate of their own); each costs a
    restart and on average half an interval. Training stalls while a checkpoint is copied to host memory and goes on
    while it is written, so checkpoints are never closer than writing takes. Spot nodes are also taken back: a slice
    keeps its nodes for a time that falls with its size, then starts anew.
    """
    rates = rates or failure_rates()
    per_day = (
        rates["failures_per_tpu_node_day"]
        if accelerator.form_factor == "TPU-slice"
        else (rates["failures_per_node_day"] * accelerators_per_node / NODE)
    )
    failures = nodes * per_day / DAY
    preemptions = nodes ** rates["spot_stretch_exponent"] / rates["spot_stretch"] if purchase_option == "spot" else 0.0
    written = parameters * rates["checkpoint_bytes_per_parameter"] / (nodes * rates["checkpoint_bandwidth"])
    stall = rates["checkpoint_stall"]
    mtbf = 1.0 / (failures + preemptions)
    restart = (failures * rates["restart"] + preemptions * rates["startup"]) * mtbf
    interval = max(young_daly(stall, mtbf), written)
    wait = rates["spot_wait"] * nodes ** rates["spot_wait_exponent"] if preemptions else 0.0
    return Goodput(
        fraction=useful_share(stall, interval, restart, mtbf),
        available=1.0 / (1.0 + wait * preemptions),
        startup_s=rates["startup"],
        checkpoint_interval_s=interval,
        checkpoint_stall_s=stall,
        restart_s=restart,
        mtbf_s=mtbf,
    )


def young_daly(stall: float, mtbf: float) -> float:
    """Seconds between checkpoints that lose least: sqrt(2 stall mtbf).

    Young 1974 (doi:10.1145/361147.361115), equation 10; Daly 2006 (doi:10.1016/j.future.2004.11.016) for its limits.
    """
    return math.sqrt(2.0 * stall * mtbf)


def useful_share(stall: float, interval: float, restart: float, mtbf: float) -> float:
    """Share of time that advances training.

    A checkpointed interval takes interval + stall; interrupted at random with mean mtbf it takes
    mtbf exp(restart/mtbf) (exp((interval + stall)/mtbf) - 1) on average: Daly 2006 (doi:10.1016/j.future.2004.11.016),
    equation 15. For rare interruptions 1 - stall/interval - (interval/2 + restart)/mtbf.
    """
    exponent = min((interval + stall) / mtbf, 50.0)
    return interval / (mtbf * math.exp(min(restart / mtbf, 50.0)) * math.expm1(exponent))


@lru_cache(maxsize=1)
def failure_rates() -> dict[str, float]:
    """The shipped rates, by name."""
    path = Path(hardware_catalog.__file__).parent / "data" / "failure_rates.csv"
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["name"]: float(row["value"]) for row in csv.DictReader(lines)}
