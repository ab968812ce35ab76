"""A workload with every limit lifted that keeps options out of the table, and its problem with the limits put back."""

from __future__ import annotations

from dataclasses import replace

from planner.optimizer.limits import furthest
from planner.optimizer.problem import Problem
from planner.workload import LONGEST_HORIZON_DAYS, Workload

SHORTEST_MORE_DAYS = 60  # by which a horizon is made longer, or twice as long


def unlimited(workload: Workload) -> Workload:
    """The workload with every limit lifted that keeps options out of the table, and a horizon twice as long."""
    policy = workload.policy.model_copy(update={"max_nodes": None, "max_power_mw": None})
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


def open_ended(workload: Workload, problem: Problem) -> Problem:
    """The problem with the phases that have no hard deadline told from those with one at the horizon: by one beyond it.

    When all have one, nothing ends at the horizon, which gives way.
    """
    end = max(furthest(problem), problem.horizon + 1)
    hard = [job.deadline is not None and job.late_cost_usd_day is None for job in workload.jobs for _ in job.phases]
    if all(hard):
        return replace(problem, horizon=end)
    phases = [
        q if own or q.late_cost else replace(q, deadline=end) for q, own in zip(problem.phases, hard, strict=True)
    ]
    return replace(problem, phases=tuple(phases))
