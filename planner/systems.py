"""Published systems beside what the planner says of them: `examples/systems.csv` names workloads and figures.

A row of the table is one published figure: `workload` and `quotes` (empty: the market of the catalog) are what is
planned, `quantity` is one of `QUANTITIES`. `watts` an accelerator, `pue` and `g_kwh` are the source's own method where
it is published; the quantities `..._as_published` apply it to the planned hours. `explained` is the factor that
`why_different` accounts for, and the sentence may name what the plan found: {mfu}, {goodput}, {layout}, or a part of
the step time as its share, such as {expert_communication}. `input` says what makes a figure an input of the plan
rather than a prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware_catalog.catalog import Catalog, with_offers
from hardware_catalog.errors import InputError, Problem
from hardware_catalog.quotes import read_quotes
from hardware_catalog.read import Row, csv_rows
from planner.plan import Plan
from planner.planning import plan
from planner.system_quantities import AS_PUBLISHED, QUANTITIES, Method, accelerator_hours
from planner.workload import Workload, read_workload

COLUMNS = (
    "system", "workload", "quotes", "quantity", "published", "unit", "watts", "pue", "g_kwh", "explained", "source",
    "input", "why_different",
)  # fmt: skip
AGREES = 0.10  # a difference that needs no excuse
NEAR = 0.25
CIRCULAR = 0.02  # published energy and carbon are printed to two or three digits


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a figure: the ratios of its factors multiply to its own, up to rounding in what is published."""

    name: str
    planned: float
    published: float

    @property
    def ratio(self) -> float:
        """Planned over published."""
        return self.planned / self.published

    def __str__(self) -> str:
        return f"{self.name} x{self.ratio:.2f} ({_number(self.planned)} against {_number(self.published)})"


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure and the planner's; `planned` is None when there is no plan, and `no_plan` says why."""

    system: str
    quantity: str
    unit: str
    published: float
    planned: float | None
    source: str
    input: str = ""
    why_different: str = ""
    explained: float | None = None
    factors: tuple[Factor, ...] = ()
    circular: str = ""
    no_plan: str = ""

    @property
    def ratio(self) -> float | None:
        """Planned over published."""
        return None if self.planned is None else self.planned / self.published

    @property
    def left(self) -> float | None:
        """What of the ratio the explanation leaves; None where it states no factor or none is needed."""
        if self.ratio is None or self.explained is None or self.is_within(AGREES):
            return None
        return self.ratio / self.explained

    @property
    def is_prediction(self) -> bool:
        """Whether the planner could have got it wrong: neither an input nor the hours in the source's own units."""
        return not self.input and not self.quantity.endswith(AS_PUBLISHED)

    @property
    def is_explained(self) -> bool:
        """Whether it agrees, or says why not."""
        return self.is_within(AGREES) or bool(self.no_plan if self.planned is None else self.why_different)

    @property
    def explanation(self) -> str:
        """Why planned and published differ, or that they agree, with the numbers that show it."""
        if self.ratio is None:
            return self.no_plan
        parts = [f"input: {self.input}"] if self.input else []
        if self.is_within(AGREES):
            cancel = any(abs(factor.ratio - 1) > NEAR for factor in self.factors)
            parts.append("agrees, but only because factors cancel" if cancel else "agrees")
        elif self.left is None:
            parts.append(self.why_different)
        else:
            parts.append(f"{self.why_different} (accounts for x{self.explained:.2f}, leaves x{self.left:.2f})")
        if len(self.factors) > 1:
            parts.append(", ".join(map(str, self.factors)))
        return "; ".join([*parts, self.circular] if self.circular else parts)

    def is_within(self, share: float) -> bool:
        """Whether the ratio is within a share of 1."""
        return self.ratio is not None and abs(self.ratio - 1) <= share

    def as_json(self) -> dict[str, Any]:
        """Plain values, with the ratio and the explanation."""
        return {
            "system": self.system,
            "quantity": self.quantity,
            "unit": self.unit,
            "published": self.published,
            "planned": self.planned,
            "ratio": self.ratio,
            "prediction": self.is_prediction,
            "factors": {factor.name: factor.ratio for factor in self.factors},
            "explained": self.explained,
            "left": self.left,
            "explanation": self.explanation,
            "source": self.source,
        }


def systems(directory: Path, catalog: Catalog, time_limit_s: float = 30.0) -> list[Figure]:
    """Every figure of `systems.csv` in a directory; raises InputError with file:line: field when it is malformed."""
    problems: list[Problem] = []
    rows = csv_rows(directory / "systems.csv", COLUMNS, problems)
    read = [_read(row) for row in rows]
    if problems:
        raise InputError(problems)
    hours = {row.cells["system"]: one.published for row, one in zip(rows, read, strict=True) if one.is_hours}
    plans: dict[tuple[str, str], tuple[Workload, Plan]] = {}
    figures = []
    for row, one in zip(rows, read, strict=True):
        key = (row.cells["workload"], row.cells["quotes"])
        if key not in plans:
            plans[key] = _planned(directory, *key, catalog, time_limit_s)
        figures.append(_figure(row.cells, one, hours.get(row.cells["system"]), *plans[key]))
    return figures


