"""What the optimizer is given and what it gives back: integers only, no physics and no catalog.

Units: time in steps of `step_s` seconds (an hour by default) from the workload's start, run ends in seconds;
money in micro-USD; work in tokens; carbon in grams of CO2e.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planner.plan import Status as Status

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
class Level:
    """Steps [start, end) in which `amount` of a cap may be claimed."""

    start: int
    end: int
    amount: int


@dataclass(frozen=True, slots=True)
class Cap:
    """What runs at the same time may claim together: a quota of nodes, the power of a site, the machines one owns.

    `levels` are sorted and disjoint; in steps outside of them nothing may be claimed.
    """

    name: str
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """Nodes bought for a fixed time, used by any number of runs and paid whether used or not: a reservation, a capacity
    block, machines of one's own.

    A purchase of it has one of `sizes` nodes (any number up to `capacity` when there are none), starts on a step from
    `first` to `last` that is `offset` modulo `every`, lasts one of `lengths` steps (it may end after the horizon), and
    costs nodes x length x price, rounded up to a micro-USD. The purchases of a term that are held at the same time have
    at most `capacity` nodes together. A run of the term's options lies inside one purchase, and the runs inside a
    purchase at the same time use at most its nodes.
    """

    offer: str
    price: int  # micro-USD per node-hour
    lengths: tuple[int, ...]  # steps, ascending
    first: int
    last: int
    capacity: int
    sizes: tuple[int, ...] = ()
    every: int = 1
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RunOption:
    """One way to run one phase: n nodes of an offer with their best layout.

    `rate` is tokens per step, goodput included; `loss` the tokens not trained because a run starts up; `setup` the
    money every run costs once; `windows` already hold only steps where enough nodes are available.
    With a `term` a run lies inside a purchase, and `windows` and `setup` are what its use costs on top of it.
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
    claims: tuple[tuple[int, int], ...] = ()  # (index of a cap of the problem, amount claimed while running)
    place: str = ""  # where it runs; a job's next run in another place pays `leave`
    leave: int = 0  # micro-USD to move the checkpoint out of the place
    term: int | None = None  # index of the term of the problem whose purchases it runs in


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
    """Phases in file order, the options of all of them, and what they share.

    Moves: `leave` of a run is paid when the run of the same phase that starts next has another `place`, and, of the run
    of a phase that ends last, once for every phase after it whose first run has another `place`.
    """

    phases: tuple[PhaseTask, ...]
    options: tuple[RunOption, ...]
    horizon: int
    step_s: int = 3600
    aim: Aim = "cost"
    budget: int | None = None
    carbon_cap: int | None = None
    max_nodes: int | None = None  # of all runs at any time
    max_power_w: int | None = None  # of all runs at any time
    caps: tuple[Cap, ...] = ()
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """Option `option` (index) runs from second `start_s` (a whole step) to second `end_s`."""

    option: int
    start_s: int
    end_s: int
    bought: int | None = None  # index of the purchase of the solution that it runs in


@dataclass(frozen=True, slots=True)
class Bought:
    """A purchase: `nodes` of term `term` (index) in the steps [start, start + length)."""

    term: int
    nodes: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Solution:
    """Runs sorted by start; `bound` is a proven lower bound on the aim's value of every plan of the class."""

    status: Status
    runs: tuple[Run, ...] = ()
    cost: int = 0  # micro-USD: runs, purchases, moves and lateness
    finish_s: int = 0
    carbon_g: int = 0
    bound: int = 0  # in the unit of the aim: micro-USD, seconds or grams
    reasons: tuple[str, ...] = ()  # why infeasible
    bought: tuple[Bought, ...] = ()
    stopped: bool = False  # by an interrupt, before the time was up
