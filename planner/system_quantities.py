"""What a plan says of each quantity that is published of a system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planner.plan import Plan
from planner.workload import Workload

AS_PUBLISHED = "_as_published"  # the planned hours by the power, PUE and grid of the source


@dataclass(frozen=True, slots=True)
class Method:
    """How a source computes energy (average W of an accelerator, PUE) and carbon (g CO2e/kWh; None: not published)."""

    watts: float
    pue: float
    g_kwh: float | None = None

    def energy_mwh(self, hours: float) -> float:
        """Energy of accelerator-hours."""
        return hours * self.watts * self.pue / 1e6

    def carbon_t(self, hours: float) -> float:
        """Carbon of accelerator-hours; 0 without a grid."""
        return self.energy_mwh(hours) * (self.g_kwh or 0.0) / 1000


def accelerator_hours(made: Plan) -> float:
    """Accelerator-hours of all runs."""
    return sum(a.accelerators * (a.end - a.start).total_seconds() for a in made.assignments) / 3600


def _days(made: Plan) -> float:
    start, end = min(a.start for a in made.assignments), max(a.end for a in made.assignments)
    return (end - start).total_seconds() / 86400


def _share_on_a800(made: Plan) -> float:
    hours = [(a.accelerators * (a.end - a.start).total_seconds(), a.accelerator) for a in made.assignments]
    return sum(h for h, accelerator in hours if accelerator.startswith("a800")) / sum(h for h, _ in hours)


def _training_flops(workload: Workload) -> float:
    """Model FLOPs by PaLM's definition: 6 N + 12 L h s a token (arXiv:2204.02311 appendix B)."""
    total = 0.0
    for job in workload.jobs:
        for phase in job.phases:
            if job.model is None:
                total += phase.tokens * (job.flops_per_token or 0.0)
            else:
                attention = 12 * job.model.layers * job.model.heads * job.model.head_size * phase.sequence_length
                total += phase.tokens * (6 * job.model.active_parameters + attention)
    return total


def _by_method(made: Plan, method: Method | None, carbon: bool) -> float:
    assert method is not None, "read with a method"
    hours = accelerator_hours(made)
    return method.carbon_t(hours) if carbon else method.energy_mwh(hours)


QUANTITIES: dict[str, Callable[[Workload, Plan, Method | None], float]] = {
    "accelerator_hours": lambda _workload, made, _method: accelerator_hours(made),
    "accelerators": lambda _workload, made, _method: float(max(a.accelerators for a in made.assignments)),
    "days": lambda _workload, made, _method: _days(made),
    "cost_usd": lambda _workload, made, _method: made.cost_usd or 0.0,
    "carbon_t": lambda _workload, made, _method: made.carbon_t or 0.0,
    f"carbon_t{AS_PUBLISHED}": lambda _workload, made, method: _by_method(made, method, carbon=True),
    "energy_mwh": lambda _workload, made, _method: made.energy_mwh or 0.0,
    f"energy_mwh{AS_PUBLISHED}": lambda _workload, made, method: _by_method(made, method, carbon=False),
    "training_flops": lambda workload, _made, _method: _training_flops(workload),
    "mfu": lambda _workload, made, _method: made.assignments[0].mfu,
    "goodput": lambda _workload, made, _method: made.assignments[0].goodput,
    "share_on_a800": lambda _workload, made, _method: _share_on_a800(made),
    "segments": lambda _workload, made, _method: float(len(made.assignments)),
}
