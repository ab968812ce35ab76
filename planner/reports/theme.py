"""The look of the charts as Vega config: two palettes, and one of CSS variables that a page can switch by itself.

Charts hold no colours and no fonts; a config is applied when a chart is rendered. A page takes its variables from the
same palettes (`css_variables`), so text, tables and charts change together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# Metric-compatible with the Liberation fonts that vl_convert measures with, so labels keep the room they were given.
FONT = "Helvetica, Arial, Liberation Sans, sans-serif"
INSIDE = "inside"  # mark style of text that lies on a bar
SEGMENT = "segment"  # mark style of bars that touch their neighbours
NARROW_PX = 480  # below this width labels get less room


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by role, as CSS colours. `series` are told apart by eye; `inside` is legible on every one of them."""

    page: str
    surface: str
    ink: str
    muted: str
    line: str
    inside: str
    good: str
    fair: str
    bad: str
    series: tuple[str, ...]


LIGHT = Palette(
    page="#f4f6f9",
    surface="#ffffff",
    ink="#1b2230",
    muted="#566072",
    line="#dfe4ec",
    inside="#ffffff",
    good="#11703b",
    fair="#8f5200",
    bad="#b3261e",
    series=("#2f5fd0", "#0b7468", "#b4570c", "#8a3fb0", "#bd2a5c", "#586618", "#2a6f93", "#636b78"),
)
DARK = Palette(
    page="#10141b",
    surface="#181e28",
    ink="#e8ecf3",
    muted="#a3aebd",
    line="#2d3644",
    inside="#10141b",
    good="#5ed08f",
    fair="#f0b254",
    bad="#ff8a80",
    series=("#7ea6ff", "#43c6b5", "#f2a65e", "#cba0f2", "#f68fae", "#bccb6b", "#7cc4e8", "#adb6c3"),
)


def _variables(palette: Palette) -> dict[str, str]:
    colours = {role: colour for role, colour in asdict(palette).items() if role != "series"}
    return colours | {f"s{index}": colour for index, colour in enumerate(palette.series, start=1)}


CSS = Palette(
    **{role: f"var(--{role})" for role in asdict(LIGHT) if role != "series"},
    series=tuple(f"var(--s{index})" for index in range(1, len(LIGHT.series) + 1)),
)
PALETTES = {"light": LIGHT, "dark": DARK, "css": CSS}


def css_variables(palette: Palette) -> str:
    """The palette as CSS custom properties."""
    return " ".join(f"--{role}: {colour};" for role, colour in _variables(palette).items())


def vega_config(palette: Palette, width_px: int) -> dict[str, Any]:
    """Vega-Lite config of a chart `width_px` wide, axes and labels included."""
    narrow = width_px < NARROW_PX
    return {
        "aria": False,  # the page gives each chart one label and a table
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": None if palette is CSS else palette.surface,
        "padding": 2 if palette is CSS else 12,
        "font": FONT,
        "view": {"stroke": None},
        "range": {"category": list(palette.series)},
        "mark": {"color": palette.series[0]},
        "bar": {"color": palette.series[0], "cornerRadius": 2},
        "rule": {"color": palette.ink, "strokeDash": [4, 3]},
        "tick": {"color": palette.ink, "thickness": 2},
        "text": {"color": palette.ink, "fontSize": 12},
        "style": {
            INSIDE: {"color": palette.inside, "fontWeight": 600},
            SEGMENT: {"stroke": palette.surface, "strokeWidth": 1},
        },
        "title": {"color": palette.ink, "fontSize": 14, "anchor": "start", "frame": "group", "offset": 10},
        "axis": {
            "labelColor": palette.muted,
            "titleColor": palette.muted,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "gridColor": palette.line,
            "domain": False,
            "ticks": False,
            "labelPadding": 6,
        },
        "axisY": {"grid": False, "labelColor": palette.ink, "labelLimit": 120 if narrow else 260},
        "axisX": {"tickCount": 4 if narrow else 7, "labelOverlap": "greedy", "labelBound": True},
        "legend": {
            "orient": "bottom",
            "columns": 2 if narrow else 4,
            "labelColor": palette.ink,
            "labelFontSize": 12,
            "labelLimit": 130 if narrow else 220,
            "symbolType": "square",
            "title": None,
        },
    }
