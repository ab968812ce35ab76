"""What a solution pays for, and which part of it every run bears.

A run that buys for itself bears all of its purchase. Runs that share one each bear its price for the node-seconds they
use, and what their use costs on top; what nobody uses is a part of its own. Moves and lateness are no run's.
Micro-USD throughout.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from planner.optimizer.problem import Bought, Problem, Run, RunOption, Solution
from planner.optimizer.runs import billed_s, ceil_div, lateness, run_cost


@dataclass(frozen=True)
class Bill:
    """A purchase: of run option `option`'s offer, n nodes from second to second, at `price` and `use` on top.

    `runs` are the indices of the runs inside it; `term` is the index of its term, None for a run's own.
    """

    option: int
    nodes: int
    start_s: int
    end_s: int
    price: int
    use: int
    unused: int  # of the price
    unused_share: float  # of the node-seconds
    runs: tuple[int, ...]
    term: int | None = None


@dataclass(frozen=True)
class Move:
    """Run `run` ends where another starts elsewhere, `times` over: its checkpoint leaves for `cost`."""

    run: int
    times: int
    cost: int


@dataclass(frozen=True)
class Account:
    """The money of a solution; the solution must keep its problem's rules."""

    problem: Problem
    solution: Solution

    @cached_property
    def bills(self) -> tuple[Bill, ...]:
        """All purchases: those of runs for themselves and those shared, by start."""
        own = (self._own(at, run) for at, run in enumerate(self.solution.runs) if run.bought is None)
        shared = (self._shared(at, bought) for at, bought in enumerate(self.solution.bought))
        return tuple(sorted([*own, *filter(None, shared)], key=lambda bill: bill.start_s))

    @cached_property
    def run_costs(self) -> tuple[int, ...]:
        """What every run bears."""
        return tuple(
            self._use(run) if run.bought is None else self._use(run) + self._held(run, self.solution.bought[run.bought])
            for run in self.solution.runs
        )

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """The moves that are paid."""
        return tuple(move for move in self._moves() if move.cost)

    @cached_property
    def late(self) -> int:
        """What being late costs."""
        ends: dict[int, int] = defaultdict(int)
        for run in self.solution.runs:
            phase = self._option(run).phase
            ends[phase] = max(ends[phase], run.end_s)
        phases, step_s = self.problem.phases, self.problem.step_s
        return sum(lateness(phases[phase], end, step_s) for phase, end in ends.items())

    def parts(self, kinds: dict[int, str]) -> dict[str, int]:
        """The cost by part: used and unused of every kind of purchase (by run option), egress and lateness."""
        found: Counter[str] = Counter()
        for bill in self.bills:
            found[kinds[bill.option]] += bill.price + bill.use - bill.unused
            if bill.unused:
                found[f"{kinds[bill.option]}_unused"] += bill.unused
        for part, cost in (("egress", sum(move.cost for move in self.moves)), ("late", self.late)):
            if cost:
                found[part] = cost
        return dict(found)

    def _option(self, run: Run) -> RunOption:
        return self.problem.options[run.option]

    def _use(self, run: Run) -> int:
        return run_cost(self._option(run), run.start_s, run.end_s, self.problem.step_s)

    def _held(self, run: Run, bought: Bought) -> int:
        """The purchase's price of the node-seconds that a run uses."""
        price = self.problem.terms[bought.term].price
        return self._option(run).nodes * (run.end_s - run.start_s) * price // 3600

    def _own(self, at: int, run: Run) -> Bill:
        option, seconds = self._option(run), run.end_s - run.start_s
        billed, price = billed_s(option.billing, seconds), self._use(run)
        assert billed is not None, "a run is never longer than its last block"
        unused = price * (billed - seconds) // billed
        share = (billed - seconds) / billed
        return Bill(run.option, option.nodes, run.start_s, run.start_s + billed, price, 0, unused, share, (at,))

    def _shared(self, at: int, bought: Bought) -> Bill | None:
        """A purchase with its runs; one without runs is of no offer that the plan describes, and no plan has it."""
        inside = [number for number, run in enumerate(self.solution.runs) if run.bought == at]
        if not inside:
            return None
        runs, step_s = [self.solution.runs[number] for number in inside], self.problem.step_s
        price = ceil_div(bought.nodes * bought.length * step_s * self.problem.terms[bought.term].price, 3600)
        used = sum(self._option(run).nodes * (run.end_s - run.start_s) for run in runs)
        return Bill(
            option=runs[0].option,
            nodes=bought.nodes,
            start_s=bought.start * step_s,
            end_s=(bought.start + bought.length) * step_s,
            price=price,
            use=sum(self._use(run) for run in runs),
            unused=price - sum(self._held(run, bought) for run in runs),
            unused_share=1 - used / (bought.nodes * bought.length * step_s),
            runs=tuple(inside),
            term=bought.term,
        )

    def _moves(self) -> Iterator[Move]:
        """Inside a phase from run to run, and from its last run to the first of every phase after it."""
        ordered: dict[int, list[int]] = defaultdict(list)
        for at in sorted(range(len(self.solution.runs)), key=lambda at: self.solution.runs[at].start_s):
            ordered[self._option(self.solution.runs[at]).phase].append(at)
        place = {at: self._option(run).place for at, run in enumerate(self.solution.runs)}
        for phase, runs in list(ordered.items()):
            later = [ordered[number][0] for number, task in enumerate(self.problem.phases) if phase in task.after]
            for number, at in enumerate(runs):
                following = runs[number + 1 : number + 2] or later
                times = sum(place[other] != place[at] for other in following)
                yield Move(at, times, times * self._option(self.solution.runs[at]).leave)
