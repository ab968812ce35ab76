"""Phases in a row, one run each: one plain problem for every way in which phases share purchases.

In a plan, some phases share a purchase: they form a group, and every other purchase holds one run. Phases i..j of which
a group holds the first and the last become one phase. Its options are the sizes n of the terms: the phases of the
group take the fastest option of at most n nodes, those between them (steps, money) of any of their options that is
not worse in both, and all of them together one block of a length of the term. So a plan costs and lasts in this problem
at most what it does in truth: waiting, windows inside the purchase and dates of phases inside it are left out. When all
phases i..j are in the group and none of that matters, it is the truth.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from planner.optimizer.problem import Billing, Bought, PhaseTask, Problem, Run, RunOption, Solution, Window
from planner.optimizer.purchases import Box, held, purchase_cost
from planner.optimizer.runs import billed_s, ceil_div, chain_order, duration_s
from planner.optimizer.undecided import MOST, Undecided

Groups = tuple[tuple[int, ...], ...]  # positions of phases that share a purchase, two at least in each
PHASES = 4  # 15 ways to share


@dataclass(frozen=True, slots=True)
class Part:
    """A phase inside a merged one: the option it takes, for how many seconds, and what its run costs at least."""

    option: int
    seconds: int
    cost: int


Row = tuple[RunOption, tuple[Part, ...], int]  # an option, the runs it stands for, and what it costs at least


@dataclass(frozen=True, slots=True)
class Merged:
    """A problem in which phases are one; `parts` are the runs that each of its options stands for."""

    problem: Problem
    parts: tuple[tuple[Part, ...], ...]

    def runs(self, solution: Solution) -> list[list[Run]]:
        """The runs of a plan on the options of the whole problem, one after the other in every merged phase."""
        step_s = self.problem.step_s
        found: list[list[Run]] = []
        for run in solution.runs:
            start_s = run.start_s
            found.append([])
            for part in self.parts[run.option]:
                found[-1].append(Run(part.option, start_s, start_s + part.seconds))
                start_s = ceil_div(start_s + part.seconds, step_s) * step_s
        return found


class Together:
    """The merged problems of a problem of few phases in a row, one run each."""

    def __init__(self, undecided: Undecided) -> None:
        self.undecided, self.problem = undecided, undecided.problem
        self.order = chain_order(self.problem.phases) or []
        self._fastest: dict[tuple[int, int, int], Part | None] = {}

    def suits(self) -> bool:
        """Whether the problem is one of these, and its bills can be told: no moves between places, no carbon cap."""
        problem = self.problem
        longest = [max(term.lengths) * term.price * term.capacity * problem.step_s for term in problem.terms]
        return (
            1 < len(self.order) <= PHASES
            and problem.aim != "carbon"
            and problem.carbon_cap is None
            and all(phase.max_segments == 1 for phase in problem.phases)
            and not any(option.leave for option in problem.options)
            and max(longest, default=0) < MOST
        )

    def ways(self) -> list[Groups]:
        """Every way to share, the one in which nothing is shared first."""
        return sorted(set(_partitions(range(len(self.order)))), key=lambda groups: sum(map(len, groups)))

    def merged(self, groups: Groups, most: int | None) -> Merged | None:
        """The plain problem of a way to share, without options that bring the cost above `most`; None: it has none."""
        problem, rank = self.problem, 0
        phases: list[PhaseTask] = []
        rows: list[Row] = []
        while rank < len(self.order):
            group = next((group for group in groups if group[0] == rank), (rank,))
            first, last = problem.phases[self.order[rank]], problem.phases[self.order[group[-1]]]
            after = (len(phases) - 1,) if phases else ()
            if len(group) == 1:
                task = replace(last, after=after)
                shared = any(rank in other for other in groups)
                rows += [(replace(o, phase=len(phases)), (part,), part.cost) for o, part in self.own(rank, shared)]
            else:
                task = replace(last, work=1, earliest=first.earliest, after=after)
                rows += [(replace(o, phase=len(phases)), parts, cost) for o, parts, cost in self.joint(group, groups)]
            phases.append(task)
            rank = group[-1] + 1
        least = {p: min((cost for o, _, cost in rows if o.phase == p), default=MOST) for p in range(len(phases))}
        if most is not None:
            left = most - sum(least.values())
            rows = [row for row in rows if row[2] - least[row[0].phase] <= left]
        if not rows:
            return None
        plain = replace(
            problem,
            phases=tuple(phases),
            options=tuple(option for option, _, _ in rows),
            terms=(),
            max_nodes=None,
            max_power_w=None,
        )
        return Merged(plain, tuple(parts for _, parts, _ in rows))

    def own(self, rank: int, shared: bool) -> list[tuple[RunOption, Part]]:
        """What a phase may run on by itself: outside of terms, or in a purchase (charged by use when it is shared)."""
        p, problem, known = self.order[rank], self.problem, self.undecided
        rows = [(i, problem.options[i]) for i in known.plain]
        for box in known.whole.values():
            rows += [(i, option) for _, i, option in known.options(box, certain=False, alone=not shared)]
        found = []
        for index, option in rows:
            if option.phase == p:
                part = self.part(index, option)
                if part is not None:
                    found.append((option, part))
        return found

    def part(self, index: int, option: RunOption) -> Part | None:
        """The run of a whole phase, at its lowest price."""
        seconds = duration_s(option, self.problem.phases[option.phase].work, self.problem.step_s)
        billed = billed_s(option.billing, seconds)
        if billed is None or not option.windows:
            return None
        least = min(window.price for window in option.windows) * option.nodes * billed // 3600
        return Part(index, seconds, least + option.setup)

    def fastest(self, k: int, nodes: int, p: int) -> Part | None:
        """The shortest run of a phase on at most so many nodes of a term, at the lowest cost of any."""
        key = (k, nodes, p)
        if key not in self._fastest:
            options = [(i, self.problem.options[i]) for i in self.undecided.of_term[k]]
            mine = [(i, option) for i, option in options if option.phase == p and option.nodes <= nodes]
            parts = [part for i, option in mine if (part := self.part(i, option)) is not None]
            best = min(parts, key=lambda part: (part.seconds, part.cost), default=None)
            least = min((part.cost for part in parts), default=0)
            self._fastest[key] = None if best is None else replace(best, cost=least)
        return self._fastest[key]

    def joint(self, group: tuple[int, ...], groups: Groups) -> Iterator[Row]:
        """The options of a merged phase."""
        ranks = range(group[0], group[-1] + 1)
        between = self.between([rank for rank in ranks if rank not in group], groups)
        for k, box in self.undecided.whole.items():
            for nodes in box.sizes:
                inside = {rank: self.fastest(k, nodes, self.order[rank]) for rank in group}
                for others in between:
                    parts = [part for rank in ranks if (part := inside.get(rank) or others.get(rank)) is not None]
                    if len(parts) == len(ranks):
                        yield from self.block(box, nodes, parts)

    def between(self, ranks: Sequence[int], groups: Groups) -> list[dict[int, Part]]:
        """Every choice of runs for the phases between those of a group that is not worse in both steps and cost."""
        found: list[dict[int, Part]] = [{}]
        for rank in ranks:
            shared = any(rank in group for group in groups)
            parts = [part for _, part in self.own(rank, shared)]
            found = self.best_of([{**before, rank: part} for before in found for part in self.best_parts(parts)])
        return found

    def best_parts(self, parts: Sequence[Part]) -> list[Part]:
        return [choice[0] for choice in self.best_of([{0: part} for part in parts])]

    def best_of(self, choices: Sequence[dict[int, Part]]) -> list[dict[int, Part]]:
        """The choices that no other is as quick and as cheap as."""
        step_s = self.problem.step_s
        rows = [
            (sum(ceil_div(p.seconds, step_s) for p in choice.values()), sum(p.cost for p in choice.values()), at)
            for at, choice in enumerate(choices)
        ]
        kept: list[dict[int, Part]] = []
        least = MOST
        for _, cost, at in sorted(rows):
            if cost < least:
                least = cost
                kept.append(choices[at])
        return kept

    def block(self, box: Box, nodes: int, parts: Sequence[Part]) -> Iterator[Row]:
        """One run for all the parts, billed as the shortest purchase that holds it, if one does."""
        problem, term = self.problem, self.problem.terms[box.term]
        seconds = sum(ceil_div(part.seconds, problem.step_s) for part in parts[:-1]) * problem.step_s
        seconds += parts[-1].seconds
        at = bisect_left(box.lengths, ceil_div(seconds, problem.step_s))
        if at == len(box.lengths):
            return
        setup = sum(part.cost for part in parts)
        cost = setup + purchase_cost(problem, Bought(box.term, nodes, 0, box.lengths[at]))
        blocks = tuple(length * problem.step_s for length in box.lengths)
        windows = tuple(Window(start, end, term.price) for start, end in held(term, box))
        block = RunOption(term.offer, 0, nodes, problem.step_s, seconds - 1, windows, Billing(blocks_s=blocks), setup)
        yield block, tuple(parts), cost


def _partitions(ranks: Sequence[int]) -> Iterator[Groups]:
    """Every set of disjoint groups of two or more."""
    if not ranks:
        yield ()
        return
    head, rest = ranks[0], ranks[1:]
    yield from _partitions(rest)
    for chosen in range(1, 1 << len(rest)):
        group = (head, *(rank for bit, rank in enumerate(rest) if chosen >> bit & 1))
        for others in _partitions([rank for rank in rest if rank not in group]):
            yield tuple(sorted((group, *others)))
