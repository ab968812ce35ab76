"""Why a workload has no plan and the smallest changes that give it one; of one with a plan, the room it has.

The limits are those of the optimizer (`optimizer.limits`) and, one level above, the filters of the policy. The options
are made for the limits lifted, so that a later deadline or more nodes find what the narrow table would not hold; the
problem then has all its limits back.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hardware_catalog.catalog import Catalog
from planner.explanation import ChangedLimit, ChangeFact, Explanation, LawFact, LimitFact, listed
from planner.limit_words import KEYS, changed, in_file, room, stands
from planner.optimizer.conflicts import Conflict, conflicts_of
from planner.optimizer.explain import by_cost, missing, whatever_the_limits
from planner.optimizer.feasibility import Feasibility
from planner.optimizer.limits import Limit, lifted, limits_of, needed, value_of
from planner.optimizer.problem import Problem, Run, Solution
from planner.optimizer.relaxations import Change, Tightest, joint_changes, single_changes, slack
from planner.optimizer.solve import optimum
from planner.options import OptionsTable, options
from planner.performance.efficiency import Efficiency
from planner.placements import Placed
from planner.policy_filters import EXPECTED, LISTS, Filter, allowing, filters_of, refused_values, without
from planner.pricing import horizon_steps, instant, usd
from planner.run_options import to_problem
from planner.unlimited import open_ended, unlimited
from planner.workload import Workload, check_against

SHORTEST_S = 1.0  # in which no explanation of a plan's absence is begun
QUESTION_S = 0.05  # that each question of a short answer may take when the time is up
SHORT_OF_TIME = "There was no time to look at every change: `planner explain` does (--time-limit)."
LIMITS_SHARE, POLICY_SHARE = 0.5, 0.85  # of the time, for single limits; and by when filters are done with
CHOICES = 3  # changes of one filter
MOST_RULES = 3


def explain(
    workload: Workload,
    catalog: Catalog,
    time_limit_s: float = 60.0,
    constants: Efficiency | None = None,
    placed: dict[str, Placed] | None = None,
) -> Explanation:
    """The conflict of a workload without a plan and what would give it one; the slack of one with a plan.

    `constants` are those of the performance model; the shipped ones when left out. `placed` are placements known from
    options made before. Raises InputError when the workload names what the catalog lacks.
    """
    check_against(workload, catalog)
    started = time.monotonic()
    asked = _Asked(
        workload, catalog, constants, {} if placed is None else placed, started + POLICY_SHARE * time_limit_s
    )
    answer = asked.answer(started + time_limit_s)
    return answer.model_copy(update={"seconds": round(time.monotonic() - started, 3)})


def reasons(
    workload: Workload,
    catalog: Catalog,
    problem: Problem,
    time_limit_s: float,
    constants: Efficiency | None = None,
    placed: dict[str, Placed] | None = None,
) -> tuple[str, ...]:
    """Why a workload has no plan and what would give it one, in sentences, after the time there is.

    `problem` is the workload's, proven to have no plan. Without time for an explanation they say what one limit after
    the other lacks.
    """
    stop_at = time.monotonic() + time_limit_s

    def relaxed(other: Problem) -> Solution:
        return optimum(other, max(QUESTION_S, (stop_at - time.monotonic()) / 3))

    found = explain(workload, catalog, time_limit_s, constants, placed) if time_limit_s > SHORTEST_S else None
    if found is None or found.feasible is not False or not found.sentences():
        return (*missing(problem, relaxed), SHORT_OF_TIME)
    return (*found.sentences(), *(() if found.complete else (SHORT_OF_TIME,)))


@dataclass(frozen=True, slots=True)
class _Ground:
    """A workload with the options there are when its limits are lifted, and its problem on them, limits in force."""

    workload: Workload
    table: OptionsTable
    problem: Problem


@dataclass(slots=True)
class _Known:
    """What has been found so far of an answer."""

    feasible: bool | None = None
    best: Solution | None = None  # the cheapest plan, where there is one
    room: list[tuple[Limit, Tightest]] = field(default_factory=list)
    sought: bool = False  # conflicts have been sought
    conflicts: list[Conflict] = field(default_factory=list)
    singles: list[Change] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    policy: list[ChangeFact] = field(default_factory=list)
    joint: list[Change] = field(default_factory=list)


class _Asked:
    """One question: the workload, the catalog, the time, and what making the options takes."""

    def __init__(
        self,
        workload: Workload,
        catalog: Catalog,
        constants: Efficiency | None,
        placed: dict[str, Placed],
        stop_at: float,
    ) -> None:
        self.workload, self.catalog, self.constants, self.stop_at = workload, catalog, constants, stop_at
        self.placed = placed
        self.complete, self.options_s, self.undecided = True, 0.0, False
        self.here = self.ground(workload)

    def ground(self, workload: Workload) -> _Ground:
        """The options of a workload, whose policy may differ from that asked about."""
        started = time.monotonic()
        wide = unlimited(workload)
        table = options(wide, self.catalog, self.constants, self.placed)
        useful = tuple(option for option in table.options if option.rate * horizon_steps(wide) > option.loss)
        table = replace(table, options=useful)  # the rest has not even started up at the end
        self.options_s = max(self.options_s, time.monotonic() - started)
        return _Ground(workload, table, open_ended(workload, to_problem(workload, table, shared_terms=False)))

    def has_time(self) -> bool:
        """Whether there is time to make the options once more; when not, the answer is not complete."""
        enough = self.stop_at - time.monotonic() > 1.5 * self.options_s
        self.complete &= enough
        return enough

    def answer(self, stop_at: float) -> Explanation:
        """The whole explanation, or what is known of it when the time is up or an interrupt ends it."""
        now = time.monotonic()
        search = Feasibility(now + LIMITS_SHARE * (stop_at - now))
        known = _Known()
        try:
            self._find(known, search, stop_at)
        except KeyboardInterrupt:
            self.complete, self.undecided = False, True
        return self._said(known, self.complete and search.left_s() > 0)

    def _find(self, known: _Known, search: Feasibility, stop_at: float) -> None:
        """Fill in what is known, the telling first."""
        problem = self.here.problem
        limits = limits_of(problem)
        runs = search.plan(problem)
        if runs is None:
            self.complete = False
            return
        known.feasible = bool(runs)
        if runs:
            known.best = search.least(problem)
            known.room += slack(search, problem, limits)
            return
        known.conflicts += conflicts_of(search, problem, limits)
        known.sought = True
        known.singles += single_changes(search, problem, known.conflicts)
        known.filters += self._filters_in_conflict(known.conflicts)
        known.policy += self._policy_changes(known.filters)
        search.stop_at = stop_at
        known.joint += joint_changes(search, problem, limits, known.conflicts, known.singles)

    def _said(self, known: _Known, complete: bool) -> Explanation:
        """What is known in the words of the workload."""
        name, problem = self.workload.name, self.here.problem
        if known.feasible is None:
            return Explanation(workload=name, feasible=None, complete=False)
        if known.feasible:
            return self._room(known, complete)
        conflicts, filters = known.conflicts, known.filters
        first = [*self._stands(conflicts[0].limits if conflicts else ()), *map(self._filter, filters)]
        nothing_helps = known.sought and not conflicts and not filters
        return Explanation(
            workload=name,
            feasible=False,
            minimal=all(conflict.minimal for conflict in conflicts),
            policy_examined=not self.undecided,
            conflict=tuple(first),
            further_conflicts=tuple(tuple(self._stands(conflict.limits)) for conflict in conflicts[1:]),
            changes=tuple(self._change(change) for change in by_cost([*known.singles, *known.joint])),
            policy_changes=tuple(known.policy),
            law=self._law(filters),
            hard=whatever_the_limits(lifted(problem, limits_of(problem))) if nothing_helps else (),
            complete=complete,
        )

    def _room(self, known: _Known, complete: bool) -> Explanation:
        problem, plan = self.here.problem, known.best
        facts = [
            room(self.workload, limit, value_of(problem, limit), one)
            for limit, one in known.room
            if (limit.kind, value_of(problem, limit)) != ("segments", 1)
        ]
        found = plan is not None and bool(plan.runs)
        return Explanation(
            workload=self.workload.name,
            feasible=True,
            slack=tuple(facts[::-1]),
            cost_usd=usd(plan.cost) if plan is not None and found else None,
            finish=instant(self.workload, plan.finish_s) if plan is not None and found else None,
            complete=complete,
        )

    def _filters_in_conflict(self, conflicts: Sequence[Conflict]) -> list[Filter]:
        """The filters that are proven to be needed for the first conflict: lifting one gives a plan within the rest.

        They are lifted one after the other, as `conflicts` does with limits. A filter that is not decided in time is
        left out, and kept in force for those after it.
        """
        core = conflicts[0].limits if conflicts else ()
        kept = filters_of(self.workload, self.here.table)
        gone: list[Filter] = []
        for name in list(kept):
            runs = self._plan_without([*gone, name], core)
            self.undecided |= runs is None
            if runs == ():
                gone.append(name)
            if not runs:
                kept.remove(name)
        return kept

    def _plan_without(self, filters: Sequence[Filter], core: Sequence[Limit]) -> tuple[Run, ...] | None:
        """Some plan within these limits alone and without these filters, () for none, None for not decided in time."""
        if not self.has_time():
            return None
        problem = self.ground(without(self.workload, filters)).problem
        others = [limit for limit in limits_of(problem) if limit not in core]
        return Feasibility(self.stop_at).plan(lifted(problem, others))

    def _policy_changes(self, filters: Sequence[Filter]) -> list[ChangeFact]:
        """The cheapest ways in which one filter alone could give way, or else several lists together."""
        mine = [name for name in filters if name != "export_rules"]
        found = [change for name in mine for change in self._giving_way([name])]
        lists = [name for name in filters_of(self.workload, self.here.table) if name in LISTS]
        if not found and mine and len(lists) > 1:
            found = self._giving_way(lists)
        return sorted(found, key=lambda change: change.cost_usd)

    def _giving_way(self, filters: Sequence[Filter]) -> list[ChangeFact]:
        """What the cheapest plan without these filters uses that they refuse, then the cheapest without that."""
        if not self.has_time():
            return []
        wide = self.ground(without(self.workload, filters))
        refused = [set(refused_values(self.workload, self.catalog, option)) for option in wide.table.options]
        taken: set[tuple[Filter, str]] = set()
        found: list[ChangeFact] = []
        while len(found) < CHOICES and self.has_time():
            allowed = [index for index, names in enumerate(refused) if not names & taken]
            plan = self._cheapest(replace(wide.problem, options=tuple(wide.problem.options[i] for i in allowed)))
            if not plan.runs:
                break
            used = sorted({value for run in plan.runs for value in refused[allowed[run.option]]})
            change = self._allowed(filters, used)
            if change is None or not used:
                return found + ([change] if change else [])
            found.append(change)
            taken |= set(used)
        return found

    def _allowed(self, filters: Sequence[Filter], used: Sequence[tuple[Filter, str]]) -> ChangeFact | None:
        """The change of the policy that allows what is used, planned anew."""
        ground = self.ground(allowing(self.workload, filters, used))
        plan = self._cheapest(ground.problem)
        if not plan.runs:
            return None
        return self._fact(ground, list(self._given_way(filters, used)), plan, plan.status == "optimal")

    def _given_way(self, filters: Sequence[Filter], used: Sequence[tuple[Filter, str]]) -> Iterable[ChangedLimit]:
        for name in filters:
            now = getattr(self.workload.policy, name)
            if name == "on_time_probability":
                text = f"plan on the expected throughput (policy.on_time_probability {EXPECTED:g})"
                yield ChangedLimit(limit=f"policy.{name}", now=now, to=EXPECTED, text=text)
            elif added := tuple(value for one, value in used if one == name):
                text = f"allow {listed(list(added))} (policy.{name})"
                yield ChangedLimit(limit=f"policy.{name}", now=now, to=(*now, *added), text=text)

    def _cheapest(self, problem: Problem) -> Solution:
        """The cheapest plan within every limit."""
        search = Feasibility(self.stop_at)
        if not search.plan(problem):
            return Solution("unknown")
        plan = search.least(problem)
        return plan if problem.budget is None or 0 < plan.cost <= problem.budget else search.known(problem)

    def _stands(self, limits: Iterable[Limit]) -> list[LimitFact]:
        problem = self.here.problem
        return [stands(self.workload, limit, value_of(problem, limit)) for limit in limits]

    def _filter(self, name: Filter) -> LimitFact:
        value = getattr(self.workload.policy, name)
        shown = listed(list(value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else ""
        text = "the export rules" if name == "export_rules" else f"policy.{name} ({shown})"
        return LimitFact(limit=f"policy.{name}", value=value, text=text)

    def _change(self, change: Change) -> ChangeFact:
        problem, days = self.here.problem, self.workload.horizon_days
        parts = [changed(self.workload, limit, value_of(problem, limit), value) for limit, value in change.values]
        for limit, value in change.values:
            if limit.kind == "deadline" and value > horizon_steps(self.workload):
                to = in_file(self.workload, Limit("horizon"), value)
                text = f"extend the horizon to {to} days"
                parts.append(ChangedLimit(limit=KEYS["horizon"], now=days, to=to, text=text))
        return self._fact(self.here, parts, change.plan, change.exact)

    def _fact(self, ground: _Ground, parts: list[ChangedLimit], plan: Solution, exact: bool) -> ChangeFact:
        chosen = [ground.table.options[run.option] for run in plan.runs]
        places = [
            f"{one.nodes} x {one.instance_type.id} {one.offer.purchase_option} in {one.region.id}" for one in chosen
        ]
        return ChangeFact(
            change=tuple(parts),
            cost_usd=usd(plan.cost),
            finish=instant(self.workload, plan.finish_s),
            nodes=needed(ground.problem, Limit("nodes"), plan.runs),
            on=", then ".join(dict.fromkeys(places)),
            exact=exact,
        )

    def _law(self, filters: Sequence[Filter]) -> LawFact | None:
        if "export_rules" not in filters:
            return None
        refused = [refusal for refusal in self.here.table.refusals if refusal.kind == "export rule"]
        rules = dict.fromkeys(refusal.reason for refusal in refused)
        return LawFact(offers=len({refusal.offer for refusal in refused}), rules=tuple(rules)[:MOST_RULES])
