"""What the optimizer is given and what it gives back: integers only, no physics and no catalog.

Units: time in steps of `step_s` seconds (an hour by default) from the workload's start, run ends in seconds;
money in micro-USD; work in tokens; carbon in grams of CO2e.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["optimal", "feasible", "infeasible", "unknown"]
Aim = Literal["cost", "finish", "carbon"]


@dataclass(frozen=True, slots=True)
class Window:
    """Steps [start, end) in which an option may run, at one price per node-hour; windows are sorted and disjoint."""

    start: int
    end: int
    price: int  # micro-USD per node-hour
    capacity: int = 0  # nodes of the offer there are in all; 0: as many as its largest option in this window


@dataclass(frozen=True, slots=True)
class Billing:
    """How a run is billed: at least `minimum_s`, in multiples of `unit_s`; or as the smallest of `blocks_s` to hold it.

    What is billed beyond the run's end is priced at the run's last window. No run is longer than the last block.
    """

    minimum_s: int = 0
    unit_s: int = 1
    blocks_s: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOption:
    """One way to run one phase: n nodes of an offer with their best layout.

    `rate` is tokens per step, goodput included; `loss` the tokens not trained because a run starts up; `setup` the
    money every run costs once; `windows` already hold only steps where enough nodes are available.
    """

    id: str
    phase: int
    nodes: int
    rate: int
    loss: int
    windows: tuple[Window, ...]
    billing: Billing = Billing()
    setup: int = 0
    carbon_g_step: int = 0
    family: str = ""  # accelerator id; alternatives are sought per family
    offer: str = ""  # runs of one offer at the same time share its capacity; "": shares with nobody
    power_w: int = 0  # drawn while running, all nodes


@dataclass(frozen=True, slots=True)
class PhaseTask:
    """Work to be done inside [earliest, deadline] steps, after its predecessors, in at most `max_segments` runs.

    With `late_cost` > 0 (micro-USD per step, begun steps count) the deadline is soft and only the horizon is hard.
    """

    name: str
    work: int
    earliest: int
    deadline: int
    max_segments: int = 1
    after: tuple[int, ...] = ()
    late_cost: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """One job: phases in file order, the options of all of them, and what they share."""

    phases: tuple[PhaseTask, ...]
    options: tuple[RunOption, ...]
    horizon: int
    step_s: int = 3600
    aim: Aim = "cost"
    budget: int | None = None
    carbon_cap: int | None = None
    max_nodes: int | None = None  # of all runs at any time
    max_power_w: int | None = None  # of all runs at any time


@dataclass(frozen=True, slots=True)
class Run:
    """Option `option` (index) runs from second `start_s` (a whole step) to second `end_s`."""

    option: int
    start_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Solution:
    """Runs sorted by start; `bound` is a proven lower bound on the aim's value of every plan of the class."""

    status: Status
    runs: tuple[Run, ...] = ()
    cost: int = 0  # micro-USD, lateness included
    finish_s: int = 0
    carbon_g: int = 0
    bound: int = 0  # in the unit of the aim: micro-USD, seconds or grams
    reasons: tuple[str, ...] = ()  # why infeasible
