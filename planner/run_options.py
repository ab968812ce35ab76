"""From the options table to the integers the optimizer sees."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hardware_catalog.collection import no_cycle_search
from hardware_catalog.records import Offer
from planner.optimizer.problem import Billing, Cap, Level, PhaseTask, Problem, RunOption, Term, Window
from planner.options import Option, OptionsTable, phase_window
from planner.pricing import STEP_S, PricedWindow, horizon_steps, is_term, micro_usd
from planner.shared_limits import Limited, shared_limits
from planner.term_offers import term_of, use_price
from planner.workload import Phase, TrainingJob, Workload

GRAMS_PER_TONNE = 1_000_000
BY_THE_SECOND = Billing()  # of what is bought already


@no_cycle_search()
def to_problem(workload: Workload, table: OptionsTable, shared_terms: bool = True) -> Problem:
    """The integers the optimizer sees: phases of all jobs in file order, and one run option per row of the table.

    What is bought for a time is used by any number of runs; without `shared_terms` every run buys its own.
    """
    index = {key: position for position, key in enumerate(phase_keys(workload))}
    policy = workload.policy
    moving = {option.job for option in table.options if option.leave_usd}
    terms = _terms(workload, table) if shared_terms else {}
    made = _Made()
    options = tuple(
        _run_option(
            option,
            index[option.job, option.phase],
            terms.get(_window_of(option)) if terms else None,
            option.job in moving,
            made,
        )
        for option in table.options
    )
    horizon = horizon_steps(workload)
    limits = enumerate(shared_limits(workload))
    return Problem(
        phases=tuple(_phase_task(workload, job, phase, index) for job in workload.jobs for phase in job.phases),
        options=options,
        horizon=horizon,
        step_s=STEP_S,
        aim=workload.minimise,
        budget=None if workload.budget_usd is None else micro_usd(workload.budget_usd),
        carbon_cap=None if policy.max_carbon_t is None else int(policy.max_carbon_t * GRAMS_PER_TONNE),
        max_nodes=policy.max_nodes,
        max_power_w=None if policy.max_power_mw is None else int(policy.max_power_mw * 1e6),
        caps=tuple(_cap(at, limit, options, horizon) for at, limit in limits),
        terms=tuple(term for _, term in terms.values()),
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


def _terms(workload: Workload, table: OptionsTable) -> dict[tuple[str, int], tuple[int, Term]]:
    """The terms of the options whose nodes are bought for a time: one for each window of an offer."""
    found: dict[tuple[str, int], tuple[int, Term]] = {}
    for option in table.options:
        if is_term(option.offer):
            key = _window_of(option)
            found.setdefault(key, (len(found), term_of(workload, option.offer, option.windows[0])))
    return found


def _window_of(option: Option) -> tuple[str, int]:
    return option.offer.id, option.windows[0].start


class _Made:
    """What options share, made once: of one tuple of windows the very same tuple, which the optimizer remembers by.

    Of the table, which keeps alive what the identities are of. No two offers have a window in common.
    """

    def __init__(self) -> None:
        self._tuples: dict[int, tuple[Window, ...]] = {}
        self._windows: dict[int, Window] = {}
        self._billings: dict[tuple[int, int, tuple[int, ...]], Billing] = {}

    def windows(self, priced: tuple[PricedWindow, ...], price: int | None = None) -> tuple[Window, ...]:
        """The windows, at one price for all if the offer has one."""
        found = self._tuples.get(id(priced))
        if found is None:
            known = self._windows
            for w in priced:
                if id(w) not in known:  # tuples cut to other dates have windows in common
                    known[id(w)] = Window(w.start, w.end, w.price if price is None else price, w.maximum_nodes)
            found = self._tuples[id(priced)] = tuple(map(known.__getitem__, map(id, priced)))
        return found

    def billing(self, offer: Offer) -> Billing:
        """How the runs of an offer are billed."""
        key = offer.minimum_seconds, offer.billing_unit_seconds, offer.blocks_seconds
        if key not in self._billings:
            self._billings[key] = Billing(*key)
        return self._billings[key]


def _run_option(option: Option, phase: int, term: tuple[int, Term] | None, moves: bool, made: _Made) -> RunOption:
    offer = option.offer
    if term is None:
        windows, billing = made.windows(option.windows), made.billing(offer)
    else:
        windows, billing = made.windows(option.windows, use_price(offer)), BY_THE_SECOND
    return RunOption(
        id=f"{offer.id} x {option.nodes}",
        phase=phase,
        nodes=option.nodes,
        rate=option.rate,
        loss=option.loss,
        windows=windows,
        billing=billing,
        carbon_g_step=math.ceil(option.carbon_g_step),
        family=option.instance_type.accelerator,
        offer=offer.id,
        power_w=math.ceil(option.power_w),
        claims=option.claims,
        place=option.region.id if moves else "",
        leave=micro_usd(option.leave_usd) if moves else 0,
        term=None if term is None else term[0],
    )


def _cap(index: int, limit: Limited, options: tuple[RunOption, ...], horizon: int) -> Cap:
    """The cap of a shared limit: outside its dates all phases may claim their most at once."""
    most: dict[int, int] = {}
    for option in options:
        claim = dict(option.claims).get(index, 0)
        most[option.phase] = max(most.get(option.phase, 0), claim)
    free = sum(most.values())
    levels: tuple[Level, ...] = (
        Level(0, limit.start, free),
        Level(limit.start, limit.end, limit.amount),
        Level(limit.end, horizon, free),
    )
    if limit.start >= limit.end:
        levels = (Level(0, horizon, free),)
    return Cap(limit.key, tuple(level for level in levels if level.start < level.end))
