"""What no single key of a workload can show: names given twice, circles, dates and sizes that contradict each other.

Fields of the problems are relative to the job or workload that is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from planner.errors import Problem, nearest
from planner.workload_fields import day

if TYPE_CHECKING:
    from planner.workload import TrainingJob, Workload


def job_problems(job: TrainingJob) -> Iterator[Problem]:
    """What is being trained, its amount of work and its dates."""
    given = [key for key in ("model", "parameters", "total_flops") if getattr(job, key) is not None]
    if not given:
        yield Problem("missing: expected a model, or parameters and tokens, or total_flops", field="model")
    if len(given) > 1:
        yield Problem(f"expected one of model, parameters and total_flops, got {' and '.join(given)}", field=given[1])
    if job.model and job.mfu is not None:
        yield Problem("only for a job without a model: a model's speed is computed", field="mfu")
    if not job.phases:
        yield Problem("missing: expected phases, or tokens for a job with one phase", field="phases")
    elif job.tokens is not None and job.tokens != job.total_tokens:
        yield Problem(
            f"expected the phases' total of {job.total_tokens:,} (or no tokens here), got {job.tokens:,}",
            field="tokens",
        )
    if job.deadline and job.earliest_start and job.deadline <= job.earliest_start:
        yield Problem(
            f"expected a date after earliest_start ({day(job.earliest_start)}), got {day(job.deadline)}",
            field="deadline",
        )
    if job.late_cost_usd_day is not None and job.deadline is None:
        yield Problem("only with a deadline", field="late_cost_usd_day")


def phase_problems(job: TrainingJob) -> Iterator[Problem]:
    """Names, order and sizes of a job's phases."""
    names = [phase.name for phase in job.phases]
    for i, phase in enumerate(job.phases):
        if phase.name in names[:i]:
            yield Problem(f"duplicate phase '{phase.name}'", field=f"phases.{i}.name")
        for k, before in enumerate(phase.after):
            if before not in names:
                yield Problem(
                    f"'{before}' is not a phase of this job",
                    field=f"phases.{i}.after.{k}",
                    nearest=nearest(before, names),
                )
        if job.model and 0 < job.model.learned_positions < phase.sequence_length:
            yield Problem(
                f"expected at most the model's {job.model.learned_positions:,} positions, got "
                f"{phase.sequence_length:,}",
                field=f"phases.{i}.sequence_length",
            )
        if phase.method == "lora" and job.model is None:
            yield Problem("lora needs a model", field=f"phases.{i}.method")
    if circle := _circle({phase.name: phase.after for phase in job.phases}):
        yield Problem(
            f"phases wait for each other: {' after '.join(circle)}", field=f"phases.{names.index(circle[0])}.after"
        )


def measured_problems(job: TrainingJob) -> Iterator[Problem]:
    """Measurements of unknown phases, and measurements given twice."""
    names = [phase.name for phase in job.phases]
    keys = [(row.instance_type, row.nodes, row.phase) for row in job.measured]
    for i, row in enumerate(job.measured):
        if row.phase is not None and row.phase not in names:
            yield Problem(
                f"'{row.phase}' is not a phase of this job",
                field=f"measured.{i}.phase",
                nearest=nearest(row.phase, names),
            )
        if keys[i] in keys[:i]:
            yield Problem(f"duplicate measurement of {row.instance_type} on {row.nodes} nodes", field=f"measured.{i}")


def workload_problems(workload: Workload) -> Iterator[Problem]:
    """Names of the jobs, and their dates against the horizon."""
    names = [job.name for job in workload.jobs]
    if not names:
        yield Problem("expected at least one job, got an empty list", field="jobs")
    end = workload.horizon_end
    for i, job in enumerate(workload.jobs):
        if job.name in names[:i]:
            yield Problem(f"duplicate job '{job.name}'", field=f"jobs.{i}.name")
        if job.deadline and job.deadline <= workload.start:
            yield Problem(
                f"expected a date after the start ({day(workload.start)}), got {day(job.deadline)}",
                field=f"jobs.{i}.deadline",
            )
        if job.deadline and job.deadline > end:
            yield Problem(
                f"expected a date not after the end of the horizon ({day(end)}), got "
                f"{day(job.deadline)}: raise horizon_days",
                field=f"jobs.{i}.deadline",
            )
        if job.earliest_start and job.earliest_start >= end:
            yield Problem(
                f"expected a date before the end of the horizon ({day(end)}), got {day(job.earliest_start)}",
                field=f"jobs.{i}.earliest_start",
            )
    yield from _owned_problems(workload)


def _owned_problems(workload: Workload) -> Iterator[Problem]:
    """Names of own nodes, their dates against the horizon, and a policy that does not allow them."""
    names = [nodes.offer for nodes in workload.owned]
    end = workload.horizon_end
    for i, nodes in enumerate(workload.owned):
        if nodes.offer in names[:i]:
            hint = "" if nodes.name else ": give each a name"
            yield Problem(f"duplicate owned nodes '{nodes.offer}'{hint}", field=f"owned.{i}")
        if nodes.available_until and nodes.available_until <= workload.start:
            yield Problem(
                f"expected a date after the start ({day(workload.start)}), got {day(nodes.available_until)}",
                field=f"owned.{i}.available_until",
            )
        if nodes.available_from and nodes.available_from >= end:
            yield Problem(
                f"expected a date before the end of the horizon ({day(end)}), got {day(nodes.available_from)}",
                field=f"owned.{i}.available_from",
            )
    allowed = workload.policy.purchase_options
    if workload.owned and allowed is not None and "owned" not in allowed:
        yield Problem("policy.purchase_options does not allow owned: add it, or leave the nodes out", field="owned")


def _circle(after: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Phases that wait for each other, the first repeated at the end; [] when there are none."""
    waiting = {name: [one for one in before if one in after] for name, before in after.items()}
    while free := [name for name, before in waiting.items() if not before]:
        waiting = {name: [one for one in waiting[name] if one not in free] for name in waiting if name not in free}
    if not waiting:
        return []
    walk = [next(iter(waiting))]
    while walk[-1] not in walk[:-1]:
        walk.append(waiting[walk[-1]][0])
    return walk[walk.index(walk[-1]) :]
