"""Is there a plan under these limits? Asked many times of one problem: what is known answers first.

Plans found for one set of limits are tried on the next. Phases in a row are decided by `reach` as far as money and
carbon do not matter; then the cheapest and the greenest plan decide, stopped as soon as they are on one side of the
budget or the cap.
"""

from __future__ import annotations

import time
from dataclasses import replace

from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import Aim, Problem, Run, Solution
from planner.optimizer.reach import earliest_finish
from planner.optimizer.runs import chain_order

SHORTEST_S = 0.05
ANY = 1 << 62  # of money: more than any plan costs
SHARE = 0.5  # of the time left that one question may take


class Feasibility:
    """Questions about problems that differ in their limits only; `stop_at` is a moment of `time.monotonic`."""

    def __init__(self, stop_at: float) -> None:
        self.stop_at = stop_at
        self.plans: list[tuple[Run, ...]] = []
        self._answers: dict[Problem, tuple[Run, ...] | None] = {}
        self._best: dict[Problem, Solution] = {}

    def left_s(self) -> float:
        """Seconds that may still be used."""
        return self.stop_at - time.monotonic()

    def plan(self, problem: Problem) -> tuple[Run, ...] | None:
        """Some plan, () when there is none, None when that was not decided in time."""
        problem = replace(problem, aim="cost")
        key = _key(problem)
        if key not in self._answers:
            self._answers[key] = self._decide(problem)
        return self._answers[key]

    def least(self, problem: Problem, aim: Aim = "cost") -> Solution:
        """The plan of least cost (or carbon) within all other limits; 'infeasible' or 'unknown' without one.

        The budget does not bind the cost, nor the cap the carbon, when that is what is to be least.
        """
        free = replace(problem, aim=aim, **({"budget": None} if aim == "cost" else {"carbon_cap": None}))  # type: ignore[arg-type]
        key = _key(free)
        if key not in self._best:
            runs = self.plan(free)
            if runs is None or not runs:
                return Solution("unknown" if runs is None else "infeasible")
            self._best[key] = self._solved(free)
        return self._best[key]

    def known(self, problem: Problem) -> Solution:
        """Some plan with its values, nothing proven about it."""
        runs = self.plan(problem)
        return Solution("feasible", runs, *evaluate(problem, runs)) if runs else Solution("unknown")

    def _decide(self, problem: Problem) -> tuple[Run, ...] | None:
        for runs in self.plans:
            if _keeps(problem, runs):
                return runs
        order = chain_order(problem.phases)
        uncapped = replace(problem, budget=None, carbon_cap=None)
        if order is not None:
            runs = earliest_finish(uncapped, order) or ()
            if not runs or uncapped == problem:
                return self._learned(runs)
            if _keeps(problem, self._learned(runs)):
                return runs
        if problem.carbon_cap is not None:
            greenest = self._solved(replace(uncapped, aim="carbon"), problem.carbon_cap)
            if greenest.status == "infeasible" or greenest.bound > problem.carbon_cap:
                return ()
            if greenest.status == "unknown" or greenest.carbon_g > problem.carbon_cap:
                return None
            if _keeps(problem, greenest.runs):
                return greenest.runs
        cheapest = self._solved(replace(problem, budget=None), ANY if problem.budget is None else problem.budget)
        if cheapest.status == "infeasible" or (problem.budget is not None and cheapest.bound > problem.budget):
            return ()
        return cheapest.runs if cheapest.runs and _keeps(problem, cheapest.runs) else None

    def _solved(self, problem: Problem, enough: int | None = None) -> Solution:
        """The optimum; with `enough`, whatever tells on which side of that value it is."""
        from planner.optimizer.solve import _Search  # which asks for reasons, and so imports this module

        def decided(best: int | None, bound: int, seconds: float) -> bool:
            return enough is not None and best is not None and (best <= enough or bound > enough)

        left = self.left_s()
        if left <= SHORTEST_S:
            return Solution("unknown")
        solution = _Search(problem, max(SHORTEST_S, SHARE * left), decided).optimum()
        assert not check(problem, solution), "the solver found a plan that is none"
        self._learned(solution.runs)
        return solution

    def _learned(self, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        if runs and runs not in self.plans:
            self.plans.append(runs)
        return runs


def _keeps(problem: Problem, runs: tuple[Run, ...]) -> bool:
    """Whether the runs are a plan within all limits of the problem."""
    cost, finish_s, carbon_g = evaluate(problem, runs)
    if problem.budget is not None and cost > problem.budget:
        return False
    return not check(problem, Solution("feasible", runs, cost, finish_s, carbon_g))


def _key(problem: Problem) -> Problem:
    """The problem without its options, which all questions share."""
    return replace(problem, options=())
