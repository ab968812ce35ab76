"""Many jobs that share what there is: branch and price.

The master mixes known schedules; its prices ask every job for a better one. At any prices u >= 0 of resources b and
g >= 0 of the other total D

    L(u, g) = sum over jobs of min over schedules (value + g other + claims u)  -  u b - g D

is a lower bound on every plan: a plan that keeps the resources pays at least its own minimum and gets back at most
u b + g D. The bounds meet the master's value as schedules are added; prices are taken between the best so far and the
master's, which swing less.

When the mixture is none (every job takes one schedule) it is the optimum of its branch. Else the branch is split at a
job that mixes: its phase uses the option with the largest share or not, or, of equal options, its run starts by some
step or after it. The first of the two is followed at once, so plans are found early; then the branch with the lowest
bound. The lowest bound of open branches bounds every plan.
"""

from __future__ import annotations

import heapq
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from planner.optimizer.bound import RELATIVE_ERROR
from planner.optimizer.job_pricing import Job, Prices, Restriction, Restrictions, Schedule
from planner.optimizer.job_segments import SegmentJob
from planner.optimizer.master import Master, Mixture
from planner.optimizer.problem import Problem, Run, Solution
from planner.optimizer.repair import Plans
from planner.optimizer.runs import TimeUp, renamed
from planner.optimizer.shared import Shared, priced_part, shared_of

INERTIA = 0.6  # of the best prices so far in those that are tried
FLOAT_ERROR = 1e-11  # of a bound: sums of some thousands of floats
STILL = 6  # rounds in which a mixture that gets no better by more than SLOW has settled
SLOW = 2e-5
ROUNDING = 10  # rounds at the root after which its mixture is rounded to a plan
ROOT_SHARE = 0.65  # of the time for the root
CLOSE = 1e-9  # of the value: the master is as good as solved
WHOLE = 1e-6  # a share this near to 1 is 1
SHARPEN_SHARE = 0.5  # of the time left for solving jobs of several runs exactly
FIX_GAP = 0.4  # of a job's value: when the gap is more, hardly anything of the job can be forgotten
CHOOSE_SHARE = 0.15  # of the time left for choosing among the schedules of the root
IMPROVE_SHARE = 0.1  # and for placing a few jobs anew
IMPROVE_S = 1.0  # of that at once

Alone = Callable[[Problem, float], Solution]
Report = Callable[[tuple[Run, ...] | None, int], object]


@dataclass(frozen=True, slots=True)
class _Branch:
    """What is asked of each job, a bound on all plans that keep it, and good prices to start from."""

    asked: Mapping[int, Restrictions]
    bound: int
    prices: Mapping[tuple[int, int], float]
    other: float

    def with_(self, job: int, restriction: Restriction) -> _Branch:
        asked = {**self.asked, job: (*self.asked.get(job, ()), restriction)}
        return _Branch(asked, self.bound, self.prices, self.other)


