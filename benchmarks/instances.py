"""Random markets and jobs in realistic proportions, the same for the same seed: one job, or many that share the offers.

A market has offers of sixteen accelerators from twelve providers in forty regions. Half are on demand (one price), a
third spot (30-62 % of it, moving every 1, 3, 6 or 24 hours; nodes come and go by day), a tenth dated blocks (10-30 %
less, some weeks only, a day at least) and the rest reserved (25-40 % less, two weeks at least). Every offer has 4 to
128 nodes, which all jobs share. A job has a model of 20 to 190 billion parameters, which needs memory, a window of a
third to nine tenths of the horizon, some regions or all, spot or not, and work for 15-50 % of its window on a middling
option; more nodes train faster with falling efficiency, and every run costs a start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from planner.optimizer.problem import Billing, PhaseTask, Problem, RunOption, Window

MICRO = 1_000_000
REGIONS = 40
GPU_SIZES = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128)
SLICE_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
PROVIDERS = {  # price level
    "aws": 1.15,
    "gcp": 1.1,
    "azure": 1.12,
    "oci": 0.95,
    "coreweave": 0.9,
    "lambda": 0.8,
    "crusoe": 0.78,
    "nebius": 0.75,
    "together": 0.8,
    "vultr": 0.85,
    "runpod": 0.65,
    "ionet": 0.55,
}
KINDS = {"on_demand": 0.5, "spot": 0.35, "block": 0.1, "reserved": 0.05}
BILLING = {
    "on_demand": Billing(minimum_s=60),
    "spot": Billing(minimum_s=60),
    "block": Billing(minimum_s=86400),
    "reserved": Billing(minimum_s=14 * 86400),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A node: accelerators, dense bf16 TFLOP/s and memory of each, USD an accelerator-hour, kW, the MFU of one node."""

    name: str
    accelerators: int
    tflops: float
    usd_hour: float
    memory_gb: int
    kw: float
    mfu: float
    sizes: tuple[int, ...] = GPU_SIZES


MACHINES = (
    Machine("a100-40", 8, 312, 1.6, 40, 6.5, 0.42),
    Machine("a100-80", 8, 312, 2.1, 80, 6.5, 0.44),
    Machine("h100", 8, 989, 3.6, 80, 10.2, 0.40),
    Machine("h200", 8, 989, 4.2, 141, 10.2, 0.42),
    Machine("b200", 8, 2250, 6.2, 192, 14.3, 0.36),
    Machine("gb200", 4, 2450, 7.0, 192, 7.5, 0.37),
    Machine("mi300x", 8, 1307, 3.1, 192, 10.0, 0.30),
    Machine("mi325x", 8, 1307, 3.5, 256, 10.6, 0.32),
    Machine("l40s", 8, 362, 1.1, 48, 4.0, 0.30),
    Machine("gaudi3", 8, 1835, 3.2, 128, 9.5, 0.26),
    Machine("trn1", 16, 95, 0.7, 32, 4.6, 0.38, SLICE_SIZES),
    Machine("trn2", 16, 667, 1.9, 96, 7.5, 0.33, SLICE_SIZES),
    Machine("v4", 4, 275, 2.2, 32, 1.6, 0.46, SLICE_SIZES),
    Machine("v5e", 4, 197, 1.1, 16, 1.3, 0.44, SLICE_SIZES),
    Machine("v5p", 4, 459, 3.6, 95, 2.4, 0.45, SLICE_SIZES),
    Machine("v6e", 4, 918, 2.5, 32, 1.9, 0.40, SLICE_SIZES),
)


@dataclass(frozen=True, slots=True)
class MarketOffer:
    """An offer, the nodes it has in every step, and the windows in which each of its sizes may run."""

    id: str
    machine: Machine
    kind: str
    region: int
    nodes: NDArray[np.int64]  # by step
    windows: dict[int, tuple[Window, ...]]
    ids: dict[int, str] = field(default_factory=dict)  # of the option of each size


@dataclass(frozen=True, slots=True)
class Market:
    """Offers over a number of steps, the carbon of every region in g/kWh, and a row per (offer, size)."""

    offers: tuple[MarketOffer, ...]
    steps: int
    step_hours: int
    carbon: NDArray[np.float64]
    rows: NDArray[np.int64]  # (row, 2): offer, nodes


def portfolio(
    offers: int,
    days: int,
    jobs: int,
    seed: int = 0,
    sizes: int = 30,
    step_hours: int = 1,
    segments: int = 1,
) -> Problem:
    """Jobs of one phase each on one market, contending for its nodes; each offer in at most so many sizes."""
    market = _market(offers, days, seed, sizes, step_hours)
    return _problem(market, jobs, seed, segments)


