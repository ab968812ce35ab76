"""The decision of one case - chip, destination, headquarters, date, transaction - by the rows of the rules in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from hardware_catalog.errors import InputError, Problem, nearest
from hardware_catalog.export_predicates import Facts, Finding, facts, finding
from hardware_catalog.export_rule_files import Kind, Outcome, Rule, Status
from hardware_catalog.export_rule_set import ExportRules, country, load_rules

if TYPE_CHECKING:
    from hardware_catalog.records import Accelerator

DECIDING: frozenset[Kind] = frozenset({"regulation", "letter"})
REMARKING: frozenset[Kind] = frozenset({"guidance", "import_measure"})


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of one rule for one case; `remarks` (guidance and the like) only on the governing decision."""

    status: Status
    rule: str  # id of the rule that sets the status; '' where none does
    basis: str  # which numbers met which thresholds, in words
    source: str
    on: date
    extrapolated: bool  # `on` is after the evidence horizon
    eccn: str = ""  # the control class, '' outside all
    in_force_since: date | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """Who brings what where and when, with its codes checked: the question that rules answer."""

    chip: Facts
    destination: str
    headquarters: str
    on: date
    transaction: str
    rules: ExportRules

    def reached(self, row: Outcome) -> bool:
        """Whether the row is for these parties on this date, whatever the chip."""
        return (
            row.in_force(self.on)
            and (not row.transactions or self.transaction in row.transactions)
            and self._inside(self.destination, row.destination)
            and self._inside(self.headquarters, row.headquarters)
        )

    def _inside(self, country_code: str, names: tuple[str, ...]) -> bool:
        return not names or any(country_code in self.rules.members(name, self.on) for name in names)


def decide(
    accelerator: Accelerator,
    destination: str,
    headquarters: str,
    on: date,
    transaction: str = "delivery",
    rules: ExportRules | None = None,
) -> tuple[Decision, ...]:
    """What the rules say of bringing the accelerator to a place and an owner on a date; the governing decision first.

    `destination` and `headquarters` are ISO 3166-1 codes; `transaction` is `delivery` (from the rules' country, see
    `meta.yaml`), `reexport` (from a third country, or a transfer inside one) or `rental` (of capacity standing at the
    destination). InputError for an unknown country or transaction.
    """
    rules = rules or load_rules()
    case = case_of(accelerator, destination, headquarters, on, transaction, rules)
    released = accelerator.release_date
    if released is not None and on < released:
        basis = f"released {released}, after {on}"
        return (Decision("NOT_RELEASED", "", basis, accelerator.source, on, on > rules.evidence_horizon),)
    found, why_not, remarks = _licences(case)
    if not found:
        found = [_decision(case, "NLR", None, "", "; ".join(why_not) or _unreached(case))]
    hardness = list(rules.statuses)
    found.sort(key=lambda decision: -hardness.index(decision.status))
    governing = found[0]
    remarks += [text for rule in rules.in_force(REMARKING, on) if (text := remark_of(rule, case, governing.status))]
    return (replace(governing, remarks=tuple(dict.fromkeys(remarks))), *(d for d in found[1:] if d.status != "NLR"))


def case_of(
    accelerator: Accelerator, destination: str, headquarters: str, on: date, transaction: str, rules: ExportRules
) -> Case:
    """A case from codes and names; InputError for unknown ones."""
    if transaction not in rules.transactions:
        hint = nearest(transaction, rules.transactions)
        raise InputError(Problem(f"unknown transaction '{transaction}'", field="transaction", nearest=hint))
    return Case(
        chip=facts(accelerator, rules.makers.get(accelerator.vendor)),
        destination=country(destination, on, rules, "destination"),
        headquarters=country(headquarters, on, rules, "headquarters"),
        on=on,
        transaction=transaction,
        rules=rules,
    )


def remark_of(rule: Rule, case: Case, status: Status | None = None) -> str:
    """What a rule that decides nothing remarks on the case, given its status; '' when it has nothing to say."""
    eccn, seen = _classified(rule, case)
    row, _ = _row(rule, case, eccn, status) if seen.met else (None, "")
    return f"{rule.id} (since {rule.effective_from}; {rule.source}): {row.remark or rule.summary}" if row else ""


