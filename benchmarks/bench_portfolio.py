"""Jobs that share the offers of a market: cost, bound and gap after so many seconds, beside what one would do without.

python -m benchmarks.bench_portfolio [--quick] [--repeat 1] [--limits 10 60 120]

One line per portfolio, limit and method. "To gap" is when the gap was first below the target (in brackets the target),
"building" the share of all seconds that went into the instance, memory the peak of the whole process. The plain models
get the portfolio on steps of a day, without the options that others replace. "Over" is the cost above the optimizer's,
"gap" for all the distance to the bound that the optimizer proved.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from benchmarks.comparators import METHODS, Answer, coarse, timed
from benchmarks.instances import portfolio
from planner.optimizer.problem import Problem, Run
from planner.optimizer.prune import undominated
from planner.optimizer.runs import usable
from planner.optimizer.solve import solve

CASES = (  # jobs, offers, segments, gap to reach, and the seconds in which to reach it
    (10, 50, 1, 0.001, 10.0),
    (10, 50, 3, 0.001, 10.0),
    (10, 500, 1, 0.001, 10.0),
    (10, 500, 3, 0.001, 10.0),
    (50, 500, 1, 0.005, 60.0),
    (200, 2000, 1, 0.02, 120.0),
)
DAYS = 30
PLAIN_UP_TO = 50  # offers; the plain models have too many binaries beyond, even by day
HEADER = (
    f"{'jobs':>5} {'offers':>6} {'runs':>4} {'seed':>4} {'limit':>5} {'method':26} {'cost USD':>12} {'bound USD':>12} "
    f"{'gap':>7} {'over':>7} {'seconds':>8} {'to gap':>16} {'building':>8} {'GB':>5}"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method gave; money in USD, None where there is none."""

    cost: float | None
    bound: float | None
    seconds: float
    to_gap: float | None
    building: float
    memory_gb: float
    note: str

    @property
    def gap(self) -> float | None:
        """The distance to the bound as a share of the cost."""
        return (self.cost - self.bound) / self.cost if self.cost and self.bound is not None else None


def optimized(jobs: int, offers: int, segments: int, seed: int, limit_s: float, target: float) -> Outcome:
    """The optimizer on one portfolio."""
    started = time.monotonic()
    problem = portfolio(offers, DAYS, jobs, seed, segments=segments)
    built = time.monotonic()
    reached: list[float] = []

    def watch(best: int | None, bound: int, elapsed: float) -> None:
        if best and best - bound <= target * best:
            reached.append(elapsed)

    solution = solve(problem, limit_s, watch)
    seconds = time.monotonic() - built
    if not solution.runs:
        return Outcome(None, solution.bound / 1e6, seconds, None, _share(started, built), _peak_gb(), solution.status)
    if solution.cost - solution.bound <= target * solution.cost:
        reached.append(seconds)
    first = min(reached, default=None)
    cost, bound = solution.cost / 1e6, solution.bound / 1e6
    return Outcome(cost, bound, seconds, first, _share(started, built), _peak_gb(), solution.status)


def compared(name: str, jobs: int, offers: int, segments: int, seed: int, limit_s: float) -> Outcome:
    """A comparator on the same portfolio."""
    started = time.monotonic()
    problem = portfolio(offers, DAYS, jobs, seed, segments=segments)
    built = time.monotonic()
    answer = _by_day(name, problem, limit_s) if name.startswith("plain") else timed(METHODS[name], problem, limit_s)
    cost = None if answer.cost is None else answer.cost / 1e6
    return Outcome(cost, None, answer.seconds, None, _share(started, built), _peak_gb(), answer.note)


def rows(case: tuple[int, int, int, float, float], seeds: int, limits: list[float]) -> Iterator[str]:
    """Lines of the table; every answer comes from a process of its own, so that memory is its own too."""
    jobs, offers, segments, target, _ = case
    for seed in range(seeds):
        portfolio_of = (jobs, offers, segments, seed)
        for limit in limits:
            best = _apart(optimized, *portfolio_of, limit, target)
            yield _row((*portfolio_of, limit), "optimizer", best, best, target)
        for name in METHODS:
            if offers <= PLAIN_UP_TO or not name.startswith("plain"):
                other = replace(_apart(compared, name, *portfolio_of, limits[-1]), bound=best.bound)
                yield _row((*portfolio_of, limits[-1]), name, other, best, target)


def _by_day(name: str, problem: Problem, limit_s: float) -> Answer:
    """A plain model on steps of a day, priced on the problem's own."""

    def method(whole: Problem, limit_s: float) -> tuple[Run, ...]:
        day = coarse(whole, 24)
        kept = undominated(day, usable(day))
        runs = METHODS[name](replace(day, options=tuple(day.options[i] for i in kept)), limit_s)
        return tuple(replace(run, option=kept[run.option]) for run in runs)

    return timed(method, problem, limit_s)


def _apart(run, *arguments) -> Outcome:  # type: ignore[no-untyped-def]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        outcome: Outcome = pool.submit(run, *arguments).result()
        return outcome


def _row(case: tuple[int, int, int, int, float], name: str, found: Outcome, best: Outcome, target: float) -> str:
    jobs, offers, segments, seed, limit = case
    over = (found.cost - best.cost) / best.cost if found.cost and best.cost else None
    to_gap = f"{_text(found.to_gap, '.1f')} ({target:.1%})" if name == "optimizer" else "-"
    return (
        f"{jobs:5} {offers:6} {segments:4} {seed:4} {limit:5g} {name:26} {_text(found.cost, ',.0f'):>12} "
        f"{_text(found.bound, ',.0f'):>12} {_text(found.gap, '.2%'):>7} {_text(over, '.1%'):>7} {found.seconds:8.1f} "
        f"{to_gap:>16} {found.building:8.1%} {found.memory_gb:5.2f}  {found.note}"
    )


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _share(started: float, built: float) -> float:
    return (built - started) / (time.monotonic() - started)


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    """Print the table; --quick: ten jobs on few offers only."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeat", type=int, default=1, help="portfolios of each kind")
    parser.add_argument("--limits", type=float, nargs="+", help="seconds; as the target's when left out")
    arguments, _ = parser.parse_known_args()
    print(HEADER)
    for case in CASES[:2] if arguments.quick else CASES:
        for row in rows(case, arguments.repeat, arguments.limits or [case[4]]):
            print(row, flush=True)


if __name__ == "__main__":
    main()
