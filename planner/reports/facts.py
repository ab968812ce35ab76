"""What a plan says beyond its fields: the answer in a sentence, the proof, rates, peaks, what prices rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from planner.plan import Alternative, Assignment, DelayFact, OfferFact, Plan
from planner.reports.formats import clean, count, day, duration, layout, percent, usd, words

AIMS = {
    "cost": ("least cost", "cost less"),
    "finish": ("earliest finish", "finish earlier"),
    "carbon": ("least carbon", "emit less carbon"),
}
BASES = {
    "model": "performance model",
    "measured": "your own measurement",
    "assumed_mfu": "assumed MFU (architecture unknown)",
}
CAPACITY = "capacity"  # the key of memory_gib that is a limit, not a part


@dataclass(frozen=True, slots=True)
class Rates:
    """Totals of the runs, and what a unit of work costs. Hours are accelerator-hours."""

    tokens: int
    hours_used: float
    hours_paid: float
    usd_per_million_tokens: float | None
    usd_per_hour: float | None  # over the hours used
    peak_power_mw: float
    peak_accelerators: int


def headline(plan: Plan) -> str:
    """The answer in one sentence."""
    if not plan.assignments or plan.cost_usd is None:
        if plan.status == "infeasible":
            return f"No plan exists for {clean(plan.workload)}."
        return f"No plan for {clean(plan.workload)} was found in the time allowed ({plan.solve_seconds:.0f} s)."
    start = min(run.start for run in plan.assignments)
    end = plan.finish or max(run.end for run in plan.assignments)
    return f"{_what(plan)}, {day(start)} -> {day(end)}: {usd(plan.cost_usd)}"


def proof(plan: Plan) -> str:
    """How good the plan is known to be."""
    considered = f"{count(plan.options_considered, 'option')} considered, solved in {plan.solve_seconds:.1f} s"
    better = AIMS[plan.aim][1] if plan.aim in AIMS else "do better"
    if plan.status == "optimal":
        bounded = plan.aim == "cost" and plan.bound_usd is not None
        cost = f" (proven lower bound {usd(plan.bound_usd or 0.0)})" if bounded else ""
        return f"Optimal: proven that no plan in the class considered can {better}{cost}; {considered}."
    if plan.status == "feasible":
        gap = "an unknown gap" if plan.gap is None else percent(plan.gap)
        bound = f": no plan can cost less than {usd(plan.bound_usd)}" if plan.bound_usd is not None else ""
        return f"Feasible: within {gap} of the best possible{bound}; {considered}."
    if plan.status == "infeasible":
        return f"Infeasible: proven that no option meets every limit; {considered}."
    return f"Unknown: neither a plan nor a proof that none exists; {considered}. Allow more time (--time-limit)."


def aim(plan: Plan) -> str:
    """What the plan minimises: 'least cost'."""
    return AIMS[plan.aim][0] if plan.aim in AIMS else words(plan.aim)


def rates(plan: Plan) -> Rates:
    """Totals over all runs; `usd_per_*` is None where there is nothing to divide by."""
    tokens = sum(run.tokens for run in plan.assignments)
    used = sum(run.accelerators * _hours(run.start, run.end) for run in plan.assignments)
    per_node = {offer.offer: offer.accelerators_per_node for offer in plan.offers}
    paid = sum(
        bought.nodes * per_node.get(bought.offer, 0) * _hours(bought.start, bought.end) for bought in plan.purchases
    )
    cost = plan.cost_usd
    return Rates(
        tokens=tokens,
        hours_used=used,
        hours_paid=max(paid, used),
        usd_per_million_tokens=cost / tokens * 1e6 if cost is not None and tokens else None,
        usd_per_hour=cost / used if cost is not None and used else None,
        peak_power_mw=_peak([(run.start, run.end, run.power_mw) for run in plan.assignments]),
        peak_accelerators=round(_peak([(run.start, run.end, float(run.accelerators)) for run in plan.assignments])),
    )


def slack(plan: Plan) -> str:
    """How far before (or after) its deadline the tightest job ends: '44 days before the deadline'."""
    ends: dict[str, datetime] = {}
    for run in plan.assignments:
        ends[run.job] = max(run.end, ends.get(run.job, run.end))
    deadlines = {phase.job: phase.deadline for phase in plan.phases}
    slacks = [(deadlines[job] - end, job) for job, end in ends.items() if job in deadlines]
    if not slacks:
        return ""
    least, job = min(slacks)
    side = "before" if least >= timedelta(0) else "after"
    which = f" of {clean(job)}" if len(ends) > 1 else ""
    return "on the deadline" + which if not least else f"{duration(abs(least))} {side} the deadline{which}"


def costs(plan: Plan) -> list[tuple[str, float]]:
    """Parts of the cost, largest first, zeros left out."""
    return sorted(((words(k), v) for k, v in plan.costs.items() if v), key=lambda part: -abs(part[1]))


def memory(run: Assignment) -> tuple[dict[str, float], float, float | None]:
    """Parts of an accelerator's memory, their total and the capacity where the plan states it; GiB."""
    parts = {words(k): v for k, v in run.memory_gib.items() if k not in ("total", CAPACITY)}
    return parts, run.memory_gib.get("total", sum(parts.values())), run.memory_gib.get(CAPACITY)


