from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from tests.reports.plans import PLANS, page_of

LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background", "xlink:href"}
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags, attributes, texts by tag, and whether every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def text(self, tag: str) -> list[str]:
        """Texts directly inside a tag."""
        return [text for of, text in self.texts if of == tag]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: page_of(name) for name in PLANS}


@pytest.mark.parametrize("name", PLANS)
def test_every_page_is_well_formed_and_asks_nothing_of_the_network(pages: dict[str, str], name: str) -> None:
    html = pages[name]
    page = Page(html)
    assert page.open == []
    assert not set(page.tags) & {"script", "link", "img", "iframe", "object", "embed", "form", "image", "use"}
    for tag, attribute, value in page.attributes:
        assert attribute not in LOADING, (tag, attribute)
        assert not attribute.startswith("on"), (tag, attribute)
        if attribute == "href":
            assert tag == "a"
            assert value.startswith(("https://", "http://"))
        assert "url(" not in value or re.fullmatch(r"url\(#[\w-]+\)", value)
    style = "".join(page.text("style"))
    assert "url(" not in style
    assert "@import" not in style
    assert (
        "meta",
        "content",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    ) in (page.attributes)


@pytest.mark.parametrize("name", PLANS)
def test_ids_are_unique_and_every_chart_has_a_label_and_a_table(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    ids = [value for _, attribute, value in page.attributes if attribute == "id"]
    assert len(ids) == len(set(ids))
    images = [value for _, attribute, value in page.attributes if (attribute, value) == ("role", "img")]
    labels = [value for tag, attribute, value in page.attributes if (tag, attribute) == ("div", "aria-label")]
    assert len(images) == len(labels) == page.tags["details"]
    assert page.tags["svg"] == 2 * len(images), "a wide and a narrow drawing of each"
    assert page.tags["table"] >= page.tags["details"]


def test_the_answer_is_the_heading(pages: dict[str, str]) -> None:
    page = Page(pages["one run"])
    assert page.text("h1") == [
        "Rent 96 nodes of gcp/a3-highgpu-8g (768 h100-sxm5-80) in gcp/us-central1, on demand, "
        "2026-12-10 \u2192 2027-03-01 14:24: 12.1M USD"
    ]
    assert page.text("title") == ["autumn-2026: optimal plan"]


def test_one_run_has_all_five_charts(pages: dict[str, str]) -> None:
    page = Page(pages["one run"])
    assert page.text("h2") == [
        "Know before you sign", "What to run", "Schedule", "The same work on other accelerators", "Cost by part",
        "Step time", "Memory of one accelerator", "Options refused", "What to buy", "Prices and availability",
    ]  # fmt: skip
    assert page.tags["details"] == 5


def test_tables_hold_the_numbers(pages: dict[str, str]) -> None:
    cells = Page(pages["one run"]).text("span")
    for cell in ("12,107,612 USD", "12.310", "38.60", "74.50", "2027-04-15 00:00", "41.2 %"):
        assert cell in cells
    assert "+10.8 %" in cells
    assert "64.40 USD a node-hour, priced 2026-10-12" in cells
    assert "default: at most 512 nodes on demand per region" in cells


def test_key_figures_are_there(pages: dict[str, str]) -> None:
    shown = Page(pages["one run"]).text("dd")
    for figure in ("$12.1M", "60.5 % of the budget", "2027-03-01", "768", "$2.02", "$8.05", "1,821 MWh", "692 t"):
        assert figure in shown


def test_an_infeasible_plan_gets_its_reasons_and_no_empty_charts(pages: dict[str, str]) -> None:
    page = Page(pages["infeasible"])
    assert page.text("h1") == ["No plan exists for autumn-2026."]
    assert "No option ends before 2027-02-03. Move the deadline." in page.text("li")
    assert page.tags["svg"] == 0
    assert "13.4M USD is above the budget" in page.text("span")
    assert Page(pages["unknown"]).tags["table"] == 0


def test_names_from_files_are_escaped_everywhere(pages: dict[str, str]) -> None:
    html = pages["hostile names"]
    assert "<script" not in html.lower()
    assert "\x1b" not in html
    page = Page(html)
    assert any("<script>alert('x')</script>[bold]" in text for text in page.text("h1"))
    assert not [value for _, attribute, value in page.attributes if attribute == "href" and "javascript" in value]


@pytest.mark.parametrize("name", PLANS)
def test_a_page_is_small(pages: dict[str, str], name: str) -> None:
    assert len(pages[name].encode()) < 300_000


def test_plans_of_another_kind_and_the_price_of_days_have_tables(pages: dict[str, str]) -> None:
    page = Page(pages["other plans"])
    assert {"Almost as good", "What a day costs", "The same work on other accelerators"} <= set(page.text("h2"))
    cells = page.text("span")
    assert "+1.3 %: same accelerator, spot at gcp/us-east4, 800 accelerators, ends 3.0 days earlier" in cells
    assert {"14 days earlier", "no plan ends that early", "7 days later", "-100,000 USD"} <= set(cells)
    assert any("no other kind of plan is within 5 % of it (proven)" in text for text in page.text("p"))
    assert "Almost as good" not in Page(pages["one run"]).text("h2")
