"""A user's quotes: offers in a CSV or XLSX file, one row for each availability window.

The columns are `COLUMNS` and, for nodes bought for a time, any of `TERM_RULES` and `START_RULES`.
`per` is node_hour or accelerator_hour; times are UTC; an empty `minimum_nodes` is 1,
an empty `maximum_nodes` the default of availability.csv, an empty time is open. `region` may leave out the provider.
Quotes are billed by use, by the second, unless a row has a minimum, billing steps or blocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache, partial
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

from hardware_catalog.catalog import Catalog
from hardware_catalog.collection import no_cycle_search
from hardware_catalog.errors import InputError, Problem, nearest
from hardware_catalog.offer_tables import START_RULES, TERM_RULES, TermRules, availability_of, term_of
from hardware_catalog.read import Cells, Row, csv_rows, table_rows
from hardware_catalog.records import PURCHASE_OPTIONS, Availability, InstanceType, Offer, Window
from hardware_catalog.units import QUOTE_UNITS, currencies, rate_near, usd_node_hour

MOST_PRICE = 1_000_000  # of a node-hour or accelerator-hour; dearer ones are slips of the pen
COLUMNS = (
    "offer", "instance_type", "region", "purchase_option", "price", "currency", "per", "minimum_nodes", "maximum_nodes",
    "available_from", "available_until", "valid_from", "source",
)  # fmt: skip
_OPTIONAL = (*TERM_RULES, *START_RULES)
_SAME = ("instance_type", "region", "purchase_option", "currency", *_OPTIONAL)
_ALL_CELLS, _SAME_CELLS = itemgetter(*COLUMNS, *_OPTIONAL), itemgetter(*_SAME)
_ANYWHERE = "on-premises"  # its machines may stand in any region, and any machine in its regions
_EARLIEST, _LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Quote:
    row: Row
    instance_type: InstanceType
    region: str
    purchase_option: str
    window: Window
    valid_from: str
    basis: str
    term: TermRules


@no_cycle_search()
def read_quotes(path: Path, catalog: Catalog) -> tuple[Offer, ...]:
    """The offers of a quotes file, by id; InputError with file:line: column for every problem found."""
    path = Path(path)
    problems: list[Problem] = []
    by_offer: dict[str, list[_Quote]] = defaultdict(list)
    lines: dict[tuple[str, ...], int] = {}
    rows = 0
    quotes = _Quotes(catalog)
    for row in _rows(path, problems):
        rows += 1
        cells = _ALL_CELLS(row.cells)
        if cells in lines:
            row.problem("offer", f"the row repeats line {lines[cells]}")
            continue
        lines[cells] = row.line
        quote = quotes.of(row)
        if quote is not None:
            by_offer[row.cells["offer"]].append(quote)
    if not rows and not problems:
        problems.append(Problem("has no quotes below its header", str(path)))
    for of_one in by_offer.values():
        _check_windows(of_one)
    if problems:
        raise InputError(problems)
    return tuple(_offer(offer_id, by_offer[offer_id], catalog) for offer_id in sorted(by_offer))


def _rows(path: Path, problems: list[Problem]) -> list[Row]:
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        return list(table_rows(str(path), _sheet_lines(path, problems), COLUMNS, problems, _OPTIONAL))
    return csv_rows(path, COLUMNS, problems, _OPTIONAL)


def _sheet_lines(path: Path, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """The lines of a workbook's first sheet, cells as the text a CSV file would have."""
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except OSError as error:
        problems.append(Problem(f"cannot be read: {error.strerror or error}", str(path)))
        return
    except (BadZipFile, InvalidFileException, KeyError):
        problems.append(Problem("is not an Excel workbook (.xlsx)", str(path)))
        return
    try:
        for line, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
            yield line, [_text(cell) for cell in cells]
    finally:
        book.close()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time(0) and cell.tzinfo is None else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else format(cell, ".12g")
    return str(cell)


