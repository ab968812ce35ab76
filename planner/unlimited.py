"""A workload with every limit lifted that keeps options out of the table, and its problem with the limits put back."""

from __future__ import annotations

from dataclasses import replace

from planner.optimizer.limits import furthest
from planner.optimizer.problem import Cap, Problem
from planner.workload import LONGEST_HORIZON_DAYS, Workload
from planner.workload_policy import Quota

ANY = 10**9  # nodes, accelerators or megawatts: more than there are
SHORTEST_MORE_DAYS = 60  # by which a horizon is made longer, or twice as long


def unlimited(workload: Workload) -> Workload:
    """The workload with every limit lifted that keeps options out of the table, and a horizon twice as long."""
    policy = workload.policy.model_copy(
        update={
            "max_nodes": None,
            "max_power_mw": None,
            "quotas": tuple(_boundless(quota) for quota in workload.policy.quotas),
            "power_limits": tuple(one.model_copy(update={"max_mw": ANY}) for one in workload.policy.power_limits),
        }
    )
    jobs = tuple(
        job.model_copy(
            update={
                "deadline": None,
                "late_cost_usd_day": None,
                "earliest_start": None,
                "phases": tuple(
                    phase.model_copy(update={"max_segments": phase.max_segments + 1}) for phase in job.phases
                ),
            }
        )
        for job in workload.jobs
    )
    days = workload.horizon_days + max(workload.horizon_days, SHORTEST_MORE_DAYS)
    return workload.model_copy(update={"policy": policy, "jobs": jobs, "horizon_days": min(days, LONGEST_HORIZON_DAYS)})


def _boundless(quota: Quota) -> Quota:
    kept = {key: ANY for key in ("max_nodes", "max_accelerators") if getattr(quota, key) is not None}
    return quota.model_copy(update=kept)


def open_ended(workload: Workload, problem: Problem) -> Problem:
    """The problem with the phases that have no hard deadline told from those with one at the horizon: by one beyond it.

    When all have one, nothing ends at the horizon, which gives way. Caps go on after it as they are at it.
    """
    end = max(furthest(problem), problem.horizon + 1)
    problem = replace(problem, caps=tuple(_going_on(cap, problem.horizon, end) for cap in problem.caps))
    hard = [job.deadline is not None and job.late_cost_usd_day is None for job in workload.jobs for _ in job.phases]
    if all(hard):
        return replace(problem, horizon=end)
    phases = [
        q if own or q.late_cost else replace(q, deadline=end) for q, own in zip(problem.phases, hard, strict=True)
    ]
    return replace(problem, phases=tuple(phases))


def _going_on(cap: Cap, horizon: int, end: int) -> Cap:
    """The cap with the level that ends at the horizon as long as needed."""
    levels = tuple(replace(level, end=end) if level.end == horizon else level for level in cap.levels)
    return replace(cap, levels=levels)
