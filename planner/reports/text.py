"""A plan on one terminal screen: the answer first, then what to rent, what it costs, how sure it is, what else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.plan import Assignment, Plan
from planner.reports import facts
from planner.reports.formats import clean, compact, count, day, duration, number, percent, usd, usd_exact

MOST_RUNS = 5
FEW_RUNS = 2  # up to so many runs each says its layout; more share a list of layouts, so that all fits one screen
MOST_REASONS = 12
MOST_OFFERS = 3
MOST_LAYOUTS = 3
MOST_NEAR = 3
STATUS_STYLES = {"optimal": "green", "feasible": "yellow", "infeasible": "red", "unknown": "red"}


def print_plan(plan: Plan, console: Console) -> None:
    """Print a plan (or why there is none) on one screen of 100 columns; USD, UTC. Names are never read as markup."""
    style = STATUS_STYLES[plan.status]
    console.print(Text(facts.headline(plan), style=f"bold {style}"))
    console.print(Text(facts.proof(plan), style=style))
    if plan.assignments:
        console.print(_runs(plan.assignments, console.width, _few(plan)))
        _more(console, len(plan.assignments), MOST_RUNS)
        console.print(_facts(plan))
    else:
        _no_plan(plan, console)
    _alternatives(plan, console)
    _warnings(plan, console)
    console.print(Text(_footer(plan), style="dim"))


def _few(plan: Plan) -> bool:
    return len(plan.assignments) <= FEW_RUNS


def _runs(runs: Sequence[Assignment], width: int, few: bool) -> Table:
    table = Table(box=None, padding=(0, 2 if width >= 100 else 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Phase", overflow="fold")
    table.add_column("Runs on", overflow="fold")
    table.add_column("Nodes", justify="right", no_wrap=True)
    table.add_column("From, until", no_wrap=True)
    table.add_column("Tokens/s\nMFU", justify="right", no_wrap=True)
    table.add_column("Cost\nUSD", justify="right", no_wrap=True)
    for run in runs[:MOST_RUNS]:
        share = f"\n{percent(run.work_share)} of the work" if run.work_share < 0.9995 else ""
        table.add_row(
            Text(f"{clean(run.job)}\n{clean(run.phase)}{share}"),
            Text(f"{clean(run.instance_type)}\n{facts.where(run)}" + (f"\n{facts.layout_text(run)}" if few else "")),
            Text(f"{run.nodes:,}\n{run.accelerators:,} acc."),
            Text(f"{day(run.start)}\n{day(run.end)}" + (f"\n{duration(run.end - run.start)}" if few else "")),
            Text(f"{compact(run.tokens_per_second)}\n{percent(run.mfu) if run.mfu else '-'}"),
            Text(compact(run.cost_usd), style="bold"),
        )
    return table


def _facts(plan: Plan) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _lines(plan):
        if value:
            grid.add_row(Text(name), Text(value))
    return grid


def _lines(plan: Plan) -> Iterable[tuple[str, str]]:
    rates = facts.rates(plan)
    assert plan.cost_usd is not None, "a plan with runs has a cost"
    parts = ", ".join(f"{name} {compact(value)}" for name, value in facts.costs(plan))
    budget = f"; budget {usd(plan.budget_usd)}" if plan.budget_usd else ""
    yield "Cost", usd_exact(plan.cost_usd) + (f": {parts}" if parts else "") + budget
    unused = rates.hours_paid - rates.hours_used
    idle = f", {compact(unused)} more paid for and unused" if unused > 0.005 * rates.hours_used else ""
    if rates.usd_per_million_tokens is not None and rates.usd_per_hour is not None:
        hours = f"{compact(rates.hours_used)} accelerator-hours at {rates.usd_per_hour:.2f} USD{idle}"
        yield "Rates", f"{rates.usd_per_million_tokens:.4g} USD per M tokens; {hours}"
    if plan.finish:
        slack = facts.slack(plan)
        yield "Ready", day(plan.finish) + (f", {slack}" if slack else "")
    yield "Delay", facts.delay_line(plan)
    yield "Power", _power(plan, rates.peak_power_mw)
    if not _few(plan):
        yield from _layouts(plan)
    lead = facts.lead(plan)
    if lead is not None:
        of = "" if len(plan.assignments) == 1 else f" ({facts.name(lead)})"
        step, memory = facts.step_line(lead), facts.memory_line(lead)
        yield "Step", step and step + of
        yield "Memory", memory and memory + of
    yield "Basis", facts.confidence(plan)
    offers = facts.used_offers(plan)
    for index, offer in enumerate(offers[:MOST_OFFERS]):
        yield "Prices" if index == 0 else "", f"{clean(offer.offer)}: {facts.price_basis(offer)}"
    if len(offers) > MOST_OFFERS:
        yield "", f"... and {len(offers) - MOST_OFFERS} more (see --json)"
    yield "Nodes", "; ".join(facts.availability(plan)[:MOST_OFFERS])
    near = facts.near(plan)
    for index, other in enumerate(near[:MOST_NEAR]):
        yield "Or" if index == 0 else "", facts.near_line(other)
    if len(near) > MOST_NEAR:
        yield "", f"... and {len(near) - MOST_NEAR} more within {percent(plan.within)} (see --json)"
    elif known := facts.nearness(plan):
        yield "" if near else "Or", known


def _layouts(plan: Plan) -> Iterable[tuple[str, str]]:
    phases: dict[str, list[str]] = {}
    for run in plan.assignments:
        if run.layout:
            phases.setdefault(facts.layout_text(run), []).append(clean(run.phase))
    for index, (layout, names) in enumerate(list(phases.items())[:MOST_LAYOUTS]):
        listed = ", ".join(dict.fromkeys(names[:4])) + (" and others" if len(names) > 4 else "")
        yield "Layout" if index == 0 else "", f"{layout} ({listed})"
    if len(phases) > MOST_LAYOUTS:
        yield "", f"... and {len(phases) - MOST_LAYOUTS} more (see --json)"


def _power(plan: Plan, peak_mw: float) -> str:
    parts = []
    if plan.energy_mwh is not None:
        parts.append(f"{number(plan.energy_mwh)} MWh")
    if plan.carbon_t is not None:
        limit = f" (limit {number(plan.max_carbon_t)} t)" if plan.max_carbon_t is not None else ""
        parts.append(f"{number(plan.carbon_t)} t CO2e{limit}")
    if peak_mw:
        limit = f" (limit {compact(plan.max_power_mw)} MW)" if plan.max_power_mw is not None else ""
        parts.append(f"{compact(peak_mw)} MW at most{limit}")
    return ", ".join(parts)


def _no_plan(plan: Plan, console: Console) -> None:
    if plan.reasons:
        console.print(Text("Why, and what to change", style="bold"))
        for reason in plan.reasons[:MOST_REASONS]:
            _item(console, clean(reason))
        _more(console, len(plan.reasons), MOST_REASONS)
    refused = facts.refused(plan)
    if refused:
        _item(console, "Options refused: " + ", ".join(f"{kind} {number:,}" for kind, number in refused[:8]))


def _alternatives(plan: Plan, console: Console) -> None:
    most = 5 if _few(plan) else 3
    alternatives = facts.on_other_accelerators(plan)
    priced = [a for a in alternatives if a.cost_usd is not None]
    others = [a for a in alternatives if a.cost_usd is None]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for heading in ("Instead on", "Offer"):
        table.add_column(heading, overflow="fold")
    for heading in ("Nodes", "Cost USD", "Change"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Ready", no_wrap=True)
    for other in priced[:most]:
        assert other.cost_usd is not None
        table.add_row(
            Text(clean(other.accelerator)),
            Text(clean(other.offer)),
            f"{other.nodes:,}",
            compact(other.cost_usd),
            facts.difference(plan, other.cost_usd),
            day(other.finish) if other.finish else "",
        )
    if priced:
        console.print(table)
    room = max(1, most - len(priced))
    for other in others[:room]:
        _item(console, f"not on {clean(other.accelerator)}: {clean(other.reason) or 'no plan'}")
    _more(console, len(alternatives), min(len(priced), most) + min(len(others), room))


def _warnings(plan: Plan, console: Console) -> None:
    most = 4 if _few(plan) else 2
    warnings = list(dict.fromkeys(plan.warnings))
    for warning in warnings[:most]:
        behind = ", ".join(clean(part) for part in (warning.rule, warning.source) if part)
        _item(console, clean(warning.message) + (f" [{behind}]" if behind else ""), "!", "yellow")
    _more(console, len(warnings), most)


def _footer(plan: Plan) -> str:
    digests = [
        f"planner {clean(plan.planner_version)}" if plan.planner_version else "",
        f"catalog {clean(plan.catalog_digest)[:12]}" if plan.catalog_digest else "",
        f"workload {clean(plan.workload)} {clean(plan.workload_digest)[:12]}".rstrip(),
        f"{facts.aim(plan)}",
        f"{count(sum(plan.options_refused.values()), 'option')} refused" if plan.options_refused else "",
    ]
    return ", ".join(part for part in digests if part)


def _item(console: Console, text: str, mark: str = "-", style: str = "") -> None:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(mark, style=style), Text(text, style=style))
    console.print(grid)


def _more(console: Console, total: int, shown: int) -> None:
    if total > shown:
        console.print(Text(f"... and {total - shown} more (see --json)", style="dim"))
