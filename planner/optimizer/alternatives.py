"""Other plans worth knowing: the best on each accelerator alone, those near the optimum that differ in kind, and the
cheapest that end by a moment.

Near the optimum: leave out the options of every kind seen, solve again, note the plan and its kind, and so on until
the value is over the limit. So each is the best plan that uses nothing of the kinds before it; with one run in all, the
best plan of its kind. Every search keeps to a moment `stop_at` of `time.monotonic` and notes what it finds at once, so
that an interrupt loses nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from planner.optimizer.check import check
from planner.optimizer.explain import missing
from planner.optimizer.problem import Problem, Solution
from planner.optimizer.runs import renamed
from planner.optimizer.solve import optimum

MOST_NEAR = 12
SHORTEST_S = 0.02  # in which no search is begun


@dataclass(frozen=True, slots=True)
class Near:
    """The best plan found that uses nothing of the kinds before it; `bound` holds for the value of every such plan."""

    kind: Hashable
    plan: Solution


class Nearby:
    """The plans whose value is at most `share` above that of the best one, one of each kind, best first.

    `kinds` has the kind of every option; a plan is of the kind of its main run. `complete` when it is proven that no
    kind is missing.
    """

    def __init__(self, problem: Problem, best: Solution, kinds: Sequence[Hashable], share: float) -> None:
        self.best, self.kinds = best, kinds
        self.limit = (1 + share) * value_of(problem, best)
        if problem.aim == "cost" and problem.budget is not None:  # which the limit then stands for
            self.limit = min(self.limit, problem.budget)
            problem = replace(problem, budget=None)
        self.problem = problem
        self.plans: list[Near] = []
        self.complete = False

    def search(self, stop_at: float, usual_s: float = 0.0) -> None:
        """Fill `plans`. When less than `usual_s` is left, plans of one run per phase stand in for those of several."""
        seen = {self.kinds[main_option(self.problem, self.best)]}
        while len(self.plans) < MOST_NEAR and (left := stop_at - time.monotonic()) > SHORTEST_S:
            kept = [at for at, kind in enumerate(self.kinds) if kind not in seen]
            plan = self._solved(kept, left) if left > usual_s else self._of_one_run_each(kept, left)
            if plan.status == "infeasible" or plan.bound > self.limit:
                self.complete = True
            if not plan.runs or value_of(self.problem, plan) > self.limit:
                return
            kind = self.kinds[main_option(self.problem, plan)]
            self.plans.append(Near(kind, plan))
            seen.add(kind)

    def _solved(self, kept: Sequence[int], left_s: float) -> Solution:
        def decided(best: int | None, bound: int, seconds: float) -> bool:
            return best is not None and bound > self.limit

        return _optimum(self.problem, kept, left_s / 2, decided)

    def _of_one_run_each(self, kept: Sequence[int], left_s: float) -> Solution:
        """A plan of one run per phase; of those of several only the bound of the best is known."""
        plan = _optimum(one_run_each(self.problem), kept, left_s / 2)
        if not plan.runs:
            return Solution("unknown", bound=self.best.bound)
        return replace(plan, bound=self.best.bound, status="feasible")


def by_family(problem: Problem, stop_at: float) -> Iterator[tuple[str, Solution]]:
    """The best plan on each accelerator family alone (all phases on it), by family; infeasible ones with the reason.

    The families share the time: each gets an equal part of what is left, and the last none when it is up.
    """
    families = sorted({option.family for option in problem.options})
    for number, family in enumerate(families):
        until = time.monotonic() + (stop_at - time.monotonic()) / (len(families) - number)
        left = until - time.monotonic()
        if left <= 0:
            return
        kept = [at for at, option in enumerate(problem.options) if option.family == family]
        found = _optimum(problem, kept, left)
        if found.status == "infeasible":
            found = replace(found, reasons=_reasons(_with_options(problem, kept), until))
        yield family, found


def cheapest_by(problem: Problem, finish_s: int, limit_s: float) -> Solution:
    """The cheapest plan that ends by a second: by the step before it, where steps are whole."""
    horizon = min(finish_s // problem.step_s, problem.horizon)
    if horizon <= 0:
        return Solution("infeasible")
    shorter = replace(problem, aim="cost", horizon=horizon)
    return _optimum(shorter, range(len(problem.options)), limit_s)


def main_option(problem: Problem, solution: Solution) -> int:
    """The option (index) of the run that holds most nodes for longest: what a plan is named after."""
    run = max(solution.runs, key=lambda run: problem.options[run.option].nodes * (run.end_s - run.start_s))
    return run.option


def one_run_each(problem: Problem) -> Problem:
    """The same problem with one run per phase, which is exact in milliseconds: enough to compare accelerators."""
    return replace(problem, phases=tuple(replace(phase, max_segments=1) for phase in problem.phases))


def value_of(problem: Problem, solution: Solution) -> int:
    """What the problem's aim counts: micro-USD, seconds or grams."""
    return {"cost": solution.cost, "finish": solution.finish_s, "carbon": solution.carbon_g}[problem.aim]


def _optimum(
    problem: Problem,
    kept: Sequence[int],
    limit_s: float,
    decided: Callable[[int | None, int, float], bool] | None = None,
) -> Solution:
    """The optimum with some of the options, as runs on all of them, checked."""
    found = optimum(_with_options(problem, kept), limit_s, decided)
    found = replace(found, runs=renamed(found.runs, kept))
    wrong = check(problem, found)
    assert not wrong, "the solver found a plan that is none: " + "; ".join(wrong)
    return found


def _with_options(problem: Problem, kept: Sequence[int]) -> Problem:
    return replace(problem, options=tuple(problem.options[at] for at in kept))


def _reasons(problem: Problem, until: float) -> tuple[str, ...]:
    def relaxed(other: Problem) -> Solution:
        return optimum(other, max(SHORTEST_S, (until - time.monotonic()) / 3))

    return missing(problem, relaxed)
