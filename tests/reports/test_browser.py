"""The page in a real browser; skipped where there is none (Debian: apt-get install chromium)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reports.plans import PLANS, page_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("name", PLANS)
def test_a_page_fits_its_window_in_silence(browser: Any, tmp_path: Path, name: str) -> None:
    file = tmp_path / "plan.html"
    file.write_text(page_of(name), encoding="utf-8")
    for width, scheme in ((1920, "dark"), (1280, "light"), (420, "dark")):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        heard: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message, heard=heard: heard.append(message.text))
        page.on("pageerror", lambda error, heard=heard: heard.append(str(error)))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        outside = page.evaluate(
            """[...document.querySelectorAll('main *, header *')].filter(e => {
                 const r = e.getBoundingClientRect(); return r.width > 0 && (r.right > innerWidth + 1 || r.left < -1)
               }).map(e => e.outerHTML.slice(0, 120))"""
        )
        assert outside == [], width
        visible = page.evaluate(
            """[...document.querySelectorAll('[role=img]')].map(
                 e => [...e.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width > 0).length)"""
        )
        assert all(number == 1 for number in visible), "each chart shows one of its two drawings"
        assert heard == []
        assert asked == [file.as_uri()]
        page.close()


def test_chart_texts_stay_inside_their_drawings(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "plan.html"
    file.write_text(page_of("several phases, gap"), encoding="utf-8")
    for width in (1280, 420):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(file.as_uri())
        clipped = page.evaluate(
            """[...document.querySelectorAll('svg text:not([opacity="0"])')].filter(t => {
                 const r = t.getBoundingClientRect(), s = t.ownerSVGElement.getBoundingClientRect();
                 return r.width > 0 && (r.left < s.left - 1 || r.right > s.right + 1 || r.bottom > s.bottom + 1)
               }).map(t => t.textContent)"""
        )
        assert clipped == [], width
        page.close()


def test_colours_follow_the_reader(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "plan.html"
    file.write_text(page_of("one run"), encoding="utf-8")
    seen = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(file.as_uri())
        seen.append(
            page.evaluate(
                """[getComputedStyle(document.body).backgroundColor,
                    getComputedStyle(document.querySelector('.wide svg [fill="var(--s1)"]')).fill]"""
            )
        )
        page.close()
    assert seen == [["rgb(244, 246, 249)", "rgb(47, 95, 208)"], ["rgb(16, 20, 27)", "rgb(126, 166, 255)"]]
