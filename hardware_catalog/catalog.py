"""The catalog: accelerators, machines, places and prices of one directory, immutable.

`load()` gives the bundled data; `load(directory)` a user's own, with the same files. Of these, countries.csv,
availability.csv, egress.csv and exchange_rates.csv may be left out (the bundled ones are used), and so may terms/ and
tpu_slices.csv. Change a catalog with `dataclasses.replace` or `with_offers`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hardware_catalog import offer_tables, tables
from hardware_catalog.errors import InputError, Problem
from hardware_catalog.records import (
    Accelerator,
    Availability,
    Country,
    Egress,
    InstanceType,
    Offer,
    Provider,
    Rate,
    Region,
    TpuSlice,
)

__all__ = ["BUNDLED", "Catalog", "load", "with_offers"]

BUNDLED = Path(__file__).parent / "data"
_SHARED = ("countries", "availability", "egress", "exchange_rates")  # a directory may leave these files out


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything known of hardware and prices. Mappings are by id and read-only; offers are sorted by id.

    `digest` (SHA-256, hex) is that of the files' names and bytes, so that a plan can say which data it stood on.
    """

    accelerators: Mapping[str, Accelerator]
    instance_types: Mapping[str, InstanceType]
    regions: Mapping[str, Region]
    providers: Mapping[str, Provider]
    countries: Mapping[str, Country]
    offers: tuple[Offer, ...]
    tpu_slices: tuple[TpuSlice, ...]
    availabilities: tuple[Availability, ...]
    rates: tuple[Rate, ...]
    egress: tuple[Egress, ...]
    digest: str
    directory: Path = field(compare=False)

    def __post_init__(self) -> None:
        for name in ("accelerators", "instance_types", "regions", "providers", "countries"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Read-only mappings cannot be pickled: send plain ones to other processes."""
        values = (getattr(self, known.name) for known in fields(self))
        return Catalog, tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in values)

    def egress_of(self, provider: Provider) -> Egress:
        """The price of data that leaves a provider: its own, else its tier's default."""
        rows = {row.scope: row for row in self.egress}
        return rows.get(provider.id) or rows[provider.tier]

    def offer(self, offer_id: str) -> Offer | None:
        """The offer of an id, None when there is none."""
        return next((offer for offer in self.offers if offer.id == offer_id), None)


def load(directory: Path | None = None) -> Catalog:
    """The catalog of a directory, the bundled one by default; InputError with every problem of every file."""
    return _bundled() if directory is None else _load(Path(directory))


def with_offers(catalog: Catalog, offers: Iterable[Offer], only: bool) -> Catalog:
    """The catalog with more offers (one with a known id takes the place of the old), or with these offers only."""
    added = {offer.id: offer for offer in offers}
    kept = {} if only else {offer.id: offer for offer in catalog.offers}
    merged = tuple(offer for _, offer in sorted((kept | added).items()))
    text = "\n".join([catalog.digest, str(only), *(repr(added[offer_id]) for offer_id in sorted(added))])
    return replace(catalog, offers=merged, digest=hashlib.sha256(text.encode()).hexdigest())


@lru_cache(maxsize=1)
def _bundled() -> Catalog:
    return _load(BUNDLED)


def _load(directory: Path) -> Catalog:
    if not directory.is_dir():
        raise InputError(Problem("is not a directory with a catalog", str(directory)))
    problems: list[Problem] = []
    path = {name: _file(directory, name) for name in _SHARED}
    countries = tables.countries(path["countries"], problems)
    providers = tables.providers(directory / "providers.csv", problems, countries)
    accelerators = tables.accelerators(directory / "accelerators.csv", problems)
    regions = tables.regions(directory / "regions.csv", problems, providers, countries)
    types = tables.instance_types(directory / "instance_types.csv", problems, providers, accelerators)
    if path["availability"].parent == directory:
        availabilities = tables.availabilities(path["availability"], problems, (*providers, *types))
    else:
        availabilities = _bundled().availabilities
    if path["egress"].parent == directory:
        egress = tables.egress(path["egress"], problems, tuple(providers))
    else:
        egress = _bundled().egress
    rates = tables.rates(path["exchange_rates"], problems)
    slices = directory / "tpu_slices.csv"
    tpu_slices = tables.tpu_slices(slices, problems) if slices.exists() else ()
    offers = offer_tables.Offers(problems, providers, regions, types, availabilities, rates)
    for file in sorted((directory / "offers").glob("*.csv")):
        offers.read(file, offer_tables.OFFER_COLUMNS)
    for file in sorted((directory / "terms").glob("*.csv")):
        offers.read(file, offer_tables.TERM_COLUMNS, offer_tables.START_RULES)
    if not problems:
        problems.extend(_empty(directory, accelerators, types, offers.sorted()))
    if problems:
        raise InputError(problems)
    return Catalog(
        accelerators, types, regions, providers, countries, offers.sorted(), tpu_slices, availabilities, rates, egress,
        _digest(directory, path), directory,
    )  # fmt: skip


def _file(directory: Path, name: str) -> Path:
    own = directory / f"{name}.csv"
    return own if own.exists() else BUNDLED / f"{name}.csv"


def _empty(
    directory: Path,
    accelerators: Mapping[str, Accelerator],
    types: Mapping[str, InstanceType],
    offers: tuple[Offer, ...],
) -> Iterator[Problem]:
    if not accelerators:
        yield Problem("has no accelerators", str(directory / "accelerators.csv"))
    if not types:
        yield Problem("has no instance types", str(directory / "instance_types.csv"))
    if not offers:
        yield Problem("has no offers: expected a CSV file for each provider", str(directory / "offers"))


def _digest(directory: Path, shared: Mapping[str, Path]) -> str:
    """SHA-256 of the names and bytes of the files read."""
    names = ("accelerators", "instance_types", "providers", "regions", "tpu_slices")
    files = {f"{name}.csv": directory / f"{name}.csv" for name in names}
    files |= {f"{name}.csv": path for name, path in shared.items()}
    for folder in ("offers", "terms"):
        files |= {f"{folder}/{path.name}": path for path in (directory / folder).glob("*.csv")}
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        if path.exists():
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
