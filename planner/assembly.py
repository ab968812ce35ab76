"""From a solution back to the facts of a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hardware_catalog.catalog import Catalog
from hardware_catalog.records import FLAGS
from planner import __version__
from planner.account import Account
from planner.energy import is_guessed
from planner.moves import egress_price
from planner.optimizer.problem import Problem, Run, RunOption, Solution
from planner.optimizer.runs import work_done
from planner.options import Option, OptionsTable
from planner.performance.efficiency import Overlay
from planner.placements import batch_sequences
from planner.plan import Assignment, OfferFact, PhaseFact, Plan, Purchase, Warning_
from planner.plan_facts import availability_basis, limit_fact, offer_fact, phase_fact
from planner.pricing import STEP_S, age_days, instant, usd
from planner.run_options import GRAMS_PER_TONNE, phase_keys
from planner.shared_limits import shared_limits
from planner.workload import Workload

OLD_PRICE_DAYS = 180


class Assembly:
    """Turns a solution back into the facts of a plan."""

    def __init__(
        self,
        workload: Workload,
        catalog: Catalog,
        table: OptionsTable,
        problem: Problem,
        solution: Solution,
        overlay: Overlay | None = None,
    ) -> None:
        self.workload, self.catalog, self.table = workload, catalog, table
        self.problem, self.solution, self.overlay = problem, solution, overlay
        self.account = Account(problem, solution)
        self.used = [(run, table.options[run.option], problem.options[run.option]) for run in solution.runs]

    def plan(self, seconds: float) -> Plan:
        """The plan document."""
        workload, solution, policy = self.workload, self.solution, self.workload.policy
        assignments = self._assignments()
        found = bool(solution.runs)
        refused = Counter(refusal.kind for refusal in self.table.refusals)
        cost_usd = usd(solution.cost) if found else None
        bound_usd = self._bound_usd()
        return Plan(
            workload=workload.name,
            status=solution.status,
            aim=workload.minimise,
            cost_usd=cost_usd,
            bound_usd=bound_usd,
            gap=None if not cost_usd or bound_usd is None else max(0.0, (cost_usd - bound_usd) / cost_usd),
            start=workload.start,
            finish=instant(workload, solution.finish_s) if found else None,
            horizon_end=workload.horizon_end,
            budget_usd=None if workload.budget_usd is None else float(workload.budget_usd),
            max_nodes=policy.max_nodes,
            max_power_mw=policy.max_power_mw,
            max_carbon_t=policy.max_carbon_t,
            carbon_t=sum(a.carbon_t for a in assignments) if found else None,
            energy_mwh=sum(a.energy_mwh for a in assignments) if found else None,
            solve_seconds=round(seconds, 3),
            assignments=assignments,
            purchases=self._purchases(),
            costs=self._costs(),
            reasons=tuple(self._reasons()),
            warnings=tuple(self._warnings()),
            options_considered=len(self.table.options),
            options_refused=dict(refused.most_common()),
            phases=tuple(self._phase_facts()),
            offers=tuple(self._offer_facts()),
            limits=tuple(map(limit_fact, shared_limits(workload))),
            catalog_digest=self.overlay.digest(self.catalog.digest) if self.overlay else self.catalog.digest,
            workload_digest=workload.digest,
            planner_version=__version__,
        )

    def _bound_usd(self) -> float | None:
        """The proven bound in USD: of the aim when it is cost, else only when the plan is proven."""
        if not self.solution.runs:
            return None
        if self.problem.aim == "cost":
            return usd(self.solution.bound)
        return usd(self.solution.cost) if self.solution.status == "optimal" else None

    def _assignments(self) -> tuple[Assignment, ...]:
        left = {task.name: task.work for task in self.problem.phases}
        assignments = []
        for (run, option, run_option), cost in zip(self.used, self.account.run_costs, strict=True):
            name = self.problem.phases[run_option.phase].name
            tokens = min(left[name], work_done(run_option, run.end_s - run.start_s, STEP_S))
            left[name] -= tokens
            assignments.append(self._assignment(run, option, run_option, tokens, cost))
        return tuple(assignments)

    def _assignment(self, run: Run, option: Option, run_option: RunOption, tokens: int, cost: int) -> Assignment:
        placement, region = option.placement, option.region
        work = self.problem.phases[run_option.phase].work
        hours = (run.end_s - run.start_s) / 3600
        return Assignment(
            job=option.job,
            phase=option.phase,
            offer=option.offer.id,
            provider=option.instance_type.provider,
            region=region.id,
            country=region.country,
            instance_type=option.instance_type.id,
            accelerator=option.instance_type.accelerator,
            purchase_option=option.offer.purchase_option,
            nodes=option.nodes,
            accelerators=option.accelerators,
            layout={**placement.layout, "text": placement.layout_text},
            start=instant(self.workload, run.start_s),
            end=instant(self.workload, run.end_s),
            work_share=tokens / work,
            tokens=tokens,
            tokens_per_second=placement.tokens_per_second,
            startup_seconds=placement.startup_s,
            throughput_margin=placement.margin,
            held_share=placement.held_share,
            step_time_s=placement.step_time_s,
            mfu=placement.mfu,
            hfu=placement.hfu,
            goodput=placement.goodput,
            breakdown_s=dict(placement.breakdown_s),
            memory_gib=dict(placement.memory_gib),
            throughput_basis=placement.basis,
            expected_error=placement.expected_error,
            expected_error_p90=placement.expected_error_p90,
            power_mw=option.power_w / 1e6,
            energy_mwh=option.power_w * hours * placement.held_share / 1e6,
            carbon_t=option.carbon_g_step * hours * 3600 / STEP_S / GRAMS_PER_TONNE,
            cost_usd=usd(cost),
        )

    def _purchases(self) -> tuple[Purchase, ...]:
        purchases = []
        for bill in self.account.bills:
            option = self.table.options[bill.option]
            purchases.append(
                Purchase(
                    offer=option.offer.id,
                    purchase_option=option.offer.purchase_option,
                    nodes=bill.nodes,
                    start=instant(self.workload, bill.start_s),
                    end=instant(self.workload, bill.end_s),
                    held_share=option.placement.held_share,
                    cost_usd=usd(bill.price + bill.use),
                    use_usd=usd(bill.use),
                    unused_share=bill.unused_share,
                    term=None if bill.term is None else self._terms_of(option.offer.id).index(bill.term),
                    runs=bill.runs,
                )
            )
        return tuple(purchases)

    def _costs(self) -> dict[str, float]:
        """USD by part: what is used and what is paid but unused of each purchase option, egress and lateness."""
        kinds = {bill.option: self.table.options[bill.option].offer.purchase_option for bill in self.account.bills}
        return {part: usd(cost) for part, cost in self.account.parts(kinds).items()}

    def _terms_of(self, offer: str) -> list[int]:
        return [at for at, term in enumerate(self.problem.terms) if term.offer == offer]

    def _reasons(self) -> Iterator[str]:
        """Why there is no plan: the optimizer's reasons, then what was refused when a phase has no option."""
        yield from self.solution.reasons
        if self.solution.status != "infeasible":
            return
        for job, phase in phase_keys(self.workload):
            if any((option.job, option.phase) == (job, phase) for option in self.table.options):
                continue
            label = f"{job}/{phase}"
            refusals = self.table.refused_for(label)
            kinds = Counter(refusal.kind for refusal in refusals)
            for kind, count in kinds.most_common(4):
                example = next(refusal for refusal in refusals if refusal.kind == kind)
                yield f"{label}: {count} offers refused by {kind}, such as {example.offer}: {example.reason}"
            if not kinds:
                yield f"{label}: the catalog has no offers"

    def _warnings(self) -> Iterator[Warning_]:
        if self.overlay:
            yield Warning_(message=str(self.overlay), source="; ".join(self.overlay.sources))
        if self.solution.runs:
            yield from self._late_risk()
        for option, _ in self._by_offer().values():
            offer = option.offer
            for text in self.table.warnings.get(offer.id, ()):
                yield Warning_(message=text, rule="export rules")
            age = age_days(offer.price_date, self.workload.start)
            if age is not None and abs(age) > OLD_PRICE_DAYS:
                when = "before" if age > 0 else "after"
                yield Warning_(
                    message=f"{offer.id}: its price is of {offer.price_date}, {abs(age)} days {when} the plan starts",
                    source=offer.source,
                )
            basis = availability_basis(self.workload, self.catalog, offer)
            if basis.startswith("default"):
                yield Warning_(message=f"{offer.id}: how many nodes can be had is assumed ({basis})")
            for flag in offer.flags:
                yield Warning_(message=f"{offer.id}: {FLAGS.get(flag, flag)}", source=offer.source)
            accelerator = self.catalog.accelerators[option.instance_type.accelerator]
            if is_guessed(accelerator):
                yield Warning_(message=f"{accelerator.id}: its power is not published; energy and carbon are estimates")
            if option.placement.basis == "assumed_mfu":
                yield Warning_(message=f"{option.job}: throughput from an assumed MFU of {option.placement.mfu:.0%}")
        yield from self._own_warnings()
        for job in self.workload.jobs:
            for text in job.assumed:
                yield Warning_(message=f"{job.name}: {text}")
            for phase in job.phases:
                if phase.global_batch_tokens % phase.sequence_length:
                    yield Warning_(
                        message=f"{job.name}/{phase.name}: {phase.global_batch_tokens:,} tokens are no whole number of "
                        f"sequences of {phase.sequence_length:,}; planned with {batch_sequences(phase):,} sequences"
                    )

    def _own_warnings(self) -> Iterator[Warning_]:
        """What is assumed of own nodes, of starts off the hour and of moves that are paid."""
        used = self._by_offer()
        for nodes in self.workload.owned:
            if nodes.offer in used and nodes.usd_node_hour is None:
                yield Warning_(message=f"{nodes.offer}: usd_node_hour is not given: an hour of use is taken as free")
        for option, run_option in used.values():
            hour = option.offer.start_hour_utc
            if run_option.term is not None and hour is not None and hour * 3600 % STEP_S:
                said = f"starts at {int(hour)}:{round(hour % 1 * 60):02d} UTC, planned from the next full hour"
                yield Warning_(message=f"{option.offer.id}: {said}")
        for move in self.account.moves:
            option = self.used[move.run][1]
            price = egress_price(self.workload, self.catalog, option.offer)
            cost = f"{usd(move.cost):,.2f} USD at {price.usd_gb:f} USD a GB"
            yield Warning_(
                message=f"{option.job}: its checkpoint leaves {option.region.id} for {cost}", source=price.basis
            )

    def _late_risk(self) -> Iterator[Warning_]:
        """Jobs that end so close to their deadline that the expected error of the throughput could make them late."""
        if self.workload.policy.on_time_probability is not None:
            return
        for job in self.workload.jobs:
            if job.deadline is None:
                continue
            runs = [(run, option) for run, option, _ in self.used if option.job == job.name]
            left = (job.deadline - instant(self.workload, max(run.end_s for run, _ in runs))).total_seconds()
            slow = sum((run.end_s - run.start_s) * (option.placement.expected_error or 0.0) for run, option in runs)
            if left < slow:
                yield Warning_(
                    message=f"{job.name}: ends {left / 86400:,.1f} days before its deadline; the expected error of the "
                    f"throughput is {slow / 86400:,.1f} days (policy.on_time_probability: 0.9 plans with a margin)"
                )

    def _phase_facts(self) -> Iterator[PhaseFact]:
        moving = {option.phase for option in self.problem.options if option.leave}
        phases = [(job, phase) for job in self.workload.jobs for phase in job.phases]
        for number, (job, phase) in enumerate(phases):
            yield phase_fact(self.workload, job, phase, self.problem.phases[number], number in moving)

    def _by_offer(self) -> dict[str, tuple[Option, RunOption]]:
        """The first option used of every offer, in the order of use."""
        first: dict[str, tuple[Option, RunOption]] = {}
        for _, option, run_option in self.used:
            first.setdefault(option.offer.id, (option, run_option))
        return first

    def _offer_facts(self) -> Iterator[OfferFact]:
        for offer, (option, run_option) in self._by_offer().items():
            terms = [self.problem.terms[at] for at in self._terms_of(offer)]
            yield offer_fact(self.workload, self.catalog, option, run_option, terms)
