"""Charts of a plan for pages, notebooks and files: functions of a plan without colours or fonts; the theme is config.

In a notebook a chart shows itself; `chart_svg` and `chart_png` render one to a file without a browser or the network.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, cast

import altair as alt
import vl_convert

from planner.plan import Plan
from planner.reports import frames
from planner.reports.theme import INSIDE, PALETTES, SEGMENT, vega_config

if TYPE_CHECKING:
    import pandas as pd

Theme = Literal["light", "dark", "css"]

WIDTH_PX = 760
VEGALITE = "6.4"
ROW_PX = 30
MOST_RUNS = 10  # of the memory chart; the table has them all
LABELS: dict[str, tuple[str, Literal["left", "right"], int]] = {
    "on": ("start", "left", 7),
    "after": ("drawn_until", "left", 5),
    "before": ("start", "right", -5),
}
LABEL_ROOM = 1.3  # the value axis is this much longer than the longest bar, for the label behind it


def schedule_chart(plan: Plan) -> alt.LayerChart:
    """When each phase runs on what (Gantt), with a tick at each deadline; times are UTC."""
    runs = frames.schedule_frame(plan)
    order = list(dict.fromkeys(runs.sort_values("start")["phase"]))
    y = alt.Y("phase:N", sort=order, title=None)
    scale = alt.Scale(type="utc")
    shown = alt.Axis(title=None, format="%-d %b %Y")
    several = runs["accelerator"].nunique() > 1
    bars = (
        alt.Chart(runs)
        .mark_bar(height={"band": 0.72}, style=SEGMENT)
        .encode(
            x=alt.X("start:T", scale=scale, axis=shown),
            x2="drawn_until:T",
            y=y,
            color=alt.Color("accelerator:N", sort=None, legend=alt.Legend() if several else None),
            tooltip=["phase:N", "accelerator:N", "nodes:Q", "start:T", "end:T"],
        )
    )
    layers = [bars]
    for place, labelled in runs.groupby("place"):
        anchor, align, offset = LABELS[str(place)]
        style = INSIDE if place == "on" else alt.Undefined
        text = alt.Chart(labelled).mark_text(align=align, dx=offset, style=style)
        layers.append(text.encode(x=alt.X(f"{anchor}:T", scale=scale), y=y, text="label:N"))
    deadlines = frames.deadline_frame(plan)
    deadlines = deadlines[deadlines["phase"].isin(order)].drop_duplicates()
    if len(deadlines):
        ticks = alt.Chart(deadlines).mark_tick(orient="vertical", size=ROW_PX * 0.8)
        layers.append(ticks.encode(x=alt.X("deadline:T", scale=scale), y=y))
    return _layer(layers, ROW_PX)


def cost_chart(plan: Plan) -> alt.LayerChart:
    """Cost by part, largest first; USD."""
    return _bars(frames.cost_frame(plan), "part", "usd", "USD", money=True)


def step_time_chart(plan: Plan) -> alt.LayerChart:
    """Where the time of one optimizer step goes, for the costliest run; seconds."""
    frame = frames.step_time_frame(plan)
    return _bars(frame[frame["run"] == frame["run"].iloc[0]] if len(frame) else frame, "part", "seconds", "seconds")


def memory_chart(plan: Plan) -> alt.LayerChart:
    """Memory of one accelerator by part for the costliest runs, with a tick at its capacity where known; GiB."""
    frame = frames.memory_frame(plan)
    runs = list(dict.fromkeys(frame["run"]))[:MOST_RUNS]
    frame = frame[frame["run"].isin(runs)]
    y = alt.Y("run:N", sort=runs, title=None)
    parts = list(dict.fromkeys(frame["part"]))
    frame = frame.assign(order=[parts.index(part) for part in frame["part"]])
    stack = (
        alt.Chart(frame)
        .mark_bar(height={"band": 0.72}, cornerRadius=0, style=SEGMENT)
        .encode(
            x=alt.X("sum(gib):Q", title="GiB per accelerator"),
            y=y,
            color=alt.Color("part:N", sort=parts),
            order="order:Q",
            tooltip=["run:N", "part:N", "gib:Q"],
        )
    )
    layers = [stack]
    limits = frame.dropna(subset="capacity").drop_duplicates("run")
    if len(limits):
        ticks = alt.Chart(limits).mark_tick(orient="vertical", size=ROW_PX)
        layers.append(ticks.encode(x="capacity:Q", y=y, tooltip=["run:N", "capacity:Q"]))
    return _layer(layers, ROW_PX + 6)


def alternatives_chart(plan: Plan) -> alt.LayerChart:
    """Cost of this plan beside the cheapest plan on every other accelerator that has one; USD."""
    return _bars(frames.alternatives_frame(plan), "accelerator", "usd", "USD", money=True, faded="!datum.plan")


def chart_svg(chart: alt.LayerChart, theme: Theme = "light", width_px: int = WIDTH_PX) -> str:
    """A chart as SVG text, `width_px` wide; theme "css" leaves the colours to the page's variables."""
    spec = chart.properties(width=width_px).to_dict()
    svg = vl_convert.vegalite_to_svg(
        spec, vl_version=VEGALITE, config=vega_config(PALETTES[theme], width_px), allowed_base_urls=[]
    )
    return str(svg)


def chart_png(chart: alt.LayerChart, theme: Theme = "light", width_px: int = WIDTH_PX, scale: float = 2.0) -> bytes:
    """A chart as PNG bytes, `width_px` x `scale` pixels wide; theme "light" or "dark"."""
    spec = chart.properties(width=width_px).to_dict()
    png = vl_convert.vegalite_to_png(
        spec, vl_version=VEGALITE, scale=scale, config=vega_config(PALETTES[theme], width_px), allowed_base_urls=[]
    )
    return bytes(png)


def inline_svg(chart: alt.LayerChart, width_px: int, prefix: str) -> str:
    """A chart as SVG for the inside of a page: the page's colours, ids that start with `prefix`, no namespaces."""
    svg = chart_svg(chart, "css", width_px)
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"|\sversion="1\.1"', "", svg, count=3)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = svg.replace("url(#", f"url(#{prefix}-")
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def _bars(
    frame: pd.DataFrame, name: str, value: str, title: str, money: bool = False, faded: str = "false"
) -> alt.LayerChart:
    """Horizontal bars in the order of the rows, each with its label behind it."""
    longest = max(frame[value].max(), 0.0) if len(frame) else 0.0
    lowest = min(frame[value].min(), 0.0) if len(frame) else 0.0
    room = alt.Scale(domain=[lowest, longest * LABEL_ROOM or 1.0], nice=False)
    axis = alt.Axis(title=title, format="~s" if money else ",.6~r")
    base = alt.Chart(frame).encode(
        x=alt.X(f"{value}:Q", scale=room, axis=axis),
        y=alt.Y(f"{name}:N", sort=list(frame[name]), title=None),
    )
    opacity = alt.condition(faded, alt.value(0.5), alt.value(1.0))
    bars = base.mark_bar(height={"band": 0.72}).encode(opacity=opacity, tooltip=[f"{name}:N", f"{value}:Q"])
    labels = base.mark_text(align="left", dx=5).encode(text="label:N")
    return _layer([bars, labels], ROW_PX - 4)


def _layer(layers: list[alt.Chart], row_px: int) -> alt.LayerChart:
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=alt.Step(row_px)))
