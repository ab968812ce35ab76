"""Measured constants by hardware family: data with a source, read from hardware_catalog/data/efficiency."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import hardware_catalog
from hardware_catalog.read import csv_rows, unique
from planner.errors import InputError, Problem

ANY = "any"
RESIDUALS = "residuals.csv"  # beside the constants: errors of the runs they were fitted on
COLUMNS = ("family", "constant", "value", "unit", "source", "fit_date", "rows", "residual")
MEANING = {
    "matmul": ("1", "share of the dense peak that large 16-bit matrix multiplies reach"),
    "matmul_8bit": ("1", "the same for 8-bit ones"),
    "matmul_4bit": ("1", "the same for 4-bit ones"),
    "attention": ("1", "share of the 16-bit peak that fused attention reaches at head size 128"),
    "memory": ("1", "share of the memory bandwidth that elementwise kernels reach"),
    "scale_up": ("1", "share of the scale-up bandwidth, each direction, that collectives reach"),
    "scale_out": ("1", "share of the scale-out bandwidth that collectives reach"),
    "tensor_exposed": ("1", "share of tensor-parallel communication that computation does not hide"),
    "watts": ("W/(FLOP/s)", "power limit per 16-bit peak of the accelerator that the family's shares describe"),
    "host_link": ("B/s", "bytes/s each direction between accelerators of one host outside a scale-up domain"),
    "fused_attention": ("1", "1 where fused (flash) attention exists"),
    "power": ("1", "exponent of the matrix rate in the power limit: chips slow down to stay within it"),
    "backward": ("1", "time of a backward product over that of the forward one of the same size"),
    "depth": ("1", "inner dimension whose time a matrix multiply pays on top of its own"),
    "adapters": ("1", "time of low-rank adapters over that of their memory traffic beside every linear layer"),
    "grouped": ("1", "rate of the experts' grouped products over that of one product of the same size"),
    "routing": ("1", "memory traffic of routing tokens to experts over that of unfused kernels"),
    "routing_unfused": ("1", "the same for software from before 2026"),
    "imbalance": ("1", "tokens of the busiest expert-parallel rank over the mean"),
    "exchange_exposed": ("1", "share of the experts' all-to-all exchange that computation does not hide"),
    "expert_launch": ("s", "what a mixture of experts adds to that shortest time: routing, and kernels per expert"),
    "tile": ("1", "rows of a tile of a matrix product: each expert's last one is half empty on average"),
    "head_size": ("1", "head size at which attention reaches half of its asymptotic rate"),
    "launch": ("s", "shortest time of one layer's forward pass: its kernels must be launched one by one"),
    "launch_unfused": ("s", "the same for software without fused attention, which launches more and smaller kernels"),
    "roofline": ("1", "share of a matrix multiply's memory traffic that its arithmetic does not hide"),
    "data_overlap": ("1", "share of computation behind which data-parallel traffic can hide"),
    "data_floor": ("1", "share of data-parallel traffic that is never hidden"),
    "pipeline_exposed": ("1", "share of pipeline sends that computation does not hide"),
    "latency_up": ("s", "latency of one hop inside a scale-up domain or host"),
    "latency_out": ("s", "latency of one hop between hosts"),
    "step": ("s", "time of a step outside the model on one host: data loading, clipping, logging"),
    "step_layers": (
        "1",
        "layers of a stage from which on that time is reached: it grows with the number of parameter tensors",
    ),
    "straggler": ("1", "slow-down per doubling of the hosts: jitter and congestion"),
    "reserve": ("B", "memory taken by the driver's context and the buffers of collectives"),
    "fragmentation": ("1", "memory lost to fragmentation over that of activations, in software from before 2023"),
}


@dataclass(frozen=True, slots=True)
class Overlay:
    """Constants of a folder that stand in for shipped ones, and what they are fitted on."""

    folder: str
    values: Mapping[tuple[str, str], float]
    sources: tuple[str, ...]

    def __str__(self) -> str:
        names: dict[str, list[str]] = {}
        for family, constant in sorted(self.values):
            names.setdefault(family, []).append(constant)
        listed = "; ".join(f"{family} ({', '.join(constants)})" for family, constants in names.items())
        return f"performance constants of {self.folder} overlay the shipped ones: {listed}"

    def digest(self, other: str) -> str:
        """SHA-256 (hex) of another digest and these constants, so that what was planned on them looks different."""
        return hashlib.sha256(f"{other}{sorted(self.values.items())}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Constants by (family, constant); a family without a constant uses `any`. `overlay` says which are the user's."""

    values: Mapping[tuple[str, str], float] = field(default_factory=dict)
    overlay: Overlay | None = None

    def __getitem__(self, key: tuple[str, str]) -> float:
        family, constant = key
        value = self.values.get((family, constant))
        return self.values[ANY, constant] if value is None else value

    def families(self) -> list[str]:
        """Families with constants of their own."""
        return sorted({family for family, _ in self.values} - {ANY})


def directory() -> Path:
    """Where the shipped constants lie."""
    return Path(hardware_catalog.__file__).parent / "data" / "efficiency"


@lru_cache(maxsize=1)
def efficiency() -> Efficiency:
    """The shipped constants."""
    return read_efficiency(directory())


def read_efficiency(folder: Path) -> Efficiency:
    """Constants of every csv of a folder, complete for the family `any`; raises InputError with file:line: field."""
    values, _ = read_constants(folder)
    if absent := sorted(name for name in MEANING if (ANY, name) not in values):
        raise InputError(Problem(f"no value of family 'any' for {', '.join(absent)}", str(folder)))
    return Efficiency(values)


def overlaid(shipped: Efficiency, folder: Path, families: Collection[str]) -> Efficiency:
    """Constants with those of a folder (of `planner calibrate`) in their place; they may be of these families or `any`.

    Raises InputError with file:line: field: and the nearest name for all that is no constant of a known family.
    """
    values, sources = read_constants(folder, (*families, ANY))
    return Efficiency({**shipped.values, **values}, Overlay(str(folder), values, sources))


def read_constants(
    folder: Path, families: Collection[str] | None = None
) -> tuple[dict[tuple[str, str], float], tuple[str, ...]]:
    """Constants of every csv of a folder by (family, constant), and their sources; InputError with every problem."""
    files = sorted(file for file in folder.glob("*.csv") if file.name != RESIDUALS)
    if not files:
        why = "holds no constants: expected FAMILY.csv files" if folder.is_dir() else "is not a directory of constants"
        raise InputError(Problem(why, str(folder)))
    problems: list[Problem] = []
    rows = [row for file in files for row in csv_rows(file, COLUMNS, problems)]
    values: dict[tuple[str, str], float] = {}
    for row in unique(rows, "family", "constant"):
        family = row.text("family") if families is None else row.known("family", families, "a family of the catalog")
        values[family, row.known("constant", MEANING, "a constant")] = row.number("value")
    if problems:
        raise InputError(problems)
    return values, tuple(dict.fromkeys(row.cells["source"] for row in rows))