class Portfolio:
    """A search for the best plan of several jobs of phases in a row, one run each; aims cost and carbon.

    `bound` is proven at any time; the best plan is `plans.runs()`. `possible` is False when there is no plan.
    """

    def __init__(
        self, problem: Problem, orders: Sequence[Sequence[int]], alone: Alone, report: Report, stop_at: float
    ) -> None:
        """`orders` are the phases of every job in their order; `alone(problem of one job, seconds)` solves it.

        A true answer of `report(plan or None, bound)` stops the search.
        Raises TimeUp when the time is up before the jobs are known.
        """
        self.problem, self.alone, self.report, self.stop_at = problem, alone, report, stop_at
        self.shared: Shared = shared_of(problem, orders)
        self.jobs: list[Job | SegmentJob] = []
        for order in orders:
            if time.monotonic() > stop_at:
                raise TimeUp
            one_run = all(problem.phases[p].max_segments == 1 for p in order)
            self.jobs.append((Job if one_run else SegmentJob)(problem, order, self.shared))
        self.possible = all(job.possible for job in self.jobs)
        self.exact = all(isinstance(job, Job) for job in self.jobs)
        self.other_cap = problem.carbon_cap if problem.aim == "cost" else problem.budget
        self.plans = Plans(self.jobs, self.shared, self.other_cap)
        self.bound = 0
        self.root_until = stop_at - (1 - ROOT_SHARE) * (stop_at - time.monotonic())
        self.stopped = False
        self.open: list[tuple[int, int, _Branch]] = []
        self.count = 0

    def search(self, known: Sequence[Run] = ()) -> None:
        """Plans and bounds until they meet, the time is up, or the report says stop. `known` is a plan, if there is."""
        if not self.possible:
            return
        alone = [job.best(self.plans.nothing) for job in self.jobs]
        if not all(schedules for _, schedules in alone):
            self.possible = not self.exact  # of phases with several runs no schedule may have been found
            return
        least = sum(value for value, _ in alone)
        self._learn_bound(_floor(least, self.exact))
        if known:
            self.plans.learn_runs(known)
        self._place(alone)
        self.big = self._dearest()
        self.master = Master(self.shared, len(self.jobs), self.big, self.other_cap)
        for number, (_, schedules) in enumerate(alone):
            self._add(number, schedules)
        with suppress(TimeUp):
            self._branch_and_price(_Branch({}, self.bound, {}, 0.0))

    def _place(self, alone: Sequence[tuple[float, Sequence[Schedule]]]) -> None:
        """First plans: the dearest jobs first, and those with the least room first."""
        numbers, nothing = range(len(self.jobs)), self.plans.nothing
        self.plans.place(sorted(numbers, key=lambda number: -alone[number][0]), nothing)
        self.plans.place(sorted(numbers, key=lambda number: self.jobs[number].room), nothing)
        self._tell()

    def _branch_and_price(self, root: _Branch) -> None:
        root, mixture = self._generate(root)
        self._learn_bound(root.bound)
        if mixture is None:
            self._open_bound()
        else:
            self._heuristics(root, mixture)
        if not self.exact:
            self._sharpen(root)
            self._improve(root, self.stop_at)
            return
        self._fix(root)
        self._push(root)
        while self.open and not self.done():
            _, _, branch = heapq.heappop(self.open)
            following: _Branch | None = branch
            while following is not None and not self.done():
                if self.plans.value is not None and following.bound >= self.plans.value:
                    break
                following = self._explore(following)
        if not self.open and not self.done():
            if self.plans.value is None:
                self.possible = False
            else:
                self._learn_bound(self.plans.value)

    def done(self) -> bool:
        """Whether the bound has met the best plan, or the search was stopped."""
        return self.stopped or (self.plans.value is not None and self.bound >= self.plans.value)

    def _explore(self, branch: _Branch) -> _Branch | None:
        """Solve a branch's master; its first half when it is split, None when nothing better is in it."""
        branch, mixture = self._generate(branch)
        if mixture is None:
            self._open_bound()
            return None
        split = self._split(mixture)
        if split is None:
            self._learn_plan(mixture)
            self._open_bound()
            return None
        job, one, other = split
        self._push(branch.with_(job, other))
        self._open_bound(branch)
        return branch.with_(job, one)

    def _push(self, branch: _Branch) -> None:
        self.count += 1
        heapq.heappush(self.open, (branch.bound, self.count, branch))

    def _open_bound(self, following: _Branch | None = None) -> None:
        """The least bound of what is open bounds every plan."""
        bounds = [self.open[0][0]] if self.open else []
        bounds += [following.bound] if following is not None else []
        bounds += [self.plans.value] if self.plans.value is not None else []
        if bounds:
            self._learn_bound(min(bounds))
        self._tell()

    def _generate(self, branch: _Branch) -> tuple[_Branch, Mixture | None]:
        """Column generation: the branch with its bound, and the optimal mixture; None: no better plan is in it."""
        self.master.restrict(branch.asked)
        inertia = INERTIA if branch.prices or not branch.asked else 0.0
        worth: list[float] = []
        while True:
            if not branch.asked:
                self._tell()
            if self.stopped:
                raise TimeUp
            for number, schedule in enumerate(self.plans.schedules or ()):
                self._add(number, [schedule])
            mixture = self.master.solve(self.stop_at)
            prices = _between(branch.prices, mixture.prices, inertia)
            other = inertia * branch.other + (1 - inertia) * mixture.other_price
            worth.append(mixture.value)
            if not branch.asked and len(worth) % ROUNDING == 0:
                self.plans.round(mixture, self.master.columns, Prices.of(prices, self.shared, other))
            still = len(worth) > STILL and worth[-STILL] - worth[-1] <= SLOW * worth[-1]
            proven = self.exact or still or len(worth) % STILL == 0
            value, added = self._price(branch, prices, other, proven)
            if value is not None and value > branch.bound:
                branch = _Branch(branch.asked, value, prices, other)
                if not branch.asked:
                    self._learn_bound(value)
            if branch.bound >= (self.big if self.plans.value is None else self.plans.value):
                return branch, None
            if mixture.value - branch.bound <= CLOSE * abs(mixture.value) + 1 or (not added and inertia == 0.0):
                return branch, mixture
            if (still and not self.exact) or (not branch.asked and time.monotonic() > self.root_until):
                return branch, mixture
            if not added:
                inertia = 0.0 if inertia < 0.1 else inertia / 2

    def _price(
        self, branch: _Branch, prices: Mapping[tuple[int, int], float], other: float, proven: bool
    ) -> tuple[int | None, bool]:
        """The bound at these prices if it is to be proven, and whether a new schedule was found."""
        summed = Prices.of(prices, self.shared, other)
        value = -self._worth(prices, other)
        added = False
        for number, job in enumerate(self.jobs):
            if time.monotonic() > self.stop_at:
                raise TimeUp
            asked = branch.asked.get(number, ())
            least, schedules = job.best(summed, None, asked, proven, patient=bool(branch.asked))
            if not schedules and self.exact:
                return self.big, False
            value += least
            added |= self._add(number, schedules)
        return _floor(value, self.exact) if proven else None, added

    def _worth(self, prices: Mapping[tuple[int, int], float], other: float) -> float:
        """What the amounts of resources and the other total's cap are worth at these prices."""
        shared = sum(price * float(self.shared.amounts[key]) for key, price in prices.items())
        return shared + other * (self.other_cap or 0)

    def _heuristics(self, branch: _Branch, mixture: Mixture) -> None:
        """Plans from the root's mixture."""
        self.plans.round(mixture, self.master.columns, Prices.of(branch.prices, self.shared, branch.other))
        left_s = self.stop_at - time.monotonic()
        self.plans.choose(self.master.columns, CHOOSE_SHARE * left_s)
        self._tell()
        self._improve(branch, time.monotonic() + IMPROVE_SHARE * left_s)

    def _sharpen(self, root: _Branch) -> None:
        """Each job of several runs solved exactly at the root's prices: a better bound than its Lagrangian one, and a
        schedule; then a choice among all schedules."""
        prices = Prices.of(root.prices, self.shared, root.other)
        until = time.monotonic() + SHARPEN_SHARE * (self.stop_at - time.monotonic())
        value = -self._worth(root.prices, root.other)
        for number, job in enumerate(self.jobs):
            least, _ = job.best(prices)
            left_s = until - time.monotonic()
            if isinstance(job, SegmentJob) and left_s > 0 and not self.done():
                alone, index = priced_part(self.problem, job.order, self.shared, root.prices)
                solution = self.alone(alone, left_s / (len(self.jobs) - number))
                least = max(least, float(solution.bound))
                if solution.runs:
                    self._add(number, [renamed(solution.runs, index)])
            value += least
        self._learn_bound(_floor(value, exact=False))
        self.plans.choose(self.master.columns, CHOOSE_SHARE * (self.stop_at - time.monotonic()))
        self._tell()

    def _improve(self, root: _Branch, until: float) -> None:
        """Place a few jobs anew, again and again."""
        while self.plans.schedules is not None and not self.done() and time.monotonic() < until:
            prices = Prices.of(root.prices, self.shared, root.other)
            floors = np.array([job.best(prices)[0] for job in self.jobs])
            self.plans.improve(root.prices, floors, min(until, time.monotonic() + IMPROVE_S))
            self._tell()

    def _fix(self, root: _Branch) -> None:
        """Forget what no plan better than the best uses: each job is at most the gap above its least value."""
        if self.plans.value is None:
            return
        gap = self.plans.value - root.bound
        prices = Prices.of(root.prices, self.shared, root.other)
        for job in self.jobs:
            if time.monotonic() > self.stop_at:
                raise TimeUp
            least, _ = job.best(prices)
            if isinstance(job, Job) and gap <= FIX_GAP * abs(least):
                job.fix(prices, least + gap)

    def _split(self, mixture: Mixture) -> tuple[int, Restriction, Restriction] | None:
        """A job that mixes schedules, and what to ask of it in each half; None when no job mixes."""
        mixed: dict[int, list[tuple[float, Schedule]]] = defaultdict(list)
        for number, share in mixture.shares.items():
            if share < 1 - WHOLE:
                mixed[self.master.columns[number].job].append((share, self.master.columns[number].schedule))
        if not mixed:
            return None
        best: tuple[float, int, Restriction, Restriction] | None = None
        for job, shares in mixed.items():
            found = self._split_job(shares)
            if found is not None and (best is None or found[0] > best[0]):
                best = (found[0], job, found[1], found[2])
        return None if best is None else best[1:]

    def _split_job(self, shares: list[tuple[float, Schedule]]) -> tuple[float, Restriction, Restriction] | None:
        """How evenly a job's shares are split, and the two halves."""
        h = self.problem.step_s
        for rank in range(len(shares[0][1])):
            by_option: dict[int, float] = defaultdict(float)
            for share, schedule in shares:
                by_option[schedule[rank].option] += share
            option, most = max(by_option.items(), key=lambda pair: (pair[1], -pair[0]))
            if len(by_option) > 1:
                return 1 - abs(2 * most - 1), Restriction(rank, option), Restriction(rank, option, wanted=False)
        for rank in range(len(shares[0][1])):
            starts = sorted((schedule[rank].start_s // h, share) for share, schedule in shares)
            if starts[0][0] == starts[-1][0]:
                continue
            middle = sum(start * share for start, share in starts) / sum(share for _, share in starts)
            step = min(max(math.floor(middle), starts[0][0]), starts[-1][0] - 1)
            before = sum(share for start, share in starts if start <= step)
            early = Restriction(rank, begin=0, end=step)
            late = Restriction(rank, begin=step + 1, end=self.problem.horizon)
            even = 1 - abs(2 * before - 1)
            return (even, early, late) if before >= 0.5 else (even, late, early)
        return None

    def _learn_plan(self, mixture: Mixture) -> None:
        """The mixture's schedules as a plan, when no job is left out."""
        chosen = {self.master.columns[n].job: self.master.columns[n].schedule for n in mixture.shares}
        if len(chosen) == len(self.jobs) and mixture.left_out < WHOLE:
            self.plans.learn([chosen[number] for number in range(len(self.jobs))])

    def _add(self, number: int, schedules: Sequence[Schedule]) -> bool:
        """Make schedules of a job known; whether any is new."""
        job = self.jobs[number]
        new = [schedule for schedule in schedules if (number, schedule) not in self.master.known]
        for schedule in new:
            self.master.add(number, schedule, job.value(schedule), job.other(schedule))
        return bool(new)

    def _dearest(self) -> int:
        """More than any plan is worth that is sought."""
        if self.plans.value is not None:
            return self.plans.value + 1
        return sum(job.dearest() for job in self.jobs) + 1

    def _learn_bound(self, bound: int) -> None:
        if self.plans.value is not None:
            bound = min(bound, self.plans.value)
        self.bound = max(self.bound, bound)

    def _tell(self) -> None:
        self.stopped |= bool(self.report(self.plans.runs(), self.bound))


def _between(
    one: Mapping[tuple[int, int], float], two: Mapping[tuple[int, int], float], share: float
) -> dict[tuple[int, int], float]:
    """Prices between two: `share` of the first."""
    found = {key: share * price for key, price in one.items()} if share else {}
    for key, price in two.items():
        found[key] = found.get(key, 0.0) + (1 - share) * price
    return {key: price for key, price in found.items() if price > 1e-6}


def _floor(value: float, exact: bool) -> int:
    """A bound that the errors of floats cannot have raised: values are whole numbers."""
    return math.ceil(value - (FLOAT_ERROR if exact else RELATIVE_ERROR) * abs(value) - 1e-3)
