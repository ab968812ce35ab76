"""Plans of many jobs: placed one after the other into what is left, chosen among known schedules, and improved by
taking a few jobs out and placing them anew.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from planner.optimizer.direct import new_solver
from planner.optimizer.job_pricing import Floats, Job, Prices, Schedule
from planner.optimizer.job_segments import SegmentJob
from planner.optimizer.master import Column, Mixture
from planner.optimizer.problem import Run
from planner.optimizer.shared import Ints, Shared

SEED = 1
MOST_OUT = 5  # jobs that are placed anew together
PRICE_LEVELS = (0.0, 0.5, 0.8, 1.0, 1.2)  # shares of the resources' prices that a job looks at when it is placed


class Plans:
    """The best plan so far of jobs that share resources, and ways to better ones."""

    def __init__(self, jobs: Sequence[Job | SegmentJob], shared: Shared, other_cap: int | None) -> None:
        self.jobs, self.shared, self.other_cap = jobs, shared, other_cap
        self.schedules: list[Schedule] | None = None
        self.value: int | None = None
        self._runs: tuple[Run, ...] | None = None
        self.random = np.random.default_rng(SEED)
        self.nothing = Prices.of({}, shared)

    def runs(self) -> tuple[Run, ...] | None:
        """The best plan's runs by start; the very same tuple until there is a better one."""
        return self._runs

    def learn(self, schedules: Sequence[Schedule]) -> bool:
        """A plan that keeps the resources: whether it is the best so far."""
        value = sum(job.value(schedule) for job, schedule in zip(self.jobs, schedules, strict=True))
        if self.value is not None and value >= self.value:
            return False
        other = sum(job.other(schedule) for job, schedule in zip(self.jobs, schedules, strict=True))
        if self.other_cap is not None and other > self.other_cap:
            return False
        self.schedules, self.value = list(schedules), value
        runs = [run for schedule in schedules for run in schedule]
        self._runs = tuple(sorted(runs, key=lambda run: (run.start_s, run.option)))
        return True

    def learn_runs(self, runs: Sequence[Run]) -> None:
        """A plan given as runs, which must keep the resources."""
        part = {phase: number for number, job in enumerate(self.jobs) for phase in job.order}
        found: list[list[Run]] = [[] for _ in self.jobs]
        for run in sorted(runs, key=lambda run: run.start_s):
            found[part[self.jobs[0].problem.options[run.option].phase]].append(run)
        self.learn([tuple(schedule) for schedule in found])

    def place(self, order: Sequence[int], prices: Prices) -> bool:
        """All jobs, one after the other, each as well as it can at these prices in what is left."""
        return self._fill(order, prices, {})

    def round(self, mixture: Mixture, columns: Sequence[Column], prices: Prices) -> bool:
        """Jobs take the schedule with the largest share of the mixture that still fits, the surest jobs first."""
        surest = dict.fromkeys(range(len(self.jobs)), 0.0)
        preferred: dict[int, list[Schedule]] = defaultdict(list)
        for number, share in sorted(mixture.shares.items(), key=lambda pair: -pair[1]):
            column = columns[number]
            surest[column.job] = max(surest[column.job], share)
            preferred[column.job].append(column.schedule)
        return self._fill(sorted(surest, key=lambda job: -surest[job]), prices, preferred)

    def _fill(self, order: Sequence[int], prices: Prices, preferred: Mapping[int, Sequence[Schedule]]) -> bool:
        """All jobs, one after the other, each on its first preferred schedule that fits into what is left, or else as
        well as it can at these prices.
        """
        free = self.shared.free
        placed: dict[int, Schedule] = {}
        for number in order:
            fitting = [schedule for schedule in preferred.get(number, ()) if self._fits(schedule, free)]
            schedules = fitting or self.jobs[number].best(prices, free)[1]
            if not schedules:
                return False
            placed[number] = schedules[0]
            self.shared.take(free, schedules[0])
        return self.learn([placed[number] for number in range(len(self.jobs))])

    def improve(self, prices: Mapping[tuple[int, int], float], floors: Floats, until: float) -> None:
        """Take a few jobs out that want the same resources and place them anew, again and again.

        `floors` are lower bounds of the jobs' values: those far above theirs are taken first.
        """
        assert self.schedules is not None
        free = self.shared.free
        self.shared.take(free, [run for schedule in self.schedules for run in schedule])
        levels = [
            Prices.of({key: level * price for key, price in prices.items()}, self.shared) for level in PRICE_LEVELS
        ]
        wants = [self._resources(number) for number in range(len(self.jobs))]
        values = np.array([job.value(s) for job, s in zip(self.jobs, self.schedules, strict=True)], float)
        while time.monotonic() < until:
            out = self._some(values - floors, wants)
            for number in out:
                self.shared.take(free, self.schedules[number], -1)
            found = self._anew(out, free, levels, float(values[out].sum()))
            for number in out:
                self.shared.take(free, found[number] if found else self.schedules[number])
            if found:
                plan = [found.get(number, schedule) for number, schedule in enumerate(self.schedules)]
                if self.learn(plan):
                    for number in out:
                        values[number] = self.jobs[number].value(self.schedules[number])
                        wants[number] |= self._resources(number)
                else:
                    for number in out:
                        self.shared.take(free, found[number], -1)
                        self.shared.take(free, self.schedules[number])

    def _some(self, regret: Floats, wants: list[set[int]]) -> list[int]:
        """A job with much regret and some that share resources with it."""
        jobs = len(self.jobs)
        weight = np.maximum(regret, 1e-9 * (1 + regret.max()))
        first = int(self.random.choice(jobs, p=weight / weight.sum()))
        near = np.array([1e-3 + len(wants[first] & wants[number]) for number in range(jobs)])
        near[first] = 0
        count = min(int(self.random.integers(1, MOST_OUT)), jobs - 1)
        if count == 0:
            return [first]
        others = self.random.choice(jobs, count, replace=False, p=near / near.sum())
        return [first, *(int(number) for number in others)]

    def _anew(self, out: list[int], free: Ints, levels: list[Prices], most: float) -> dict[int, Schedule] | None:
        """The jobs placed one after the other in random order, for less than `most`; None when they are not."""
        found: dict[int, Schedule] = {}
        total = 0.0
        level = levels[int(self.random.integers(len(levels)))]
        for position, number in enumerate(self.random.permutation(out).tolist()):
            prices = self.nothing if position == len(out) - 1 else level
            _, schedules = self.jobs[number].best(prices, free)
            if schedules:
                found[number] = schedules[0]
                total += self.jobs[number].value(schedules[0])
                self.shared.take(free, schedules[0])
            if not schedules or total >= most:
                for placed in found.values():
                    self.shared.take(free, placed, -1)
                return None
        for placed in found.values():
            self.shared.take(free, placed, -1)
        return found

    def _resources(self, number: int) -> set[int]:
        """What a job's schedule in the plan claims, and what it would like best."""
        assert self.schedules is not None
        best = self.jobs[number].best(self.nothing)[1][0]
        return {r for run in (*self.schedules[number], *best) for r, _ in self.shared.of(run.option)}

    def _fits(self, schedule: Schedule, free: Ints) -> bool:
        return all(
            (free[resource, self.shared.span(run)] >= amount).all()
            for run in schedule
            for resource, amount in self.shared.of(run.option)
            if resource < self.shared.real
        )

    def choose(self, columns: Sequence[Column], time_limit_s: float) -> bool:
        """The best choice of one known schedule per job, by CP-SAT; whether it is the best plan so far."""
        model = cp_model.CpModel()
        picks = [model.new_bool_var("") for _ in columns]
        by_job: list[list[Any]] = [[] for _ in self.jobs]
        claims: dict[int, list[tuple[int, int, int, Any]]] = {}
        for column, pick in zip(columns, picks, strict=True):
            by_job[column.job].append(pick)
            for run in column.schedule:
                span = self.shared.span(run)
                for resource, amount in self.shared.of(run.option):
                    claims.setdefault(resource, []).append((span.start, span.stop, amount, pick))
        for mine in by_job:
            model.add_exactly_one(mine)
        for resource, users in claims.items():
            self._keep(model, resource, users)
        if self.other_cap is not None:
            model.add(sum(c.other * pick for c, pick in zip(columns, picks, strict=True)) <= self.other_cap)
        model.minimize(sum(c.value * pick for c, pick in zip(columns, picks, strict=True)))
        if self.schedules is not None:
            for column, pick in zip(columns, picks, strict=True):
                model.add_hint(pick, self.schedules[column.job] == column.schedule)
        solver = new_solver(time_limit_s)
        if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return False
        chosen = {c.job: c.schedule for c, pick in zip(columns, picks, strict=True) if solver.boolean_value(pick)}
        return self.learn([chosen[number] for number in range(len(self.jobs))])

    def _keep(self, model: Any, resource: int, users: list[tuple[int, int, int, Any]]) -> None:
        """At every step where a run starts or the amount changes the claims are at most the amount."""
        amounts = self.shared.amounts[resource]
        changes = np.flatnonzero(np.diff(amounts, prepend=amounts[0] + 1)).tolist()
        seen: set[tuple[tuple[int, ...], int]] = set()
        for step in sorted({start for start, _, _, _ in users} | set(changes)):
            here = [(amount, pick) for start, end, amount, pick in users if start <= step < end]
            if sum(amount for amount, _ in here) <= amounts[step]:
                continue
            key = (tuple(pick.index for _, pick in here), int(amounts[step]))
            if key not in seen:
                seen.add(key)
                model.add(sum(amount * pick for amount, pick in here) <= int(amounts[step]))