def memory_line(run: Assignment) -> str:
    """Memory use of one accelerator in a line; '' where the plan has none."""
    parts, total, capacity = memory(run)
    if not total:
        return ""
    limit = f" of {capacity:.1f} GiB ({percent(total / capacity)})" if capacity else " GiB"
    listed = _parts(parts, "GiB", 1)
    return f"{total:.1f}{limit} per accelerator" + (f": {listed}" if listed else "")


def step_line(run: Assignment) -> str:
    """Step time and its parts in a line; '' where the plan has none (a measured throughput)."""
    if not run.step_time_s:
        return ""
    parts = _parts({words(k): v for k, v in run.breakdown_s.items() if k != "total"}, "s", 2)
    return f"{run.step_time_s:.2f} s" + (f" = {parts}" if parts else "")


def confidence(plan: Plan) -> str:
    """Where the throughput comes from, its expected error, goodput and start-up."""
    found = []
    for basis in dict.fromkeys(run.throughput_basis for run in plan.assignments):
        errors = [run.expected_error for run in plan.assignments if run.throughput_basis == basis]
        known = [error for error in errors if error is not None]
        band = f", ± {percent(max(known))} expected" if known else ""
        found.append(f"throughput from {BASES.get(basis, words(basis))}{band}")
    margin = min((run.throughput_margin for run in plan.assignments), default=1.0)
    if margin < 1:
        found.append(f"planned on {percent(margin)} of it, for the on-time probability")
    held = min((run.held_share for run in plan.assignments), default=1.0)
    if held < 1:
        found.append(f"spot nodes held and paid {percent(held)} of the time")
    goodputs = [run.goodput for run in plan.assignments]
    if goodputs:
        span = " to ".join(dict.fromkeys((percent(min(goodputs)), percent(max(goodputs)))))
        startup = max(run.startup_seconds for run in plan.assignments)
        found.append(f"goodput {span}, start-up {duration(timedelta(seconds=startup))} a run")
    return "; ".join(found)


def used_offers(plan: Plan) -> list[OfferFact]:
    """The offers the plan pays for or runs on, in order of first use."""
    used = dict.fromkeys([run.offer for run in plan.assignments] + [bought.offer for bought in plan.purchases])
    known = {offer.offer: offer for offer in plan.offers}
    return [known[offer] for offer in used if offer in known]


def price_basis(offer: OfferFact) -> str:
    """Price (lowest and highest over the offer's terms, or else its windows) and its date."""
    prices = sorted({priced.price_usd_node_hour for priced in offer.terms or offer.windows})
    span = " to ".join(f"{price:,.2f}" for price in dict.fromkeys((prices[0], prices[-1]))) if prices else "unknown"
    dated = f", priced {clean(offer.price_date)}" if offer.price_date else ", price date unknown"
    return f"{span} USD a node-hour{dated}"


def where(run: Assignment) -> str:
    """Region and purchase option."""
    return f"{clean(run.region)}, {words(run.purchase_option)}"


def layout_text(run: Assignment) -> str:
    """The run's layout in short, or why there is none."""
    return layout(run.layout) or ("layout as measured" if run.throughput_basis == "measured" else "layout not planned")


def difference(plan: Plan, cost_usd: float) -> str:
    """Another cost against the plan's: '+18 %'."""
    if not plan.cost_usd:
        return ""
    change = percent(cost_usd / plan.cost_usd - 1)
    return change if change.startswith("-") else f"+{change}"


def on_other_accelerators(plan: Plan) -> list[Alternative]:
    """The alternatives that answer "what if on another accelerator", cheapest first, those without a plan last."""
    mine = [other for other in plan.alternatives if other.kind == "accelerator"]
    return sorted(mine, key=lambda other: (other.cost_usd is None, other.cost_usd or 0.0))


def near(plan: Plan) -> list[Alternative]:
    """The alternatives near the optimum, best first."""
    return [other for other in plan.alternatives if other.kind == "near"]


