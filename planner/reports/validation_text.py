"""A validation on the terminal: errors by group, the worst rows and why, and what was not modelled."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.reports.formats import clean, count, percent
from planner.reports.formats import layout as layout_text
from planner.validation import Validation
from planner.validation_groups import by, memory_summary, summary
from planner.validation_order import order_summary
from planner.validation_reasons import why, worst
from planner.validation_rows import Row

SHARES = (
    ("median", "median_abs_error"),
    ("mean", "mape"),
    ("p90", "p90_abs_error"),
    ("<10", "within_10"),
    ("<20", "within_20"),
)
LONGEST_NAME = 26  # characters of a group's name; a longer one is broken, not cut


def show(found: Validation, console: Console, groupings: Sequence[str], number: int, every_row: bool = False) -> None:
    """Print a validation: groups of each grouping, then the `number` worst rows (or every row), then the skipped."""
    _errors(found.rows, console, groupings)
    _others(found.rows, console)
    if every_row:
        _rows(found.rows, console)
    for row in worst(found.rows, number):
        _explain(row, found.rows, console)
    _skipped(found, console, every_row)


def _errors(rows: Sequence[Row], console: Console, groupings: Sequence[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("|error| of step time, %", overflow="fold", max_width=LONGEST_NAME)
    for name in ("n", *(name for name, _ in SHARES), "bias"):
        table.add_column(name, justify="right", no_wrap=True)
    _add(table, "all", summary(rows), "bold")
    for grouping in groupings:
        table.add_row(Text(f"by {grouping}", "dim"))
        for name, numbers in by(rows, grouping).items():
            _add(table, f"  {clean(name)}", numbers)
    console.print(table)
    console.print("bias: median of predicted / measured - 1; below zero is predicted too fast", style="dim")


def _add(table: Table, name: str, numbers: Mapping[str, float], style: str = "") -> None:
    decimals = {"within_10": 0, "within_20": 0}
    shares = [f"{numbers[key] * 100:.{decimals.get(key, 1)}f}" for _, key in SHARES]
    bias = round(numbers["bias"] * 100, 1) or 0.0  # never "-0.0"
    table.add_row(Text(name), f"{numbers['n']}", *shares, f"{bias:+.1f}", style=style)


def _others(rows: Sequence[Row], console: Console) -> None:
    memory, order = memory_summary(rows), order_summary(rows)
    console.print()
    if memory["n"]:
        console.print(
            f"memory of one accelerator: {count(memory['n'], 'run')} state it; median |error| "
            f"{percent(memory['median_abs_error'])}, bias {memory['bias'] * 100:+.1f} %"
        )
    if order["n"]:
        console.print(_paragraph(f"order of layouts: {order_text(order)}", console, 0))
        for group in order["groups"]:
            console.print(_paragraph(group_text(group), console))


def order_text(order: Mapping[str, Any]) -> str:
    """How well layouts are put in order, over all groups."""
    correlation = order["median_spearman"]
    ranked = "no rank correlation" if correlation is None else f"rank correlation {correlation:.2f} in the median"
    return (
        f"{count(order['n'], 'group')} of runs differ only in layout ({order['layouts']} layouts); {ranked}; the "
        f"layout predicted best is {percent(order['median_regret'])} slower than the best in the median, "
        f"{percent(order['worst_regret'])} at worst"
    )


def group_text(group: Mapping[str, Any]) -> str:
    """How well the layouts of one group are put in order."""
    ranked = "undefined" if group["spearman"] is None else f"{group['spearman']:+.2f}"
    return (
        f"{clean(group['model'])} on {group['accelerators']} x {clean(group['accelerator'])}, batch "
        f"{group['global_batch_sequences']}, {clean(group['source'])}: {group['n']} layouts, rank correlation "
        f"{ranked}, predicted best {percent(group['regret'])} slower than the best, "
        f"the worst {percent(group['spread'])}"
    )


def _rows(rows: Sequence[Row], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name, justify in (("run", "left"), ("measured s", "right"), ("predicted s", "right"), ("error", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("what", overflow="fold")
    for row in rows:
        table.add_row(
            Text(clean(row.id)),
            f"{row.measured_step_s:.3f}",
            f"{row.predicted_step_s:.3f}",
            f"{row.error * 100:+.1f} %",
            Text(what(row)),
        )
    console.print()
    console.print(table)


def what(row: Row) -> str:
    """The model and the accelerators of a run."""
    return f"{clean(row.model)} on {row.accelerators} x {clean(row.accelerator)}"


def _explain(row: Row, rows: Sequence[Row], console: Console) -> None:
    console.print()
    head = f"{clean(row.id)}  {row.error * 100:+.0f} %  measured {row.measured_step_s:.4g} s, "
    console.print(Text(head + f"predicted {row.predicted_step_s:.4g} s", "bold"))
    text = f"{what(row)}, {row.precision}, {layout_text(row.layout)}. " + clean(" ".join(why(row, rows)))
    console.print(_paragraph(text, console))


def _skipped(found: Validation, console: Console, every_row: bool) -> None:
    if found.skipped:
        console.print(f"\nnot modelled: {count(len(found.skipped), 'row')}")
    for row in found.skipped if every_row else ():
        console.print(_paragraph(f"skipped {clean(row.id)}: {clean(row.reason)}", console))
    for reason, number in Counter(row.reason for row in found.skipped).most_common():
        console.print(_paragraph(f"{number:>3}  {clean(reason)}", console, hanging=5))


def _paragraph(text: str, console: Console, indent: int = 2, hanging: int = 0) -> Text:
    """A paragraph broken between words, set in from the left; its further lines by `hanging` more."""
    lines = textwrap.wrap(
        text,
        console.width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_on_hyphens=False,
    )
    return Text("\n".join(lines))
