"""The tables of a plan's page, as rows of text: what a chart shows, and what to buy, in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from planner.plan import Plan
from planner.reports import facts
from planner.reports.formats import clean, compact, day, duration, minute, number, percent, usd_exact, words
from planner.reports.frames import distinct_runs


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and rows; `numbers` are the columns that align right, `whole` those whose lines are not broken."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    whole: frozenset[int] = frozenset()


def runs(plan: Plan) -> Table:
    """Every run: what, where, how laid out, when, how fast, at what cost."""
    rows = [
        (
            facts.name(run) + (f"\n{percent(run.work_share)} of the work" if run.work_share < 0.9995 else ""),
            f"{clean(run.instance_type)}\n{facts.where(run)}",
            f"{run.nodes:,}\n{run.accelerators:,} {clean(run.accelerator)}",
            facts.layout_text(run),
            f"{minute(run.start)}\n{minute(run.end)}\n{duration(run.end - run.start)}",
            f"{run.tokens_per_second:,.0f}",
            f"{run.mfu * 100:.1f} %" if run.mfu else "-",
            usd_exact(run.cost_usd),
        )
        for run in plan.assignments
    ]
    headings = ("Phase", "Runs on", "Nodes", "Layout", "From, until (UTC)", "Tokens/s", "MFU", "Cost")
    return _table(headings, rows, {5, 6, 7}, {1, 2, 4})


def schedule(plan: Plan) -> Table:
    """Start and end of every run with its deadline."""
    deadlines = {(p.job, p.phase): p.deadline for p in plan.phases}
    rows = []
    for run in sorted(plan.assignments, key=lambda run: run.start):
        deadline = deadlines.get((run.job, run.phase))
        rows.append(
            (
                facts.name(run),
                f"{run.accelerators:,} {clean(run.accelerator)}",
                minute(run.start),
                minute(run.end),
                minute(deadline) if deadline else "-",
            )
        )
    return _table(("Phase", "Accelerators", "From (UTC)", "Until (UTC)", "Deadline (UTC)"), rows, whole={2, 3, 4})


def purchases(plan: Plan) -> Table:
    """What to order, in the order of need."""
    rows = [
        (
            clean(bought.offer),
            words(bought.purchase_option),
            f"{bought.nodes:,}",
            minute(bought.start),
            minute(bought.end),
            percent(bought.unused_share) if bought.unused_share else "-",
            usd_exact(bought.cost_usd),
        )
        for bought in sorted(plan.purchases, key=lambda bought: bought.start)
    ]
    return _table(
        ("Offer", "Bought as", "Nodes", "From (UTC)", "Until (UTC)", "Unused", "Cost"), rows, {2, 5, 6}, {3, 4}
    )


def costs(plan: Plan) -> Table:
    """Cost by part with its share."""
    total = plan.cost_usd or sum(plan.costs.values())
    rows = [(part, usd_exact(value), percent(value / total) if total else "-") for part, value in facts.costs(plan)]
    return _table(("Part", "Cost", "Share"), rows, {1, 2})


def step_times(plan: Plan) -> Table:
    """Step time by part for every distinct run."""
    rows = []
    for run, name in distinct_runs(plan):
        for part, seconds in run.breakdown_s.items():
            if part != "total" and seconds:
                share = percent(seconds / run.step_time_s) if run.step_time_s else "-"
                rows.append((name, words(part), f"{seconds:.3f}", share))
    return _table(("Run", "Part", "Seconds", "Share"), rows, {2, 3})


def memory(plan: Plan) -> Table:
    """Memory of one accelerator by part for every distinct run, with total and capacity."""
    rows = []
    for run, name in distinct_runs(plan):
        parts, total, capacity = facts.memory(run)
        rows += [(name, part, f"{gib:.2f}") for part, gib in parts.items() if gib]
        if total:
            rows.append((name, "total", f"{total:.2f}"))
        if total and capacity:
            rows.append((name, "capacity", f"{capacity:.2f}"))
    return _table(("Run", "Part", "GiB"), rows, {2})


def alternatives(plan: Plan) -> Table:
    """The cheapest plan on every other accelerator, or why there is none."""
    rows = []
    for other in facts.on_other_accelerators(plan):
        nodes = f"{other.nodes:,}\n{other.accelerators:,} accelerators" if other.nodes else "-"
        cost = difference = "-"
        ready = clean(other.reason) or "no plan"
        if other.cost_usd is not None:
            cost, difference = usd_exact(other.cost_usd), facts.difference(plan, other.cost_usd) or "-"
            ready = day(other.finish) if other.finish else "-"
        rows.append((clean(other.accelerator), clean(other.offer) or "-", nodes, cost, difference, ready))
    return _table(("Accelerator", "Offer", "Nodes", "Cost", "Difference", "Ready (UTC), or why not"), rows, {3, 4}, {2})


def near(plan: Plan) -> Table:
    """The plans of another kind near the optimum."""
    rows = [
        (
            clean(other.accelerator),
            f"{words(other.purchase_option)}\n{clean(other.region)}",
            f"{other.nodes:,}\n{other.accelerators:,} accelerators",
            "-" if other.cost_usd is None else usd_exact(other.cost_usd),
            clean(other.difference),
            "-" if other.gap is None else percent(other.gap),
        )
        for other in facts.near(plan)
    ]
    return _table(("Accelerator", "Bought as, in", "Nodes", "Cost", "What is different", "Gap"), rows, {3, 5}, {2})


def delay(plan: Plan) -> Table:
    """What every day of the finish costs near the optimum."""
    rows = [
        (
            facts.delay_name([one]),
            minute(one.finish) if one.finish else "-",
            "-" if one.cost_usd is None else usd_exact(one.cost_usd),
            clean(one.reason) if one.extra_usd is None else usd_exact(one.extra_usd),
            "-" if one.extra_usd_day is None else usd_exact(one.extra_usd_day),
        )
        for one in plan.delay
    ]
    return _table(("Ends", "Ready (UTC)", "Cost", "More", "More per day"), rows, {2, 3, 4}, {1})


def offers(plan: Plan) -> Table:
    """Price, date, source and availability of every offer the plan relies on."""
    rows = [
        (
            clean(offer.offer),
            facts.price_basis(offer),
            clean(offer.price_source) or "unknown",
            clean(offer.availability_basis) or "unknown",
            f"{max((window.maximum_nodes for window in offer.windows), default=0):,}",
        )
        for offer in facts.used_offers(plan)
    ]
    return _table(("Offer", "Price", "Source", "Availability", "Nodes at most"), rows, {4})


def refused(plan: Plan) -> Table:
    """Why options were refused, and how many."""
    return _table(("Reason", "Options"), [(kind, f"{n:,}") for kind, n in facts.refused(plan)], {1})


def figures(plan: Plan) -> list[tuple[str, str, str]]:
    """The key figures: name, value, remark."""
    rates = facts.rates(plan)
    found: list[tuple[str, str, str]] = []
    if plan.cost_usd is not None:
        budget = f"{percent(plan.cost_usd / plan.budget_usd)} of the budget" if plan.budget_usd else "no budget set"
        found.append(("Cost", f"${compact(plan.cost_usd)}", budget))
    if plan.finish:
        at = plan.finish.strftime("%H:%M UTC, ")
        found.append(("Ready", plan.finish.strftime("%Y-%m-%d"), at + (facts.slack(plan) or "no deadline")))
    if rates.peak_accelerators:
        hours = f"{compact(rates.hours_used)} accelerator-hours"
        unused = rates.hours_paid - rates.hours_used
        idle = f", {compact(unused)} unused" if unused > 0.005 * rates.hours_used else ""
        found.append(("Accelerators at most", f"{rates.peak_accelerators:,}", hours + idle))
    if rates.usd_per_million_tokens is not None:
        found.append(("Per million tokens", f"${rates.usd_per_million_tokens:.3g}", f"{compact(rates.tokens)} tokens"))
    if rates.usd_per_hour is not None:
        found.append(("Per accelerator-hour", f"${rates.usd_per_hour:.2f}", "all costs over the hours used"))
    if plan.energy_mwh is not None:
        limit = f" of {number(plan.max_power_mw)} MW allowed" if plan.max_power_mw is not None else " MW at most"
        found.append(("Energy", f"{number(plan.energy_mwh)} MWh", f"{compact(rates.peak_power_mw)}{limit}"))
    if plan.carbon_t is not None:
        limit = f"of {number(plan.max_carbon_t)} t allowed" if plan.max_carbon_t is not None else "CO2e, by location"
        found.append(("Carbon", f"{number(plan.carbon_t)} t", limit))
    return found


def _table(
    headings: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    numbers: Iterable[int] = (),
    whole: Iterable[int] = (),
) -> Table:
    return Table(headings, tuple(rows), frozenset(numbers), frozenset(whole))
