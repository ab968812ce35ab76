"""Random jobs on markets of many offers in up to thirty sizes, for measurements.

Half of the offers are on demand (one price), 35 % spot (the price moves every 1, 3, 6 or 24 hours around a daily
rhythm, the nodes come and go by quarters of the offer, by the day), 10 % capacity blocks (some weeks only, paid by the
day) and 5 % reserved (two weeks at least). Sizes with the same windows share them, as windows are shared by the sizes
that fit into them. The work is what a middling option does in 15 to 50 % of the time there is.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import compress

from planner.optimizer.problem import Billing, PhaseTask, Problem, RunOption, Window

SIZES = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256)
POWERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MACHINES = {  # accelerators a node, dense TFLOP/s of one, USD an hour of one, share of them reached, node sizes
    "a": (8, 312, 2.1, 0.44, SIZES),
    "b": (8, 989, 3.6, 0.40, SIZES),
    "c": (8, 989, 4.2, 0.42, SIZES),
    "d": (8, 2250, 6.2, 0.36, SIZES),
    "e": (8, 1307, 3.1, 0.30, SIZES),
    "f": (8, 362, 1.1, 0.30, SIZES),
    "g": (8, 1835, 3.2, 0.26, SIZES),
    "h": (16, 667, 1.9, 0.33, POWERS),
    "i": (4, 459, 3.6, 0.45, POWERS),
    "j": (4, 918, 2.5, 0.40, POWERS),
}
CENT = 10_000  # micro-USD
KINDS = {"on demand": 50, "spot": 35, "block": 10, "reserved": 5}


def market(offers: int, days: int, segments: int = 1, seed: int = 0, phases: int = 1, places: int = 0) -> Problem:
    """A job of phases in a row on `offers` offers; with `places` it pays to move between as many regions."""
    rng = random.Random(seed)
    horizon = 24 * days
    alpha, fee, load = rng.uniform(0.015, 0.06), rng.uniform(30, 400), rng.uniform(0.15, 0.5)
    options: list[RunOption] = []
    for number in range(offers):
        options += _offer(rng, number, horizon, alpha, fee, places)
    rates = sorted(option.rate for option in options)
    work = int(rates[len(rates) * 6 // 10] * load * horizon / phases)
    tasks = [
        PhaseTask(f"phase {p}", work, 0, horizon * (p + 1) // phases, segments, (p - 1,) if p else ())
        for p in range(phases)
    ]
    every = [option if not p else replace(option, phase=p) for p in range(phases) for option in options]
    return Problem(tuple(tasks), tuple(every), horizon)


def _offer(rng: random.Random, number: int, horizon: int, alpha: float, fee: float, places: int) -> list[RunOption]:
    name = rng.choice(sorted(MACHINES))
    count, tflops, usd, share, sizes = MACHINES[name]
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    base = count * usd * rng.uniform(0.92, 1.25) * rng.uniform(0.55, 1.15) * rng.uniform(0.93, 1.07)
    capacity = rng.choice([4, 8, 16, 24, 32, 48, 64, 128])
    place = f"region {rng.randrange(places)}" if places else ""
    leave = 50_000_000 * (1 + int(place.split()[-1]) % 5) if place else 0
    grams = rng.randint(15, 700)
    if kind == "spot":
        windows, billing = _spot(rng, base * rng.uniform(0.3, 0.62), capacity, horizon), Billing(minimum_s=60)
    elif kind == "block":
        start = rng.randrange(horizon - 24)
        end = min(horizon, start + 24 * rng.choice([7, 14, 30, 60]))
        windows = (Window(start, end, _cents(base * rng.uniform(0.7, 0.9)), capacity),)
        billing = Billing(86400, 86400)
    elif kind == "reserved":
        windows = (Window(0, horizon, _cents(base * rng.uniform(0.6, 0.75)), capacity),)
        billing = Billing(14 * 86400)
    else:
        windows, billing = (Window(0, horizon, _cents(base), capacity),), Billing(minimum_s=60)
    largest = max((w.capacity for w in windows), default=0)
    shared: dict[int, tuple[Window, ...]] = {}  # by how many windows a size fits into
    found = []
    restart = rng.uniform(0.25, 1.0)
    for size in (s for s in sizes if s <= largest):
        able = [w.capacity >= size for w in windows]
        here = shared.setdefault(sum(able), windows if all(able) else tuple(compress(windows, able)))
        chips = count * size
        rate = int(3.6e6 * chips * tflops * share / (1 + alpha * math.log2(max(chips / 8, 1)) + chips / 4096))
        found.append(
            RunOption(
                f"{kind} {number} x {size}",
                0,
                size,
                rate,
                int(rate * restart),
                here,
                billing,
                _cents(fee + 4 * size),
                carbon_g_step=size * grams * 8,
                family=name,
                offer=f"{kind} {number}",
                place=place,
                leave=leave,
            )
        )
    return found


def _spot(rng: random.Random, level: float, capacity: int, horizon: int) -> tuple[Window, ...]:
    every, phase, swing, drift = rng.choice([1, 3, 6, 24]), rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.08), 0.0
    found, there = [], 0
    for start in range(0, horizon, every):
        if start % 24 == 0:
            there = int(capacity * rng.choices([0, 0.25, 0.5, 0.75, 1], [10, 15, 25, 25, 25])[0])
        drift = 0.97 * drift + rng.gauss(0, 0.02)
        rhythm = 1 + swing * math.sin(2 * math.pi * (start % 24) / 24 + phase) + 2 * drift
        if there:
            found.append(Window(start, start + every, _cents(level * min(1.7, max(0.6, rhythm))), there))
    return tuple(found)


def _cents(usd: float) -> int:
    return round(usd * 100) * CENT
