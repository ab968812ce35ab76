"""The report of a validation: terminal, charts, page."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console
from typer.testing import CliRunner

from hardware_catalog.catalog import load
from planner.cli.app import build
from planner.errors import InputError
from planner.reports import validation_charts as charts
from planner.reports import validation_frames as frames
from planner.reports.charts import chart_png, chart_svg
from planner.reports.theme import DARK, LIGHT
from planner.reports.validation_html import validation_html
from planner.reports.validation_text import show
from planner.validation import Validation, bundled_runs, validate
from planner.validation_groups import GROUPINGS
from planner.validation_rows import Skipped

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert("x")</script> & </svg>'
CHARTS = (charts.scatter_chart, charts.histogram_chart, charts.quantile_chart)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]


@pytest.fixture(scope="module")
def bundled() -> Validation:
    return validate(bundled_runs(), load())


@pytest.fixture(scope="module")
def hostile(bundled: Validation) -> Validation:
    rows = [
        replace(row, id=HOSTILE, model=HOSTILE, source=HOSTILE, family=HOSTILE, notes=f"LOW TRUST {HOSTILE}")
        for row in bundled.rows[:6]
    ]
    return Validation(tuple(rows), (Skipped(HOSTILE, HOSTILE),))


def printed(found: Validation, width: int = 80, every_row: bool = False) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    show(found, console, GROUPINGS, 5, every_row)
    return console.export_text()


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_no_name_is_cut_at_80_columns(bundled: Validation) -> None:
    shown = printed(bundled, every_row=True)
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    for row in bundled.rows:
        assert row.family in shown
        assert row.id in shown
    for row in bundled.skipped:
        assert row.id in shown


def test_the_terminal_names_every_group_and_explains_the_worst(bundled: Validation) -> None:
    shown = printed(bundled)
    for grouping in GROUPINGS:
        assert f"by {grouping}" in shown
    worst = max(bundled.rows, key=lambda row: abs(row.error))
    assert f"{worst.id}  {worst.error * 100:+.0f} %  measured" in shown
    assert "Most alike" in shown
    assert f"not modelled: {len(bundled.skipped)} rows" in shown


@pytest.mark.parametrize("chart", CHARTS)
def test_charts_hold_no_colours_and_no_fonts(bundled: Validation, chart: Any) -> None:
    spec = chart(bundled.rows).to_dict()
    spec.pop("config")  # altair's own defaults
    spec.pop("datasets")
    text = json.dumps(spec)
    assert "#" not in text.replace(spec["$schema"], "")
    assert "font" not in text.lower()


@pytest.mark.parametrize("chart", CHARTS)
def test_charts_fit_a_page_and_a_phone(bundled: Validation, chart: Any) -> None:
    for width in (340, 760):
        root = ElementTree.fromstring(chart_svg(chart(bundled.rows), width_px=width))
        assert float(root.attrib["width"]) == pytest.approx(width, abs=30)


def test_every_run_is_a_point_and_shows_what_it_is(bundled: Validation) -> None:
    svg = charts.titled(chart_svg(charts.scatter_chart(bundled.rows, described=True)))
    titles = [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert len(titles) == len(bundled.rows)
    row = bundled.rows[0]
    assert sum(title.startswith(f"{row.id}: {row.model}") for title in titles) == 1


def test_families_share_the_last_colour_when_there_are_too_many(bundled: Validation) -> None:
    shown = frames.shown_families(bundled.rows)
    assert len(set(shown)) == len(shown) <= len(LIGHT.series)
    assert set(frames.scatter_frame(bundled.rows)["family"]) <= set(shown)
    assert len({row.family for row in bundled.rows}) > len(LIGHT.series)
    assert frames.OTHER in shown


def test_the_histogram_holds_every_run_and_its_ends_hold_the_rest(bundled: Validation) -> None:
    frame = frames.histogram_frame(bundled.rows)
    assert frame["runs"].sum() == len(bundled.rows)
    far = [replace(bundled.rows[0], error=error) for error in (-0.9, 4.0, 0.0, 0.049)]
    frame = frames.histogram_frame(far)
    assert frame[frame["runs"] > 0][["error", "runs"]].values.tolist() == [
        ["below -45 %", 1], ["0 % to +5 %", 2], ["+45 % and above", 1],
    ]  # fmt: skip


def test_the_chart_of_the_documentation_stays_small(bundled: Validation) -> None:
    assert len(chart_svg(charts.scatter_chart(bundled.rows))) < 300_000


def test_a_short_axis_has_labels_between_the_powers_of_ten() -> None:
    assert frames.decades(0.09, 200.0) == [0.1, 1.0, 10.0, 100.0]
    assert frames.decades(3.0, 30.0) == [5.0, 10.0, 20.0]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".html"])
def test_a_chart_file_is_what_its_name_says(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"chart{suffix}"
    result = CliRunner().invoke(build(), ["validate", "--chart", str(file)], catch_exceptions=False)
    assert result.exit_code == 0
    start = {".png": b"\x89PNG", ".svg": b"<svg", ".html": b"<!DOCTYPE html>"}[suffix]
    assert file.read_bytes().startswith(start)
    assert b"<script src" not in file.read_bytes()


@pytest.mark.parametrize(("arguments", "message"), [
    (("--chart", "chart.pdf"), "--chart: expected a file that ends in .png, .svg, .html"),
    (("--by", "family,scael"), "did you mean 'scale'?"),
])  # fmt: skip
def test_bad_arguments_are_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        CliRunner().invoke(build(), ["validate", *arguments], catch_exceptions=False)
    assert message in str(caught.value)


def test_the_page_names_every_row_modelled_or_not(bundled: Validation) -> None:
    page = validation_html(bundled, "runs.csv")
    shown = set(re.findall(r"[\w.+-]+", page))
    assert {row.id for row in (*bundled.rows, *bundled.skipped)} <= shown
    assert page.count("<h2>") == 3 + len(GROUPINGS) + 3
    assert "<script" not in page


def test_names_are_text_never_elements(hostile: Validation) -> None:
    page = validation_html(hostile, HOSTILE)
    assert "<script" not in page
    assert page.count("<svg ") == page.count("</svg>") == 6
    assert "<script>" in printed(hostile)
    for chart in CHARTS:
        svg = charts.titled(chart_svg(chart(hostile.rows)))
        assert not any(element.tag.endswith("script") for element in ElementTree.fromstring(svg).iter())


def test_a_file_of_which_nothing_can_be_modelled_is_still_a_report() -> None:
    nothing = Validation((), (Skipped("lab-1", "no step time published"),))
    assert "None of 1 row can be modelled" in validation_html(nothing, "runs.csv")
    assert "no step time published" in printed(nothing)
    json.dumps(nothing.as_json(), allow_nan=False)


def test_one_run_makes_every_chart(bundled: Validation) -> None:
    for chart in CHARTS:
        assert chart_png(chart(bundled.rows[:1]), "dark").startswith(b"\x89PNG")


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_fits_its_window_in_silence(bundled: Validation, tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    file = tmp_path / "validation.html"
    file.write_text(validation_html(bundled, "runs.csv"), encoding="utf-8")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for width, scheme, palette in ((1280, "light", LIGHT), (420, "dark", DARK)):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            heard: list[str] = []
            page.on("console", lambda message, heard=heard: heard.append(message.text))
            page.on("request", lambda request, heard=heard: heard.append(request.url))
            page.goto(file.as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            colour = page.evaluate("getComputedStyle(document.body).getPropertyValue('--page').trim()")
            assert colour == palette.page
            assert heard == [file.as_uri()]
        browser.close()
