"""From files to plans of several jobs: the optimum of small random workloads equals an enumeration by hours.

Jobs contend for the nodes of a few quotes. The oracle knows hours, nodes, prices, measured rates and the watts of a
node; it lists every schedule of every job and tries every combination.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hardware_catalog.catalog import Catalog, load, with_offers
from hardware_catalog.quotes import COLUMNS, read_quotes
from planner.cli import EXIT_INFEASIBLE
from planner.cli.app import build
from planner.cli.verify import read_plan
from planner.energy import power
from planner.optimizer.verify import verify
from planner.plan import Plan
from planner.planning import plan
from planner.workload import read_workload

START = datetime(2026, 12, 1)
HORIZON = 24  # hours
OPEN = 11  # hours in which offers are open
REGIONS = {"aws/p5.48xlarge": "us-east-1", "aws/p4de.24xlarge": "us-east-1", "gcp/a3-highgpu-8g": "us-central1"}
Usage = dict[tuple[str, int], int]


@dataclass
class Phase:
    name: str
    tokens: int
    segments: int = 1
    after: tuple[str, ...] = ()


@dataclass
class Job:
    """Measured rates in tokens/s by (instance type, nodes); dates in hours from the start."""

    rates: dict[tuple[str, int], int]
    phases: list[Phase]
    earliest: int = 0
    deadline: int | None = None
    late_usd_day: int = 0  # a multiple of 24: micro-USD per hour stay whole


@dataclass
class Instance:
    """Quotes are windows of (from, until, cents per node-hour, nodes) by offer."""

    offers: dict[str, tuple[str, list[tuple[int, int, int, int]]]]
    jobs: list[Job]
    startup_min: int = 0
    budget_cents: int | None = None
    max_nodes: int | None = None
    max_power_kw: int | None = None
    aim: str = "cost"


@dataclass
class Schedule:
    """One way to run a job: micro-USD, the second of its end, and what it takes of each shared thing in each hour."""

    cost: int
    finish_s: int
    usage: Usage


def random_instance(seed: int) -> Instance:
    rng = random.Random(seed)
    names = rng.sample(list(REGIONS), rng.randint(1, 2))
    offers = {f"q{k}": (rng.choice(names), _windows(rng)) for k in range(rng.randint(2, 3))}
    jobs = [_job(rng, names, number) for number in range(rng.randint(2, 4))]
    made = Instance(offers, jobs, startup_min=rng.choice([0, 0, 0, 30]))
    made.max_nodes = rng.choice([None, None, 4, 5, 7])
    made.max_power_kw = rng.choice([None, None, None, 45, 65])
    made.aim = rng.choice(["cost", "cost", "cost", "cost", "finish"])
    if rng.random() < 0.3 and (least := optimum(replace(made, aim="cost"))):
        made.budget_cents = -(-least // 10_000) + rng.choice([-1, 0, 0, 500])  # a cent short, just enough, some room
    return made


def _windows(rng: random.Random) -> list[tuple[int, int, int, int]]:
    """One to three windows of an offer, with gaps or without."""
    windows, begin = [], rng.randint(0, 2)
    for _ in range(rng.randint(1, 3)):
        end = min(begin + rng.randint(4, 8), OPEN)
        if begin < end:
            windows.append((begin, end, rng.randint(500, 6000), rng.choice([2, 3, 4, 4])))
        begin = end + rng.choice([0, 0, 2])
    return windows


def _job(rng: random.Random, names: list[str], number: int) -> Job:
    speed = {name: rng.randint(50, 300) * 1000 for name in names}
    rates = {(name, n): round(speed[name] * n**0.9) for name in names for n in rng.sample([1, 2, 4], rng.randint(1, 2))}

    def tokens(most_hours: float) -> int:
        return round(max(rates.values()) * 3600 * rng.uniform(0.6, most_hours))

    shape = rng.choice(["one", "one", "several runs", "row", "apart"] if number == 0 else ["one"])
    if shape == "one":
        phases = [Phase("a", tokens(4))]
    elif shape == "several runs":
        phases = [Phase("a", tokens(4), 2)]
    else:
        phases = [Phase("a", tokens(2)), Phase("b", tokens(2), 1, ("a",) if shape == "row" else ())]
    job = Job(rates, phases, earliest=rng.choice([0, 0, 2]), deadline=rng.choice([None, OPEN - 1, OPEN - 2, OPEN - 4]))
    if job.deadline and shape != "apart" and rng.random() < 0.4:
        job.late_usd_day = 24 * rng.randint(1, 60)
    return job


def write(made: Instance, folder: Path) -> tuple[Path, Path]:
    """The workload and the quotes."""
    rows = [
        f"{offer},{name},{REGIONS[name]},on_demand,{cents / 100},USD,node_hour,1,{nodes},{at(begin)},{at(end)},"
        "2026-11-01,test"
        for offer, (name, windows) in made.offers.items()
        for begin, end, cents, nodes in windows
    ]
    quotes, workload = folder / "quotes.csv", folder / "workload.yaml"
    quotes.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    limits = "".join(
        [
            f", max_nodes: {made.max_nodes}" if made.max_nodes else "",
            f", max_power_mw: {made.max_power_kw / 1000}" if made.max_power_kw else "",
        ]
    )
    workload.write_text(
        f"workload: random\nstart: 2026-12-01\nhorizon_days: 1\nminimise: {made.aim}\n"
        + (f"budget_usd: {made.budget_cents / 100:.2f}\n" if made.budget_cents else "")
        + f"policy: {{organisation_country: US, startup_minutes: {made.startup_min}, failures: false{limits}}}\njobs:\n"
        + "".join(_job_text(number, job) for number, job in enumerate(made.jobs))
    )
    return workload, quotes


def _job_text(number: int, job: Job) -> str:
    dates = f"    earliest_start: {at(job.earliest)}\n" if job.earliest else ""
    dates += f"    deadline: {at(job.deadline)}\n" if job.deadline else ""
    dates += f"    late_cost_usd_day: {job.late_usd_day}\n" if job.late_usd_day else ""
    measured = "".join(
        f"      - {{instance_type: {name}, nodes: {nodes}, tokens_per_second: {rate}, effective: true}}\n"
        for (name, nodes), rate in job.rates.items()
    )
    phases = "".join(
        f"      - {{name: {phase.name}, tokens: {phase.tokens}, sequence_length: 4096, global_batch_tokens: 4194304, "
        f"max_segments: {phase.segments}, after: [{', '.join(phase.after)}]}}\n"
        for phase in job.phases
    )
    return f"  - name: job{number}\n    model: llama-2-7b\n{dates}    measured:\n{measured}    phases:\n{phases}"


def at(hour: int) -> str:
    return f"{(START + timedelta(hours=hour)).isoformat()}Z"


def schedules(made: Instance, job: Job) -> list[Schedule]:
    """Every way to run a job, the best first; of those that take the same for the same money only the soonest."""
    best: dict[object, Schedule] = {}
    for found in _phases(made, job, 0, {}):
        key = (frozenset(found.usage.items()), found.cost)
        if key not in best or found.finish_s < best[key].finish_s:
            best[key] = found
    return sorted(best.values(), key=lambda found: value(made, found))


def value(made: Instance, found: Schedule) -> int:
    """What is to be least."""
    return found.cost if made.aim == "cost" else found.finish_s


def _phases(made: Instance, job: Job, number: int, ends: dict[str, int]) -> Iterator[Schedule]:
    """The phases from `number` on, given the seconds at which those before end."""
    if number == len(job.phases):
        late_s = 0 if job.deadline is None else max(ends.values()) - 3600 * job.deadline
        late_hours = math.ceil(max(0, late_s) / 3600) if job.late_usd_day else 0
        yield Schedule(late_hours * job.late_usd_day // 24 * 1_000_000, max(ends.values()), {})
        return
    phase = job.phases[number]
    first = max([job.earliest, *(math.ceil(ends[name] / 3600) for name in phase.after)])
    for runs in _runs(made, job, first, phase.tokens, phase.segments):
        for rest in _phases(made, job, number + 1, {**ends, phase.name: runs.finish_s}):
            yield Schedule(runs.cost + rest.cost, rest.finish_s, _sum(runs.usage, rest.usage))


def _runs(made: Instance, job: Job, first: int, left: int, segments: int) -> Iterator[Schedule]:
    """Up to so many runs, one after the other, that train what is left; all but the last end on the hour."""
    last = HORIZON if job.deadline is None or job.late_usd_day else job.deadline
    for offer, (name, windows) in made.offers.items():
        for (instance_type, nodes), rate in job.rates.items():
            for start in range(first, last) if instance_type == name else ():
                done, cost, usage = -rate * made.startup_min * 60, 0, Usage()
                for hour in range(start, last):
                    cents = next((c for a, b, c, most in windows if a <= hour < b and nodes <= most), None)
                    if cents is None:
                        break
                    usage = _sum(usage, _taken(made, offer, name, nodes, hour))
                    if left - done <= rate * 3600:
                        seconds = math.ceil((left - done) / rate)
                        yield Schedule(_micro(cost + nodes * cents * seconds), hour * 3600 + seconds, usage)
                        break
                    done += rate * 3600
                    cost += nodes * cents * 3600
                    for rest in (
                        _runs(made, job, hour + 1, left - done, segments - 1) if segments > 1 and done > 0 else ()
                    ):
                        yield Schedule(_micro(cost) + rest.cost, rest.finish_s, _sum(usage, rest.usage))


def _micro(cent_seconds: int) -> int:
    """Micro-USD of cents per hour times seconds, rounded up as every run is."""
    return -(-cent_seconds * 10_000 // 3600)


def _taken(made: Instance, offer: str, name: str, nodes: int, hour: int) -> Usage:
    """What a run takes in an hour: runs start on the hour, so who shares an hour shares its beginning."""
    return {(offer, hour): nodes, ("nodes", hour): nodes, ("watts", hour): watts(name, nodes)}


def _sum(one: Usage, two: Usage) -> Usage:
    return {key: one.get(key, 0) + two.get(key, 0) for key in {**one, **two}}


def optimum(made: Instance) -> int | None:
    """The least cost in micro-USD (or the soonest finish in seconds) of all combinations; None when there is none."""
    there = {("nodes", h): made.max_nodes or 10**6 for h in range(HORIZON)}
    there |= {("watts", h): 1000 * (made.max_power_kw or 10**9) for h in range(HORIZON)}
    for offer, (_, windows) in made.offers.items():
        there |= {(offer, h): nodes for begin, end, _, nodes in windows for h in range(begin, end)}
    keys = list(there)
    add = sum if made.aim == "cost" else max
    budget = math.inf if made.budget_cents is None else made.budget_cents * 10_000
    listed = sorted((schedules(made, job) for job in made.jobs), key=len)
    usage = [np.array([[s.usage.get(key, 0) for key in keys] for s in ways], np.int64) for ways in listed]
    least = [add([value(made, ways[0]) for ways in listed[job:] if ways] or [0]) for job in range(len(listed) + 1)]
    best: int | None = None

    def go(job: int, left: np.ndarray, so_far: int, cost: int) -> None:
        nonlocal best
        if cost > budget:
            return
        if job == len(listed):
            best = so_far
            return
        for way in np.flatnonzero((usage[job] <= left).all(axis=1)) if listed[job] else ():
            now = add([so_far, value(made, listed[job][way])])
            if best is not None and add([now, least[job + 1]]) >= best:
                break
            go(job + 1, left - usage[job][way], now, cost + listed[job][way].cost)

    go(0, np.array([there[key] for key in keys], np.int64), 0, 0)
    return best


@cache
def catalog() -> Catalog:
    return load()


@cache
def watts(name: str, nodes: int) -> int:
    """What so many nodes draw, by the catalog."""
    kind = catalog().instance_types[name]
    region = catalog().regions[f"{kind.provider}/{REGIONS[name]}"]
    return math.ceil(power(catalog().accelerators[kind.accelerator], region).watts * nodes * kind.accelerators)


def compare(made: Instance, found: Plan) -> None:
    """A plan against the enumeration: its value, its bound and its status."""
    expected = optimum(made)
    assert verify(found) == []
    if expected is None:
        assert found.status == "infeasible"
        assert found.reasons
        return
    assert found.status in ("optimal", "feasible")
    assert found.cost_usd is not None
    assert found.bound_usd is not None
    assert found.finish is not None
    if made.aim == "finish":
        seconds = (found.finish.replace(tzinfo=None) - START).total_seconds()
        assert seconds == expected if found.status == "optimal" else seconds >= expected
        return
    cents = round(expected / 10_000)  # the plan's figures are rounded to the cent
    assert round(100 * found.bound_usd) <= cents
    assert round(100 * found.cost_usd) == cents if found.status == "optimal" else round(100 * found.cost_usd) >= cents


@pytest.mark.parametrize("block", range(10))
def test_plans_of_several_jobs_equal_the_enumeration(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planner.planning.EXTRAS_S", 0.1)  # reasons and alternatives have tests of their own
    for seed in range(block * 14, block * 14 + 14):
        made = random_instance(seed)
        workload, quotes = write(made, tmp_path)
        offered = with_offers(catalog(), read_quotes(quotes, catalog()), only=True)
        compare(made, plan(read_workload(workload), offered, 20, within=0))


@pytest.mark.parametrize("seed", range(1000, 1010))
def test_the_command_line_gives_the_same_optimum_and_verify_finds_nothing(seed: int, tmp_path: Path) -> None:
    made = random_instance(seed)
    workload, quotes = write(made, tmp_path)
    document = tmp_path / "plan.json"
    arguments = ["plan", workload, "--quotes", quotes, "--only-quotes", "--time-limit", "10", "-o", document]
    outcome = CliRunner().invoke(build(), [str(argument) for argument in arguments])
    assert outcome.exit_code == (EXIT_INFEASIBLE if optimum(made) is None else 0), outcome.output
    assert CliRunner().invoke(build(), ["verify", str(document)]).exit_code == 0
    compare(made, read_plan(document))
