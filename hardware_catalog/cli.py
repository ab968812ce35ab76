"""`planner catalog list | show | check`: the data, from the command line. InputError goes to the caller."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hardware_catalog.catalog import Catalog, load
from hardware_catalog.checks import check as findings_of
from hardware_catalog.errors import InputError, Problem, nearest
from hardware_catalog.records import FLAGS, PURCHASE_OPTIONS, Offer

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(help="Hardware, prices and their sources.", no_args_is_help=True, pretty_exceptions_enable=False)

FOUND_SOMETHING = 2  # exit code
PIPED_WIDTH = 180

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Directory = Annotated[Path | None, typer.Option("--catalog", metavar="DIR", help="Another catalog's directory.")]


class Kind(StrEnum):
    """What can be listed."""

    accelerators = "accelerators"
    instances = "instances"
    offers = "offers"
    regions = "regions"
    providers = "providers"
    tpu_slices = "tpu-slices"


COLUMNS: Mapping[Kind, Sequence[str]] = {
    Kind.accelerators: (
        "id", "family", "release_date", "memory_gb", "memory_bw_gbs", "bf16_tflops", "fp8_tflops", "tdp_w",
        "intra_node_bw_gbs", "tpp",
    ),
    Kind.instances: ("id", "accelerator", "accelerators", "vcpus", "memory_gib", "network_gbps", "multi_node"),
    Kind.offers: ("id", "accelerator", "usd_node_hour", "usd_accelerator_hour", "maximum_nodes", "price_date", "flags"),
    Kind.regions: ("id", "country", "groups", "grid_gco2e_kwh", "pue", "elec_usd_kwh"),
    Kind.providers: ("id", "name", "country", "tier", "billing_unit_seconds", "minimum_seconds"),
    Kind.tpu_slices: ("generation", "name", "chips", "topology", "hosts", "machine_type"),
}  # fmt: skip


@app.command("list")
def list_records(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    provider: Annotated[str | None, typer.Option(help="Only of this provider.")] = None,
    accelerator: Annotated[str | None, typer.Option(help="Only of this accelerator.")] = None,
    region: Annotated[str | None, typer.Option(help="Only here: aws/us-east-1, DE, eu.")] = None,
    purchase_option: Annotated[str | None, typer.Option(help="Only offers bought this way.")] = None,
    catalog: Directory = None,
    as_json: Json = False,
) -> None:
    """Accelerators, instances, offers, regions, providers or TPU slices (default shapes that are sold)."""
    data = load(catalog)
    wanted = {
        "provider": _one_of("provider", provider, data.providers),
        "accelerator": _one_of("accelerator", accelerator, data.accelerators),
        "region": _one_of("region", region, _region_names(data)),
        "purchase_option": _one_of("purchase option", purchase_option, PURCHASE_OPTIONS),
    }
    rows = [row for row in _listed(data, kind) if all(_selected(row, field, value) for field, value in wanted.items())]
    if as_json:
        _print_json(rows)
    else:
        _print_table(COLUMNS[kind], rows, f"{len(rows)} {kind.value}")


@app.command()
def show(
    record: Annotated[str, typer.Argument(metavar="ID", help="Of an accelerator, instance, offer, region, provider.")],
    catalog: Directory = None,
    as_json: Json = False,
) -> None:
    """One record with its sources."""
    data = load(catalog)
    shown = _found(data, record)
    if shown is None:
        names = [name for names in _names(data) for name in names]
        raise InputError(Problem(f"'{record}' is not in the catalog", nearest=nearest(record, names)))
    if as_json:
        _print_json(shown)
    else:
        _print_record(shown)


@app.command()
def check(
    directory: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A catalog; else the bundled one.")] = None,
    as_json: Json = False,
) -> None:
    """Read a catalog and apply every rule; exit code 2 when something is found."""
    data = load(directory)
    findings = findings_of(data)
    if as_json:
        _print_json({"digest": data.digest, "counts": _counts(data), "findings": [asdict(found) for found in findings]})
    else:
        for found in findings:
            print(found)
        print(", ".join(f"{count} {name}" for name, count in _counts(data).items()))
        print(f"{len(findings)} findings" if findings else "no findings")
    if findings:
        raise typer.Exit(FOUND_SOMETHING)


def _listed(data: Catalog, kind: Kind) -> list[dict[str, Any]]:
    """The records of a kind with what filters and tables need of other records."""
    rows: Mapping[Kind, Callable[[], Iterable[dict[str, Any]]]] = {
        Kind.accelerators: lambda: ({**asdict(a), "accelerator": a.id} for a in data.accelerators.values()),
        Kind.instances: lambda: map(asdict, data.instance_types.values()),
        Kind.offers: lambda: (_offer_row(data, offer) for offer in data.offers),
        Kind.regions: lambda: ({**asdict(r), "region": _region_words(data, r.id)} for r in data.regions.values()),
        Kind.providers: lambda: ({**asdict(p), "provider": p.id} for p in data.providers.values()),
        Kind.tpu_slices: lambda: (asdict(shape) for shape in data.tpu_slices if shape.is_default and shape.sold),
    }
    found = list(rows[kind]())
    return found if kind is Kind.tpu_slices else sorted(found, key=lambda row: str(row["id"]))


def _offer_row(data: Catalog, offer: Offer) -> dict[str, Any]:
    node, region = data.instance_types[offer.instance_type], data.regions[offer.region]
    price = min(window.price_usd_node_hour for window in offer.windows)
    return {
        **asdict(offer),
        "provider": node.provider,
        "accelerator": node.accelerator,
        "country": region.country,
        "region_names": _region_words(data, region.id),
        "usd_node_hour": float(price),
        "usd_accelerator_hour": round(float(price) / node.accelerators, 4),
        "maximum_nodes": max(window.maximum_nodes for window in offer.windows),
    }


def _selected(row: Mapping[str, Any], field: str, value: str | None) -> bool:
    if value is None:
        return True
    names = row.get("region_names", row.get("region")) if field == "region" else row.get(field)
    if names is None:
        raise InputError(Problem(f"these records have no {field.replace('_', ' ')} to select by"))
    return value in (names if isinstance(names, tuple) else (names,))


def _region_words(data: Catalog, region: str) -> tuple[str, ...]:
    known = data.regions[region]
    return (known.id, known.country, *known.groups)


def _region_names(data: Catalog) -> set[str]:
    return {word for region in data.regions for word in _region_words(data, region) if word}


def _one_of(kind: str, value: str | None, known: Iterable[str]) -> str | None:
    if value is not None and value not in known:
        raise InputError(Problem(f"'{value}' is not among the catalog's {kind}s", nearest=nearest(value, known)))
    return value


def _names(data: Catalog) -> tuple[Iterable[str], ...]:
    return (
        data.accelerators, data.instance_types, data.regions, data.providers, tuple(offer.id for offer in data.offers)
    )  # fmt: skip


def _found(data: Catalog, record: str) -> dict[str, Any] | None:
    """The record of an id as a document, with the ids of the offers that lead to it."""
    if record in data.accelerators:
        types = [node.id for node in data.instance_types.values() if node.accelerator == record]
        return {"kind": "accelerator", **asdict(data.accelerators[record]), "instance_types": types}
    if record in data.instance_types:
        offers = [offer.id for offer in data.offers if offer.instance_type == record]
        return {"kind": "instance type", **asdict(data.instance_types[record]), "offers": offers}
    if record in data.regions:
        offers = [offer.id for offer in data.offers if offer.region == record]
        return {"kind": "region", **asdict(data.regions[record]), "offers": offers}
    if record in data.providers:
        types = [node.id for node in data.instance_types.values() if node.provider == record]
        return {"kind": "provider", **asdict(data.providers[record]), "instance_types": types}
    offer = data.offer(record)
    if offer is None:
        return None
    meanings = {flag: FLAGS[flag] for flag in offer.flags}
    return {"kind": "offer", **_offer_row(data, offer), "flags": meanings}


def _counts(data: Catalog) -> dict[str, int]:
    return {
        "accelerators": len(data.accelerators),
        "instance types": len(data.instance_types),
        "regions": len(data.regions),
        "providers": len(data.providers),
        "offers": len(data.offers),
    }


def _print_json(document: object) -> None:
    print(json.dumps(document, default=_plain, indent=1, ensure_ascii=False))


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], caption: str) -> None:
    from rich.table import Table

    table = Table(caption=caption)
    for column in columns:
        numeric = any(isinstance(row[column], float | int) and not isinstance(row[column], bool) for row in rows)
        side: Literal["left", "right"] = "right" if numeric else "left"
        whole = column in ("id", "accelerator")
        table.add_column(column.replace("_", " "), justify=side, overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    _console().print(table)


def _print_record(record: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for field, value in record.items():
        table.add_row(field.replace("_", " "), Text(_cell(value)))
    _console().print(table)


def _console() -> Console:
    """The terminal, or wide lines where the output goes to a file or a pipe."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=PIPED_WIDTH)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_cell(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        separator = "\n" if any(isinstance(part, dict) for part in value) or isinstance(value, list) else ", "
        return separator.join(map(_cell, value))
    return str(value)
