"""Rules of `verify` about runs: when, where, on what, and the work they do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise

from planner.optimizer.verify_words import MILLIONTH, offer_of, phase_name, run_name, runs_of, seconds_of, time_text
from planner.plan import Assignment, Plan


def phases_are_run(plan: Plan) -> Iterator[str]:
    """Every phase of a plan has runs, not more than its segments, that do not overlap."""
    if not plan.assignments:
        return
    for phase in plan.phases:
        runs = runs_of(plan, phase)
        if not runs:
            yield f"Phase {phase_name(phase)} has no assignment."
        if len(runs) > phase.max_segments:
            yield f"Phase {phase_name(phase)} has {len(runs)} runs; at most {phase.max_segments} are allowed."
        for one, two in pairwise(runs):
            if two.start < one.end:
                yield f"{run_name(two)} starts before {run_name(one)} has ended."


def runs_keep_dates(plan: Plan) -> Iterator[str]:
    """Every run lies inside the horizon and its phase's dates, after the phases before it."""
    facts = {(phase.job, phase.phase): phase for phase in plan.phases}
    for run in plan.assignments:
        phase = facts[run.job, run.phase]
        if run.end <= run.start:
            yield f"{run_name(run)} ends at {time_text(run.end)}, not after its start."
        if run.start < max(plan.start, phase.earliest):
            yield f"{run_name(run)} starts before {time_text(max(plan.start, phase.earliest))}, the earliest allowed."
        if run.end > plan.horizon_end:
            yield f"{run_name(run)} ends at {time_text(run.end)}, after the horizon {time_text(plan.horizon_end)}."
        if not phase.late_cost_usd_day and run.end > phase.deadline:
            yield f"{run_name(run)} ends at {time_text(run.end)}, after the deadline {time_text(phase.deadline)}."
        for before in phase.after:
            ends = [other.end for other in plan.assignments if (other.job, other.phase) == (run.job, before)]
            if (run.job, before) not in facts:
                yield f"Phase {phase_name(phase)} comes after {before}, which the plan does not describe."
            elif ends and max(ends) > run.start:
                yield f"{run_name(run)} starts before phase {before} has ended at {time_text(max(ends))}."


def runs_keep_offers(plan: Plan) -> Iterator[str]:
    """Every run lies inside contiguous windows of its offer, says its facts, is not longer than its longest block."""
    for run in plan.assignments:
        offer = offer_of(plan, run.offer)
        for name in ("provider", "region", "country", "instance_type", "accelerator", "purchase_option"):
            if getattr(run, name) != getattr(offer, name):
                yield f"{run_name(run)} says {name} {getattr(run, name)}, its offer says {getattr(offer, name)}."
        if run.accelerators != run.nodes * offer.accelerators_per_node:
            expected = run.nodes * offer.accelerators_per_node
            yield f"{run_name(run)} says {run.accelerators} accelerators; its nodes have {expected}."
        if run.nodes < 1:
            yield f"{run_name(run)} has {run.nodes} nodes."
        reached = run.start
        for window in sorted(offer.windows, key=lambda window: window.start):
            if window.start <= reached < window.end:
                reached = min(window.end, run.end)
        if reached < run.end:
            yield f"{run_name(run)} leaves the windows of {offer.offer} at {time_text(reached)}."
        if offer.blocks_seconds and run.end - run.start > timedelta(seconds=max(offer.blocks_seconds)):
            yield f"{run_name(run)} is longer than the longest block of {offer.offer}, {max(offer.blocks_seconds)} s."


def offers_have_nodes(plan: Plan) -> Iterator[str]:
    """At every moment all runs of an offer together use no more nodes than it has."""
    for offer in plan.offers:
        runs = [run for run in plan.assignments if run.offer == offer.offer]
        for moment in sorted({run.start for run in runs} | {window.start for window in offer.windows}):
            nodes = sum(run.nodes for run in runs if run.start <= moment < run.end)
            there = max((w.maximum_nodes for w in offer.windows if w.start <= moment < w.end), default=0)
            if nodes > there:
                yield f"At {time_text(moment)} {nodes} nodes of {offer.offer} are used; it has {there}."


def work_is_done(plan: Plan) -> Iterator[str]:
    """What the runs of a phase train, start-up left out, is its tokens; their tokens and shares say so."""
    for phase in plan.phases:
        runs = runs_of(plan, phase)
        if not runs:
            continue
        trained = {id(run): _trained(run) for run in runs}
        slack = sum((Fraction(run.tokens_per_second) for run in runs), Fraction(0))
        if sum(trained.values()) + slack < phase.tokens:
            yield f"Phase {phase_name(phase)} trains {float(sum(trained.values())):,.0f} of {phase.tokens:,} tokens."
        for run in runs:
            if trained[id(run)] <= 0:
                yield f"{run_name(run)} trains nothing: it ends within its start-up of {run.startup_seconds} s."
            if run.tokens > trained[id(run)] + Fraction(run.tokens_per_second):
                yield f"{run_name(run)} claims {run.tokens:,} tokens; it can train {float(trained[id(run)]):,.0f}."
            if abs(Fraction(run.work_share) - Fraction(run.tokens, phase.tokens)) > MILLIONTH:
                tokens = f"its tokens are {run.tokens} of {phase.tokens}"
                yield f"{run_name(run)} claims a share of {run.work_share}; {tokens}."
        total = sum(run.tokens for run in runs)
        if total != phase.tokens:
            yield f"The tokens of the runs of {phase_name(phase)} sum to {total:,}, not {phase.tokens:,}."
        if abs(sum((Fraction(run.work_share) for run in runs), Fraction(-1))) > MILLIONTH:
            yield f"The work shares of {phase_name(phase)} sum to {sum(run.work_share for run in runs)}, not 1."


def memory_adds_up(plan: Plan) -> Iterator[str]:
    """The parts of memory and of the step time sum to their totals, and the memory is there."""
    for run in plan.assignments:
        parts = [gib for part, gib in run.memory_gib.items() if part not in ("total", "capacity")]
        total, capacity = run.memory_gib.get("total"), run.memory_gib.get("capacity")
        if total is not None and capacity is not None and total > capacity:
            yield f"{run_name(run)} needs {total:.3f} GiB of memory per accelerator; there are {capacity:.3f} GiB."
        if total is not None and parts and abs(sum(parts) - total) > 1e-3 * max(1.0, total):
            yield f"{run_name(run)}: the parts of memory sum to {sum(parts):.3f} GiB, the total says {total:.3f} GiB."
        step = sum(run.breakdown_s.values())
        if run.breakdown_s and abs(step - run.step_time_s) > 1e-3 * max(1e-9, run.step_time_s):
            yield f"{run_name(run)}: the parts of the step time sum to {step:.6f} s, not to {run.step_time_s:.6f} s."


def _trained(run: Assignment) -> Fraction:
    return Fraction(run.tokens_per_second) * (seconds_of(run.end - run.start) - run.startup_seconds)
