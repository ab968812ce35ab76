"""The entry of the optimizer: the simplest exact algorithm that fits the problem, its answer checked.

    phases in a row, one run each         `chain`: dynamic program over time
    phases in a row, several runs each    `segments`: label setting under Lagrangian bounds, for cost and finish
    everything else                       `direct`: CP-SAT on the model of `formulation`: phases side by side, the aim
                                          carbon with several runs, a carbon cap that binds, bills that fall when a
                                          run gets longer

Budget and carbon cap are left out first; when the best plan without them keeps them, it is the best plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from planner.optimizer.chain import best_chain
from planner.optimizer.check import check, evaluate
from planner.optimizer.explain import reasons
from planner.optimizer.problem import Problem, Run, Solution, Status
from planner.optimizer.reach import earliest_finish
from planner.optimizer.runs import chain_order
from planner.optimizer.segments import best_segments, suited

Progress = Callable[[int | None, int, float], object]


def solve(problem: Problem, time_limit_s: float = 60.0, progress: Progress | None = None) -> Solution:
    """The best plan of the class, with a proven bound on the aim's value, or the reasons why there is none.

    `progress(best value or None, bound, seconds)` is called as the search goes on; a true answer stops it. A
    KeyboardInterrupt stops it too, and the best plan so far is returned. Status 'unknown': no plan was found in time.
    """
    search = _Search(problem, time_limit_s, progress)
    try:
        solution = search.optimum()
    except KeyboardInterrupt:
        solution = search.so_far()
    if solution.status == "infeasible":
        return replace(solution, reasons=search.why())
    wrong = check(problem, solution)
    if wrong:
        raise AssertionError("the solver found a plan that is none: " + "; ".join(wrong))
    if progress is not None:
        progress(_value(problem, solution) if solution.runs else None, solution.bound, search.elapsed_s())
    return solution


def alternatives(problem: Problem, time_limit_s: float = 60.0) -> list[tuple[str, Solution]]:
    """The best plan on each accelerator family alone (all phases on it), by family; infeasible ones with the reason.

    The families share the time: each gets an equal part of what is left.
    """
    stop_at = time.monotonic() + time_limit_s
    families = sorted({option.family for option in problem.options})
    found = []
    for number, family in enumerate(families):
        mine = replace(problem, options=tuple(option for option in problem.options if option.family == family))
        part = (stop_at - time.monotonic()) / (len(families) - number)
        solution = solve(mine, max(0.1, part))
        index = [at for at, option in enumerate(problem.options) if option.family == family]
        runs = tuple(replace(run, option=index[run.option]) for run in solution.runs)
        found.append((family, replace(solution, runs=runs)))
    return found


class _Search:
    """One call of `solve`: its clock, and the best plan within the caps and the bound known so far."""

    def __init__(self, problem: Problem, time_limit_s: float, progress: Progress | None) -> None:
        self.started = time.monotonic()
        self.problem, self.time_limit_s, self.progress = problem, time_limit_s, progress
        self.free = replace(problem, budget=None, carbon_cap=None)
        self.best: Solution | None = None
        self.bound = 0
        order = chain_order(problem.phases)
        self.order = order or []
        self.one_run = all(phase.max_segments == 1 for phase in problem.phases)
        self.in_a_row = order is not None and (self.one_run or (problem.aim != "carbon" and suited(problem)))

    def elapsed_s(self) -> float:
        return time.monotonic() - self.started

    def left_s(self) -> float:
        return self.time_limit_s - self.elapsed_s()

    def so_far(self) -> Solution:
        if self.best is None:
            return Solution("unknown", bound=self.bound)
        return _bounded(self.problem, self.best, self.bound)

    def why(self) -> tuple[str, ...]:
        def relaxed(problem: Problem) -> Solution:
            return _Search(problem, max(1.0, self.left_s() / 4), None).optimum()

        try:
            return reasons(self.problem, relaxed)
        except KeyboardInterrupt:
            return ("No plan exists; the search for reasons was stopped.",)

    def learn(self, runs: tuple[Run, ...]) -> Solution:
        """Values of a plan, which becomes the best so far if it keeps the caps and is better."""
        found = _solution(self.problem, runs)
        if _within_caps(self.problem, found) and (
            self.best is None or _value(self.problem, found) < _value(self.problem, self.best)
        ):
            self.best = found
        return found

    def told(self, runs: tuple[Run, ...], bound: int) -> object:
        """Report a plan and a bound on the aim; a true answer means stop."""
        self.learn(runs)
        self.bound = max(self.bound, bound)
        if self.progress is None:
            return None
        best = None if self.best is None else _value(self.problem, self.best)
        return self.progress(best, self.bound, self.elapsed_s())

    def optimum(self) -> Solution:
        """The optimum without reasons."""
        problem = self.problem
        if not self.order:
            return self.direct()
        if self.one_run and len(self.order) == 1:  # the dynamic program sees the caps of a single run
            runs = best_chain(problem, self.order)
            return Solution("infeasible") if runs is None else _bounded(problem, _solution(problem, runs), None)
        soonest = earliest_finish(self.free, self.order)
        if soonest is None:
            return Solution("infeasible")
        first = self.learn(soonest)
        if problem.aim == "finish":
            self.bound = first.finish_s
        if not self.in_a_row:
            return self.direct()
        if problem.aim == "finish":
            runs, _ = self.cheapest(soonest, first.finish_s)
            solution, proven = self.learn(runs), True
        elif self.one_run:
            chain = best_chain(self.free, self.order)
            assert chain is not None, "the earliest plan of one run per phase is a plan"
            solution, proven = self.learn(chain), True
        else:
            runs, bound = self.cheapest(soonest, None, self.told)
            solution, self.bound = self.learn(runs), max(self.bound, bound)
            proven = self.bound == solution.cost
        if _within_caps(problem, solution):
            return _bounded(problem, solution, None if proven else self.bound)
        return self.capped(soonest, solution if proven else None)

    def cheapest(
        self,
        soonest: tuple[Run, ...],
        finish_limit_s: int | None,
        report: Callable[[tuple[Run, ...], int], object] = lambda runs, bound: None,
    ) -> tuple[tuple[Run, ...], int]:
        """The cheapest plan that ends by a second, caps left out, and a bound on its cost."""
        cheap = replace(self.free, aim="cost")
        single = replace(cheap, phases=tuple(replace(phase, max_segments=1) for phase in cheap.phases))
        runs = best_chain(single, self.order, finish_limit_s)
        if self.one_run:
            assert runs is not None
            return runs, evaluate(cheap, runs)[0]
        known = min((plan for plan in (runs, soonest) if plan is not None), key=lambda plan: evaluate(cheap, plan)[0])
        return best_segments(cheap, self.order, known, self.left_s(), finish_limit_s, report)

    def capped(self, soonest: tuple[Run, ...], free: Solution | None) -> Solution:
        """The best plan of phases in a row without caps breaks one: `free`, None when it is not proven."""
        problem = self.problem
        if free is not None:
            self.bound = max(self.bound, _value(problem, free))
        if problem.budget is not None:
            runs, bound = self.cheapest(soonest, None)
            if bound > problem.budget:
                return Solution("infeasible")
            self.learn(runs)
        if problem.carbon_cap is not None:
            if self.one_run:
                green = best_chain(replace(self.free, aim="carbon"), self.order)
                assert green is not None
                if self.learn(green).carbon_g > problem.carbon_cap:
                    return Solution("infeasible")
        elif problem.aim == "finish" and self.best is not None:
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
        found = _solution(self.problem, runs)
        same = _within_caps(self.problem, found) and found.finish_s == self.best.finish_s
        return _bounded(self.problem, found if same else self.best, self.bound)

    def direct(self) -> Solution:
        """CP-SAT, from what is known."""
        from planner.optimizer.direct import solve_direct  # OR-Tools takes half a second to import

        known = None if self.best is None else self.best.runs
        status, runs, bound = solve_direct(
            self.problem, self.left_s(), known, self.bound, progress=self.progress, since=self.started
        )
        if status in ("infeasible", "unknown"):
            return Solution(status, bound=0 if status == "infeasible" else bound)
        return _bounded(self.problem, _solution(self.problem, runs), None if status == "optimal" else bound)


def _solution(problem: Problem, runs: tuple[Run, ...]) -> Solution:
    """The runs with their values, nothing proven."""
    cost, finish_s, carbon_g = evaluate(problem, runs)
    return Solution(
        "feasible", tuple(sorted(runs, key=lambda run: (run.start_s, run.option))), cost, finish_s, carbon_g
    )


def _bounded(problem: Problem, solution: Solution, bound: int | None) -> Solution:
    """The solution with its bound; None: it is optimal."""
    value = _value(problem, solution)
    proven = value if bound is None else min(bound, value)
    status: Status = "optimal" if proven == value else "feasible"
    return replace(solution, status=status, bound=proven)


def _value(problem: Problem, solution: Solution) -> int:
    return {"cost": solution.cost, "finish": solution.finish_s, "carbon": solution.carbon_g}[problem.aim]


def _within_caps(problem: Problem, solution: Solution) -> bool:
    return (problem.budget is None or solution.cost <= problem.budget) and (
        problem.carbon_cap is None or solution.carbon_g <= problem.carbon_cap
    )
