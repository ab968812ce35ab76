"""The rows behind each chart, as DataFrames for notebooks; empty, with columns, where a plan has nothing to show."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from planner.plan import Assignment, Plan
from planner.reports import facts
from planner.reports.formats import clean, compact, words

if TYPE_CHECKING:
    import pandas as pd

BRIEF = 0.34  # a run shorter than this share of the time shown has its label beside it, not on it (fits 340 px)
THIN = 0.008  # no bar is drawn thinner than this share of the time shown
MOST_PARTS = 8  # bars of one stack that can be told apart by colour
THIS_PLAN = "this plan"


def schedule_frame(plan: Plan) -> pd.DataFrame:
    """One row per run: phase, start, end (UTC), accelerator, label and where the label goes (on, after, before)."""
    first = min((run.start for run in plan.assignments), default=plan.start)
    last = max([run.end for run in plan.assignments] + [phase.deadline for phase in plan.phases], default=first)
    span = (last - first).total_seconds() or 1.0
    rows = []
    for run in plan.assignments:
        brief = (run.end - run.start).total_seconds() < BRIEF * span
        late = (run.end - first).total_seconds() > (1 - BRIEF) * span
        rows.append(
            {
                "phase": facts.name(run),
                "start": run.start,
                "end": run.end,
                "drawn_until": max(run.end, run.start + timedelta(seconds=THIN * span)),
                "accelerator": clean(run.accelerator),
                "nodes": run.nodes,
                "label": f"{run.accelerators:,} acc.",
                "place": ("before" if late else "after") if brief else "on",
            }
        )
    return _frame(rows, ["phase", "start", "end", "drawn_until", "accelerator", "nodes", "label", "place"])


def deadline_frame(plan: Plan) -> pd.DataFrame:
    """One row per phase: its deadline (UTC)."""
    rows = [{"phase": f"{clean(p.job)} / {clean(p.phase)}", "deadline": p.deadline} for p in plan.phases]
    return _frame(rows, ["phase", "deadline"])


def cost_frame(plan: Plan) -> pd.DataFrame:
    """One row per part of the cost, largest first; USD."""
    return _frame([{"part": n, "usd": v, "label": compact(v)} for n, v in facts.costs(plan)], ["part", "usd", "label"])


def step_time_frame(plan: Plan) -> pd.DataFrame:
    """One row per run and part of its step time, in the plan's order; seconds."""
    rows = [
        {"run": name, "part": words(part), "seconds": value, "label": f"{value:.3g} s"}
        for run, name in distinct_runs(plan)
        for part, value in run.breakdown_s.items()
        if part != "total" and value
    ]
    return _frame(rows, ["run", "part", "seconds", "label"])


def memory_frame(plan: Plan) -> pd.DataFrame:
    """One row per run and part of its accelerator's memory, and the capacity where known; GiB."""
    rows: list[dict[str, Any]] = []
    for run, name in distinct_runs(plan):
        parts, _, capacity = facts.memory(run)
        kept = sorted(parts.items(), key=lambda part: -part[1])
        small = kept[MOST_PARTS - 1 :] if len(kept) > MOST_PARTS else []
        merged = kept[: len(kept) - len(small)] + ([("other", sum(v for _, v in small))] if small else [])
        rows += [{"run": name, "part": part, "gib": v, "capacity": capacity} for part, v in merged if v]
    return _frame(rows, ["run", "part", "gib", "capacity"])


def alternatives_frame(plan: Plan) -> pd.DataFrame:
    """One row for the plan and one for the cheapest plan on each other accelerator; USD, cheapest first."""
    rows: list[dict[str, Any]] = []
    if plan.cost_usd is not None:
        names = ", ".join(dict.fromkeys(clean(run.accelerator) for run in plan.assignments))
        rows.append(
            {"accelerator": f"{names} ({THIS_PLAN})" if names else THIS_PLAN, "usd": plan.cost_usd, "plan": True}
        )
    rows += [
        {"accelerator": clean(a.accelerator), "usd": a.cost_usd, "plan": False}
        for a in facts.on_other_accelerators(plan)
        if a.cost_usd is not None
    ]
    rows.sort(key=lambda row: float(row["usd"]))
    for row in rows:
        row["label"] = compact(float(row["usd"]))
    return _frame(rows, ["accelerator", "usd", "plan", "label"])


def distinct_runs(plan: Plan) -> list[tuple[Assignment, str]]:
    """Runs with different breakdowns, each with a name of its own, costliest first."""
    found: dict[str, Assignment] = {}
    for run in sorted(plan.assignments, key=lambda run: -run.cost_usd):
        same = facts.name(run)
        alike = [other for other in found.values() if facts.name(other) == same]
        if any((o.breakdown_s, o.memory_gib) == (run.breakdown_s, run.memory_gib) for o in alike):
            continue
        found[f"{same} on {run.nodes} nodes" if alike else same] = run
    return [(run, name) for name, run in found.items()]


def _frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns)
