"""A user's quotes: what they become, and how every mistake in the file is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from hardware_catalog.catalog import Catalog, with_offers
from hardware_catalog.errors import InputError, Problem
from hardware_catalog.quotes import COLUMNS, read_quotes
from hardware_catalog.read import Cells, Row

from .conftest import QUOTE

Write = Callable[..., Path]


def test_a_quote_becomes_an_offer(catalog: Catalog, quotes_file: Write) -> None:
    (offer,) = read_quotes(quotes_file({}), catalog)
    (window,) = offer.windows
    assert (offer.id, offer.instance_type, offer.region) == ("q1", "aws/p5.48xlarge", "aws/us-east-1")
    assert (window.start, window.end) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert (window.minimum_nodes, window.maximum_nodes, window.price_usd_node_hour) == (1, 16, Decimal(40))
    assert (offer.minimum_seconds, offer.billing_unit_seconds) == (0, 1)
    assert (offer.price_date, offer.source) == ("2026-11-01", "letter of 2026-11-01")
    assert offer.availability_basis.endswith("quotes.csv:2")
    assert offer.flags == ()


@pytest.mark.parametrize(
    ("row", "usd", "why"),
    [
        ({"price": "5", "per": "accelerator_hour"}, "40", "5 USD x 8 GPUs of the node"),
        ({"price": "67.394", "currency": "CNY", "valid_from": "2026-08-22"}, "10", "6.7394 CNY per USD on that day"),
        ({"price": "71", "currency": "CNY", "valid_from": "2024-11-06"}, "10", "7.10 CNY per USD on that day"),
        ({"price": "67.394", "currency": "CNY", "valid_from": ""}, "10", "no date: the newest rate"),
        ({"price": "0.000001"}, "0.000001", "small prices keep their digits"),
    ],
)
def test_prices_become_usd_per_node_hour(
    catalog: Catalog, quotes_file: Write, row: dict[str, str], usd: str, why: str
) -> None:
    (offer,) = read_quotes(quotes_file(row), catalog)
    assert offer.windows[0].price_usd_node_hour == Decimal(usd), why


def test_empty_cells_are_open_windows_one_node_and_the_default_availability(
    catalog: Catalog, quotes_file: Write
) -> None:
    empty = dict.fromkeys(
        ("minimum_nodes", "maximum_nodes", "available_from", "available_until", "valid_from", "source"), ""
    )
    (offer,) = read_quotes(quotes_file(empty), catalog)
    (window,) = offer.windows
    assert (window.start, window.end, window.minimum_nodes, window.maximum_nodes) == (None, None, 1, 64)
    assert offer.availability_basis.startswith("default: 64 nodes")
    assert offer.source.endswith("quotes.csv:2")


@pytest.mark.parametrize(
    ("time", "instant"),
    [
        ("2026-12-01T06:30Z", datetime(2026, 12, 1, 6, 30, tzinfo=UTC)),
        ("2026-12-01 06:30", datetime(2026, 12, 1, 6, 30, tzinfo=UTC)),
        ("2026-12-01T08:30+02:00", datetime(2026, 12, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_times_are_utc(catalog: Catalog, quotes_file: Write, time: str, instant: datetime) -> None:
    (offer,) = read_quotes(quotes_file({"available_from": time}), catalog)
    assert offer.windows[0].start == instant


def test_rows_of_one_offer_are_its_windows_in_order_of_time(catalog: Catalog, quotes_file: Write) -> None:
    later = {"available_from": "2027-01-01", "available_until": "", "price": "30", "source": "second letter"}
    (offer,) = read_quotes(quotes_file(later, {}), catalog)
    assert [window.price_usd_node_hour for window in offer.windows] == [40, 30]
    assert offer.source == "letter of 2026-11-01; second letter"


def test_a_region_may_leave_out_its_provider(catalog: Catalog, quotes_file: Write) -> None:
    (offer,) = read_quotes(quotes_file({"region": "us-east-1"}), catalog)
    assert offer.region == "aws/us-east-1"


def test_own_machines_stand_anywhere_and_any_machine_in_a_country(catalog: Catalog, quotes_file: Write) -> None:
    own = {
        "offer": "own",
        "instance_type": "on-premises/dgx-h100",
        "region": "aws/eu-central-1",
        "purchase_option": "owned",
    }
    unlisted = {"offer": "unlisted", "region": "on-premises/de"}
    found = {offer.id: offer for offer in read_quotes(quotes_file(own, unlisted), catalog)}
    assert found["own"].region == "aws/eu-central-1"
    assert catalog.regions[found["unlisted"].region].country == "DE"


def test_quotes_are_billed_by_the_second_whatever_the_provider_does(catalog: Catalog, quotes_file: Write) -> None:
    quote = {"instance_type": "azure/Standard_ND96isr_H100_v5", "region": "eastus"}
    assert catalog.providers["azure"].billing_unit_seconds == 60
    (offer,) = read_quotes(quotes_file(quote), catalog)
    assert (offer.minimum_seconds, offer.billing_unit_seconds) == (0, 1)


def test_quotes_are_sorted_by_id_and_merge_into_a_catalog(catalog: Catalog, quotes_file: Write) -> None:
    quotes = read_quotes(quotes_file({"offer": "z"}, {"offer": "a"}), catalog)
    assert [offer.id for offer in quotes] == ["a", "z"]
    assert with_offers(catalog, quotes, only=True).offers == quotes
    assert len(with_offers(catalog, quotes, only=False).offers) == len(catalog.offers) + 2


NEXT = {"available_from": "2027-01-01", "available_until": "2027-02-01"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"offer": ""}], ":2: offer: is empty"),
        ([{"instance_type": "aws/p5.48xlage"}], ":2: instance_type: 'aws/p5.48xlage' is not an instance type;"),
        ([{"instance_type": "p5.48xlarge"}], "did you mean 'aws/p5.48xlarge'?"),
        ([{"region": "aws/us-eas-1"}], ":2: region: 'aws/us-eas-1' is not a region of aws; did you mean 'us-east-1'?"),
        ([{"region": "us-east1"}], "'us-east1' is not a region of aws; did you mean 'us-east-1'?"),
        ([{"region": "gcp/us-east1"}], ":2: region: 'gcp/us-east1' is not a region of aws"),
        ([{"region": ""}], ":2: region: is empty"),
        ([{"purchase_option": "On-Demand"}], ":2: purchase_option: expected one of on_demand, spot"),
        ([{"purchase_option": "On-Demand"}], "did you mean 'on_demand'?"),
        ([{"price": "0"}], ":2: price: expected a number above 0, got 0"),
        ([{"price": "-1"}], ":2: price: expected a number above 0, got -1"),
        ([{"price": "40 USD"}], ":2: price: expected a number, got '40 USD'"),
        ([{"price": ""}], ":2: price: expected a number, is empty"),
        ([{"currency": "EUR"}], ":2: currency: expected one of CNY, USD, got 'EUR'"),
        ([{"currency": "usd"}], "did you mean 'USD'?"),
        ([{"per": "gpu_hour"}], ":2: per: expected one of node_hour, accelerator_hour, got 'gpu_hour'"),
        ([{"per": "node_month"}], ":2: per: expected one of node_hour, accelerator_hour, got 'node_month'"),
        ([{"minimum_nodes": "0"}], ":2: minimum_nodes: expected a whole number of at least 1, got 0"),
        ([{"minimum_nodes": "17"}], ":2: minimum_nodes: 17 is above maximum_nodes 16"),
        ([{"maximum_nodes": "1.5"}], ":2: maximum_nodes: expected a whole number, got '1.5'"),
        ([{"available_from": "soon"}], ":2: available_from: expected a time such as 2026-07-30"),
        ([{"available_from": "01/12/2026"}], ":2: available_from: expected a time"),
        ([{"available_until": "2026-12-01"}], ":2: available_until: 2026-12-01 is not after available_from 2026-12-01"),
        ([{"valid_from": "2026"}], ":2: valid_from: expected a date such as 2026-07-30, got '2026'"),
        ([{}, {}], ":3: offer: the row repeats line 2"),
        ([{}, {"price": "41"}], ":3: available_from: the windows of lines 2 and 3 of offer 'q1' overlap"),
        (
            [NEXT, {"available_until": "2027-01-02"}],
            ":3: available_from: the windows of lines 2 and 3 of offer 'q1' overlap",
        ),
        ([{"available_from": "", "available_until": ""}, NEXT], "the windows of lines 2 and 3 of offer 'q1' overlap"),
        (
            [{}, {**NEXT, "region": "us-west-2"}],
            ":3: region: 'us-west-2', but line 2 of the same offer says 'aws/us-east-1'",
        ),
        ([{}, {**NEXT, "instance_type": "aws/p5en.48xlarge"}], ":3: instance_type: 'aws/p5en.48xlarge', but line 2"),
        (
            [{}, {**NEXT, "purchase_option": "spot"}],
            ":3: purchase_option: 'spot', but line 2 of the same offer says 'on_demand'",
        ),
        ([{}, {**NEXT, "currency": "CNY"}], ":3: currency: 'CNY', but line 2 of the same offer says 'USD'"),
        ([], "has no quotes below its header"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    catalog: Catalog, quotes_file: Write, rows: list[dict[str, str]], said: str
) -> None:
    path = quotes_file(*rows)
    with pytest.raises(InputError) as caught:
        read_quotes(path, catalog)
    assert any(said in str(problem) and str(path) in str(problem) for problem in caught.value.problems), str(
        caught.value
    )


def test_windows_that_touch_do_not_overlap(catalog: Catalog, quotes_file: Write) -> None:
    (offer,) = read_quotes(quotes_file({}, NEXT, {"available_from": "2027-02-01", "available_until": ""}), catalog)
    assert len(offer.windows) == 3


def test_a_region_is_the_same_with_and_without_its_provider(catalog: Catalog, quotes_file: Write) -> None:
    assert len(read_quotes(quotes_file({}, {**NEXT, "region": "us-east-1"}), catalog)) == 1


def test_all_mistakes_come_in_one_error(catalog: Catalog, quotes_file: Write) -> None:
    with pytest.raises(InputError) as caught:
        read_quotes(quotes_file({"price": "x", "per": "y"}, {"offer": "q2", "region": "z"}), catalog)
    assert {(problem.line, problem.field) for problem in caught.value.problems} == {
        (2, "price"),
        (2, "per"),
        (3, "region"),
    }


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            tuple("prize" if c == "price" else c for c in COLUMNS),
            "prize: is not a column of this table; did you mean 'price'?",
        ),
        (tuple(c for c in COLUMNS if c != "per"), "the column 'per' is missing"),
        ((*COLUMNS, "comment"), "comment: is not a column of this table"),
        ((*COLUMNS, "price"), "price: the column stands twice"),
    ],
)
def test_columns_are_exactly_those(catalog: Catalog, quotes_file: Write, columns: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_quotes(quotes_file({}, columns=columns), catalog)
    assert any(said in str(problem) for problem in caught.value.problems)


@pytest.mark.parametrize("name", ["none.csv", "none.xlsx"])
def test_a_missing_file_is_named(catalog: Catalog, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: cannot be read: No such file"):
        read_quotes(tmp_path / name, catalog)


def test_an_empty_file_names_the_columns(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="is empty; expected the columns offer, instance_type, region"):
        read_quotes(path, catalog)


def sheet(path: Path, *rows: tuple[object, ...]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    book.save(path)
    book.close()
    return path


def test_a_workbook_gives_what_the_csv_file_gives(catalog: Catalog, quotes_file: Write, tmp_path: Path) -> None:
    """Numbers and dates are cells of their own kind in a workbook."""
    cells = {
        **QUOTE,
        "price": 40.0,
        "minimum_nodes": 1,
        "maximum_nodes": 16.0,
        "available_from": datetime(2026, 12, 1),
        "available_until": datetime(2027, 1, 1),
        "valid_from": datetime(2026, 11, 1),
    }
    path = sheet(tmp_path / "quotes.xlsx", COLUMNS, tuple(cells.values()), (None,) * len(COLUMNS))
    (from_sheet,) = read_quotes(path, catalog)
    (from_text,) = read_quotes(quotes_file({}), catalog)
    assert from_sheet.windows == from_text.windows
    assert (from_sheet.region, from_sheet.price_date) == (from_text.region, from_text.price_date)


def test_mistakes_in_a_workbook_have_their_line_too(catalog: Catalog, tmp_path: Path) -> None:
    wrong = {**QUOTE, "price": 0, "per": None}
    path = sheet(tmp_path / "quotes.xlsx", COLUMNS, tuple(QUOTE.values()), tuple(wrong.values()))
    with pytest.raises(InputError) as caught:
        read_quotes(path, catalog)
    assert {(problem.line, problem.field) for problem in caught.value.problems} == {(3, "price"), (3, "per")}


def test_what_is_no_workbook_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "quotes.xlsx"
    path.write_text("offer,instance_type\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"is not an Excel workbook"):
        read_quotes(path, catalog)


TERMS = {
    "minimum_hours": "720",
    "billing_hours": "24",
    "blocks_days": "",
    "node_counts": "4;8",
    "lead_time_hours": "48",
    "ahead_hours": "1344",
    "start_hour_utc": "11.5",
}


def test_a_quote_may_be_of_nodes_bought_for_a_time(catalog: Catalog, quotes_file: Write) -> None:
    columns = (*COLUMNS, *TERMS)
    (offer,) = read_quotes(quotes_file({"purchase_option": "reserved", **TERMS}, columns=columns), catalog)
    assert (offer.minimum_seconds, offer.billing_unit_seconds) == (720 * 3600, 24 * 3600)
    assert (offer.blocks_seconds, offer.node_counts) == ((), (4, 8))
    assert (offer.lead_time_hours, offer.ahead_hours, offer.start_hour_utc) == (48, 1344, 11.5)


def test_any_of_the_columns_of_terms_may_be_left_out(catalog: Catalog, quotes_file: Write) -> None:
    blocks = {"purchase_option": "capacity_block", "blocks_days": "1;7"}
    (offer,) = read_quotes(quotes_file(blocks, columns=(*COLUMNS, "blocks_days")), catalog)
    assert offer.blocks_seconds == (86_400, 7 * 86_400)
    assert (offer.ahead_hours, offer.start_hour_utc) == (None, None)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"minimum_hours": "a month"}, ":2: minimum_hours: expected a number, got 'a month'"),
        ({"billing_hours": "0"}, ":2: billing_hours: expected a number above 0, got 0"),
        ({"blocks_days": "7;1"}, ":2: blocks_days: expected rising numbers, got '7;1'"),
        ({"node_counts": "4,8"}, ":2: node_counts: expected whole numbers parted by ';', got '4,8'"),
        ({"lead_time_hours": "-1"}, ":2: lead_time_hours: expected a number of at least 0, got -1"),
        ({"ahead_hours": "24"}, ":2: ahead_hours: 24 is below lead_time_hours 48"),
        ({"start_hour_utc": "24"}, ":2: start_hour_utc: expected an hour of the day from 0 up to 24, got 24"),
    ],
)
def test_a_mistake_in_a_term_is_told_where_it_is(
    catalog: Catalog, quotes_file: Write, row: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_quotes(quotes_file({**TERMS, **row}, columns=(*COLUMNS, *TERMS)), catalog)
    assert str(caught.value).endswith(f"quotes.csv{said}")


def test_rows_of_one_offer_have_one_term(catalog: Catalog, quotes_file: Write) -> None:
    later = {**TERMS, "available_from": "2027-01-01", "available_until": "", "minimum_hours": "360"}
    with pytest.raises(InputError, match="minimum_hours: '360', but line 2 of the same offer says '720'"):
        read_quotes(quotes_file(TERMS, later, columns=(*COLUMNS, *TERMS)), catalog)


def test_a_workbook_may_have_the_columns_of_terms(catalog: Catalog, tmp_path: Path) -> None:
    row = {**QUOTE, "purchase_option": "reserved", "minimum_hours": 720, "billing_hours": 24}
    (offer,) = read_quotes(sheet(tmp_path / "q.xlsx", tuple(row), tuple(row.values())), catalog)
    assert (offer.minimum_seconds, offer.billing_unit_seconds) == (720 * 3600, 24 * 3600)


def test_a_mistake_that_rows_have_in_common_is_told_for_each(catalog: Catalog, quotes_file: Write) -> None:
    rows = [{"offer": f"q{n}", "region": "aws/us-eas-1", "maximum_nodes": "x"} for n in range(3)]
    with pytest.raises(InputError) as caught:
        read_quotes(quotes_file(*rows), catalog)
    found = [(problem.line, problem.field, problem.nearest) for problem in caught.value.problems]
    near = "us-east-1"
    assert found == [(n, *rest) for n in (2, 3, 4) for rest in (("region", near), ("maximum_nodes", ""))]


def test_cells_are_read_once_where_rows_have_them_in_common() -> None:
    problems: list[Problem] = []
    read: list[int] = []

    def size(row: Row) -> int:
        read.append(row.line)
        return row.integer("size")

    cells = Cells(("size",), size)
    rows = [Row("file", line, {"size": value}, problems) for line, value in enumerate(("7", "x", "7", "x", "8"))]
    assert [cells.of(row) for row in rows] == [7, 1, 7, 1, 8]  # 1 stands in for what is wrong
    assert read == [0, 1, 3, 4], "the second 7 is not read again, the wrong cells are"
    assert [problem.line for problem in problems] == [1, 3]
