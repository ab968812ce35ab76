"""From files to a plan: the optimum of small random instances equals an enumeration that anyone could do by hand.

The oracle knows hours, nodes, prices and measured rates, and shares no code with the planner.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hardware_catalog.catalog import load, with_offers
from hardware_catalog.quotes import COLUMNS, read_quotes
from planner.optimizer.verify import verify
from planner.planning import plan
from planner.workload import read_workload

START = datetime(2026, 12, 1)
REGIONS = {
    "aws/p5.48xlarge": "us-east-1",
    "aws/p4de.24xlarge": "us-east-1",
    "azure/Standard_ND96isr_H100_v5": "eastus",
    "gcp/a3-highgpu-8g": "us-central1",
}


@dataclass
class Instance:
    """Measured rates (tokens/s), quotes as windows of (from, until, USD per node-hour, nodes), and the job."""

    rates: dict[tuple[str, int], int] = field(default_factory=dict)
    offers: dict[str, tuple[str, list[tuple[int, int, float, int]]]] = field(default_factory=dict)
    tokens: int = 0
    hours: int = 0
    deadline: int | None = None
    segments: int = 1
    startup_min: int = 0


def random_instance(seed: int) -> Instance:
    rng = random.Random(seed)
    made = Instance(hours=rng.choice([24, 48]), segments=rng.choice([1, 1, 2]), startup_min=rng.choice([0, 0, 30, 60]))
    for instance_type in rng.sample(list(REGIONS), rng.randint(1, 3)):
        for nodes in rng.sample([1, 2, 4, 8], rng.randint(1, 2)):
            made.rates[instance_type, nodes] = round(rng.randint(50, 400) * 1000 * nodes**0.9)
    for number in range(rng.randint(1, 4)):
        windows, begin = [], rng.randint(0, 10)
        for _ in range(rng.randint(1, 2)):
            end = min(begin + rng.randint(4, 30), made.hours)
            if begin < end:
                windows.append((begin, end, rng.randint(500, 6000) / 100, rng.choice([2, 4, 8])))
            begin = end + rng.choice([0, 0, 3])
        made.offers[f"q{number}"] = (rng.choice([name for name, _ in made.rates]), windows)
    made.tokens = round(rng.choice(list(made.rates.values())) * 3600 * rng.uniform(2, 14))
    made.deadline = rng.choice([None, made.hours - 4])
    return made


def write(made: Instance, folder: Path) -> None:
    rows = [
        f"{offer},{name},{REGIONS[name]},on_demand,{price},USD,node_hour,1,{nodes},{at(begin)},{at(end)},2026-11-01,test"
        for offer, (name, windows) in made.offers.items()
        for begin, end, price, nodes in windows
    ]
    (folder / "quotes.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    measured = "".join(
        f"      - {{instance_type: {name}, nodes: {nodes}, tokens_per_second: {rate}, effective: true}}\n"
        for (name, nodes), rate in made.rates.items()
    )
    (folder / "workload.yaml").write_text(
        f"workload: random\nstart: 2026-12-01\nhorizon_days: {made.hours // 24}\n"
        f"policy: {{organisation_country: US, startup_minutes: {made.startup_min}, failures: false}}\n"
        "jobs:\n  - name: job\n    model: llama-2-7b\n"
        + (f"    deadline: {at(made.deadline)}\n" if made.deadline else "")
        + f"    measured:\n{measured}    phases:\n      - {{name: train, tokens: {made.tokens}, sequence_length: 4096, "
        f"global_batch_tokens: 4194304, max_segments: {made.segments}}}\n"
    )


def at(hour: int) -> str:
    return f"{(START + timedelta(hours=hour)).isoformat()}Z"


def cheapest(made: Instance) -> float:
    """USD of the cheapest plan: whole hours, but for the end of the last run; infinite when there is none."""
    last = made.deadline or made.hours
    best = math.inf

    def price(offer: str, nodes: int, hour: int) -> float | None:
        windows = made.offers[offer][1]
        return next((usd for begin, end, usd, most in windows if begin <= hour < end and nodes <= most), None)

    def run(start: int, offer: str, nodes: int, rate: int, left: int, paid: float, segments: int) -> None:
        nonlocal best
        done = -rate * made.startup_min * 60
        for hour in range(start, last):
            usd = price(offer, nodes, hour)
            if usd is None:
                return
            if left - done <= rate * 3600:
                best = min(best, paid + nodes * usd * math.ceil((left - done) / rate) / 3600)
                return
            done += rate * 3600
            paid += nodes * usd
            if segments > 1 and done > 0 and paid < best:
                go(hour + 1, left - done, paid, segments - 1)

    def go(earliest: int, left: int, paid: float, segments: int) -> None:
        for offer, (name, _) in made.offers.items():
            for (instance_type, nodes), rate in made.rates.items():
                for start in range(earliest, last) if instance_type == name else ():
                    run(start, offer, nodes, rate, left, paid, segments)

    go(0, made.tokens, 0.0, made.segments)
    return best


@pytest.mark.parametrize("block", range(10))
def test_plans_from_files_equal_the_enumeration_by_hand(block: int, tmp_path: Path) -> None:
    for seed in range(block * 30, block * 30 + 30):
        made = random_instance(seed)
        write(made, tmp_path)
        catalog = load()
        catalog = with_offers(catalog, read_quotes(tmp_path / "quotes.csv", catalog), only=True)
        found = plan(read_workload(tmp_path / "workload.yaml"), catalog, 30)
        expected = cheapest(made)
        assert verify(found) == []
        if math.isinf(expected):
            assert found.status == "infeasible", seed
        else:
            assert found.status == "optimal", seed
            assert found.cost_usd == pytest.approx(expected, abs=0.011), seed  # micro-USD are rounded up, then cents
