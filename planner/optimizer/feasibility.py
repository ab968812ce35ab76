"""Is there a plan under these limits? Asked many times of one problem: what is known or cheap to know answers first.

Plans found for one set of limits are tried on the next. What any plan costs at least (`least`) proves many budgets and
caps too small. A plan of one run per phase is one of several, too.
Phases in a row are decided by `reach` as far as money and carbon do not matter; then the cheapest and the greenest plan
decide, stopped as soon as they are on one side of the budget or the cap.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from planner.optimizer.check import check, evaluate
from planner.optimizer.least import least_carbon, least_cost
from planner.optimizer.limits import furthest
from planner.optimizer.problem import Aim, Problem, Run, Solution
from planner.optimizer.prune import undominated
from planner.optimizer.reach import earliest_finish
from planner.optimizer.runs import TimeUp, chain_order, clipped, limit_s, renamed, usable
from planner.optimizer.segments import useful_options

SHORTEST_S = 0.05
FEW_PHASES = 20  # in which leaving options out is worth its time
ANY = 1 << 62  # of money: more than any plan costs
SWEEP_S = 1e-6  # per option and step, of one pass over all plans of several runs: a guess on the safe side
SHARE = 0.5  # of the time left that one question may take


class Feasibility:
    """Questions about problems that differ in their limits only; `stop_at` is a moment of `time.monotonic`."""

    def __init__(self, stop_at: float) -> None:
        self.stop_at = stop_at
        self.plans: list[Solution] = []
        self.answers: dict[Problem, tuple[Run, ...]] = {}
        self.best: dict[Problem, Solution] = {}
        self.fewer: dict[tuple[int | None, int | None, bool], list[int]] = {}

    def left_s(self) -> float:
        """Seconds that may still be used."""
        return self.stop_at - time.monotonic()

    def plan(self, problem: Problem) -> tuple[Run, ...] | None:
        """Some plan, () when there is none, None when that was not decided in time."""
        problem = replace(problem, aim="cost")
        key = _key(problem)
        answer = self.answers[key] if key in self.answers else self._decide(problem)
        if answer is not None:  # what was not decided may be once there is more time
            self.answers[key] = answer
        return answer

    def least(self, problem: Problem, aim: Aim = "cost") -> Solution:
        """The plan of least cost (or carbon) within all other limits; 'infeasible' or 'unknown' without one.

        The budget does not bind the cost, nor the cap the carbon, when that is what is to be least.
        """
        free = replace(problem, aim=aim, **({"budget": None} if aim == "cost" else {"carbon_cap": None}))  # type: ignore[arg-type]
        key = _key(free)
        if key not in self.best:
            runs = self.plan(free)
            if runs is None or not runs:
                return Solution("unknown" if runs is None else "infeasible")
            best = self._solved(free)
            if best.status != "optimal":
                return best
            self.best[key] = best
        return self.best[key]

    def known(self, problem: Problem) -> Solution:
        """A plan found before with its values, nothing proven about it."""
        valued = (_valued(problem, plan) for plan in self.plans)
        return next((plan for plan in valued if _keeps(problem, plan)), Solution("unknown"))

    def _decide(self, problem: Problem) -> tuple[Run, ...] | None:
        if self.left_s() <= SHORTEST_S:
            return None
        if runs := self.known(problem).runs:
            return runs
        if not _affordable(problem):
            return ()
        order = None if problem.terms else chain_order(problem.phases)
        if _several_runs(problem):
            single = tuple(replace(phase, max_segments=1) for phase in problem.phases)
            if plan := self.plan(replace(problem, phases=single)):
                return plan
            if order is not None and not self._can_sweep(problem):
                return None
        uncapped = replace(problem, budget=None, carbon_cap=None)
        if order is not None:
            few, index = self._fewer_options(uncapped)
            found = Solution("feasible", renamed(earliest_finish(clipped(few), order) or (), index))
            runs = self._learned(found).runs
            if not runs or uncapped == problem or _keeps(problem, found):
                return runs
            if _several_runs(problem) and self._bound_is_above_budget(problem, order):
                return ()
        if problem.carbon_cap is not None:
            greenest = self._solved(replace(uncapped, aim="carbon"), problem.carbon_cap)
            if greenest.status == "infeasible" or greenest.bound > problem.carbon_cap:
                return ()
            if greenest.status == "unknown" or greenest.carbon_g > problem.carbon_cap:
                return None
            if _keeps(problem, greenest):
                return greenest.runs
        cheapest = self._solved(replace(problem, budget=None), ANY if problem.budget is None else problem.budget)
        if cheapest.status == "infeasible" or (problem.budget is not None and cheapest.bound > problem.budget):
            return ()
        return cheapest.runs if cheapest.runs and _keeps(problem, cheapest) else None

    def _can_sweep(self, problem: Problem) -> bool:
        """Whether there is time for the stages of a search among plans of several runs that nothing interrupts."""
        few, _ = self._fewer_options(problem)
        steps = max(limit_s(phase, few) for phase in few.phases) // few.step_s
        return self.left_s() > SWEEP_S * len(few.options) * steps

    def _bound_is_above_budget(self, problem: Problem, order: list[int]) -> bool:
        """Whether the Lagrangian bound on the cost of phases in a row proves the budget too small."""
        if problem.budget is None:
            return False
        few, _ = self._fewer_options(problem)
        try:
            return useful_options(few, order, usable(few), problem.budget, self.stop_at)[1] > problem.budget
        except TimeUp:
            return False

    def _fewer_options(self, problem: Problem) -> tuple[Problem, Sequence[int]]:
        """The problem without the options that others replace, and which of the whole the rest are.

        Of phases in a row alone, on nodes that are rented run by run: what replaces what then depends on few of the
        limits, and is worked out once for them.
        """
        if len(problem.phases) > FEW_PHASES or problem.terms or chain_order(problem.phases) is None:
            return problem, range(len(problem.options))
        green = problem.aim == "carbon" or problem.carbon_cap is not None
        key = (problem.max_nodes, problem.max_power_w, green)
        if key not in self.fewer:  # at the widest horizon, which holds for every shorter one
            self.fewer[key] = undominated(replace(problem, horizon=furthest(problem)), usable(problem))
        index = self.fewer[key]
        return replace(problem, options=tuple(problem.options[i] for i in index)), index

    def _solved(self, problem: Problem, enough: int | None = None) -> Solution:
        """The optimum; with `enough`, whatever tells on which side of that value it is."""
        from planner.optimizer.solve import optimum  # which asks for reasons, and so imports this module

        def decided(best: int | None, bound: int, seconds: float) -> bool:
            return enough is not None and best is not None and (best <= enough or bound > enough)

        left = self.left_s()
        if left <= SHORTEST_S:
            return Solution("unknown")
        few, index = self._fewer_options(problem)
        solution = optimum(few, max(SHORTEST_S, SHARE * left), decided)
        solution = replace(solution, runs=renamed(solution.runs, index))
        assert not check(problem, solution), "the solver found a plan that is none"
        return self._learned(solution)

    def _learned(self, plan: Solution) -> Solution:
        if plan.runs and not any((one.runs, one.bought) == (plan.runs, plan.bought) for one in self.plans):
            self.plans.append(plan)
        return plan


def _several_runs(problem: Problem) -> bool:
    return any(phase.max_segments > 1 for phase in problem.phases)


def _affordable(problem: Problem) -> bool:
    """Whether the least that any plan costs and emits is within the budget and the carbon cap."""
    cost = least_cost(problem)
    if cost is None or (problem.budget is not None and cost > problem.budget):
        return False
    return problem.carbon_cap is None or (least_carbon(problem) or 0) <= problem.carbon_cap


def _valued(problem: Problem, plan: Solution) -> Solution:
    """The plan with its values in the problem, nothing proven about it."""
    return Solution("feasible", plan.runs, *evaluate(problem, plan.runs, plan.bought), bought=plan.bought)


def _keeps(problem: Problem, plan: Solution) -> bool:
    """Whether it is a plan within all limits of the problem."""
    valued = _valued(problem, plan)
    if problem.budget is not None and valued.cost > problem.budget:
        return False
    return not check(problem, valued)


def _key(problem: Problem) -> Problem:
    """The problem without its options, which all questions share."""
    return replace(problem, options=())
