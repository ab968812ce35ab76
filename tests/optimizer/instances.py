"""Small random problems over every feature of the class, tiny enough to try every plan.

`random_problem` draws an instance; `features` says which of the switchable features it may have, and instances without
one are drawn as if it did not exist. `features_of` says what an instance has, and what its best plan makes use of.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from itertools import pairwise

from planner.optimizer.problem import (
    Billing,
    Cap,
    Level,
    PhaseTask,
    Problem,
    Run,
    RunOption,
    Solution,
    Term,
    Window,
)
from tests.optimizer.enumeration import best_plan, side_by_side

SWITCHABLE = frozenset({"caps", "moves", "terms"})
SHAPES = {  # phases that each phase comes after, and how often
    "one": (((),), 7),
    "row": (((), (0,)), 4),
    "long row": (((), (0,), (1,)), 2),
    "jobs": (((), ()), 5),
    "three jobs": (((), (), ()), 1),
    "row beside": (((), (0,), ()), 2),
    "fork": (((), (0,), (0,)), 2),
    "join": (((), (), (0, 1)), 2),
}


def random_problem(seed: int, features: frozenset[str] = SWITCHABLE) -> Problem:
    """One of the instances, the same at every call."""
    rng = random.Random(f"every feature {seed}")
    problem = drawn(rng, features)
    while best_plan(problem) is None and rng.random() < 0.8:  # most draws without a plan are drawn again
        problem = drawn(rng, features)
    return with_totals(rng, problem)


def drawn(rng: random.Random, features: frozenset[str]) -> Problem:
    """A problem without budget and carbon cap."""
    after = SHAPES[rng.choices(list(SHAPES), [weight for _, weight in SHAPES.values()])[0]][0]
    step_s, horizon = rng.choice([2, 3, 4, 6]), 9 if len(after) == 1 else 8 if len(after) == 2 else 7
    market = Market(rng, horizon, step_s)
    options: list[RunOption] = []
    for p in range(len(after)):
        options += market.options(p, rng.choice([1, 2, 3, 4]) if len(after) < 3 else rng.choice([1, 2, 3]))
    caps = market.caps() if rng.random() < 0.35 else ()
    terms = market.terms() if rng.random() < 0.4 else ()
    for number, term in enumerate(terms if "terms" in features else ()):
        options += market.on_term(number, term, len(after))
    if "caps" in features and caps:
        options = [replace(option, claims=market.claims(option, len(caps))) for option in options]
    if "moves" not in features or rng.random() < 0.35:
        options = [replace(option, place="", leave=0) for option in options]
    phases = tuple(market.phase(p, before, options, len(after)) for p, before in enumerate(after))
    several = any(before != ((p - 1,) if p else ()) for p, before in enumerate(after))
    return Problem(
        phases,
        tuple(options),
        horizon,
        step_s,
        rng.choice(["cost", "cost", "finish", "carbon"]),
        max_nodes=rng.randint(3, 7) if rng.random() < (0.3 if several else 0.1) else None,
        max_power_w=rng.randint(4, 12) if rng.random() < (0.25 if several else 0.1) else None,
        caps=caps if "caps" in features else (),
        terms=terms if "terms" in features else (),
    )


def with_totals(rng: random.Random, problem: Problem) -> Problem:
    """The problem, some with a budget or a carbon cap near what some best plan needs, so that it binds."""
    if rng.random() < 0.3:
        for_aim = best_plan(replace(problem, aim=rng.choice(["cost", "cost", "carbon", "finish"])))
        if for_aim is not None:
            problem = replace(problem, budget=for_aim.cost + rng.choice([-1, 0, 1, for_aim.cost // 10]))
    if rng.random() < 0.25:
        for_aim = best_plan(replace(problem, aim=rng.choice(["cost", "carbon", "carbon", "finish"]), budget=None))
        if for_aim is not None:
            problem = replace(problem, carbon_cap=for_aim.carbon_g + rng.choice([-1, 0, 0, 1, 3]))
    return problem


@dataclass(frozen=True)
class Offer:
    """What the options of an offer have in common."""

    name: str
    windows: tuple[Window, ...]
    speed: int
    carbon_g: int
    billing: Billing
    setup: int
    place: str
    leave: int


class Market:
    """The offers of an instance, and what is drawn from them."""

    def __init__(self, rng: random.Random, horizon: int, step_s: int) -> None:
        self.rng, self.horizon, self.step_s = rng, horizon, step_s
        self.scale = rng.choice([1, 1, 10_000])  # micro-USD as in tests of arithmetic, or as in the market
        self.offers = [self.offer(f"offer {number}") for number in range(rng.choice([1, 2, 2, 3]))]

    def offer(self, name: str) -> Offer:
        rng, step_s = self.rng, self.step_s
        stated = rng.random() < 0.5  # how many nodes there are
        windows, step = [], rng.choice([0, 0, 0, 1, 2])
        while step < self.horizon and len(windows) < 5:
            end = min(self.horizon + rng.choice([0, 2]), step + rng.choice([1, 2, 2, 3, 4, self.horizon]))
            windows.append(Window(step, end, self.price(), rng.randint(2, 8) if stated else 0))
            step = end + rng.choice([0, 0, 1])
        billing = rng.choice(
            [Billing()] * 4
            + [Billing(minimum_s=rng.randint(1, 4 * step_s)), Billing(unit_s=rng.randint(1, 2 * step_s))]
            + [Billing(minimum_s=2 * step_s, unit_s=step_s)]
            + [Billing(blocks_s=(2 * step_s, 3 * step_s + 1, 6 * step_s))]
        )
        return Offer(
            name if rng.random() < 0.8 else "",
            tuple(windows),
            rng.randint(2, 6),
            rng.randint(0, 5),
            billing,
            rng.choice([0, 0, 0, 3, 10 * self.scale]),
            rng.choice(["a", "b", "c"]),
            self.scale * rng.choice([0, 1, 2, 10]),
        )

    def price(self) -> int:
        return self.rng.randint(1, 9) * self.rng.choice([100, 360, 977]) * self.scale

    def options(self, p: int, count: int) -> list[RunOption]:
        rng = self.rng
        found = []
        for number in range(count):
            offer, nodes = rng.choice(self.offers), rng.randint(1, 4)
            windows = tuple(window for window in offer.windows if not 0 < window.capacity < nodes)
            if rng.random() < 0.15:  # some may only run later
                first = rng.randint(1, 3)
                windows = tuple(replace(w, start=max(w.start, first)) for w in windows if w.end > first)
            found.append(
                RunOption(
                    f"{offer.name or 'own'} {p}.{number}",
                    p,
                    nodes,
                    max(1, nodes * offer.speed - rng.choice([0, 0, 1])),
                    rng.choice([0, 0, 0, 0, 0, 1, 4]),
                    windows,
                    offer.billing,
                    offer.setup,
                    nodes * offer.carbon_g,
                    "",
                    offer.name,
                    nodes * rng.randint(1, 2),
                    (),
                    offer.place,
                    offer.leave,
                )
            )
        return found

    def caps(self) -> tuple[Cap, ...]:
        return tuple(Cap(name, self.levels()) for name in ("quota", "power")[: self.rng.choice([1, 1, 2])])

    def levels(self) -> tuple[Level, ...]:
        rng = self.rng
        found, step = [], rng.choice([0, 0, 0, 1])
        while step < self.horizon and len(found) < 3:
            end = step + rng.randint(2, self.horizon)
            found.append(Level(step, end, rng.randint(2, 7)))
            step = end + rng.choice([0, 0, 1])
        return tuple(found)

    def claims(self, option: RunOption, caps: int) -> tuple[tuple[int, int], ...]:
        """By nodes or by power, of some of the caps."""
        amounts = (option.nodes, option.power_w)
        return tuple((cap, amounts[cap]) for cap in range(caps) if self.rng.random() < 0.7)

    def terms(self) -> tuple[Term, ...]:
        rng = self.rng
        found = []
        for number in range(rng.choice([1, 1, 2])):
            every, first = rng.choice([1, 1, 2, 3]), rng.choice([0, 0, 1])
            found.append(
                Term(
                    f"term {number}",
                    self.price() // 2,
                    tuple(sorted(rng.sample([2, 3, 4, 6, 9], rng.choice([1, 2])))),
                    first,
                    first + rng.randint(0, self.horizon),
                    rng.randint(2, 6),
                    rng.choice([(), (1, 2), (2, 4), (3,)]),
                    every,
                    rng.randrange(every),
                )
            )
        return tuple(found)

    def on_term(self, number: int, term: Term, phases: int) -> list[RunOption]:
        """Options inside purchases: on top of them they cost nothing, or little."""
        rng = self.rng
        found = []
        for p in range(phases):
            for option in self.options(p, rng.choice([0, 1, 1, 2]) if phases < 3 else rng.choice([0, 1])):
                used = Window(0, self.horizon, rng.choice([0, 0, self.scale]))
                found.append(
                    replace(
                        option,
                        id=f"{term.offer} {option.id}",
                        windows=(used,) if rng.random() < 0.8 else option.windows,
                        billing=Billing(),
                        setup=rng.choice([0, option.setup]),
                        offer="",
                        term=number,
                    )
                )
        return found

    def phase(self, p: int, after: tuple[int, ...], options: list[RunOption], phases: int) -> PhaseTask:
        rng = self.rng
        some = rng.choice([option for option in options if option.phase == p])
        steps = rng.uniform(0.5, {1: 6.0, 2: 3.5}.get(phases, 2.5))
        late_cost = rng.choice([0, 0, 0, 1, 300 * self.scale])
        deadline = rng.randint(2 if late_cost else self.horizon * 2 // 3, self.horizon)
        segments = {1: [1, 2, 3, 3], 2: [1, 2, 2]}.get(phases, [1, 1, 2])
        work = max(1, math.floor(some.rate * steps) - some.loss)
        return PhaseTask(f"p{p}", work, rng.choice([0, 0, 0, 1, 2]), deadline, rng.choice(segments), after, late_cost)


def features_of(problem: Problem) -> set[str]:
    """What an instance has, and what its best plan makes use of."""
    best = best_plan(problem)
    has = {
        "several phases in a row": any(phase.after for phase in problem.phases),
        "phases side by side": side_by_side(problem),
        "fork or join": any(len(phase.after) > 1 for phase in problem.phases)
        or any(sum(p in phase.after for phase in problem.phases) > 1 for p in range(len(problem.phases))),
        "several runs": any(phase.max_segments > 1 for phase in problem.phases),
        "earliest start": any(phase.earliest for phase in problem.phases),
        "hard deadline": any(not q.late_cost and q.deadline < problem.horizon for q in problem.phases),
        "soft deadline": any(q.late_cost and q.deadline < problem.horizon for q in problem.phases),
        "budget": problem.budget is not None,
        "carbon cap": problem.carbon_cap is not None,
        "max nodes": problem.max_nodes is not None,
        "max power": problem.max_power_w is not None,
        "caps": bool(problem.caps) and any(option.claims for option in problem.options),
        "levels that change": any(len(cap.levels) > 1 for cap in problem.caps),
        "places": len({option.place for option in problem.options if option.leave}) > 1,
        "terms": any(option.term is not None for option in problem.options),
        "aim finish": problem.aim == "finish",
        "aim carbon": problem.aim == "carbon",
        "infeasible": best is None,
    }
    for option in problem.options:
        prices = {window.price for window in option.windows}
        has["prices that change"] = has.get("prices that change", False) or len(prices) > 1
        gaps = any(one.end < two.start for one, two in pairwise(option.windows))
        has["gaps in windows"] = has.get("gaps in windows", False) or gaps
        stated = {window.capacity for window in option.windows} - {0}
        has["stated capacity"] = has.get("stated capacity", False) or bool(stated)
        has["capacity that changes"] = has.get("capacity that changes", False) or len(stated) > 1
        has["minimum bill"] = has.get("minimum bill", False) or option.billing.minimum_s > 0
        has["billing unit"] = has.get("billing unit", False) or option.billing.unit_s > 1
        has["blocks"] = has.get("blocks", False) or bool(option.billing.blocks_s)
        has["set-up"] = has.get("set-up", False) or option.setup > 0
        has["loss"] = has.get("loss", False) or option.loss > 0
    return {name for name, there in has.items() if there} | (used_by(problem, best) if best else set())


def used_by(problem: Problem, best: Solution) -> set[str]:
    """What a best plan makes use of."""
    h = problem.step_s
    rows = [[run for run in best.runs if problem.options[run.option].phase == p] for p in range(len(problem.phases))]
    options = [[problem.options[run.option] for run in row] for row in rows]
    moves = [pair for row in options for pair in pairwise(row)]
    moves += [(options[q][-1], options[p][0]) for p, phase in enumerate(problem.phases) for q in phase.after]
    uses = {
        "plan: several runs": any(len(row) > 1 for row in rows),
        "plan: pause": any(two.start_s > one.end_s for row in rows for one, two in pairwise(row)),
        "plan: another option": any(one.option != two.option for row in rows for one, two in pairwise(row)),
        "plan: starts late": min(run.start_s for run in best.runs)
        > min(phase.earliest for phase in problem.phases) * h,
        "plan: late": any(row[-1].end_s > q.deadline * h for row, q in zip(rows, problem.phases, strict=True)),
        "plan: runs at the same time": any(overlap(one, two) for one, two in pairwise(best.runs)),
        "plan: paid move": any(one.place != two.place and one.leave for one, two in moves),
        "plan: purchase": bool(best.bought),
        "plan: purchase of several runs": any(
            sum(run.bought == at for run in best.runs) > 1 for at in range(len(best.bought))
        ),
        "plan: purchase at the same time": any(
            one.bought is not None and one.bought == two.bought and overlap(one, two)
            for one, two in pairwise(best.runs)
        ),
        "plan: several purchases": len(best.bought) > 1,
    }
    return {name for name, used in uses.items() if used}


def overlap(one: Run, two: Run) -> bool:
    return one.start_s < two.end_s and two.start_s < one.end_s
