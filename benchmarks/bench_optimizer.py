"""How long the optimizer takes on large random jobs: python benchmarks/bench_optimizer.py [--repeat 3] [--limit 60]

An instance has offers of four kinds in the proportions of a market: on demand (one price), reserved (cheaper, sold for
two weeks at least), capacity blocks (cheaper, only some weeks) and spot (cheap, the price moves, the nodes come and go
by day), each in up to eight sizes with falling efficiency. The work is what a middling option does in 30 % of the time.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from planner.optimizer.problem import Billing, PhaseTask, Problem, RunOption, Window
from planner.optimizer.solve import solve

SIZES = (4, 8, 16, 24, 32, 48, 64, 96, 128)
ACCELERATORS = {  # tokens per node-second, micro-USD per node-hour; like A100, H100, H200, B200, MI300X, L40S
    "a": (2_600, 17_000_000),
    "b": (7_000, 30_000_000),
    "c": (8_000, 36_000_000),
    "d": (15_500, 52_000_000),
    "e": (8_600, 26_000_000),
    "f": (2_300, 9_500_000),
}


CASES = (  # options per phase, days, phases in a row (negative: jobs side by side), segments, hours between spot prices
    (500, 90, 1, 1, 1),
    (5000, 90, 1, 1, 1),
    (5000, 180, 1, 1, 24),
    (3000, 365, 1, 1, 24),
    (1000, 180, 3, 1, 24),
    (500, 90, 1, 2, 24),
    (500, 90, 1, 3, 24),
    (500, 90, 1, 3, 1),
    (500, 90, 2, 3, 24),
    (5000, 90, 1, 3, 24),
    (5000, 180, 1, 3, 24),
    (500, 90, -3, 1, 24),
    (500, 90, -3, 3, 24),
)


def instance(options: int, days: int, segments: int, seed: int = 0, phases: int = 1, spot_hours: int = 24) -> Problem:
    """A job of `phases` phases in a row with about `options` options each; spot prices move every `spot_hours`."""
    rng = random.Random(seed)
    horizon = 24 * days
    found: list[RunOption] = []
    tasks: list[PhaseTask] = []
    for p in range(phases):
        mine: list[RunOption] = []
        offer = 0
        while len(mine) < options:
            mine += _offer(rng, p, offer, horizon, spot_hours)
            offer += 1
        mine = mine[:options]
        middling = statistics.median(option.rate for option in mine)
        deadline = horizon * (p + 1) // phases
        work = int(middling * 0.3 * horizon / phases)
        tasks.append(PhaseTask(f"phase {p}", work, 0, deadline, segments, (p - 1,) if p else ()))
        found += mine
    return Problem(tuple(tasks), tuple(found), horizon)


def _offer(rng: random.Random, phase: int, offer: int, horizon: int, spot_hours: int) -> list[RunOption]:
    family = rng.choice(sorted(ACCELERATORS))
    tokens, price = ACCELERATORS[family]
    kind = rng.choices(["on_demand", "reserved", "block", "spot"], [50, 10, 10, 30])[0]
    cents = price // 10_000 * rng.uniform(0.6, 1.4)
    capacity = rng.choice([8, 16, 32, 64, 128])
    billing, windows = Billing(minimum_s=60), [(0, horizon, cents, capacity)]
    if kind == "reserved":
        billing, windows = Billing(minimum_s=14 * 86400), [(0, horizon, cents * rng.uniform(0.55, 0.7), capacity)]
    elif kind == "block":
        start = rng.randrange(0, horizon - 24)
        billing = Billing(minimum_s=86400, unit_s=86400)
        windows = [
            (start, min(horizon, start + 24 * rng.choice([7, 14, 30])), cents * rng.uniform(0.65, 0.85), capacity)
        ]
    elif kind == "spot":
        level = cents * rng.uniform(0.35, 0.6)
        windows = []
        for start in range(0, horizon, spot_hours):
            if start % 24 == 0:
                there = int(capacity * rng.choices([0, 0.5, 0.75, 1], [5, 15, 20, 60])[0])
            level *= rng.uniform(0.97, 1.03)
            windows.append((start, min(horizon, start + spot_hours), level, there))
    options = []
    loss_s = rng.uniform(600, 3600)
    for size in [size for size in SIZES if size <= capacity]:
        rate = int(size * tokens * 3600 * rng.uniform(0.95, 1.05) / (1 + 0.03 * size**0.5))
        free = tuple(Window(a, b, int(c) * 10_000, there) for a, b, c, there in windows if there >= size)
        options.append(
            RunOption(
                f"{kind}-{offer}-{size}",
                phase,
                size,
                rate,
                int(rate * loss_s / 3600),
                free,
                billing,
                setup=4_000_000 * size,
                carbon_g_step=size * rng.randint(500, 6000),
                family=family,
                offer=f"{kind}-{offer}",
            )
        )
    return options


def side_by_side(problem: Problem) -> Problem:
    """The same phases as independent jobs that may all use the offers of the first."""
    phases = tuple(replace(phase, after=(), deadline=problem.horizon) for phase in problem.phases)
    first = [option for option in problem.options if option.phase == 0]
    options = tuple(replace(option, phase=p) for p in range(len(phases)) for option in first)
    return replace(problem, phases=phases, options=options)


def medians(make: Callable[[int], Problem], repeat: int, limit_s: float) -> tuple[float, float, str]:
    """Median seconds, greatest gap and the statuses of `repeat` instances."""
    times, gaps, statuses = [], [], []
    for seed in range(repeat):
        problem = make(seed)
        started = time.perf_counter()
        solution = solve(problem, limit_s)
        times.append(time.perf_counter() - started)
        gaps.append((solution.cost - solution.bound) / solution.cost if solution.cost else float("nan"))
        statuses.append(solution.status)
    return statistics.median(times), max(gaps), " ".join(sorted(set(statuses)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit", type=float, default=60.0)
    arguments = parser.parse_args()
    print(
        f"{'options':>8} {'days':>5} {'phases':>8} {'segments':>8} {'spot h':>6} {'median s':>9} {'max gap':>9}  status"
    )
    for options, days, phases, segments, hours in CASES:
        seconds, gap, status = medians(
            lambda seed, o=options, d=days, p=phases, k=segments, h=hours: (  # type: ignore[misc]
                instance(o, d, k, seed, p, h) if p > 0 else side_by_side(instance(o, d, k, seed, -p, h))
            ),
            arguments.repeat,
            arguments.limit,
        )
        name = f"{phases} row" if phases > 1 else f"{-phases} jobs" if phases < 0 else "1"
        print(f"{options:8} {days:5} {name:>8} {segments:8} {hours:6} {seconds:9.2f} {gap:9.2%}  {status}", flush=True)


if __name__ == "__main__":
    main()
