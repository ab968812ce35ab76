"""Scheduling problems of the literature, told as problems of the class, and their known optima.

How each kind becomes a problem: a job, operation or activity is a phase; a mode is an option that does the phase's work
in a given number of steps; a machine is an offer with the capacity of one node; a renewable resource is power, or nodes
of all runs together; what is used up is money, or carbon; the makespan is the finish.

Optima come from the publication that is named, from the construction of the instance, or from an enumeration below that
shares no code with the optimizer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product
from math import ceil

import pytest
from ortools.sat.python import cp_model

from planner.optimizer.check import check
from planner.optimizer.problem import PhaseTask, Problem, RunOption, Solution, Window
from planner.optimizer.solve import solve

HOUR = 3600
WORK = 2520  # divisible by every duration up to 10


def mode(phase: int, steps: int, horizon: int, work: int = WORK, cost: int = 0, **more) -> RunOption:  # type: ignore[no-untyped-def]
    """An option that does the work in exactly so many steps, for a fixed cost; it is always there."""
    assert work % steps == 0
    more = {"nodes": 1, "windows": (Window(0, horizon, 0, 10**6),), **more}
    return RunOption(f"{phase}: {steps} steps", phase, rate=work // steps, loss=0, setup=cost, **more)


def solved(problem: Problem, time_limit_s: float = 30) -> Solution:
    solution = solve(problem, time_limit_s)
    assert check(problem, solution) == []
    return solution


# Job shops: machines are offers of one node, operations of a job a row of phases

# Fisher and Thompson, "Probabilistic learning combinations of local job-shop scheduling rules", in Muth and Thompson,
# Industrial Scheduling (1963); machine and hours of every operation. Optimum 55.
FT06 = """
2 1 0 3 1 6 3 7 5 3 4 6
1 8 2 5 4 10 5 10 0 10 3 4
2 5 3 4 5 8 0 9 1 1 4 7
1 5 0 5 2 5 3 3 4 8 5 9
2 9 1 3 4 5 5 4 0 3 3 1
1 3 3 3 5 9 0 10 4 4 2 1
"""
# Lawrence, Resource constrained project scheduling (1984). Optimum 666: machine 4 alone is busy that long.
LA01 = """
1 21 0 53 4 95 3 55 2 34
0 21 3 52 4 16 2 26 1 71
3 39 4 98 1 42 2 31 0 12
1 77 0 55 4 79 2 66 3 77
0 83 3 34 2 64 1 19 4 37
1 54 2 43 4 79 0 92 3 62
3 69 4 77 1 87 2 87 0 93
2 38 0 60 1 41 3 24 4 83
3 17 1 49 4 25 0 44 2 98
4 77 3 79 2 43 1 75 0 96
"""
# Lawrence (1984), too. Optimum 593.
LA05 = """
1 72 0 87 4 95 2 66 3 60
4 5 3 35 0 48 2 39 1 54
1 46 3 20 2 21 0 97 4 55
0 59 3 19 4 46 1 34 2 37
4 23 2 73 3 25 1 24 0 28
3 28 0 45 4 5 1 78 2 83
0 53 3 71 1 37 4 29 2 12
4 12 2 87 3 33 1 55 0 38
2 49 3 83 1 40 0 48 4 7
2 65 3 17 0 90 4 27 1 23
"""


def job_shop(jobs: Sequence[Sequence[tuple[int, int]]], horizon: int) -> Problem:
    """Jobs of (machine, steps) operations."""
    phases: list[PhaseTask] = []
    options: list[RunOption] = []
    for number, job in enumerate(jobs):
        for place, (machine, steps) in enumerate(job):
            p = len(phases)
            phases.append(PhaseTask(f"{number}.{place}", steps, 0, horizon, after=(p - 1,) if place else ()))
            options.append(
                mode(p, steps, horizon, steps, offer=f"machine {machine}", windows=(Window(0, horizon, 0, 1),))
            )
    return Problem(tuple(phases), tuple(options), horizon, aim="finish")


def of_text(text: str) -> list[list[tuple[int, int]]]:
    rows = [list(map(int, line.split())) for line in text.strip().splitlines()]
    return [list(zip(row[::2], row[1::2], strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("text", "horizon", "makespan"),
    [(FT06, 70, 55), (LA01, 800, 666), (LA05, 800, 593)],
    ids=["ft06", "la01", "la05"],
)
def test_job_shop(text: str, horizon: int, makespan: int):
    solution = solved(job_shop(of_text(text), horizon))
    assert (solution.status, solution.finish_s) == ("optimal", makespan * HOUR)


@pytest.mark.parametrize("seed", range(4))
def test_flow_shop_of_two_machines_by_the_rule_of_johnson(seed: int):
    """Johnson (1954): jobs shorter on the first machine come first, by it; the others last, by the second, falling."""
    rng = random.Random(seed)
    jobs = [(rng.randint(1, 9), rng.randint(1, 9)) for _ in range(5)]
    early = sorted(job for job in jobs if job[0] < job[1])
    late = sorted((job for job in jobs if job[0] >= job[1]), key=lambda job: -job[1])
    first = second = 0
    for a, b in [*early, *late]:
        first += a
        second = max(first, second) + b
    solution = solved(job_shop([[(0, a), (1, b)] for a, b in jobs], 99))
    assert (solution.status, solution.finish_s) == ("optimal", second * HOUR)


# One machine: total weighted tardiness is the cost of lateness, soft deadlines


def tardiness(jobs: Sequence[tuple[int, int, int]]) -> int:
    """The least sum of weight x lateness over all orders of (steps, due, weight)."""
    least = []
    for order in permutations(jobs):
        now = total = 0
        for steps, due, weight in order:
            now += steps
            total += weight * max(0, now - due)
        least.append(total)
    return min(least)


def one_machine(jobs: Sequence[tuple[int, int, int]]) -> Problem:
    horizon = sum(job[0] for job in jobs)
    phases = tuple(
        PhaseTask(f"job {p}", steps, 0, due, late_cost=weight) for p, (steps, due, weight) in enumerate(jobs)
    )
    windows = (Window(0, horizon, 0, 1),)
    options = tuple(mode(p, job[0], horizon, job[0], offer="machine", windows=windows) for p, job in enumerate(jobs))
    return Problem(phases, options, horizon)


# Pinedo, Scheduling: Theory, Algorithms, and Systems: total tardiness 370; total weighted tardiness 67
PINEDO_TARDINESS = [(121, 260, 1), (79, 266, 1), (147, 266, 1), (83, 336, 1), (130, 337, 1)]
PINEDO_WEIGHTED = [(12, 16, 4), (8, 26, 5), (15, 25, 3), (9, 27, 5)]


@pytest.mark.parametrize(("jobs", "least"), [(PINEDO_TARDINESS, 370), (PINEDO_WEIGHTED, 67)])
def test_tardiness_of_a_textbook(jobs: list[tuple[int, int, int]], least: int):
    assert tardiness(jobs) == least  # by all orders
    solution = solved(one_machine(jobs))
    assert (solution.status, solution.cost) == ("optimal", least)


@pytest.mark.parametrize("seed", range(5))
def test_weighted_tardiness_by_all_orders(seed: int):
    rng = random.Random(seed)
    jobs = [(rng.randint(1, 9), rng.randint(3, 20), rng.randint(1, 5)) for _ in range(5)]
    solution = solved(one_machine(jobs))
    assert (solution.status, solution.cost) == ("optimal", tardiness(jobs))


# Equal machines in parallel: nodes of all runs


@pytest.mark.parametrize(("seed", "machines"), [(seed, machines) for seed in range(3) for machines in (2, 3)])
def test_parallel_machines_filled_without_a_rest(seed: int, machines: int):
    """P||Cmax, optimum by construction: as many full machines as there are, cut into jobs and shuffled."""
    rng, full = random.Random(seed), 20
    jobs = []
    for _ in range(machines):
        cuts = sorted(rng.sample(range(1, full), 2))
        jobs += [cuts[0], cuts[1] - cuts[0], full - cuts[1]]
    rng.shuffle(jobs)
    phases = tuple(PhaseTask(f"job {p}", steps, 0, 2 * full) for p, steps in enumerate(jobs))
    options = tuple(mode(p, steps, 2 * full, steps) for p, steps in enumerate(jobs))
    solution = solved(Problem(phases, options, 2 * full, aim="finish", max_nodes=machines))
    assert (solution.status, solution.finish_s) == ("optimal", full * HOUR)


# Discrete time-cost trade-off (De, Dunne, Ghosh and Wells 1995): modes with steps and cost on a network

Network = tuple[tuple[tuple[int, ...], ...], tuple[tuple[tuple[int, int], ...], ...]]  # after; modes (steps, cost)


def network(seed: int) -> Network:
    """Five activities, each after up to two earlier ones, with three modes: the faster, the dearer."""
    rng = random.Random(seed)
    after = tuple(tuple(sorted(rng.sample(range(p), min(p, rng.randint(0, 2))))) for p in range(5))
    modes = []
    for _ in after:
        steps, costs = sorted(rng.sample(range(1, 11), 3)), sorted(rng.sample(range(1, 60), 3), reverse=True)
        modes.append(tuple(zip(steps, costs, strict=True)))
    return after, tuple(modes)


def trade_offs(made: Network) -> list[tuple[int, int]]:
    """(Makespan, cost) of every choice of modes: the longest path, without resources."""
    after, modes = made
    found = []
    for chosen in product(*modes):
        ends: list[int] = []
        for before, (steps, _) in zip(after, chosen, strict=True):
            ends.append(max((ends[q] for q in before), default=0) + steps)
        found.append((max(ends), sum(cost for _, cost in chosen)))
    return found


def project(made: Network) -> Problem:
    after, modes = made
    phases = tuple(PhaseTask(f"activity {p}", WORK, 0, 60, after=before) for p, before in enumerate(after))
    options = tuple(mode(p, steps, 60, cost=cost) for p, mine in enumerate(modes) for steps, cost in mine)
    return Problem(phases, options, 60)


@pytest.mark.parametrize("seed", range(4))
def test_time_cost_trade_off(seed: int):
    made = network(seed)
    curve = trade_offs(made)
    fastest, cheapest = min(curve), min(curve, key=lambda point: (point[1], point[0]))
    middle = (fastest[0] + cheapest[0]) // 2
    least = min(cost for makespan, cost in curve if makespan <= middle)
    problem = project(made)
    due = replace(problem, phases=tuple(replace(phase, deadline=middle) for phase in problem.phases))
    assert solved(due).cost == least  # the deadline problem
    budget = (fastest[1] + cheapest[1]) // 2
    soonest = min(makespan for makespan, cost in curve if cost <= budget)
    assert solved(replace(problem, aim="finish", budget=budget)).finish_s == soonest * HOUR  # the budget problem
    assert solved(replace(problem, budget=cheapest[1] - 1)).status == "infeasible"


# Multi-mode project scheduling with renewable and nonrenewable resources, as in PSPLIB (Kolisch and Sprecher 1996)

Mode = tuple[int, int, int, int, int]  # steps; demand of two renewable and of two nonrenewable resources
Project = tuple[tuple[tuple[Mode, ...], ...], tuple[tuple[int, ...], ...], tuple[int, int, int, int]]


def multi_mode(made: Project, horizon: int) -> Problem:
    """Power is the first renewable resource, nodes are the second, money and carbon the others.

    A run takes at least a node: demand d becomes m d + 1 nodes of m R + n, where n activities are fewer than m.
    """
    modes, after, (watts, nodes, money, carbon) = made
    m = len(modes) + 1
    phases = tuple(PhaseTask(f"activity {p}", WORK, 0, horizon, after=before) for p, before in enumerate(after))
    options = tuple(
        mode(p, d, horizon, cost=n1, nodes=m * r2 + 1, power_w=r1, carbon_g_step=n2 * WORK // d)
        for p, mine in enumerate(modes)
        for d, r1, r2, n1, n2 in mine
    )
    return Problem(phases, options, horizon, HOUR, "finish", money, carbon * WORK, m * nodes + m - 1, watts)


def shortest(made: Project, horizon: int) -> int | None:
    """The least makespan by trying every mode and every start of every activity in turn."""
    modes, after, limits = made
    best: list[int] = [horizon + 1]

    def place(p: int, ends: list[int], used: dict[int, tuple[int, int]], spent: tuple[int, int]) -> None:
        if p == len(modes):
            best[0] = min(best[0], max(ends))
            return
        for d, r1, r2, n1, n2 in modes[p]:
            if spent[0] + n1 > limits[2] or spent[1] + n2 > limits[3]:
                continue
            for start in range(max((ends[q] for q in after[p]), default=0), best[0] - d):
                now = {t: (used.get(t, (0, 0))[0] + r1, used.get(t, (0, 0))[1] + r2) for t in range(start, start + d)}
                if all(a <= limits[0] and b <= limits[1] for a, b in now.values()):
                    place(p + 1, [*ends, start + d], {**used, **now}, (spent[0] + n1, spent[1] + n2))

    place(0, [], {}, (0, 0))
    return None if best[0] > horizon else best[0]


def random_project(seed: int, size: int = 4, count: int = 2) -> Project:
    """Activities of `count` modes in the manner of PSPLIB: a mode needs one of the renewables and one of the others."""
    rng = random.Random(seed)
    after = tuple(tuple(sorted(rng.sample(range(p), min(p, rng.randint(0, 2))))) for p in range(size))
    modes = []
    for _ in after:
        mine = []
        for d in sorted(rng.sample(range(1, 3 * count), count)):
            renewable, rest = (rng.randint(2, 9), 0), (rng.randint(1, 9), 0)
            mine.append((d, *rng.choice([renewable, renewable[::-1]]), *rng.choice([rest, rest[::-1]])))
        modes.append(tuple(mine))
    return tuple(modes), after, (12, 12, rng.randint(2, 5) * size, rng.randint(2, 5) * size)


@pytest.mark.parametrize("seed", range(20))
def test_multi_mode_project_by_enumeration(seed: int):
    made = random_project(seed)
    expected = shortest(made, 20)
    solution = solved(multi_mode(made, 20))
    if expected is None:
        assert solution.status == "infeasible"
    else:
        assert (solution.status, solution.finish_s) == ("optimal", expected * HOUR)


@pytest.mark.parametrize("seed", range(4))
def test_resource_investment(seed: int):
    """The fewest nodes that keep a deadline (Moehring 1984, one resource): feasible with them, not with one less."""
    modes, after, _ = random_project(seed)
    first = tuple(((mine[0][0], 0, max(mine[0][1:3]), 0, 0),) for mine in modes)
    due = ceil(sum(mine[0][0] for mine in first) * 0.7)
    path: list[int] = []
    for mine, before in zip(first, after, strict=True):
        path.append(max((path[q] for q in before), default=0) + mine[0][0])
    due = max(due, *path)
    least = next(nodes for nodes in range(1, 99) if shortest((first, after, (0, nodes, 0, 0)), due) is not None)
    for nodes, status in ((least, "optimal"), (least - 1, "infeasible")):
        problem = replace(multi_mode((first, after, (0, nodes, 0, 0)), due), aim="cost")
        assert solved(problem).status == status


# c154_3 of PSPLIB: job, its successors, and (steps, R1, R2, N1, N2) of its modes
C154_3 = """
2:5 10:1 6 0 0 1:1 0 10 8 0:9 0 8 8 0
3:8 9 16:4 6 0 0 5:5 0 10 5 0:7 0 10 0 4
4:5 7 11:1 3 0 0 7:3 3 0 8 0:4 3 0 0 3
5:6 14:3 0 1 0 9:6 10 0 6 0:7 8 0 2 0
6:12:2 9 0 0 8:6 6 0 0 5:10 0 2 0 5
7:9:2 1 0 0 6:4 0 8 0 6:7 0 7 0 6
8:10:3 8 0 0 6:5 0 8 0 4:6 5 0 3 0
9:15 17:1 2 0 0 7:3 0 4 0 6:6 2 0 0 6
10:11 13:8 0 10 0 5:8 0 9 1 0:9 0 9 0 6
11:15:1 2 0 8 0:3 0 5 8 0:8 0 3 6 0
12:16:4 0 8 3 0:9 0 8 0 6:10 0 6 2 0
13:17:5 2 0 0 5:6 0 9 0 4:10 0 7 0 2
14:16:5 0 6 0 5:7 3 0 6 0:10 3 0 5 0
15::3 8 0 10 0:4 0 7 7 0:9 6 0 0 5
16::4 0 7 10 0:6 0 7 0 8:7 5 0 0 1
17::2 0 4 0 4:2 0 5 5 0:3 0 2 5 0
"""


def psplib() -> Project:
    rows = [line.split(":") for line in C154_3.strip().splitlines()]
    place = {row[0]: p for p, row in enumerate(rows)}
    after = tuple(tuple(place[row[0]] for row in rows if job in row[1].split()) for job in place)
    modes = tuple(tuple(tuple(map(int, text.split())) for text in row[2:]) for row in rows)
    return modes, after, (20, 26, 23, 36)  # type: ignore[return-value]


def by_intervals(made: Project, horizon: int) -> int | None:
    """The least makespan by the textbook CP-SAT model: an optional interval of fixed size per mode, cumulatives."""
    modes, after, limits = made
    cp = cp_model.CpModel()
    starts = [cp.new_int_var(0, horizon, "") for _ in modes]
    ends = [cp.new_int_var(0, horizon, "") for _ in modes]
    intervals, demands, used = [], [], []
    for p, mine in enumerate(modes):
        picks = [cp.new_bool_var("") for _ in mine]
        cp.add_exactly_one(picks)
        for (d, *demand), pick in zip(mine, picks, strict=True):
            intervals.append(cp.new_optional_interval_var(starts[p], d, ends[p], pick, ""))
            demands.append(demand)
            used.append(pick)
        for q in after[p]:
            cp.add(starts[p] >= ends[q])
    for r in range(2):
        cp.add_cumulative(intervals, [demand[r] for demand in demands], limits[r])
        cp.add(sum(demand[2 + r] * pick for demand, pick in zip(demands, used, strict=True)) <= limits[2 + r])
    makespan = cp.new_int_var(0, horizon, "")
    cp.add_max_equality(makespan, ends)
    cp.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(cp)
    assert status in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
    return round(solver.objective_value) if status == cp_model.OPTIMAL else None


def test_multi_mode_project_of_the_library():
    assert by_intervals(psplib(), 60) == 34
    solution = solved(multi_mode(psplib(), 60))
    assert (solution.status, solution.finish_s) == ("optimal", 34 * HOUR)


@pytest.mark.parametrize("seed", range(12))
def test_multi_mode_project_of_the_size_of_j10_by_the_textbook_model(seed: int):
    made = random_project(seed, 10, 3)
    expected = by_intervals(made, 60)
    solution = solved(multi_mode(made, 60))
    if expected is None:
        assert solution.status == "infeasible"
    else:
        assert (solution.status, solution.finish_s) == ("optimal", expected * HOUR)
