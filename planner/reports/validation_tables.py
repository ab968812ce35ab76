"""The tables of a validation's page, as rows of text: what a chart shows, and why rows are off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from planner.reports import validation_frames as frames
from planner.reports.formats import clean, layout, percent
from planner.reports.tables import Table
from planner.validation_groups import by, memory_summary, summary
from planner.validation_order import order_summary
from planner.validation_reasons import why, worst
from planner.validation_rows import Row, Skipped


def figures(rows: Sequence[Row], skipped: Sequence[Skipped]) -> list[tuple[str, str, str]]:
    """The key figures: name, value, remark."""
    numbers, memory, order = summary(rows), memory_summary(rows), order_summary(rows)
    found = [
        ("Runs predicted", f"{len(rows):,}", f"{len(skipped):,} not modelled, listed below"),
        ("Median |error|", percent(numbers["median_abs_error"]), f"mean {percent(numbers['mape'])}"),
        ("90 % of runs within", percent(numbers["p90_abs_error"]), f"bias {signed(numbers['bias'])}"),
        ("Within 10 %", percent(numbers["within_10"]), f"within 20 %: {percent(numbers['within_20'])}"),
    ]
    if memory["n"]:
        remark = f"median |error| of the {memory['n']} runs that state it, bias {signed(memory['bias'])}"
        found.append(("Memory", percent(memory["median_abs_error"]), remark))
    if order["n"]:
        remark = f"slower than the best, where {order['layouts']} layouts were measured, in the median"
        found.append(("Layout predicted best", percent(order["median_regret"]), remark))
    return found


def groups(rows: Sequence[Row], grouping: str) -> Table:
    """Errors by the values of one field."""
    listed = [
        (
            clean(name),
            f"{numbers['n']:,}",
            *(percent(numbers[key]) for key in ("median_abs_error", "mape", "p90_abs_error")),
            *(f"{numbers[key] * 100:.0f} %" for key in ("within_10", "within_20")),
            signed(numbers["bias"]),
        )
        for name, numbers in by(rows, grouping).items()
    ]
    headings = (grouping.capitalize(), "Runs", "Median", "Mean", "90 %", "Within 10 %", "Within 20 %", "Bias")
    return Table(headings, tuple(listed), frozenset(range(1, len(headings))))


def every_row(rows: Sequence[Row]) -> Table:
    """Measured and predicted step time of every row, with the layout it was predicted for."""
    listed = [
        (
            clean(row.id),
            f"{clean(row.model)}\n{row.accelerators:,} x {clean(row.accelerator)}, {row.precision}",
            layout(row.layout),
            f"{row.measured_step_s:.4g}",
            f"{row.predicted_step_s:.4g}",
            signed(row.error),
        )
        for row in rows
    ]
    headings = ("Run", "What", "Layout", "Measured, s", "Predicted, s", "Error")
    return Table(headings, tuple(listed), frozenset({3, 4, 5}), frozenset({0}))


def histogram(rows: Sequence[Row]) -> Table:
    """How many rows have which error."""
    listed = [(str(bar.error), f"{bar.runs:,}") for bar in frames.histogram_frame(rows).itertuples()]
    return Table(("Error", "Runs"), tuple(listed), frozenset({1}))


def quantiles(rows: Sequence[Row]) -> Table:
    """Quantiles of the errors of each hardware family."""
    listed = [
        (str(bar["family"]), f"{bar['runs']:,}", *(signed(bar[name]) for name in frames.QUANTILES))
        for bar in frames.quantile_frame(rows).to_dict("records")
    ]
    headings = ("Family", "Runs", "10 %", "25 %", "Median", "75 %", "90 %")
    return Table(headings, tuple(listed), frozenset(range(1, len(headings))))


def worst_rows(rows: Sequence[Row], number: int) -> Table:
    """The rows with the largest errors, and what the file says about them."""
    listed = [
        (
            f"{clean(row.id)}\n{clean(row.model)}\n{row.accelerators:,} x {clean(row.accelerator)}, {row.precision}",
            f"{row.measured_step_s:.4g}",
            f"{row.predicted_step_s:.4g}",
            signed(row.error),
            clean(" ".join(why(row, rows))),
        )
        for row in worst(rows, number)
    ]
    headings = ("Run", "Measured, s", "Predicted, s", "Error", "Why")
    return Table(headings, tuple(listed), frozenset({1, 2, 3}), frozenset({0}))


def orders(rows: Sequence[Row]) -> Table:
    """How well layouts are put in order, by group of runs that differ only in layout."""
    listed = [
        (
            f"{clean(group['model'])}\n"
            f"{group['accelerators']:,} x {clean(group['accelerator'])}, {clean(group['source'])}",
            f"{group['n']}",
            "-" if group["spearman"] is None else f"{group['spearman']:+.2f}",
            clean(group["predicted_best"]),
            clean(group["measured_best"]),
            percent(group["regret"]),
            percent(group["spread"]),
        )
        for group in order_summary(rows)["groups"]
    ]
    headings = (
        "Runs",
        "Layouts",
        "Rank correlation",
        "Predicted best",
        "Measured best",
        "Slower by",
        "Worst slower by",
    )
    return Table(headings, tuple(listed), frozenset({1, 2, 5, 6}))


def not_modelled(skipped: Sequence[Skipped]) -> Table:
    """Why rows could not be modelled, and which."""
    listed = [
        (clean(reason), f"{number:,}", ", ".join(clean(row.id) for row in skipped if row.reason == reason))
        for reason, number in Counter(row.reason for row in skipped).most_common()
    ]
    return Table(("Reason", "Rows", "Which"), tuple(listed), frozenset({1}))


def signed(error: float) -> str:
    """An error in percent with its sign and one decimal."""
    return f"{round(error * 100, 1) or 0.0:+.1f} %"
