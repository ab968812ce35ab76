"""Charts of a validation: functions of its rows without colours or fonts; the theme is config."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import cast

import altair as alt
import vl_convert

from planner.reports import validation_frames as frames
from planner.reports.charts import VEGALITE, WIDTH_PX, Theme
from planner.reports.theme import PALETTES, SEGMENT, vega_config
from planner.validation_rows import Row

HEIGHT_PX = 420
HALF_PX = 260
ROW_PX = 30
BAND = 0.2  # the shaded band: within 20 %
POINT_PX2 = 46  # area of a point
MARKS = (("circle", "●"), ("square", "■"), ("triangle-up", "▲"))  # architectures; from the third on they share
TIMES = ("measured", "predicted")
ERROR = "predicted / measured - 1"
PERCENT = "datum.value == 0 ? '0' : format(datum.value * 100, '+.0f') + ' %'"


def scatter_chart(rows: Sequence[Row], described: bool = False) -> alt.LayerChart:
    """Measured against predicted step time of every row, both logarithmic, with the diagonal and its +-20 % band.

    `described` points carry a text for `titled`: pages show it under the pointer.
    """
    points = frames.scatter_frame(rows)
    ends = frames.diagonal_frame(rows, BAND)
    domain = [float(ends["measured"].min()), float(ends["measured"].max())]
    scale = alt.Scale(type="log", domain=domain, nice=False)
    axis = alt.Axis(format="~r", values=frames.decades(*domain), grid=True)
    x = alt.X("measured:Q", scale=scale, axis=axis, title="measured step time, s")
    y = alt.Y("predicted:Q", scale=scale, axis=axis, title="predicted step time, s")
    architectures = sorted(set(points["architecture"]))
    shapes = [MARKS[min(i, len(MARKS) - 1)] for i in range(len(architectures))]
    dots = (
        alt.Chart(points)
        .mark_point(filled=True, size=POINT_PX2, opacity=0.75, aria=described)
        .encode(
            x=x,
            y=y,
            color=alt.Color("family:N", sort=frames.shown_families(rows), legend=alt.Legend(symbolOpacity=1)),
            shape=alt.Shape(
                "architecture:N",
                scale=alt.Scale(domain=architectures, range=[shape for shape, _ in shapes]),
                legend=None,
            ),
            tooltip=[
                "run:N",
                "what:N",
                *(alt.Tooltip(f"{name}:Q", format=".4~g") for name in TIMES),
                alt.Tooltip("error:Q", format="+.1%"),
            ],
        )
    )
    if described:
        dots = dots.encode(description="text:N")
    lines = alt.Chart(ends)
    band = lines.mark_area(opacity=0.12, clip=True).encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q")
    diagonal = lines.mark_line(strokeWidth=1, opacity=0.7).encode(x=x, y=y)
    chart = alt.layer(band, diagonal, dots).properties(height=HEIGHT_PX)
    if len(architectures) > 1:
        named = zip(shapes, architectures, strict=True)
        chart = chart.properties(title="\u00a0\u00a0\u00a0".join(f"{glyph} {name}" for (_, glyph), name in named))
    return cast(alt.LayerChart, chart)


def histogram_chart(rows: Sequence[Row]) -> alt.LayerChart:
    """How many rows have which error, in steps of 5 %; the first and the last bar hold what lies beyond."""
    bars = (
        alt.Chart(frames.histogram_frame(rows))
        .mark_bar(orient="vertical", binSpacing=0, style=SEGMENT)
        .encode(
            x=alt.X("low:Q", title=ERROR, axis=alt.Axis(labelExpr=PERCENT, values=frames.LIMITS)),
            x2="high:Q",
            y=alt.Y("runs:Q", title="runs", axis=alt.Axis(grid=True, tickCount=5)),
            y2="zero:Q",
            tooltip=["error:N", "runs:Q"],
        )
    )
    zero = alt.Chart(frames.zero_frame()).mark_rule().encode(x="error:Q")
    return cast(alt.LayerChart, alt.layer(bars, zero).properties(height=HALF_PX))


def quantile_chart(rows: Sequence[Row]) -> alt.LayerChart:
    """Errors of each hardware family: thin the 10th to 90th percentile, thick the middle half, a tick the median."""
    frame = frames.quantile_frame(rows)
    base = alt.Chart(frame).encode(y=alt.Y("family:N", sort=list(frame["family"]), title=None))
    axis = alt.Axis(title=ERROR, labelExpr=PERCENT)
    tooltip = ["family:N", "runs:Q", *(alt.Tooltip(f"{name}:Q", format="+.1%") for name in frames.QUANTILES)]
    wide = base.mark_bar(height={"band": 0.16}, opacity=0.6).encode(
        x=alt.X("p10:Q", axis=axis), x2="p90:Q", tooltip=tooltip
    )
    half = base.mark_bar(height={"band": 0.56}).encode(x="p25:Q", x2="p75:Q", tooltip=tooltip)
    middle = base.mark_tick(orient="vertical", size=ROW_PX * 0.75).encode(x="median:Q")
    zero = alt.Chart(frames.zero_frame()).mark_rule().encode(x="error:Q")
    return cast(alt.LayerChart, alt.layer(zero, wide, half, middle).properties(height=alt.Step(ROW_PX)))


def chart_html(chart: alt.LayerChart, theme: Theme = "light", width_px: int = WIDTH_PX) -> str:
    """A chart with tooltips as one page that holds all it needs and asks nothing of the network."""
    spec = chart.properties(width=width_px).to_dict()
    page = vl_convert.vegalite_to_html(
        spec, vl_version=VEGALITE, bundle=True, config=vega_config(PALETTES[theme], width_px), renderer="svg"
    )
    return str(page)


def titled(svg: str) -> str:
    """An SVG whose described marks show their description under the pointer, without a script."""
    return re.sub(
        r'<path aria-label="([^"]*)"([^>]*)/>',
        lambda mark: f"<path{mark[2]}><title>{html.escape(html.unescape(mark[1]))}</title></path>",
        svg,
    )
