"""The filters of a policy: what each refuses, the policy without some, and what a plan uses that a filter refuses.

Export rules are a filter like the others for finding conflicts, but law: nothing suggests to leave them out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from hardware_catalog.catalog import Catalog
from planner.options import Option, OptionsTable
from planner.workload import Workload, accelerator_matches, region_matches

Filter = Literal["export_rules", "on_time_probability", "regions", "providers", "accelerators", "purchase_options"]
FILTERS: tuple[Filter, ...] = (
    "export_rules",
    "on_time_probability",
    "regions",
    "providers",
    "accelerators",
    "purchase_options",
)
LISTS: tuple[Filter, ...] = ("regions", "providers", "accelerators", "purchase_options")
EXPECTED = 0.5  # the probability at which the expected throughput is reached


def filters_of(workload: Workload, table: OptionsTable) -> list[Filter]:
    """The filters that a policy has and that could be in the way, the least telling first."""
    policy, refused = workload.policy, {refusal.kind for refusal in table.refusals}
    found: list[Filter] = ["export_rules"] if policy.export_rules and "export rule" in refused else []
    if policy.on_time_probability is not None and policy.on_time_probability > EXPECTED:
        found.append("on_time_probability")
    return found + [name for name in LISTS if getattr(policy, name) is not None]


def without(workload: Workload, filters: Iterable[Filter]) -> Workload:
    """The workload with these filters lifted."""
    lifted: dict[str, object] = {name: False if name == "export_rules" else None for name in filters}
    return _with_policy(workload, lifted) if lifted else workload


def allowing(workload: Workload, filters: Iterable[Filter], used: Iterable[tuple[Filter, str]]) -> Workload:
    """The workload whose lists also allow what is used; of `filters`, the probability is lowered to the expectation."""
    changed: dict[str, object] = {"on_time_probability": EXPECTED} if "on_time_probability" in filters else {}
    for name in LISTS:
        added = tuple(value for one, value in used if one == name)
        if added:
            changed[name] = (*getattr(workload.policy, name), *added)
    return _with_policy(workload, changed)


def refused_values(workload: Workload, catalog: Catalog, option: Option) -> list[tuple[Filter, str]]:
    """What of an option the lists of a policy refuse: the list, and the name it lacks."""
    policy, accelerator = workload.policy, catalog.accelerators[option.instance_type.accelerator]
    found: list[tuple[Filter, str]] = []
    if not region_matches(option.region, policy.regions):
        found.append(("regions", option.region.id))
    if policy.providers is not None and option.instance_type.provider not in policy.providers:
        found.append(("providers", option.instance_type.provider))
    if not accelerator_matches(accelerator, policy.accelerators):
        found.append(("accelerators", accelerator.id))
    if policy.purchase_options is not None and option.offer.purchase_option not in policy.purchase_options:
        found.append(("purchase_options", option.offer.purchase_option))
    return found


def _with_policy(workload: Workload, changes: dict[str, object]) -> Workload:
    return workload.model_copy(update={"policy": workload.policy.model_copy(update=changes)})
