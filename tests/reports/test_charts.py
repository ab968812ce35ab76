from __future__ import annotations

import json
from collections.abc import Callable
from xml.etree import ElementTree

import altair as alt
import pytest

from planner.plan import Plan
from planner.reports import charts, frames, theme
from tests.reports.plans import BARE, HOSTILE, HOSTILE_TEXT, INFEASIBLE, LLAMA, PALM, PLANS, SEVERAL

CHARTS = [
    charts.schedule_chart,
    charts.cost_chart,
    charts.step_time_chart,
    charts.memory_chart,
    charts.alternatives_chart,
]
SVG = "{http://www.w3.org/2000/svg}"
Chart = Callable[[Plan], alt.LayerChart]


def texts(svg: str) -> list[str]:
    """All texts of an SVG, which must be well-formed XML."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_every_chart_of_every_plan_renders(chart: Chart, plan: Plan) -> None:
    assert charts.chart_svg(chart(plan)).startswith("<svg")


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_as_wide_as_asked_and_has_marks(chart: Chart) -> None:
    for width in (340, 760):
        root = ElementTree.fromstring(charts.chart_svg(chart(SEVERAL), width_px=width))
        assert float(root.attrib["width"]) == pytest.approx(width, abs=30)
        bars = [e for e in root.iter(f"{SVG}path") if e.attrib.get("fill") in theme.LIGHT.series]
        assert len(bars) >= 5


@pytest.mark.parametrize("chart", CHARTS)
def test_charts_hold_no_colours_and_no_fonts(chart: Chart) -> None:
    spec = chart(SEVERAL).to_dict()
    spec.pop("config")  # altair's own defaults
    spec.pop("datasets")
    text = json.dumps(spec)
    assert "#" not in text.replace(spec["$schema"], "")
    assert "font" not in text.lower()


def test_the_palettes_and_the_page_share_colours() -> None:
    css = charts.chart_svg(charts.schedule_chart(SEVERAL), "css")
    assert "var(--s1)" in css
    assert "#" not in css.replace("url(#", "")
    assert theme.LIGHT.series[0] in charts.chart_svg(charts.schedule_chart(SEVERAL), "light")
    assert theme.DARK.series[0] in charts.chart_svg(charts.schedule_chart(SEVERAL), "dark")


def test_a_png_is_a_png() -> None:
    assert charts.chart_png(charts.alternatives_chart(LLAMA), "dark").startswith(b"\x89PNG")


def test_the_schedule_shows_both_segments_in_one_row() -> None:
    shown = texts(charts.chart_svg(charts.schedule_chart(PALM)))
    assert shown.count("palm-540b / pretrain") == 1
    assert {"6,144 acc.", "3,072 acc."} <= set(shown)


def test_bars_carry_their_values() -> None:
    assert {"compute", "12.3 s"} <= set(texts(charts.chart_svg(charts.step_time_chart(LLAMA))))
    assert {"storage", "96.0k"} <= set(texts(charts.chart_svg(charts.cost_chart(LLAMA))))
    assert {"h100-sxm5-80 (this plan)", "13.4M"} <= set(texts(charts.chart_svg(charts.alternatives_chart(LLAMA))))


def test_names_in_charts_are_text_never_elements() -> None:
    for chart in CHARTS:
        svg = charts.chart_svg(chart(HOSTILE))
        assert not list(ElementTree.fromstring(svg).iter(f"{SVG}script"))
        assert "<script" not in svg
    assert any(t.startswith("<script>") for t in texts(charts.chart_svg(charts.cost_chart(HOSTILE))))


def test_frames_are_rows_of_the_plan() -> None:
    memory = frames.memory_frame(LLAMA)
    assert memory["gib"].sum() == pytest.approx(59.0)
    assert set(memory["capacity"]) == {74.5}
    assert frames.step_time_frame(LLAMA)["seconds"].sum() == pytest.approx(17.86)
    assert list(frames.alternatives_frame(LLAMA)["plan"]) == [True, False, False, False, False]
    assert len(frames.schedule_frame(SEVERAL)) == 6
    assert frames.cost_frame(BARE).empty
    assert frames.schedule_frame(INFEASIBLE).empty
    assert HOSTILE_TEXT not in set(frames.cost_frame(HOSTILE)["part"]), "control characters are taken out"


def test_many_parts_of_memory_are_merged_without_loss() -> None:
    parts = {f"part_{i}": float(i) for i in range(1, 13)} | {"total": 78.0}
    run = LLAMA.assignments[0].model_copy(update={"memory_gib": parts})
    frame = frames.memory_frame(LLAMA.model_copy(update={"assignments": (run,)}))
    assert len(frame) == frames.MOST_PARTS
    assert frame["gib"].sum() == pytest.approx(78.0)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2.2, 1.4.3."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_text_is_legible_and_bars_are_visible_in_both_palettes(palette: theme.Palette) -> None:
    for text in (palette.ink, palette.muted, palette.good, palette.fair, palette.bad):
        assert _contrast(text, palette.surface) >= 4.5
        assert _contrast(text, palette.page) >= 4.5
    for bar in palette.series:
        assert _contrast(bar, palette.surface) >= 3  # WCAG 1.4.11
        assert _contrast(palette.inside, bar) >= 4.5
