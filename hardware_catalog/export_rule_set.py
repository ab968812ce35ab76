"""The export rules of one directory as one immutable object, with dated country groups and what-ifs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from pathlib import Path

from hardware_catalog.errors import InputError, Problem, nearest
from hardware_catalog.export_rule_files import (
    Countries,
    Group,
    Kind,
    Meta,
    PartOf,
    Rule,
    RuleFile,
    Status,
    StatusMeaning,
    read,
)

BUNDLED = Path(__file__).parent / "data" / "export_rules"


def load_rules(directory: Path | None = None) -> ExportRules:
    """The rules of a directory, the bundled ones by default (read once); InputError with `file:line` for bad files."""
    return _load(directory or BUNDLED)


@dataclass(frozen=True, slots=True, eq=False)
class ExportRules:
    """The rules, country groups and meanings of one directory; immutable."""

    rules: Mapping[str, Rule]
    groups: Mapping[str, Group]
    countries: Mapping[str, str]
    misnomers: Mapping[str, str]
    part_of: Mapping[str, PartOf]
    statuses: Mapping[Status, StatusMeaning]  # from mildest to hardest
    transactions: Mapping[str, str]
    makers: Mapping[str, str]  # vendor -> country
    domestic_supply: frozenset[str]
    domestic_note: str
    evidence_horizon: date
    disclaimer: str
    disabled: frozenset[str] = field(default_factory=frozenset)
    enforced: frozenset[str] = field(default_factory=frozenset)

    def without(self, rule: str) -> ExportRules:
        """The same rules, one of them giving no decisions (a what-if); InputError for an unknown id."""
        self._known(rule)
        return replace(self, disabled=self.disabled | {rule})

    def enforcing(self, rule: str) -> ExportRules:
        """The same rules, as if one that was never enforced were (a what-if); InputError for an unknown id."""
        self._known(rule)
        return replace(self, enforced=self.enforced | {rule})

    def members(self, name: str, on: date) -> frozenset[str]:
        """The countries of a group on a date; a country's code stands for itself."""
        return _members(self, name, on)

    def in_force(self, kinds: frozenset[Kind], on: date) -> list[Rule]:
        """The rules of these kinds that decide on that date, in order of their dates."""
        return [
            rule
            for rule in self.rules.values()
            if rule.kind in kinds and rule.in_force(on)
            if rule.id not in self.disabled and (rule.enforced or rule.id in self.enforced)
        ]

    def _known(self, rule: str) -> None:
        if rule not in self.rules:
            raise InputError(Problem("unknown export rule", field=rule, nearest=nearest(rule, self.rules)))


def country(code: str, on: date, rules: ExportRules, what: str = "country") -> str:
    """The country that a code counts as on a date; InputError with the nearest code for one that is no country."""
    if code not in rules.countries:
        names = {**{c: c for c in rules.countries}, **{n: c for c, n in rules.countries.items()}, **rules.misnomers}
        hint = names.get(nearest(code, names), "")
        raise InputError(Problem(f"'{code}' is no ISO 3166-1 country code (two capitals)", field=what, nearest=hint))
    part = rules.part_of.get(code)
    return part.country if part and part.effective_from <= on else code


@lru_cache(maxsize=4096)
def _members(rules: ExportRules, name: str, on: date) -> frozenset[str]:
    group = rules.groups.get(name)
    if group is None:
        return frozenset({name})
    dated = frozenset(m for v in group.versions if v.in_force(on) for m in v.members)
    united = frozenset(m for part in group.union for m in rules.members(part, on))
    return (dated | united) - frozenset(m for part in group.without for m in rules.members(part, on))


@lru_cache(maxsize=8)
def _load(directory: Path) -> ExportRules:
    meta = read(directory / "meta.yaml", Meta)
    places = read(directory / "countries.yaml", Countries)
    rules: dict[str, tuple[Path, Rule]] = {}
    problems: list[Problem] = []
    for path in sorted(directory.glob("*.yaml")):
        if path.name in ("meta.yaml", "countries.yaml"):
            continue
        for rule in read(path, RuleFile).rules:
            if rule.id in rules:
                problems.append(Problem("this rule is there twice", str(path), field=rule.id))
            rules[rule.id] = (path, rule)
    for path, rule in rules.values():
        problems += _dangling(path, rule, {r.id for _, r in rules.values()}, {*places.groups, *places.countries})
    if problems:
        raise InputError(problems)
    in_order = sorted((rule for _, rule in rules.values()), key=lambda r: (r.effective_from or date.min, r.id))
    return ExportRules(
        rules={rule.id: rule for rule in in_order},
        groups=places.groups,
        countries=places.countries,
        misnomers=places.misnomers,
        part_of=places.part_of,
        statuses={meaning.status: meaning for meaning in meta.statuses},
        transactions=meta.transactions,
        makers=meta.makers,
        domestic_supply=frozenset(meta.domestic_supply),
        domestic_note=meta.domestic_note,
        evidence_horizon=meta.evidence_horizon,
        disclaimer=meta.disclaimer,
    )


def _dangling(path: Path, rule: Rule, ids: set[str], places: set[str]) -> list[Problem]:
    """Names of rules, countries and groups that do not exist."""
    named = [(name, ids, "rule") for name in (rule.amends, rule.classes_of) if name]
    named += [(n, places, "country or group") for row in rule.outcomes for n in (*row.destination, *row.headquarters)]
    return [Problem(f"unknown {what} '{name}'", str(path), field=rule.id, nearest=nearest(name, known))
            for name, known, what in named if name not in known]  # fmt: skip
