"""A validation as one self-contained page: how good the predictions are, where, in which order, and why not better.

Like the page of a plan it has no script and asks nothing of the network; points of the scatter chart show what they
are under the pointer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

import altair as alt

from planner.reports import validation_charts as charts
from planner.reports import validation_tables as tables
from planner.reports.charts import inline_svg
from planner.reports.formats import clean, count, percent
from planner.reports.html import FULL_PX, NARROW_PX, POLICY, WIDE_PX, card, style, table_card, table_html
from planner.reports.tables import Table
from planner.validation import WORST, Validation
from planner.validation_groups import GROUPINGS, summary

MOST_GROUPS = 16  # rows of a table that is not folded
GROUPED = {
    "family": "Family of the accelerators. Median, mean and 90th percentile of |error|; the bias is the median "
    "of predicted / measured - 1: below zero, steps are predicted too fast.",
    "architecture": "Architecture of the model trained.",
    "precision": "Precision of the matrix multiplications.",
    "scale": "Accelerators of the run.",
    "parallelism": "The first that applies: experts, context, sharded weights (FSDP), tensor and pipeline.",
    "source": "Publication that a run comes from.",
}


def validation_html(found: Validation, name: str) -> str:
    """The page of a validation of the file `name`."""
    title = f"{clean(name)}: predicted against measured"
    body = "".join(section for section in _sections(found, name) if section)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style()}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _sections(found: Validation, name: str) -> Iterable[str]:
    rows = found.rows
    yield _header(found, name)
    yield "<main>\n"
    if rows:
        yield _figures(found)
        yield _chart_card(
            "Measured against predicted",
            lambda: charts.scatter_chart(rows, described=True),
            tables.every_row(rows),
            "Step time of every run, in seconds; on the line the two agree, in the band they do within 20 %.",
            FULL_PX,
        )
        beyond = "in steps of 5 %; the first and the last bar hold what lies beyond."
        yield _chart_card(
            "Errors", lambda: charts.histogram_chart(rows), tables.histogram(rows), f"Runs by error, {beyond}"
        )
        yield _chart_card(
            "Errors by hardware family",
            lambda: charts.quantile_chart(rows),
            tables.quantiles(rows),
            "Thin: the 10th to the 90th percentile; thick: the middle half; the tick is the median.",
        )
        for grouping in GROUPINGS:
            yield _group_card(grouping, tables.groups(rows, grouping))
        yield table_card(
            "Order of layouts",
            tables.orders(rows),
            "Runs that differ in nothing but their layout: does the layout predicted best run best?",
        )
        yield table_card(
            "Largest errors, and what is known of them",
            tables.worst_rows(rows, WORST),
            "Computed from the row, its source, its family and the runs most alike.",
        )
    yield table_card("Not modelled", tables.not_modelled(found.skipped), "Rows that lack what a prediction needs.")
    yield "</main>\n"


def _header(found: Validation, name: str) -> str:
    numbers = summary(found.rows)
    answer = (
        f"Half of {count(len(found.rows), 'published run')} are predicted within "
        f"{percent(numbers['median_abs_error'])}, nine in ten within {percent(numbers['p90_abs_error'])}"
        if found.rows
        else f"None of {count(len(found.skipped), 'row')} can be modelled"
    )
    return (
        f'<header>\n<p class="kicker">{escape(clean(name))}, step time predicted against measured</p>\n'
        f"<h1>{escape(answer)}</h1>\n</header>\n"
    )


def _figures(found: Validation) -> str:
    shown = "".join(
        f'<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd class="muted">{escape(remark)}</dd></div>\n'
        for name, value, remark in tables.figures(found.rows, found.skipped)
    )
    return f'<dl class="figures" aria-label="Key figures">\n{shown}</dl>\n'


def _group_card(grouping: str, table: Table) -> str:
    """Errors by one field; a long table is folded."""
    shown = table_html(table)
    if len(table.rows) > MOST_GROUPS:
        shown = f"<details><summary>{count(len(table.rows), 'group')}</summary>\n{shown}</details>\n"
    return card(f"By {grouping}", f'<p class="muted">{escape(GROUPED[grouping])}</p>\n{shown}', "full")


def _chart_card(
    title: str, chart: Callable[[], alt.LayerChart], table: Table, caption: str, wide_px: int = WIDE_PX
) -> str:
    drawing = chart()
    slug = title.lower().replace(" ", "-")
    label = escape(f"{title}. {caption} The table below has the numbers.")
    image = "".join(
        f'<div class="{size}">{charts.titled(inline_svg(drawing, width, f"{slug}-{size}"))}</div>'
        for size, width in (("wide", wide_px), ("narrow", NARROW_PX))
    )
    return card(
        title,
        f'<p class="muted">{escape(caption)}</p>\n<div class="chart" role="img" aria-label="{label}">{image}</div>\n'
        f"<details><summary>Table</summary>\n{table_html(table)}</details>\n",
        "full" if wide_px == FULL_PX else "",
    )
