"""An explanation as text: the conflict and a table of changes, or the room of each limit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planner.explanation import ChangeFact, Explanation, date, money
from planner.reports.formats import clean


def print_explanation(explanation: Explanation, console: Console) -> None:
    """The whole answer; the changes with the cheapest plan first."""
    name = clean(explanation.workload)
    if explanation.feasible is None:
        console.print(Text(f"{name}: whether there is a plan was not decided in the time (--time-limit)", style="bold"))
    elif explanation.feasible:
        _room(name, explanation, console)
    else:
        console.print(Text(f"{name} has no plan", style="bold"))
        for sentence in explanation.conflict_sentences():
            console.print(Text(f"- {clean(sentence)}"))
        _changes("Changes of limits", explanation.changes, console)
        _changes("Changes of the policy", explanation.policy_changes, console)
        if not explanation.changes and not explanation.policy_changes and explanation.complete:
            console.print(Text("No change of one or two limits gives a plan."))
    if not explanation.complete:
        console.print(Text("The time ended before everything had been looked at (--time-limit).", style="yellow"))


def _changes(title: str, changes: Sequence[ChangeFact], console: Console) -> None:
    if not changes:
        return
    table = _table(f"{title}: any one of these gives a plan", "Change", "Cost USD", "Ready", "Nodes", "On")
    for one in changes:
        about = "" if one.exact else " (a smaller change may do)"
        cost = money(one.cost_usd).removesuffix(" USD")
        table.add_row(clean(one.text) + about, cost, date(one.finish), f"{one.nodes:,}", clean(one.on))
    console.print(table)


def _room(name: str, explanation: Explanation, console: Console) -> None:
    cost = "" if explanation.cost_usd is None else f" for {money(explanation.cost_usd)}"
    ready = "" if explanation.finish is None else f", ready {date(explanation.finish)}"
    console.print(Text(f"{name} has a plan{cost}{ready}: nothing stands in the way", style="bold"))
    if explanation.slack:
        table = _table("How far each limit could be tightened, all others as they are", "Limit", "Room")
        for one in explanation.slack:
            of = f" of {clean(one.of)}" if one.of else ""
            table.add_row(f"{one.limit}{of}", clean(one.text) + ("" if one.exact else " (perhaps less is)"))
        console.print(table)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in headings:
        right = heading in ("Cost USD", "Nodes")
        table.add_column(heading, justify="right" if right else "left", overflow="fold", no_wrap=right)
    return table
