"""The share of wall-clock time that advances training, with failures, checkpoints and preemption; how long work takes.

Rates and durations are data (`failure_rates.csv`); the equations are in `interruptions`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import hardware_catalog
from hardware_catalog.records import Accelerator
from planner.performance.interruptions import (
    DECILE,
    Cause,
    delay_shares,
    equivalent_restart,
    gamma_quantile,
    interval_time,
    mean_time_between,
    rate_doubt,
    rework,
    useful_share,
    young_daly,
)

DAY = 86_400.0
HOUR = 3_600.0
NODE = 8  # accelerators of the nodes that failure rates are counted on
TPU_HOST = 4  # chips of the hosts that TPU failure rates are counted on


@dataclass(frozen=True, slots=True)
class Rate:
    """One row of the rates: what is expected and its range, read as 10th and 90th percentile."""

    value: float
    low: float
    high: float

    @property
    def doubt(self) -> float:
        """Standard deviation over the mean, were the range a normal distribution's."""
        return (self.high - self.low) / (2.0 * DECILE * self.value)


@dataclass(frozen=True, slots=True)
class Lost:
    """Shares of the held time that do not advance training.

    `checkpoint` is the stall of checkpoints, `rework` what failures undo, `restart` their detection and restart,
    `preemption` what nodes taken back undo and the start on new ones.
    """

    checkpoint: float
    rework: float
    restart: float
    preemption: float

    @property
    def total(self) -> float:
        """All of it: 1 - goodput."""
        return self.checkpoint + self.rework + self.restart + self.preemption