def _licences(case: Case) -> tuple[list[Decision], list[str], list[str]]:
    """The decisions, why other rules that reach the parties do not apply, and a remark for each that lacks a number."""
    maker = case.chip.values["maker_country"]
    if maker == case.destination and maker in case.rules.domestic_supply:
        return [], [f"maker's country {maker} is the destination: {case.rules.domestic_note}"], []
    deciding = case.rules.in_force(DECIDING, case.on)
    found: list[Decision] = []
    why_not: list[str] = []
    undecided: list[str] = []
    for rule in deciding:
        if rule.amends or not _can_bite(rule, case):
            continue
        decision, seen = _by(rule, case)
        if decision:
            found.append(_amended(decision, case, deciding))
            continue
        why_not.append(f"{rule.id} {'undecided' if seen.met is None else 'not met'}: {seen.text}")
        if seen.met is None:
            name = case.chip.values["id"]
            undecided.append(f"{rule.id} ({rule.source}) could not be decided for {name}: {seen.text}")
    if not found and not why_not:  # classified, but free for these parties: say so by the rule's own row
        found = [decision for rule in deciding if not rule.amends if (decision := _by(rule, case)[0])]
    return found, why_not, undecided


def _can_bite(rule: Rule, case: Case) -> bool:
    return any(row.status != "NLR" and case.reached(row) for row in rule.outcomes)


def _by(rule: Rule, case: Case) -> tuple[Decision | None, Finding]:
    """The rule's own decision before amendments, or None and what kept the chip out."""
    eccn, seen = _classified(rule, case)
    if not seen.met:
        return None, seen
    row, failed = _row(rule, case, eccn)
    if row is None or row.status is None:
        return None, Finding(False, failed or f"no row for class {eccn}")
    basis = "; ".join(filter(None, (seen.text, failed, _parties(case, row), row.remark)))
    return _decision(case, row.status, rule, eccn, basis), seen


def _amended(decision: Decision, case: Case, deciding: list[Rule]) -> Decision:
    for amendment in deciding:
        if amendment.amends != decision.rule:
            continue
        row, text = _row(amendment, case, decision.eccn, decision.status)
        if row and row.status and row.status != decision.status:
            told = "; ".join(filter(None, (text, row.remark)))
            basis = f"{decision.basis}; {decision.status} under {decision.rule}, changed by {amendment.id}: {told}"
            decision = _decision(case, row.status, amendment, decision.eccn, basis)
        elif text:
            decision = replace(decision, basis=f"{decision.basis}; not changed by {amendment.id}: {text}")
    return decision


def _classified(rule: Rule, case: Case) -> tuple[str, Finding]:
    """The rule's class of the chip ('' where it has none) and the finding that put it in or kept it out."""
    if rule.binds and case.chip.values["vendor"] not in rule.binds:
        return "", Finding(False, f"binds only {', '.join(rule.binds)}")
    guard = finding(rule.when, case.chip)
    if not guard.met or not (rule.classes or rule.classes_of):
        return "", guard
    if rule.classes_of:
        return _classified(case.rules.rules[rule.classes_of], case)
    outside: list[Finding] = []
    for chip_class in rule.classes:
        seen = finding(chip_class.when, case.chip)
        if seen.met:
            return chip_class.name, Finding(True, f"{chip_class.name}: {seen.text}")
        outside.append(Finding(seen.met, f"{chip_class.name}: {seen.text}"))
    unknown = [seen for seen in outside if seen.met is None]
    return "", Finding(None if unknown else False, "; ".join(seen.text for seen in unknown or outside))


def _row(rule: Rule, case: Case, eccn: str, status: Status | None = None) -> tuple[Outcome | None, str]:
    """The first row that matches and the numbers of its condition, or None and why those for these parties failed."""
    failed: list[str] = []
    for row in rule.outcomes:
        other_class = row.classes and eccn not in row.classes
        if other_class or (row.given and status not in row.given) or not case.reached(row):
            continue
        seen = finding(row.when, case.chip)
        if seen.met:
            return row, seen.text
        failed.append(seen.text)
    return None, "; ".join(dict.fromkeys(failed))


def _decision(case: Case, status: Status, rule: Rule | None, eccn: str, basis: str) -> Decision:
    late = case.on > case.rules.evidence_horizon
    if rule is None:
        return Decision(status, "", basis, "", case.on, late)
    return Decision(status, rule.id, basis, rule.source, case.on, late, eccn, rule.effective_from)


def _parties(case: Case, row: Outcome) -> str:
    def placed(code: str, names: tuple[str, ...]) -> str:
        groups = [name for name in names if name != code and code in case.rules.members(name, case.on)]
        return f"{code} (in {', '.join(groups)})" if groups else code

    place, owner = placed(case.destination, row.destination), placed(case.headquarters, row.headquarters)
    return f"destination {place}, headquarters {owner}"


def _unreached(case: Case) -> str:
    return f"no rule in force on {case.on} reaches destination {case.destination} with headquarters {case.headquarters}"
