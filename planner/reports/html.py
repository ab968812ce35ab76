"""A plan as one self-contained page: the answer first, then key figures, charts with their tables, prices and proof.

The page has no script and asks nothing of the network: charts are SVG drawn beforehand, coloured by CSS variables,
in two widths each. Every text is escaped; the page's content security policy forbids whatever could still load or run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from importlib.resources import files

import altair as alt

from planner.plan import Plan
from planner.reports import charts, facts, tables
from planner.reports.formats import clean, day
from planner.reports.tables import Table
from planner.reports.theme import DARK, LIGHT, css_variables

WIDE_PX, FULL_PX, NARROW_PX = 620, 1180, 340
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def plan_html(plan: Plan) -> str:
    """The page of a plan, or of the reasons why there is none; times are UTC, money USD."""
    title = f"{clean(plan.workload)}: {plan.status} plan" if plan.assignments else f"{clean(plan.workload)}: no plan"
    body = "".join(section for section in _sections(plan) if section)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style()}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def style() -> str:
    rules = files("planner.reports").joinpath("page.css").read_text(encoding="utf-8")
    return (
        f":root {{ {css_variables(LIGHT)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {css_variables(DARK)} }} }}\n{rules}"
    )


def _sections(plan: Plan) -> Iterable[str]:
    yield _header(plan)
    yield "<main>\n"
    yield _figures(plan)
    if plan.reasons:
        yield card("Why, and what to change", _list(clean(reason) for reason in plan.reasons), "full")
    yield _warnings(plan)
    yield table_card("What to run", tables.runs(plan), "Each run is one phase on one slice, with its best layout.")
    yield _chart_card(
        plan,
        "Schedule",
        charts.schedule_chart,
        tables.schedule(plan),
        "Bars are runs, labelled with their accelerators; an upright tick is the phase's deadline. Times are UTC.",
        FULL_PX,
    )
    yield _chart_card(
        plan,
        "The same work on other accelerators",
        charts.alternatives_chart,
        tables.alternatives(plan),
        "The cheapest plan on each accelerator, within the same limits.",
        FULL_PX,
        drawn=any(other.cost_usd is not None for other in plan.alternatives),
    )
    yield table_card("Almost as good", tables.near(plan), _near_caption(plan))
    yield table_card(
        "What a day costs",
        tables.delay(plan),
        "The cheapest plan that ends at least so much earlier; or at most so much later, with deadlines as much later.",
    )
    yield _chart_card(
        plan, "Cost by part", charts.cost_chart, tables.costs(plan), "Everything paid for until the end of the plan."
    )
    yield _chart_card(plan, "Step time", charts.step_time_chart, tables.step_times(plan), _step_caption(plan))
    yield _chart_card(
        plan,
        "Memory of one accelerator",
        charts.memory_chart,
        tables.memory(plan),
        "By part, for the costliest runs; an upright tick is the capacity, where the plan states it.",
    )
    why = "Ways to run a phase that a limit, the law or physics ruled out."
    yield table_card("Options refused", tables.refused(plan), why, "half")
    yield table_card("What to buy", tables.purchases(plan), "What is paid for, whether used or not.")
    yield table_card("Prices and availability", tables.offers(plan), "What the plan relies on; check before signing.")
    yield "</main>\n"
    yield _footer(plan)


def _header(plan: Plan) -> str:
    answer = escape(facts.headline(plan)).replace("-&gt;", "\u2192")
    basis = facts.confidence(plan)
    return (
        f'<header class="{plan.status}">\n<p class="kicker"><span class="badge">{escape(plan.status)}</span> '
        f"{escape(clean(plan.workload))}, {escape(facts.aim(plan))}</p>\n<h1>{answer}</h1>\n"
        f"<p>{escape(facts.proof(plan))}</p>\n"
        + (f'<p class="muted">{escape(basis[0].upper() + basis[1:])}.</p>\n' if basis else "")
        + "</header>\n"
    )


def _figures(plan: Plan) -> str:
    found = "".join(
        f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd class="muted">{escape(remark)}</dd></div>\n'
        for name, value, remark in tables.figures(plan)
    )
    return f'<dl class="figures" aria-label="Key figures">\n{found}</dl>\n' if found else ""


def _warnings(plan: Plan) -> str:
    items = []
    for warning in dict.fromkeys(plan.warnings):
        behind = ", ".join(part for part in (escape(clean(warning.rule)), _link(warning.source)) if part)
        items.append(escape(clean(warning.message)) + (f' <span class="muted">({behind})</span>' if behind else ""))
    listed = "".join(f"<li>{item}</li>\n" for item in items)
    return card("Know before you sign", f"<ul>\n{listed}</ul>\n", "full warnings") if items else ""


def _near_caption(plan: Plan) -> str:
    known = facts.nearness(plan)
    best = "Each is the best plan that uses nothing of the kinds above it"
    return f"{best}; {known}." if known else f"{best}."


def _step_caption(plan: Plan) -> str:
    lead = facts.lead(plan)
    if lead is None or not lead.step_time_s:
        return ""
    of = f" of {facts.name(lead)}" if len(plan.assignments) > 1 else ""
    utilisation = f"MFU {lead.mfu * 100:.1f} %, HFU {lead.hfu * 100:.1f} %"
    return f"One optimizer step{of} takes {lead.step_time_s:.2f} s; {utilisation}."


def _chart_card(
    plan: Plan,
    title: str,
    chart: Callable[[Plan], alt.LayerChart],
    table: Table,
    caption: str,
    wide_px: int = WIDE_PX,
    drawn: bool = True,
) -> str:
    if not table.rows or not drawn:
        return table_card(title, table, caption)
    drawing = chart(plan)
    slug = title.lower().replace(" ", "-")
    label = escape(f"{title}. {caption} The table below has the numbers.")
    image = "".join(
        f'<div class="{size}">{charts.inline_svg(drawing, width, f"{slug}-{size}")}</div>'
        for size, width in (("wide", wide_px), ("narrow", NARROW_PX))
    )
    return card(
        title,
        f'<p class="muted">{escape(caption)}</p>\n<div class="chart" role="img" aria-label="{label}">{image}</div>\n'
        f"<details><summary>Table</summary>\n{table_html(table)}</details>\n",
        "full" if wide_px == FULL_PX else "",
    )


def table_card(title: str, table: Table, caption: str, kind: str = "full") -> str:
    return card(title, f'<p class="muted">{escape(caption)}</p>\n{table_html(table)}', kind) if table.rows else ""


def card(title: str, content: str, kind: str) -> str:
    return f'<section class="{kind}">\n<h2>{escape(title)}</h2>\n{content}</section>\n'


def table_html(table: Table) -> str:
    head = "".join(f'<th{_align(table, i)} scope="col">{escape(name)}</th>' for i, name in enumerate(table.headings))
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td{_align(table, i)} data-label="{escape(table.headings[i])}"><span>{_link(cell)}</span></td>'
            for i, cell in enumerate(row)
        )
        + "</tr>\n"
        for row in table.rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


def _align(table: Table, column: int) -> str:
    kind = "number" if column in table.numbers else "whole" if column in table.whole else ""
    return f' class="{kind}"' if kind else ""


def _link(text: str) -> str:
    """Escaped text; a link where the whole of it is a web address."""
    shown = "\n".join(escape(clean(line)) for line in text.split("\n"))
    if text.startswith(("https://", "http://")) and not any(c.isspace() for c in text):
        return f'<a href="{shown}" rel="noopener noreferrer nofollow">{shown}</a>'
    return shown


def _list(items: Iterable[str]) -> str:
    return "<ul>\n" + "".join(f"<li>{escape(item)}</li>\n" for item in items) + "</ul>\n"


def _footer(plan: Plan) -> str:
    facts_shown = (
        ("Horizon", f"{day(plan.start)} to {day(plan.horizon_end)}"),
        ("Planner", clean(plan.planner_version)),
        ("Catalog", clean(plan.catalog_digest)[:16]),
        ("Workload", clean(plan.workload_digest)[:16]),
    )
    listed = " \u00b7 ".join(f"{name} {escape(value)}" for name, value in facts_shown if value)
    note = "Prices and rules as dated above; planning support, not an offer and not legal advice."
    return f'<footer class="muted"><p>{listed}</p><p>{note}</p></footer>\n'
