"""Dated export rules on accelerators: what a plan may count on, and which rule, date and source say so.

Planning support, not legal advice: the best status is `NLR`, no licence requirement *found under these rules*.
The law is data (`data/export_rules`, no country is named in code); these modules match a case with its rows:

    load_rules, ExportRules   the rules of a directory; `without` and `enforcing` are the what-ifs
    decide                    the decisions of one case, the governing one first
    review                    the same for an offer: refused or not, and the texts a plan prints
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from hardware_catalog.export_decisions import Decision, case_of, decide, remark_of
from hardware_catalog.export_rule_files import Kind
from hardware_catalog.export_rule_set import ExportRules, country, load_rules

if TYPE_CHECKING:
    from hardware_catalog.records import Accelerator

__all__ = ["Decision", "ExportRules", "Review", "country", "decide", "load_rules", "review"]

RemoteAccess = Literal["allow", "warn", "deny"]
_TENANT: frozenset[Kind] = frozenset({"remote_access"})


@dataclass(frozen=True, slots=True)
class Review:
    """Whether planning refuses an offer, and what to tell; where it refuses, the first text is the reason."""

    refused: bool
    warnings: tuple[str, ...]
    decisions: tuple[Decision, ...]

    @property
    def reason(self) -> str:
        """Why the offer is refused, '' when it is not."""
        return self.warnings[0] if self.refused else ""


def review(
    accelerator: Accelerator,
    destination_country: str,
    provider_headquarters: str,
    tenant_headquarters: str | None,
    on: date,
    purchase_option: str,
    remote_access: RemoteAccess = "warn",
    rules: ExportRules | None = None,
) -> Review:
    """The rules on an offer: rented hardware by its place and its provider, bought (`owned`) hardware by its buyer.

    A rented accelerator is judged as if delivered to `provider_headquarters`' data centre in `destination_country`; the
    tenant only warns, unless `remote_access` says `allow` (silent) or `deny` (refused by the user's own policy). A
    bought one is judged on delivery to the tenant. InputError for an unknown country.
    """
    rules = rules or load_rules()
    rented = purchase_option != "owned"
    owner = provider_headquarters if rented else tenant_headquarters or provider_headquarters
    decisions = decide(accelerator, destination_country, owner, on, "rental" if rented else "delivery", rules)
    governing = decisions[0]
    planning = rules.statuses[governing.status].planning
    texts = [] if planning == "pass" else [_told(accelerator, destination_country, owner, governing, rules)]
    refused = planning == "refuse"
    if rented and tenant_headquarters and remote_access != "allow":
        about_tenant = _tenant_texts(accelerator, destination_country, tenant_headquarters, on, remote_access, rules)
        denied = remote_access == "deny" and bool(about_tenant)
        texts = about_tenant + texts if denied and not refused else texts + about_tenant
        refused = refused or denied
    tail = _tail(governing.extrapolated, rules)
    texts += [f"In {destination_country}: {remark}. {tail}" for remark in governing.remarks]
    return Review(refused, tuple(texts), decisions)


def _told(accelerator: Accelerator, destination: str, owner: str, decision: Decision, rules: ExportRules) -> str:
    rule = f" by {decision.rule}, in force since {decision.in_force_since}" if decision.rule else ""
    source = f" Source: {decision.source}." if decision.source else ""
    meaning = rules.statuses[decision.status].meaning
    return (
        f"{accelerator.id} in {destination} for an owner headquartered in {owner} on {decision.on}: {decision.status} "
        f"({meaning}){rule}: {decision.basis}.{source} {_tail(decision.extrapolated, rules)}"
    )


def _tenant_texts(
    accelerator: Accelerator, destination: str, tenant: str, on: date, remote_access: RemoteAccess, rules: ExportRules
) -> list[str]:
    case = case_of(accelerator, destination, tenant, on, "rental", rules)
    policy = "refused by the policy remote_access: deny; " if remote_access == "deny" else ""
    return [
        f"{accelerator.id} rented in {destination} by a tenant headquartered in {tenant} on {on}: {policy}{remark}. "
        + _tail(on > rules.evidence_horizon, rules)
        for rule in rules.in_force(_TENANT, on)
        if (remark := remark_of(rule, case))
    ]


def _tail(extrapolated: bool, rules: ExportRules) -> str:
    late = f" Extrapolated: the evidence reaches {rules.evidence_horizon}." if extrapolated else ""
    return f"This is {rules.disclaimer}.{late}"