@dataclass(frozen=True, slots=True)
class Goodput:
    """Goodput of one slice.

    `fraction` is of the time the nodes are held (and billed); `available` the share of the calendar in which spot nodes
    can be had at all, 1 for other purchase options. `mtbf_s` is the mean time between interruptions of the whole slice,
    `restart_s` what one costs before work goes on. `causes` are failures and, for spot, preemption.
    """

    fraction: float
    available: float
    startup_s: float
    checkpoint_interval_s: float
    checkpoint_stall_s: float
    restart_s: float
    mtbf_s: float
    causes: tuple[Cause, ...]

    @property
    def lost(self) -> Lost:
        """Where 1 - fraction goes: rework and delays in proportion to how often each cause interrupts."""
        stall, interval = self.checkpoint_stall_s, self.checkpoint_interval_s
        checkpoint = self.fraction * stall / interval
        undone = self.fraction / interval * rework(stall, interval, self.mtbf_s)
        delays = 1.0 - self.fraction - checkpoint - undone
        failures = self.causes[0].rate * self.mtbf_s
        restart = delays * delay_shares(self.causes)[0]
        return Lost(
            checkpoint=checkpoint,
            rework=undone * failures,
            restart=restart,
            preemption=undone * (1.0 - failures) + delays - restart,
        )

    def as_json(self) -> dict[str, Any]:
        """What lies behind the fraction, for people and programs."""
        return {
            "mtbf_h": self.mtbf_s / HOUR,
            "checkpoint_interval_s": self.checkpoint_interval_s,
            "checkpoint_stall_s": self.checkpoint_stall_s,
            "restart_s": self.restart_s,
            "lost": asdict(self.lost),
            "available": self.available,
        }


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

    Failures grow with the accelerators; each costs its detection, a restart and on average half an interval. Training
    stalls while a checkpoint is copied to host memory and goes on while it is written, so checkpoints are never closer
    than writing takes. Spot nodes are also taken back: a slice keeps its nodes for a time that falls with its size,
    waits for new ones and starts anew. Every other purchase option only has failures. `rates` are the caller's own,
    taken as known exactly, by the names of `failure_rates`.
    """
    known = failure_rates() | {name: Rate(value, value, value) for name, value in (rates or {}).items()}
    causes = _causes(nodes, purchase_option, accelerator, accelerators_per_node, known)
    mtbf = mean_time_between(causes)
    stall = known["checkpoint_stall"].value
    written = parameters * known["checkpoint_bytes_per_parameter"].value / (nodes * known["checkpoint_bandwidth"].value)
    interval = max(young_daly(stall, mtbf), written)
    restart = equivalent_restart(causes)
    return Goodput(
        fraction=useful_share(stall, interval, restart, mtbf),
        available=1.0 / (1.0 + sum(cause.rate * cause.wait for cause in causes)),
        startup_s=known["startup"].value,
        checkpoint_interval_s=interval,
        checkpoint_stall_s=stall,
        restart_s=restart,
        mtbf_s=mtbf,
        causes=causes,
    )


def expected_wall_clock(useful_s: float, goodput: Goodput) -> float:
    """Mean seconds from start to end of `useful_s` seconds of uninterrupted training, one start-up included.

    Calendar time: spot nodes are waited for.
    """
    return goodput.startup_s + useful_s / (goodput.fraction * goodput.available)


def wall_clock(useful_s: float, goodput: Goodput, quantile: float = 0.9) -> float:
    """Seconds in which `useful_s` seconds of uninterrupted training are done with this probability.

    Start-up, work and checkpoints are certain; what interruptions add is a sum of many delays at a rate that is itself
    uncertain, taken as a gamma distribution with the sum's mean and variance.
    """
    stall, interval = goodput.checkpoint_stall_s, goodput.checkpoint_interval_s
    chance = useful_s / interval * interval_time(stall, interval, goodput.causes).variance
    doubt = rate_doubt(stall, interval, goodput.causes)
    certain = goodput.startup_s + useful_s * (1.0 + stall / interval)
    added = expected_wall_clock(useful_s, goodput) - certain + useful_s * doubt.mean
    return certain + gamma_quantile(added, chance + useful_s**2 * doubt.variance, quantile)


def checkpoint_bytes(parameters: float) -> float:
    """Bytes of the checkpoint of a model, with the shipped bytes per parameter."""
    return parameters * failure_rates()["checkpoint_bytes_per_parameter"].value


@lru_cache(maxsize=1)
def failure_rates() -> dict[str, Rate]:
    """The shipped rates, by name."""
    path = Path(hardware_catalog.__file__).parent / "data" / "failure_rates.csv"
    with path.open(newline="", encoding="utf-8") as lines:
        return {
            row["name"]: Rate(float(row["value"]), float(row["low"]), float(row["high"]))
            for row in csv.DictReader(lines)
        }


def _causes(
    nodes: int,
    purchase_option: str,
    accelerator: Accelerator,
    accelerators_per_node: int,
    rates: Mapping[str, Rate],
) -> tuple[Cause, ...]:
    """Failures first, then preemption where the purchase option has it."""
    name, counted = _counted_failures(accelerator)
    failures = Cause(
        rate=nodes * accelerators_per_node / counted * rates[name].value / DAY,
        delay=rates["detection"].value + rates["restart"].value,
        doubt=rates[name].doubt,
    )
    if purchase_option != "spot":
        return (failures,)
    stretch = rates["spot_stretch"]
    preemption = Cause(
        rate=nodes ** rates["spot_stretch_exponent"].value / stretch.value,
        delay=rates["startup"].value,
        wait=rates["spot_wait"].value * nodes ** rates["spot_wait_exponent"].value,
        doubt=stretch.doubt,
    )
    return failures, preemption


def _counted_failures(accelerator: Accelerator) -> tuple[str, int]:
    """The rate that holds for an accelerator and the accelerators it counts together."""
    if accelerator.form_factor == "TPU-slice":
        return "failures_per_tpu_node_day", TPU_HOST
    if accelerator.form_factor == "NVL" and accelerator.scale_up_domain_size > NODE:
        return "failures_per_rack_node_day", NODE
    return "failures_per_node_day", NODE