def single(offers: int, days: int, seed: int = 0, segments: int = 1, sizes: int = 30, step_hours: int = 1) -> Problem:
    """One job that may run at any time, on a market."""
    market = _market(offers, days, seed, sizes, step_hours)
    return _problem(market, 1, seed, segments, (0, market.steps))


def _problem(market: Market, jobs: int, seed: int, segments: int, window: tuple[int, int] | None = None) -> Problem:
    tasks: list[PhaseTask] = []
    options: list[RunOption] = []
    number = 0
    while len(tasks) < jobs:
        rng = np.random.default_rng((seed, 1, number))
        task, mine = _job(rng, market, len(tasks), segments, window)
        if mine:  # else too large a model for its regions: another one
            tasks.append(task)
            options += mine
        number += 1
    return Problem(tuple(tasks), tuple(options), market.steps, 3600 * market.step_hours)


def _market(offers: int, days: int, seed: int, sizes: int, step_hours: int) -> Market:
    rng = np.random.default_rng((seed, 0))
    levels = rng.uniform(0.92, 1.25, REGIONS)
    carbon = rng.uniform(15, 700, REGIONS)
    made = tuple(_offer(rng, number, 24 * days, levels, sizes, step_hours) for number in range(offers))
    rows = [(number, size) for number, offer in enumerate(made) for size in offer.windows]
    return Market(made, 24 * days // step_hours, step_hours, carbon, np.array(rows, np.int64).reshape(-1, 2))


def _offer(
    rng: np.random.Generator, number: int, hours: int, levels: NDArray[np.float64], sizes: int, step_hours: int
) -> MarketOffer:
    machine = MACHINES[rng.integers(len(MACHINES))]
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    region = int(rng.integers(REGIONS))
    provider = str(rng.choice(list(PROVIDERS)))
    usd = machine.accelerators * machine.usd_hour * levels[region] * PROVIDERS[provider] * rng.uniform(0.93, 1.07)
    capacity = int(rng.choice([4, 8, 16, 24, 32, 48, 64, 128]))
    nodes = np.full(hours, capacity, np.int64)
    if kind == "on_demand":
        prices = np.full(hours, usd)
    elif kind == "spot":
        prices = usd * rng.uniform(0.3, 0.62) * _spot(rng, hours)
        days = rng.choice([0, 0.25, 0.5, 0.75, 1], p=[0.1, 0.15, 0.25, 0.25, 0.25], size=-(-hours // 24))
        nodes = np.repeat((capacity * days).astype(np.int64), 24)[:hours]
    elif kind == "block":
        prices = np.full(hours, usd * rng.uniform(0.7, 0.9))
        length, start = 24 * int(rng.choice([7, 14, 30, 60])), int(rng.integers(max(1, hours - 24)))
        nodes[:start] = nodes[start + length :] = 0
    else:
        prices = np.full(hours, usd * rng.uniform(0.6, 0.75))
    steps = hours // step_hours
    cents = np.rint(100 * prices[: steps * step_hours].reshape(steps, step_hours).mean(axis=1)).astype(np.int64)
    nodes = nodes[: steps * step_hours].reshape(steps, step_hours).min(axis=1)
    name = f"{provider}/{machine.name}/{kind}/{number}"
    windows = _by_size(_windows(cents, nodes), _thinned([n for n in machine.sizes if n <= nodes.max()], sizes))
    return MarketOffer(name, machine, kind, region, nodes, windows, {size: f"{name} x {size}" for size in windows})


def _spot(rng: np.random.Generator, hours: int) -> NDArray[np.float64]:
    """A price level that moves every few hours: a daily wave and a walk that returns."""
    every = int(rng.choice([1, 3, 6, 24]))
    shocks = rng.normal(0, 0.02, -(-hours // every))
    level, walk = 0.0, np.zeros(len(shocks))
    for k, shock in enumerate(shocks):
        walk[k] = level = 0.97 * level + shock
    hour = every * np.arange(len(shocks)) % 24
    wave = rng.uniform(0, 0.08) * np.sin(2 * np.pi * hour / 24 + rng.uniform(0, 2 * np.pi))
    return np.repeat(np.clip(1 + wave + 2 * walk, 0.6, 1.7), every)[:hours]


def _windows(cents: NDArray[np.int64], nodes: NDArray[np.int64]) -> list[Window]:
    """Stretches of one price and one number of nodes, without those that have none."""
    changes = np.flatnonzero((np.diff(cents) != 0) | (np.diff(nodes) != 0)) + 1
    edges = [0, *changes.tolist(), len(cents)]
    return [
        Window(start, end, int(cents[start]) * (MICRO // 100), int(nodes[start]))
        for start, end in pairwise(edges)
        if nodes[start] > 0
    ]


def _by_size(windows: list[Window], sizes: list[int]) -> dict[int, tuple[Window, ...]]:
    """The windows that have enough nodes for each size; the very same tuple where they are the same."""
    found: dict[int, tuple[Window, ...]] = {}
    last = tuple(windows)
    for size in sizes:
        kept = tuple(window for window in last if window.capacity >= size)
        found[size] = last = kept if len(kept) < len(last) else last
    return found


def _thinned(sizes: list[int], most: int) -> list[int]:
    """At most so many of the sizes, from the smallest to the largest."""
    if len(sizes) <= most:
        return sizes
    return [sizes[round(k * (len(sizes) - 1) / max(1, most - 1))] for k in range(most)]


def _job(
    rng: np.random.Generator, market: Market, phase: int, segments: int, window: tuple[int, int] | None
) -> tuple[PhaseTask, list[RunOption]]:
    """A job and its options; none when no offer has the memory, or is open in time."""
    skill, decay = rng.uniform(0.8, 1.1), rng.uniform(0.015, 0.06)
    memory_gb = int(rng.choice([320, 640, 1500, 3000]))
    length = int(market.steps * rng.uniform(0.35, 0.9))
    earliest = int(rng.integers(market.steps - length + 1))
    earliest, deadline = window or (earliest, earliest + length)
    allowed = rng.random(REGIONS) < 0.5 if rng.random() < 0.4 else np.ones(REGIONS, bool)
    spot = rng.random() < 0.7
    startup_h, fee_usd, load = rng.uniform(0.25, 1), rng.uniform(30, 400), rng.uniform(0.15, 0.5)

    fits = np.array([allowed[offer.region] and (spot or offer.kind != "spot") for offer in market.offers])
    fits &= [BILLING[o.kind].minimum_s <= (deadline - earliest) * 3600 * market.step_hours for o in market.offers]
    most = np.array([offer.nodes[earliest:deadline].max(initial=0) for offer in market.offers])
    accelerators = np.array([offer.machine.accelerators for offer in market.offers])
    memory = accelerators * [offer.machine.memory_gb for offer in market.offers]
    node_tflops = accelerators * [offer.machine.tflops * offer.machine.mfu for offer in market.offers]

    offer, nodes = market.rows.T
    kept = fits[offer] & (nodes <= most[offer]) & (nodes * memory[offer] >= memory_gb)
    offer, nodes = offer[kept], nodes[kept]
    count = nodes * accelerators[offer]
    efficiency = 1 / (1 + decay * np.log2(np.maximum(count / 8, 1)) + 0.25 * count / 1024)
    flops_per_token = 6 * memory_gb / 16 * 1e9  # 16 bytes of weights, gradients and optimizer state per parameter
    rates = nodes * node_tflops[offer] * 1e12 * skill * efficiency / flops_per_token * 3600 * market.step_hours
    work = int(np.quantile(rates, 0.6) * (deadline - earliest) * load) if len(rates) else 0
    task = PhaseTask(f"job {phase}", work, earliest, deadline, segments)
    setups = np.rint((fee_usd + 4 * nodes) * MICRO).astype(np.int64)
    losses = np.ceil(rates * startup_h / market.step_hours).astype(np.int64)
    columns = (offer.tolist(), nodes.tolist(), rates.astype(np.int64).tolist(), losses.tolist(), setups.tolist())
    return task, list(_options(market, phase, columns))


def _options(market: Market, phase: int, columns: tuple[list[int], ...]) -> Iterator[RunOption]:
    """Run options from columns: offer, nodes, rate, loss, set-up."""
    for number, nodes, rate, loss, setup in zip(*columns, strict=True):
        offer = market.offers[number]
        kw = offer.machine.kw * nodes
        yield RunOption(
            id=offer.ids[nodes],
            phase=phase,
            nodes=nodes,
            rate=rate,
            loss=loss,
            windows=offer.windows[nodes],
            billing=BILLING[offer.kind],
            setup=setup,
            carbon_g_step=round(kw * market.carbon[offer.region] * market.step_hours),
            family=offer.machine.name,
            offer=offer.id,
            power_w=round(1000 * kw),
        )
