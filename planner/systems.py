"""Published systems beside what the planner says of them: `examples/systems.csv` names workloads and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardware_catalog.catalog import Catalog, with_offers
from hardware_catalog.errors import InputError, Problem
from hardware_catalog.quotes import read_quotes
from hardware_catalog.read import csv_rows
from planner.plan import Plan
from planner.planning import plan
from planner.workload import Workload, read_workload

COLUMNS = ("system", "workload", "quotes", "quantity", "published", "unit", "source", "why_different")


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure and the planner's; `planned` is None when there is no plan, and `note` says why."""

    system: str
    quantity: str
    unit: str
    published: float
    planned: float | None
    source: str
    note: str

    @property
    def ratio(self) -> float | None:
        """Planned over published."""
        return None if self.planned is None else self.planned / self.published


def systems(directory: Path, catalog: Catalog, time_limit_s: float = 30.0) -> list[Figure]:
    """Every figure of `systems.csv` in a directory; raises InputError with file:line: field when it is malformed."""
    problems: list[Problem] = []
    rows = csv_rows(directory / "systems.csv", COLUMNS, problems)
    published = [row.number("published") for row in rows]
    quantities = [row.choice("quantity", QUANTITIES) for row in rows]
    if problems:
        raise InputError(problems)
    plans: dict[tuple[str, str], tuple[Workload, Plan]] = {}
    figures = []
    for row, figure, quantity in zip(rows, published, quantities, strict=True):
        cells = row.cells
        key = (cells["workload"], cells["quotes"])
        if key not in plans:
            plans[key] = _planned(directory, *key, catalog, time_limit_s)
        workload, made = plans[key]
        planned = QUANTITIES[quantity](workload, made) if made.assignments else None
        note = cells["why_different"] if made.assignments else "; ".join(made.reasons[:1])
        figures.append(Figure(cells["system"], quantity, cells["unit"], figure, planned, cells["source"], note))
    return figures


def _planned(
    directory: Path, workload_file: str, quotes: str, catalog: Catalog, time_limit_s: float
) -> tuple[Workload, Plan]:
    workload = read_workload(directory / workload_file)
    if quotes:
        catalog = with_offers(catalog, read_quotes(directory / quotes, catalog), only=True)
    return workload, plan(workload, catalog, time_limit_s)


def _accelerator_hours(_workload: Workload, made: Plan) -> float:
    return sum(a.accelerators * (a.end - a.start).total_seconds() for a in made.assignments) / 3600


def _days(_workload: Workload, made: Plan) -> float:
    start, end = min(a.start for a in made.assignments), max(a.end for a in made.assignments)
    return (end - start).total_seconds() / 86400


def _share_on_a800(_workload: Workload, made: Plan) -> float:
    hours = [(a.accelerators * (a.end - a.start).total_seconds(), a.accelerator) for a in made.assignments]
    return sum(h for h, accelerator in hours if accelerator.startswith("a800")) / sum(h for h, _ in hours)


def _training_flops(workload: Workload, made: Plan) -> float:
    """Model FLOPs by PaLM's definition: 6 N + 12 L h s a token (arXiv:2204.02311 appendix B)."""
    total = 0.0
    for job in workload.jobs:
        for phase in job.phases:
            if job.model is None:
                total += phase.tokens * (job.flops_per_token or 0.0)
            else:
                attention = 12 * job.model.layers * job.model.heads * job.model.head_size * phase.sequence_length
                total += phase.tokens * (6 * job.model.parameters + attention)
    return total


QUANTITIES: dict[str, Callable[[Workload, Plan], float]] = {
    "accelerator_hours": _accelerator_hours,
    "days": _days,
    "cost_usd": lambda _workload, made: made.cost_usd or 0.0,
    "carbon_t": lambda _workload, made: made.carbon_t or 0.0,
    "energy_mwh": lambda _workload, made: made.energy_mwh or 0.0,
    "training_flops": _training_flops,
    "share_on_a800": _share_on_a800,
    "segments": lambda _workload, made: float(len(made.assignments)),
}
