"""From the options table to the integers the optimizer sees."""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.optimizer.problem import Billing, PhaseTask, Problem, RunOption, Window
from planner.options import Option, OptionsTable, phase_window
from planner.pricing import STEP_S, horizon_steps, micro_usd
from planner.workload import Phase, TrainingJob, Workload

GRAMS_PER_TONNE = 1_000_000


def to_problem(workload: Workload, table: OptionsTable) -> Problem:
    """The integers the optimizer sees: phases of all jobs in file order, and one run option per row of the table."""
    index = {key: position for position, key in enumerate(phase_keys(workload))}
    policy = workload.policy
    return Problem(
        phases=tuple(_phase_task(workload, job, phase, index) for job in workload.jobs for phase in job.phases),
        options=tuple(_run_option(option, index[option.job, option.phase]) for option in table.options),
        horizon=horizon_steps(workload),
        step_s=STEP_S,
        aim=workload.minimise,
        budget=None if workload.budget_usd is None else micro_usd(workload.budget_usd),
        carbon_cap=None if policy.max_carbon_t is None else int(policy.max_carbon_t * GRAMS_PER_TONNE),
        max_nodes=policy.max_nodes,
        max_power_w=None if policy.max_power_mw is None else int(policy.max_power_mw * 1e6),
    )


def phase_keys(workload: Workload) -> Iterator[tuple[str, str]]:
    """(job, phase) of all phases in file order, which is their order in the problem."""
    return ((job.name, phase.name) for job in workload.jobs for phase in job.phases)


def _phase_task(workload: Workload, job: TrainingJob, phase: Phase, index: dict[tuple[str, str], int]) -> PhaseTask:
    """Work, dates and segments of one phase; only the last phases of a job pay for its lateness."""
    span = phase_window(workload, job)
    last = all(phase.name not in other.after for other in job.phases)
    late_cost = 0
    if span.soft and job.late_cost_usd_day is not None:
        late_cost = micro_usd(job.late_cost_usd_day * STEP_S / 86400)
    return PhaseTask(
        name=f"{job.name}/{phase.name}",
        work=phase.tokens,
        earliest=span.earliest,
        deadline=span.last if span.soft and not last else span.deadline,
        max_segments=phase.max_segments,
        after=tuple(index[job.name, before] for before in phase.after),
        late_cost=late_cost if last else 0,
    )


def _run_option(option: Option, phase: int) -> RunOption:
    offer = option.offer
    return RunOption(
        id=f"{offer.id} x {option.nodes}",
        phase=phase,
        nodes=option.nodes,
        rate=option.rate,
        loss=option.loss,
        windows=tuple(Window(w.start, w.end, w.price, w.maximum_nodes) for w in option.windows),
        billing=Billing(offer.minimum_seconds, offer.billing_unit_seconds, offer.blocks_seconds),
        carbon_g_step=math.ceil(option.carbon_g_step),
        family=option.instance_type.accelerator,
        offer=offer.id,
        power_w=math.ceil(option.power_w),
    )
