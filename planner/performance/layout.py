"""How a phase is split over the accelerators of a slice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from planner.performance.parameters import Number

RECOMPUTE = ("none", "selective", "full")


@dataclass(frozen=True, slots=True)
class Layout:
    """Degrees of parallelism of one placement; tp * pp * cp * dp is the number of accelerators.

    `vp` is chunks of layers per pipeline stage (1: plain 1F1B); `ep` spreads the experts, each whole, over part of the
    tp * cp * dp accelerators of a stage; `zero` is the ZeRO stage (3: FSDP full shard), `shard_group` how many ranks
    share one copy of what ZeRO shards (0: all dp * cp).
    """

    tp: int = 1
    pp: int = 1
    vp: int = 1
    dp: int = 1
    cp: int = 1
    ep: int = 1
    micro_batch: int = 1
    zero: int = 1
    recompute: str = "none"
    sequence_parallel: bool = True
    shard_group: int = 0

    @property
    def accelerators(self) -> int:
        """Accelerators the layout uses."""
        return self.tp * self.pp * self.cp * self.dp

    def __str__(self) -> str:
        degrees = [("TP", self.tp), ("PP", self.pp), ("VP", self.vp), ("CP", self.cp), ("DP", self.dp), ("EP", self.ep)]
        split = " ".join(f"{name}{value}" for name, value in degrees if value > 1 or name in ("TP", "PP", "DP"))
        return f"{split} micro-batch {self.micro_batch} ZeRO-{self.zero} recompute {self.recompute}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as in a plan or an estimate."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Degrees:
    """The letters of a layout, as numbers or arrays of equal length; flags are 0 or 1."""

    t: Number
    p: Number
    v: Number
    D: Number
    c: Number
    e: Number
    b: Number
    z: Number
    S: Number  # shard group
    selective: Number
    full: Number
    sp: Number  # sequence parallelism


def degrees(layout: Layout) -> Degrees:
    """The letters of one layout."""
    return Degrees(
        t=float(layout.tp),
        p=float(layout.pp),
        v=float(layout.vp),
        D=float(layout.dp),
        c=float(layout.cp),
        e=float(layout.ep),
        b=float(layout.micro_batch),
        z=float(layout.zero),
        S=float(layout.shard_group or layout.dp * layout.cp),
        selective=float(layout.recompute == "selective"),
        full=float(layout.recompute == "full"),
        sp=float(layout.sequence_parallel and layout.tp > 1),
    )