def summary(figures: Iterable[Figure]) -> dict[str, int]:
    """How many figures there are, how many are predictions, and how many of those are within 10 %, 25 % and beyond."""
    every = list(figures)
    predictions = [figure for figure in every if figure.is_prediction]
    return {
        "figures": len(every),
        "inputs": sum(bool(figure.input) for figure in every),
        "as_published": sum(figure.quantity.endswith(AS_PUBLISHED) for figure in every),
        "predictions": len(predictions),
        "within_10": sum(figure.is_within(AGREES) for figure in predictions),
        "within_25": sum(figure.is_within(NEAR) for figure in predictions),
        "beyond_25": sum(not figure.is_within(NEAR) for figure in predictions),
        "unexplained": sum(not figure.is_explained for figure in every),
        "without_plan": sum(figure.planned is None for figure in every),
    }


@dataclass(frozen=True, slots=True)
class _Read:
    """The cells of a row that are not text."""

    quantity: str
    published: float
    explained: float | None
    method: Method | None

    @property
    def is_hours(self) -> bool:
        return self.quantity == "accelerator_hours"


def _read(row: Row) -> _Read:
    quantity, published = row.choice("quantity", QUANTITIES), float(row.decimal("published"))
    cells = {name: float(row.decimal(name)) for name in ("watts", "pue", "g_kwh", "explained") if row.cells[name]}
    needed = {"watts", "pue"} if "energy" in quantity else {"watts", "pue", "g_kwh"} if "carbon" in quantity else set()
    for name in sorted(needed - cells.keys()):
        row.problem(name, f"is empty: {quantity} is compared by the source's own method")
    method = Method(cells["watts"], cells["pue"], cells.get("g_kwh")) if {"watts", "pue"} <= cells.keys() else None
    return _Read(quantity, published, cells.get("explained"), method)


def _planned(
    directory: Path, workload_file: str, quotes: str, catalog: Catalog, time_limit_s: float
) -> tuple[Workload, Plan]:
    workload = read_workload(directory / workload_file)
    if quotes:
        catalog = with_offers(catalog, read_quotes(directory / quotes, catalog), only=True)
    return workload, plan(workload, catalog, time_limit_s)


def _figure(cells: Mapping[str, str], one: _Read, hours: float | None, workload: Workload, made: Plan) -> Figure:
    planned = QUANTITIES[one.quantity](workload, made, one.method) if made.assignments else None
    return Figure(
        system=cells["system"],
        quantity=one.quantity,
        unit=cells["unit"],
        published=one.published,
        planned=planned,
        source=cells["source"],
        input=cells["input"],
        why_different=_said(cells["why_different"], made),
        explained=one.explained,
        factors=_factors(one, hours, made) if hours and made.assignments and not cells["input"] else (),
        circular=_circular(one, hours) if hours and one.method else "",
        no_plan="; ".join(made.reasons[:1]),
    )


def _factors(one: _Read, hours: float, made: Plan) -> tuple[Factor, ...]:
    """Hours, and what an hour costs, draws at the meter and emits; none for figures that do not follow the hours."""
    planned = accelerator_hours(made)
    of_hours = Factor("hours", planned, hours)
    if one.quantity == "cost_usd":
        return of_hours, Factor("USD an hour", (made.cost_usd or 0.0) / planned, one.published / hours)
    if one.quantity not in ("energy_mwh", "carbon_t") or one.method is None or not made.energy_mwh:
        return ()
    meter = Factor("W at the meter", made.energy_mwh / planned * 1e6, one.method.watts * one.method.pue)
    if one.quantity == "energy_mwh":
        return of_hours, meter
    return of_hours, meter, Factor("g/kWh", (made.carbon_t or 0.0) / made.energy_mwh * 1000, one.method.g_kwh or 1.0)


def _said(sentence: str, made: Plan) -> str:
    """A sentence with the names in braces replaced by what the plan found in its first run."""
    for run in made.assignments[:1]:
        found = {"mfu": f"{run.mfu:.2f}", "goodput": f"{run.goodput:.2f}", "layout": str(run.layout.get("text", ""))}
        shares = {part: f"{100 * seconds / run.step_time_s:.0f} %" for part, seconds in run.breakdown_s.items()}
        for name, value in (found | shares).items():
            sentence = sentence.replace(f"{{{name}}}", value)
    return sentence


def _circular(one: _Read, hours: float) -> str:
    """That a published energy or carbon is its own hours times constants, where it is."""
    assert one.method is not None, "called with a method"
    carbon = "carbon" in one.quantity
    computed = one.method.carbon_t(hours) if carbon else one.method.energy_mwh(hours)
    if abs(computed / one.published - 1) > CIRCULAR:
        return ""
    grid = f" x {one.method.g_kwh:g} g/kWh" if carbon else ""
    return f"circular: published = its hours x {one.method.watts:g} W x PUE {one.method.pue:g}{grid}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