def nearness(plan: Plan) -> str:
    """What is known of plans near the optimum as a whole; '' where none were sought."""
    if not plan.within:
        return ""
    share = percent(plan.within)
    if plan.within_complete:
        return f"no other kind of plan is within {share} of it (proven)"
    return f"within {share} of it there may be more kinds of plan than the time allowed to find"


def near_line(other: Alternative) -> str:
    """A plan near the optimum in a line: cost, then what is different, then the gap where there is one."""
    cost = "" if other.cost_usd is None else f"{usd(other.cost_usd)}, "
    gap = f" (may be up to {percent(other.gap)} better)" if other.gap else ""
    return f"{cost}{clean(other.difference)}{gap}"


def delay_name(delays: Sequence[DelayFact]) -> str:
    """Whose price rows of the cost of delay are: '3 days earlier', '1 to 14 days earlier'."""
    days = sorted(abs(delay.days) for delay in delays)
    span = f"{days[0]} to {days[-1]} days" if len(days) > 1 else count(days[0], "day")
    return f"{span} {'earlier' if delays[0].days < 0 else 'later'}"


def delay_line(plan: Plan) -> str:
    """What ending some days earlier or later costs, in a line; '' where that was not asked."""
    parts = []
    for (extra, reason, _), alike in groupby(plan.delay, key=lambda d: (d.extra_usd, d.reason, d.days < 0)):
        shown = clean(reason) if extra is None else f"{'+' if extra >= 0 else ''}{usd(extra)}"
        parts.append(f"{delay_name(list(alike))}: {shown}")
    return "; ".join(parts)


def availability(plan: Plan) -> list[str]:
    """Why the plan believes that the nodes can be had, each reason once."""
    bases = [clean(offer.availability_basis) or "unknown" for offer in used_offers(plan)]
    return list(dict.fromkeys(bases))


def name(run: Assignment) -> str:
    """The phase a run belongs to: 'base-70b / pretrain'."""
    return f"{clean(run.job)} / {clean(run.phase)}"


def lead(plan: Plan) -> Assignment | None:
    """The run that costs most: the one whose step and memory are worth a line."""
    return max(plan.assignments, key=lambda run: run.cost_usd, default=None)


def refused(plan: Plan) -> list[tuple[str, int]]:
    """Kinds of refusal with the number of options refused, most first."""
    return [(words(kind), number) for kind, number in Counter(plan.options_refused).most_common()]


def _what(plan: Plan) -> str:
    runs = plan.assignments
    owned = all(run.purchase_option == "owned" for run in runs)
    bought = owned and any(purchase.term is not None for purchase in plan.purchases)
    offers = dict.fromkeys(run.offer for run in runs)
    verb = "Buy" if bought else "Use" if owned else "Rent"
    if len(offers) > 1:
        names = list(dict.fromkeys(clean(run.accelerator) for run in runs))
        listed = ", ".join(names) if len(names) < 4 else f"{len(names)} kinds"
        peak = f"at most {rates(plan).peak_accelerators:,} accelerators at once ({listed})"
        return f"{verb} from {len(offers)} offers for {count(len(runs), 'run')}, {peak}"
    sizes = list(dict.fromkeys(run.nodes for run in runs))
    some = len(sizes) < 4
    listed_sizes = " then ".join(f"{size:,}" for size in sizes) if some else f"{min(sizes):,} to {max(sizes):,}"
    most = max(runs, key=lambda run: run.accelerators)
    several = "up to " if len(sizes) > 1 else ""
    option = "" if owned else f", {words(most.purchase_option)}"
    noun = "node" if sizes == [1] else "nodes"
    return (
        f"{verb} {listed_sizes} {noun} of {clean(most.instance_type)} "
        f"({several}{most.accelerators:,} {clean(most.accelerator)}) in {clean(most.region)}{option}"
    )


def _parts(parts: Mapping[str, float], unit: str, decimals: int) -> str:
    shown = sorted(((k, v) for k, v in parts.items() if v), key=lambda part: -part[1])
    return " + ".join(f"{part} {value:.{decimals}f}" for part, value in shown) + (f" {unit}" if shown else "")


def _hours(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() / 3600


def _peak(spans: list[tuple[datetime, datetime, float]]) -> float:
    """Largest sum of amounts at one instant; a span ends before the next one of the same instant starts."""
    changes = [(start, 1, amount) for start, _, amount in spans] + [(end, 0, -amount) for _, end, amount in spans]
    highest = now = 0.0
    for _, _, amount in sorted(changes):
        now += amount
        highest = max(highest, now)
    return highest
