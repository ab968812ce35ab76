"""How long the optimizer takes on random jobs in large markets.

    python -m benchmarks.bench_optimizer [--repeat 3] [--limit 60]

See `markets` for the instances. "building" is the part of the time for turning options into columns; "changed" is the
time after the prices of one offer in the plan rose by a tenth, from scratch and, "again", from the plan before.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from dataclasses import replace

from benchmarks.markets import market
from planner.optimizer.columns import columns
from planner.optimizer.problem import Billing, PhaseTask, Problem, RunOption, Solution, Window
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

CASES = (  # offers, days, phases in a row, segments, places
    (500, 90, 1, 1, 0),
    (5000, 180, 1, 1, 0),
    (500, 90, 3, 1, 0),
    (500, 90, 3, 1, 20),
    (500, 90, 1, 2, 0),
    (500, 90, 1, 3, 0),
    (500, 90, 1, 3, 20),
    (500, 90, 2, 3, 0),
    (5000, 180, 1, 2, 0),
    (5000, 180, 1, 3, 0),
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


def dearer(problem: Problem, solution: Solution) -> Problem:
    """The problem with the prices of the first offer in the plan a tenth higher, everything else as it is."""
    offer = problem.options[solution.runs[0].option].offer
    changed: dict[int, tuple[Window, ...]] = {}
    options = []
    for option in problem.options:
        if option.offer == offer:
            windows = tuple(replace(window, price=window.price * 11 // 10) for window in option.windows)
            option = replace(option, windows=changed.setdefault(id(option.windows), windows))
        options.append(option)
    return replace(problem, options=tuple(options))


def building_s(problem: Problem) -> float:
    """Seconds for turning the options into columns."""
    again = replace(problem, options=(*problem.options,))
    started = time.perf_counter()
    columns(again)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit", type=float, default=60.0)
    arguments, _ = parser.parse_known_args()
    print(
        "| offers | options | days | phases | segments | places | median | building | changed | again | gap | result |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    for offers, days, phases, segments, places in CASES:
        rows = [
            measured(market(offers, days, segments, seed, phases, places), arguments.limit)
            for seed in range(arguments.repeat)
        ]
        size, seconds, building, scratch, again = (statistics.median(row[k] for row, _ in rows) for k in range(5))
        gap = max(row[5] for row, _ in rows)
        status = ", ".join(sorted({status for _, status in rows}))
        print(
            f"| {offers:,} | {size:,.0f} | {days} | {phases} | {segments} | {places} | {seconds:.2f} s | "
            f"{building / seconds:.0%} | {scratch:.2f} s | {again:.2f} s | {gap:.2%} | {status} |",
            flush=True,
        )


def measured(problem: Problem, limit_s: float) -> tuple[tuple[float, ...], str]:
    """Options per phase, seconds, of these for columns, seconds after a change twice, gap; and the status."""
    started = time.perf_counter()
    solution = solve(problem, limit_s)
    seconds = time.perf_counter() - started
    after = []
    for known in (None, solution.runs):
        changed = dearer(problem, solution)
        started = time.perf_counter()
        solve(changed, limit_s, known=known)
        after.append(time.perf_counter() - started)
    gap = (solution.cost - solution.bound) / max(1, solution.cost)
    size = len(problem.options) // len(problem.phases)
    return (size, seconds, building_s(problem), *after, gap), solution.status


if __name__ == "__main__":
    main()