class _Quotes:
    """Reads rows as quotes; what most rows of a file have in common is worked out once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._currencies = currencies(catalog.rates)
        self._thing = Cells(("instance_type", "region", "purchase_option"), self._thing_of)
        self._unit = Cells(("per", "currency"), self._unit_of)
        self._sizes = Cells(("minimum_nodes", "maximum_nodes"), _sizes_of)
        self._start = Cells(("available_from",), lambda row: row.maybe_instant("available_from"))
        self._end = Cells(("available_until",), lambda row: row.maybe_instant("available_until"))
        self._rules = Cells(("valid_from", *_OPTIONAL), lambda row: (row.maybe_day("valid_from"), term_of(row)))
        self._rate = cache(partial(rate_near, catalog.rates))
        self._default = cache(self._default_of)

    def of(self, row: Row) -> _Quote | None:
        """The quote of a row, None when something is wrong with it."""
        before = len(row.problems)
        row.text("offer")
        instance_type, region, option = self._thing.of(row)
        price, (per, currency) = row.decimal("price", MOST_PRICE), self._unit.of(row)
        minimum, maximum = self._sizes.of(row)
        start, end = self._start.of(row), self._end.of(row)
        valid, term = self._rules.of(row)
        if minimum is not None and maximum is not None and minimum > maximum:
            row.problem("minimum_nodes", f"{minimum} is above maximum_nodes {maximum}")
        if start is not None and end is not None and end <= start:
            said = f"{row.cells['available_until']} is not after available_from {row.cells['available_from']}"
            row.problem("available_until", said)
        if instance_type is None or len(row.problems) > before:
            return None
        basis = f"quote: {row.file}:{row.line}"
        if maximum is None:
            default = self._default(instance_type.id, option)
            if default is None:
                row.problem("maximum_nodes", "is empty and the catalog has no default for it")
                return None
            maximum, basis = max(default.maximum_nodes, minimum or 1), default.basis
        usd = usd_node_hour(price, per, instance_type.accelerators, self._rate(currency, valid))
        window = Window(start, end, minimum or 1, maximum, usd)
        return _Quote(row, instance_type, region, option, window, row.cells["valid_from"], basis, term)

    def _thing_of(self, row: Row) -> tuple[InstanceType | None, str, str]:
        types = self._catalog.instance_types
        instance_type = types.get(row.known("instance_type", types, "an instance type"))
        region = _region(row, self._catalog, instance_type)
        return instance_type, region, row.choice("purchase_option", PURCHASE_OPTIONS)

    def _unit_of(self, row: Row) -> tuple[str, str]:
        per = row.choice("per", QUOTE_UNITS)
        return per, row.choice("currency", self._currencies)

    def _default_of(self, instance_type: str, option: str) -> Availability | None:
        kind = self._catalog.instance_types[instance_type]
        return availability_of(self._catalog.availabilities, kind, self._catalog.providers[kind.provider], option)


def _sizes_of(row: Row) -> tuple[int | None, int | None]:
    return row.maybe_integer("minimum_nodes", 1), row.maybe_integer("maximum_nodes", 1)


def _region(row: Row, catalog: Catalog, instance_type: InstanceType | None) -> str:
    """The region's id; a name without provider is one of the machine's own provider."""
    value = row.text("region")
    if not value or value in catalog.regions:
        providers = {catalog.regions[value].provider, instance_type.provider} if value and instance_type else set()
        if len(providers) == 2 and _ANYWHERE not in providers:
            row.problem("region", f"'{value}' is not a region of {instance_type.provider if instance_type else ''}")
        return value
    if instance_type is None:
        if "/" in value:
            row.problem("region", f"'{value}' is not a region of the catalog", nearest(value, catalog.regions))
        return value
    provider = instance_type.provider
    if f"{provider}/{value}" in catalog.regions:
        return f"{provider}/{value}"
    own = [region.id.removeprefix(f"{provider}/") for region in catalog.regions.values() if region.provider == provider]
    near = nearest(value.removeprefix(f"{provider}/"), own)
    row.problem("region", f"'{value}' is not a region of {provider}", near)
    return value


def _check_windows(quotes: list[_Quote]) -> None:
    """Rows of one offer speak of one thing, and no two at one time."""
    first = quotes[0].row
    same = _SAME_CELLS(first.cells)
    for quote in quotes[1:]:
        if _SAME_CELLS(quote.row.cells) == same:
            continue
        for field in _SAME:
            here, there = quote.row.cells[field], first.cells[field]
            if here != there and not (field == "region" and quote.region == quotes[0].region):
                quote.row.problem(field, f"'{here}', but line {first.line} of the same offer says '{there}'")
    ordered = sorted(quotes, key=lambda quote: (quote.window.start or _EARLIEST, quote.row.line))
    for earlier, later in pairwise(ordered):
        if (later.window.start or _EARLIEST) < (earlier.window.end or _LATEST):
            one, two = sorted((earlier.row.line, later.row.line))
            row = max(earlier.row, later.row, key=lambda row: row.line)
            offer_id = row.cells["offer"]
            row.problem("available_from", f"the windows of lines {one} and {two} of offer '{offer_id}' overlap")


def _offer(offer_id: str, quotes: list[_Quote], catalog: Catalog) -> Offer:
    ordered = sorted(quotes, key=lambda quote: quote.window.start or _EARLIEST)
    first = ordered[0]
    sources = dict.fromkeys(quote.row.cells["source"] or f"{quote.row.file}:{quote.row.line}" for quote in ordered)
    stated = [quote.basis for quote in ordered if not quote.basis.startswith("default")]
    newest = max(quote.valid_from for quote in ordered)
    return Offer(
        id=offer_id,
        instance_type=first.instance_type.id,
        region=first.region,
        purchase_option=first.purchase_option,
        windows=tuple(quote.window for quote in ordered),
        minimum_seconds=first.term.minimum_s or 0,
        billing_unit_seconds=first.term.unit_s or 1,  # a quote that names no billing steps is paid by use
        blocks_seconds=first.term.blocks_s,
        node_counts=first.term.node_counts,
        lead_time_hours=first.term.lead_time_hours,
        ahead_hours=first.term.ahead_hours,
        start_hour_utc=first.term.start_hour_utc,
        price_date=newest,
        source="; ".join(sources),
        date_checked=newest,
        availability_basis=stated[0] if stated else first.basis,
        quoted=True,
    )
