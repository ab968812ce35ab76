"""Phases in a row: the dynamic program for one run each, label setting for several, caps put back where they bind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from planner.optimizer.chain import best_chain
from planner.optimizer.check import check, evaluate
from planner.optimizer.coarse import by_day
from planner.optimizer.least import least_cost
from planner.optimizer.problem import Problem, Run, Solution
from planner.optimizer.reach import earliest_finish
from planner.optimizer.runs import TimeUp, renamed, usable
from planner.optimizer.search import NEVER, Search, bounded, value_of, valued, within_totals
from planner.optimizer.segments import best_segments, carbon_as_money


class InARow(Search):
    """A search of phases that have one order only."""

    def searched(self) -> Solution:
        """The optimum; TimeUp may end it."""
        return self.one_run_phases() if self.one_run else self.several_runs()

    def one_run_phases(self) -> Solution:
        """One run each: the dynamic program, which sees the caps when there is one run in all."""
        problem = self.problem
        sought = problem if len(self.order) == 1 else self.free
        at_most = None if self.best is None else value_of(problem, self.best)
        try:
            runs = best_chain(sought, self.order, None, self.stop_at, at_most)
        except TimeUp as up:
            self.bound = up.bound
            raise
        if runs is None:
            return Solution("infeasible")
        solution = self.learn(runs)
        self.bound = value_of(problem, valued(self.free, runs))
        if within_totals(problem, solution) and self.as_free(runs):
            return bounded(problem, solution, None)
        return self.capped(runs)

    def several_runs(self) -> Solution:
        """Phases in a row, several runs each."""
        problem = self.problem
        first = self.first_plan()
        if first is None:
            return Solution("infeasible")
        self.learn(first)
        self.bound = (least_cost(problem) or 0) if problem.aim == "cost" else 0
        runs, bound = self.relaxed(first)
        self.bound = max(self.bound, bound)
        solution = self.learn(runs)
        if not within_totals(problem, solution):
            return self.capped(first)
        if problem.aim != "carbon" and self.all_suited() and self.as_free(runs):
            return self.so_far()
        return self.direct()  # not proven, or for the ties

    def first_plan(self) -> tuple[Run, ...] | None:
        """A plan of one run per phase in half of the time, or the one that ends first, caps left out; None when there
        is none.
        """
        if self.problem.aim != "finish":
            runs = self.one_run_each(self.free, None, self.started + self.time_limit_s / 2)
            if runs is not None:
                return runs
        return earliest_finish(self.free, self.order, stop_at=self.stop_at)

    def one_run_each(self, problem: Problem, finish_limit_s: int | None, stop_at: float) -> tuple[Run, ...] | None:
        """The best plan of one run per phase; what was found of it, or None, when the time is up."""
        question = (problem.aim, finish_limit_s)
        if question not in self.single:
            single = replace(problem, phases=tuple(replace(phase, max_segments=1) for phase in problem.phases))
            try:
                self.single[question] = best_chain(single, self.order, finish_limit_s, stop_at)
            except TimeUp as up:
                self.single[question] = up.runs or None
        return self.single[question]

    def by_day(self, options: list[int]) -> tuple[Run, ...]:
        """A plan of some of the options on steps of a day, in a third of the time: good where prices stand still for
        days.
        """
        few = replace(self.problem, options=tuple(self.problem.options[at] for at in options))
        coarse = by_day(few)
        if coarse is None or self.left_s() <= 0:
            return ()
        found = renamed(self.optimum_of(coarse, self.left_s() / 3).runs, options)
        return found if found and not check(self.problem, valued(self.problem, found)) else ()

    def relaxed(self, soonest: tuple[Run, ...]) -> tuple[tuple[Run, ...], int]:
        """The best plan without caps, several runs per phase, and the proven bound on its value."""
        if self.problem.aim == "carbon":
            return self.greenest(soonest)
        if self.problem.aim == "finish":
            finish_s = max(run.end_s for run in soonest)
            return self.cheapest(soonest, finish_s)[0], finish_s
        return self.cheapest(soonest, None, self.told)

    def cheapest(
        self,
        soonest: tuple[Run, ...],
        finish_limit_s: int | None,
        report: Callable[[tuple[Run, ...], int], object] | None = None,
    ) -> tuple[tuple[Run, ...], int]:
        """The cheapest plan that ends by a second, caps left out, and a bound on its cost."""
        cheap = replace(self.free, aim="cost")
        if self.one_run:
            runs = best_chain(cheap, self.order, finish_limit_s, self.stop_at)
            # none can end by then only when nothing can
            return (soonest, NEVER) if runs is None else (runs, evaluate(cheap, runs)[0])
        runs = self.one_run_each(cheap, finish_limit_s, self.stop_at)
        if runs is not None:
            self.learn(runs)
        plans = [runs, soonest, self.best.runs if self.best and finish_limit_s is None else None]
        known = min((plan for plan in plans if plan is not None), key=lambda plan: evaluate(cheap, plan)[0])
        options = self.suited
        if self.all_suited():
            if report is None:
                return best_segments(cheap, self.order, options, known, self.left_s(), finish_limit_s, self.kept)
            return best_segments(cheap, self.order, options, known, self.left_s(), finish_limit_s, report, self.by_day)
        # a good plan of some of the options, whose bound says nothing of the others
        found, _ = best_segments(cheap, self.order, options, known, self.left_s() / 2, finish_limit_s)
        return found, 0

    def greenest(self, soonest: tuple[Run, ...]) -> tuple[tuple[Run, ...], int]:
        """The plan with the least carbon, caps left out, and a bound on its carbon."""
        if self.one_run:
            green = best_chain(replace(self.free, aim="carbon"), self.order, None, self.stop_at)
            return (green or soonest), evaluate(self.free, green or soonest)[2]
        carbon = carbon_as_money(self.free)
        if carbon is None:
            return soonest, 0
        return best_segments(carbon, self.order, usable(carbon), soonest, self.left_s())

    def capped(self, soonest: tuple[Run, ...]) -> Solution:
        """Phases in a row when the best plan without caps breaks one or is not proven."""
        problem = self.problem
        if problem.budget is not None:
            runs, bound = self.cheapest(soonest, None)
            self.learn(runs)
            if bound > problem.budget:
                return Solution("infeasible")
        if problem.carbon_cap is not None:
            runs, bound = self.greenest(soonest)
            self.learn(runs)
            if bound > problem.carbon_cap:
                return Solution("infeasible")
        elif problem.aim == "finish" and self.best is not None and self.all_suited():
            return self.soonest_within_budget(soonest)
        return self.direct()

    def soonest_within_budget(self, soonest: tuple[Run, ...]) -> Solution:
        """Bisection on the finish: the cheapest plan that ends by a second is no dearer when that second is later."""
        assert self.best is not None
        assert self.problem.budget is not None
        while self.bound < self.best.finish_s and self.left_s() > 0:
            middle = (self.bound + self.best.finish_s) // 2
            runs, bound = self.cheapest(soonest, middle)
            if evaluate(self.free, runs)[0] <= self.problem.budget:
                self.learn(runs)
            elif bound > self.problem.budget:
                self.bound = middle + 1
            else:  # not decided in time
                break
            self.told(runs, self.bound)
        runs, _ = self.cheapest(soonest, self.best.finish_s)
        found = valued(self.problem, runs)
        same = within_totals(self.problem, found) and found.finish_s == self.best.finish_s
        return bounded(self.problem, found if same else self.best, self.bound)
