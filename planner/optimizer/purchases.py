"""What can be bought of a term, and the cheapest purchases that hold given runs.

A box is a purchase of which only ranges are known: its size, its length, its start. Sizes are those that some plan may
need: of phases in a row the least size sold for each option; of phases side by side also of their sums, because no
plan gets worse when a purchase shrinks to the least size that holds its runs. Starts cannot be thinned out alike: a
purchase that starts later ends later, and may then be held at the same time as too many others of its term.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from planner.optimizer.problem import Bought, Problem, Run, Term
from planner.optimizer.runs import ceil_div, chain_order, limit_s, usable

Span = tuple[int, int]  # steps [start, end)
MANY_SIZES = 4096  # sums of options beyond which every number of nodes counts as needed


@dataclass(frozen=True, slots=True)
class Box:
    """A purchase of a term with one of `sizes` nodes and one of `lengths`, both ascending, that starts from `first` to
    `last`, both allowed starts, and holds at least so many `runs`. It is bounded by its price, or `by_use`."""

    term: int
    sizes: tuple[int, ...]
    lengths: tuple[int, ...]
    first: int
    last: int
    runs: int = 1
    by_use: bool = False

    @property
    def priced(self) -> bool:
        """Whether size and length are known and the price is paid whatever is used."""
        return len(self.sizes) == len(self.lengths) == 1 and not self.by_use


def start_by(term: Term, step: int) -> int:
    """The last step by `step` on which a purchase may start, dates aside."""
    return step - (step - term.offset) % term.every


def start_from(term: Term, step: int) -> int:
    """The first step from `step` on which a purchase may start, dates aside."""
    return step + (term.offset - step) % term.every


def purchase_cost(problem: Problem, bought: Bought) -> int:
    """Micro-USD of a purchase."""
    return ceil_div(bought.nodes * bought.length * problem.step_s * problem.terms[bought.term].price, 3600)


def least_cost(problem: Problem, box: Box, nodes: int = 0) -> int | None:
    """Micro-USD of the cheapest purchase in a box of at least so many nodes, None when there is none."""
    at = bisect_left(box.sizes, nodes)
    if at == len(box.sizes):
        return None
    return purchase_cost(problem, Bought(box.term, box.sizes[at], box.first, box.lengths[0]))


def whole(problem: Problem, k: int) -> Box | None:
    """Everything of a term that a plan may need, None when nothing is."""
    term, dates = problem.terms[k], use_of(problem, k)
    first, last = start_from(term, term.first), start_by(term, term.last)
    sizes = _sizes(problem, k)
    if dates is None or not sizes or first > last:
        return None
    box = Box(k, sizes, tuple(sorted(set(term.lengths))), first, last)
    lengths = tuple(length for length in box.lengths if usable_steps(term, box, length, dates) > 0)
    return Box(k, sizes, lengths, first, last) if lengths else None


def use_of(problem: Problem, k: int) -> Span | None:
    """The steps in which any phase may run on a term."""
    phases = {problem.options[i].phase for i in usable(problem) if problem.options[i].term == k}
    if not phases:
        return None
    begin = min(problem.phases[p].earliest for p in phases)
    end = max(ceil_div(limit_s(problem.phases[p], problem), problem.step_s) for p in phases)
    return (begin, end) if begin < end else None


def _sizes(problem: Problem, k: int) -> tuple[int, ...]:
    """The sizes of a term that a plan may need, ascending."""
    term = problem.terms[k]
    of_phase: dict[int, set[int]] = {}
    for index in usable(problem):
        option = problem.options[index]
        if option.term == k and option.nodes <= term.capacity:
            of_phase.setdefault(option.phase, set()).add(option.nodes)
    needed: set[int] = set()
    for nodes in of_phase.values():
        sums = {m + n for m in needed for n in nodes if m + n <= term.capacity}
        needed |= nodes
        if chain_order(problem.phases) is None:
            needed |= sums
        if len(needed) > MANY_SIZES:
            needed = set(range(1, term.capacity + 1))
            break
    if not term.sizes:
        return tuple(sorted(needed))
    sold = sorted(size for size in set(term.sizes) if size <= term.capacity)
    places = {bisect_left(sold, m) for m in needed}
    return tuple(sold[at] for at in sorted(places) if at < len(sold))


def usable_steps(term: Term, box: Box, length: int, dates: Span) -> int:
    """The most steps of a purchase of this length that lie inside the dates."""
    starts = {box.first, box.last}
    for wanted in (dates[0], dates[1] - length):
        starts |= {min(max(near(term, wanted), box.first), box.last) for near in (start_by, start_from)}
    return max(min(start + length, dates[1]) - max(start, dates[0]) for start in starts)


def waste(term: Term, box: Box, dates: Span) -> Fraction:
    """The least steps that are paid per step that can be used, over the lengths of a box."""
    return min(
        (Fraction(length, steps) for length in box.lengths if (steps := usable_steps(term, box, length, dates)) > 0),
        default=Fraction(1),
    )


def held(term: Term, box: Box) -> tuple[Span, ...]:
    """The steps in which a purchase of a box may be held: a run in it lies inside one of these spans."""
    longest = box.lengths[-1]
    if term.every <= longest:
        return ((box.first, box.last + longest),)
    return tuple((start, start + longest) for start in range(box.first, box.last + 1, term.every))


def fit(problem: Problem, box: Box, runs: Sequence[Run]) -> Bought | None:
    """The cheapest purchase of a box that holds the runs, started as late as it can be; None: none does."""
    term, step_s = problem.terms[box.term], problem.step_s
    at = bisect_left(box.sizes, peak(problem, runs))
    if at == len(box.sizes):
        return None
    begin, end = span_of(runs, step_s)
    for length in box.lengths:
        first = max(box.first, start_from(term, end - length))
        last = min(box.last, start_by(term, begin))
        if first <= last:
            return Bought(box.term, box.sizes[at], last, length)
    return None


def peak(problem: Problem, runs: Sequence[Run]) -> int:
    """The most nodes that the runs use at the same time."""
    return max(
        sum(problem.options[other.option].nodes for other in runs if other.start_s <= run.start_s < other.end_s)
        for run in runs
    )


def span_of(runs: Sequence[Run], step_s: int) -> Span:
    """The steps from the first start to the last end."""
    return min(run.start_s for run in runs) // step_s, ceil_div(max(run.end_s for run in runs), step_s)


def cover(problem: Problem, box: Box, runs: Sequence[Run]) -> list[tuple[Bought, list[Run]]] | None:
    """The cheapest purchases each of which holds runs that start one after the other; None when some run fits in none.

    The dynamic program over the runs in the order of their starts: least(j) = min over i < j of
    least(i) + the cost of one purchase for the runs i..j - 1.
    """
    row = sorted(runs, key=lambda run: run.start_s)
    least: list[tuple[int, list[tuple[Bought, list[Run]]]] | None] = [(0, [])]
    for j in range(1, len(row) + 1):
        ways = []
        for i in range(j):
            before, bought = least[i], fit(problem, box, row[i:j])
            if before is not None and bought is not None:
                ways.append((before[0] + purchase_cost(problem, bought), [*before[1], (bought, row[i:j])]))
        least.append(min(ways, key=lambda way: way[0], default=None))
    found = least[-1]
    return None if found is None else found[1]


def overbooked(problem: Problem, bought: Sequence[Bought]) -> list[int]:
    """Purchases (positions) held in some step in which those of their term have more nodes than its capacity."""
    found: set[int] = set()
    for one in bought:
        mine = [
            number
            for number, other in enumerate(bought)
            if other.term == one.term and other.start <= one.start < other.start + other.length
        ]
        if sum(bought[number].nodes for number in mine) > problem.terms[one.term].capacity:
            found.update(mine)
    return sorted(found)


def cut_in_start(term: Term, box: Box, begin: int, end: int) -> Iterator[Box]:
    """Two boxes for one whose purchases hold no runs from `begin` to `end`, neither of which allows both ends."""
    middle = max(begin, (begin + end - box.lengths[-1] - 1) // 2)
    yield from halves(term, box, middle)


def halves(term: Term, box: Box, middle: int) -> Iterator[Box]:
    """The box of the starts up to a step, and that of the later ones."""
    yield replace(box, last=start_by(term, middle), by_use=False)
    yield replace(box, first=start_from(term, middle + 1), by_use=False)
