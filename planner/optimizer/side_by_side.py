"""Phases that may overlap in time: several jobs, forks and joins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from planner.optimizer.check import evaluate
from planner.optimizer.in_a_row import InARow
from planner.optimizer.independent import apart, fits, in_a_row, one_after_the_other, part, parts_of
from planner.optimizer.problem import Problem, Run, Solution
from planner.optimizer.runs import TimeUp, chain_order_of, renamed
from planner.optimizer.search import Search

SMALL = 3000  # runs x windows: so many CP-SAT can deal with at once
TINY = 400  # and these at once
SHARE_OF_SMALL = 0.15  # of the time for column generation where CP-SAT can prove more


class SideBySide(Search):
    """A search of phases that may run at the same time: the jobs apart, then what they share."""

    def searched(self) -> Solution:
        """The optimum; TimeUp may end it."""
        problem = self.problem
        parts = parts_of(problem)
        orders = [order for phases in parts if (order := chain_order_of(problem, phases)) is not None]
        one_run = self.one_run and problem.aim != "finish"
        several_runs = not self.one_run and problem.aim == "cost" and self.size() > TINY
        if len(orders) == len(parts) > 1 and (one_run or several_runs):
            return self.portfolio(orders)

        def share(number: int) -> Callable[[Problem], Solution]:
            return lambda alone: self.optimum_of(alone, max(0.1, self.left_s() / number))

        if len(parts) == 1:  # one after the other is a plan, if it is in time
            serial = share(2)(in_a_row(self.free))
            if serial.runs:
                self.learn(serial.runs)
            return self.direct()
        solutions, runs, bound = apart(problem, share(2 * len(parts)))
        if any(solution.status == "infeasible" for solution in solutions):
            return Solution("infeasible")
        self.bound = max(self.bound, bound)
        if runs is not None and problem.aim == "finish":
            runs = self.cheapest_parts(runs)
        if runs is None or not fits(problem, runs):
            runs = one_after_the_other(problem, share(8 * len(parts)))
        if runs is not None:
            self.learn(runs)
        self.told((), self.bound)
        return self.direct()

    def portfolio(self, orders: Sequence[Sequence[int]]) -> Solution:
        """Several jobs of phases in a row: branch and price; if small, CP-SAT for the ties and what is left open."""
        from planner.optimizer.portfolio import Portfolio  # OR-Tools takes half a second to import

        problem, told = self.problem, None

        def report(plan: tuple[Run, ...] | None, bound: int) -> object:
            nonlocal told
            news, told = plan if plan is not told else (), plan
            return bool(self.told(news or (), bound)) or self.too_dear()

        small = self.size() <= SMALL
        share = 1.0 if self.one_run or not small else SHARE_OF_SMALL
        try:
            search = Portfolio(problem, orders, self.optimum_of, report, self.started + share * self.time_limit_s)
            search.search(self.best.runs if self.best else ())
        except TimeUp:
            return self.so_far()
        if not search.possible or self.too_dear():
            return Solution("infeasible")
        found = self.so_far()
        return self.direct() if small or not found.runs else found

    def size(self) -> int:
        """Runs x windows: the size of the direct model."""
        return sum(self.problem.phases[o.phase].max_segments * len(o.windows) for o in self.problem.options)

    def cheapest_parts(self, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        """The jobs apart, each as cheap as it can be by the finish of all."""
        finish_s, found = evaluate(self.problem, runs)[1], []
        for phases in parts_of(self.problem):
            alone, index = part(self.problem, phases, self.problem.options)
            search = InARow(alone, self.left_s() / 4, None, self.optimum_of)
            mine = [run for run in runs if self.problem.options[run.option].phase in phases]
            if search.order and search.all_suited():
                here = tuple(replace(run, option=index.index(run.option)) for run in mine)
                mine = [*renamed(search.cheapest(here, finish_s)[0], index)]
            found += mine
        return tuple(sorted(found, key=lambda run: (run.start_s, run.option)))
