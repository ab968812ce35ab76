"""Plans beside the best one as facts: on other accelerators, near the optimum, and what another end would cost."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from planner.optimizer.alternatives import main_option, one_run_each, value_of
from planner.optimizer.problem import Problem, Solution
from planner.options import Option, OptionsTable
from planner.plan import Alternative, AlternativeKind, DelayFact
from planner.pricing import instant, usd
from planner.workload import Workload

Kind = tuple[str, str, str]  # accelerator, purchase option, region


def kinds_of(table: OptionsTable) -> list[Kind]:
    """The kind of every option: plans differ in kind when their main runs differ in any part of it."""
    return [(one.instance_type.accelerator, one.offer.purchase_option, one.region.id) for one in table.options]


class OtherPlans:
    """Turns other solutions of a problem into facts that compare them with the best one."""

    def __init__(self, workload: Workload, table: OptionsTable, problem: Problem, best: Solution) -> None:
        self.workload, self.table, self.problem, self.best = workload, table, problem, best
        self.one_run = one_run_each(problem) == problem

    def on_other_accelerators(self, found: Iterable[tuple[str, Solution]]) -> list[Alternative]:
        """The cheapest plan of one run per phase on every other accelerator, cheapest first; those without one last."""
        used = {self.table.options[run.option].instance_type.accelerator for run in self.best.runs}
        facts = []
        for family, solution in found:
            if used == {family}:
                continue
            if solution.runs:
                fact = self._fact("accelerator", solution)
                facts.append(fact if self.one_run else fact.model_copy(update={"gap": None}))
            else:
                reason = solution.reasons[0] if solution.reasons else "no plan found"
                facts.append(Alternative(accelerator=family, reason=reason))
        return sorted(facts, key=lambda a: (a.cost_usd is None, a.cost_usd or 0.0, a.accelerator))

    def nearby(self, found: Iterable[Solution]) -> list[Alternative]:
        """Plans near the optimum, best first."""
        return [self._fact("near", solution) for solution in found]

    def delays(self, found: Iterable[tuple[int, Solution]]) -> list[DelayFact]:
        """What it costs to end some days earlier (below 0) or to have some days more, by days."""
        return [self._delay(days, solution) for days, solution in sorted(found, key=lambda one: one[0])]

    def _fact(self, kind: AlternativeKind, solution: Solution) -> Alternative:
        main, value = self._main(solution), value_of(self.problem, solution)
        return Alternative(
            kind=kind,
            accelerator=main.instance_type.accelerator,
            cost_usd=usd(solution.cost),
            finish=instant(self.workload, solution.finish_s),
            offer=main.offer.id,
            purchase_option=main.offer.purchase_option,
            region=main.region.id,
            nodes=main.nodes,
            accelerators=main.accelerators,
            gap=max(0, value - solution.bound) / value if value else 0.0,
            difference=self._difference(main, solution),
        )

    def _main(self, solution: Solution) -> Option:
        return self.table.options[main_option(self.problem, solution)]

    def _difference(self, main: Option, solution: Solution) -> str:
        """'+1.3 %: same accelerator, on demand at gcp/us-east4, ends 3.0 days earlier'."""
        best, aim = self._main(self.best), self.problem.aim
        least = value_of(self.problem, self.best)
        more = 100 * (value_of(self.problem, solution) - least) / least if least else 0.0
        accelerator = main.instance_type.accelerator
        parts = ["same accelerator" if accelerator == best.instance_type.accelerator else f"on {accelerator}"]
        if (main.offer.purchase_option, main.region.id) != (best.offer.purchase_option, best.region.id):
            parts.append(f"{main.offer.purchase_option.replace('_', ' ')} at {main.region.id}")
        if main.accelerators != best.accelerators:
            parts.append(f"{main.accelerators:,} accelerators")
        parts.append(_ends(solution.finish_s - self.best.finish_s))
        return f"{more:+.1f} %{'' if aim == 'cost' else f' {aim}'}: {', '.join(parts)}"

    def _delay(self, days: int, solution: Solution) -> DelayFact:
        if not solution.runs:
            reason = "no plan ends that early" if solution.status == "infeasible" else "not decided in the time"
            return DelayFact(days=days, reason=reason)
        extra = solution.cost - self.best.cost
        return DelayFact(
            days=days,
            finish=instant(self.workload, solution.finish_s),
            cost_usd=usd(solution.cost),
            extra_usd=usd(extra),
            extra_usd_day=usd(extra) / abs(days),
            gap=max(0, solution.cost - solution.bound) / solution.cost if solution.cost else 0.0,
        )


def _ends(seconds: int) -> str:
    span = timedelta(seconds=abs(seconds))
    if span < timedelta(hours=1):
        return "ends at the same time"
    amount = (
        f"{span / timedelta(days=1):,.1f} days" if span >= timedelta(days=2) else f"{span / timedelta(hours=1):,.0f} h"
    )
    return f"ends {amount} {'later' if seconds > 0 else 'earlier'}"
