"""Purchases used by many runs: branch and bound over what is bought, on top of the search for plans without terms.

A node of the search says of some purchases that they are made, in a box of sizes, lengths and starts, and of some
terms that nothing else is bought, or only purchases of one run each. Its plain problem (`undecided`) has every plan of
the node at no higher cost, so its bound is one of the node; the open node with the lowest bound comes next.

    plan     runs of the plain problem get the cheapest purchases that hold them (`purchases.cover`): a plan. What is
             paid may be used more, so the problem in which exactly these purchases are made is solved as well.
    branch   on the term or box whose true price is furthest above what the plain problem charged:
               term    every other purchase of it holds one run | there is one more that several runs share
               term    (then) nothing else of it is bought | there is one more
               box     fewer nodes than the plan needs | at least as many; or shorter | at least as long
               box     an earlier | a later start, where no purchase holds all its runs or too much is held at once;
                       before that it is charged by its use, if more is used than its length has
    prune    nodes whose bound is not below the best plan; options whose least purchase alone is above it

Every branch shuts out the plain plan it was made for, and the boxes are finite, so the search ends.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction

from planner.optimizer.check import check, evaluate
from planner.optimizer.problem import Bought, Problem, Run, Solution, Status
from planner.optimizer.purchases import (
    Box,
    cover,
    cut_in_start,
    fit,
    halves,
    overbooked,
    peak,
    purchase_cost,
    span_of,
    start_from,
)
from planner.optimizer.runs import Interrupted, run_cost
from planner.optimizer.together import Together
from planner.optimizer.undecided import Node, Plain, Undecided

Progress = Callable[[int | None, int, float], object]
Optimum = Callable[[Problem, float, Progress | None], Solution]
Key = tuple[int, int, int]
ORDERS = {"cost": (0, 1, 2), "finish": (1, 0, 2), "carbon": (2, 0, 1)}
NEVER = 1 << 62
SHARE = 0.25  # of the time left that one node may take
SHORTEST_S = 0.5
CENT = 10_000  # micro-USD
TIES_S = 3.0  # what a proven optimum may cost in time to break its ties


def solve_with_terms(
    problem: Problem, optimum: Optimum, time_limit_s: float, progress: Progress | None = None
) -> Solution:
    """The best plan with purchases and a proven bound; 'infeasible' has no reasons.

    `optimum` solves problems without terms. A KeyboardInterrupt, the time limit, or a true answer of `progress` ends
    the search with the best plan so far.
    """
    if not problem.terms:
        return optimum(problem, time_limit_s, progress)
    search = _Search(problem, optimum, time_limit_s, progress)
    with suppress(KeyboardInterrupt):
        search.run()
    return search.answer()


@dataclass(frozen=True, slots=True)
class _Placed:
    """A run on an option of the whole problem, the number of the box it is in, and how much more it costs by itself
    than the plain problem charged."""

    run: Run
    box: int | None = None
    more: int = 0


@dataclass(frozen=True, slots=True)
class _Group:
    """Runs of a plain plan in one box (None: in a term outside of the boxes), the purchases that hold them (None: none
    do), and how much more the two cost than the plain problem charged."""

    box: int | None
    term: int
    runs: list[Run]
    bought: list[tuple[Bought, list[Run]]] | None
    excess: int


class _Search:
    """One search: its clock, the open nodes, the best plan."""

    def __init__(self, problem: Problem, optimum: Optimum, time_limit_s: float, progress: Progress | None) -> None:
        self.started = time.monotonic()
        self.problem, self.optimum, self.time_limit_s, self.progress = problem, optimum, time_limit_s, progress
        self.undecided = Undecided(problem)
        self.best: Solution | None = None
        self.open: list[tuple[Key, int, Node]] = []
        self.at_work: Key | None = (0, 0, 0)  # of the node that is being solved
        self.unsolved: list[Key] = []  # of nodes that were left as they are
        self.tried: set[tuple[Bought, ...]] = set()
        self.solved = self.opened = 0
        self.stopped = False

    def run(self) -> None:
        """The search until it ends or is ended."""
        terms = frozenset(self.undecided.whole)
        root = self.undecided.settled(Node())
        assert root is not None
        if root.alone != terms:
            for node in (Node(closed=terms), Node(alone=terms)):
                found = self.solve(node, SHARE / 2)
                if found is not None:
                    self.learn(node, placed(self.problem, *found))
        self.expand((0, 0, 0), root)
        together = Together(self.undecided)
        if self.open and together.suits():
            least = self.shared(together)
            self.open = [(max(key, least), order, node) for key, order, node in self.open]
            heapq.heapify(self.open)
        self.at_work = None
        ties_until: float | None = None
        while self.open and not self.stopped and self.left_s() > 0:
            if self.best is not None and self.open[0][0] >= self.key(self.best):
                self.open.clear()
                return
            if self.to_the_cent():
                self.open.clear()
                self.unsolved.clear()
                return
            if self.best is not None and self.open[0][0][0] == self.key(self.best)[0]:
                ties_until = ties_until or time.monotonic() + TIES_S
                if time.monotonic() > ties_until:
                    return
            self.at_work, _, node = heapq.heappop(self.open)
            self.expand(self.at_work, node)
            self.at_work = None
            self.tell()

    def to_the_cent(self) -> bool:
        """Whether no plan is cheaper by a cent or a millionth: rounding relaxed prices down can leave that open."""
        if self.best is None or self.problem.aim != "cost":
            return False
        least = min([self.open[0][0][0], *(key[0] for key in self.unsolved)])
        return self.best.cost - least <= min(CENT - 1, self.best.cost // 1_000_000)

    def shared(self, together: Together) -> Key:
        """Values that no plan comes before, from every way to share purchases; their plans may become the best."""
        least = (NEVER, 0, 0)
        for groups in together.ways():
            if self.stopped or self.left_s() <= 0:
                return 0, 0, 0
            merged = together.merged(groups, self.most())
            if merged is None:
                continue
            solution = self.optimum(merged.problem, self.left_s(), None)
            self.solved += 1
            if solution.status == "unknown":
                return 0, 0, 0
            if solution.runs:
                key = self.bound_key(Plain(merged.problem, 0, ()), solution)
                rows = [[_Placed(run) for run in row] for row in merged.runs(solution)]
                self.learn(Node(), [one for row in rows for one in row], rows)
                least = min(least, key)
        return least

    def answer(self) -> Solution:
        """The best plan with the bound that the open nodes prove."""
        least = [key for key, _, _ in self.open] + self.unsolved + ([self.at_work] if self.at_work else [])
        if self.best is None:
            return Solution("unknown", bound=min(least)[0]) if least else Solution("infeasible")
        value = self.key(self.best)[0]
        bound = min([value, *(key[0] for key in least)])
        status: Status = "optimal" if bound == value else "feasible"
        return replace(self.best, status=status, bound=bound)

    def expand(self, key: Key, node: Node) -> None:
        """Bound a node, learn from its plan, and open its children."""
        found = self.solve(node, SHARE)
        if found is None:
            return
        plain, solution = found
        key = max(key, self.bound_key(plain, solution))
        groups = self.learn(node, placed(self.problem, plain, solution))
        if self.best is not None and key >= self.key(self.best):
            return
        children = self.children(node, groups) if solution.runs else None
        if children is None:
            self.unsolved.append(key)
        for child in filter(None, map(self.undecided.settled, children or ())):
            self.opened += 1
            heapq.heappush(self.open, (key, -self.opened, child))  # of equals the youngest, which is nearest to a plan

    def solve(self, node: Node, share: float) -> tuple[Plain, Solution] | None:
        """The plain problem of a node and its solution; None when there is no plan, or none as good as the best."""
        plain = self.undecided.plain_problem(node, self.most())
        if plain is None:
            return None
        paid = plain.paid if self.problem.aim == "cost" else 0

        def enough(best: int | None, bound: int, seconds: float) -> bool:
            self.stopped = self.stopped or bool(self.tell())
            return self.stopped or (self.best is not None and bound + paid > self.key(self.best)[0])

        self.solved += 1
        left = self.left_s()
        try:
            solution = self.optimum(plain.problem, max(min(SHORTEST_S, left), share * left), enough)
        except Interrupted as stop:
            runs = placed(self.problem, plain, Solution("feasible", stop.runs))
            self.take(runs, self.groups(node, runs))
            raise
        return None if solution.status == "infeasible" else (plain, solution)

    def learn(
        self, node: Node, runs: Sequence[_Placed], rows: Sequence[Sequence[_Placed]] | None = None
    ) -> list[_Group]:
        """Runs and purchases of a plain plan; that plan, and the best with like purchases, may become the best.

        `rows` are the runs that have a purchase together, one row after the other.
        """
        if not runs:
            return []
        groups = self.groups(node, runs)
        self.take(runs, groups)
        self.buy(self.wanted(groups))
        if self.undecided.in_a_row and not node.boxes:
            self.buy(self.postponed(rows or [[one] for one in runs]))
        return groups

    def buy(self, wanted: Iterable[Bought]) -> None:
        """The best plan with these purchases may become the best."""
        bought = tuple(sorted(wanted, key=lambda one: (one.term, one.start, one.nodes, one.length)))
        if not bought or bought in self.tried:
            return
        self.tried.add(bought)
        made = tuple(Box(one.term, (one.nodes,), (one.length,), one.start, one.start) for one in bought)
        node = Node(made, alone=frozenset(self.undecided.whole))
        found = self.solve(node, SHARE / 2)
        if found is not None and found[1].runs:
            again = placed(self.problem, *found)
            self.take(again, self.groups(node, again))

    def postponed(self, rows: Sequence[Sequence[_Placed]]) -> list[Bought]:
        """A purchase for every row of runs one after the other, each postponed until one may start."""
        free = 0
        bought: list[Bought] = []
        for row in rows:
            begin, end = span_of([one.run for one in row], self.problem.step_s)
            start, k = max(begin, free), self.problem.options[row[0].run.option].term
            if k is not None:
                box, term = self.undecided.whole[k], self.problem.terms[k]
                nodes = peak(self.problem, [one.run for one in row if self.problem.options[one.run.option].term == k])
                one = self.holding(box, max(start, box.first), end - begin, nodes)
                if overbooked(self.problem, [*bought, one]):
                    ended = max(other.start + other.length for other in bought if other.term == k)
                    one = replace(one, start=min(box.last, start_from(term, max(ended, start))))
                bought.append(one)
                start = one.start
            free = start + end - begin
        return bought

    def holding(self, box: Box, step: int, steps: int, nodes: int) -> Bought:
        """The least purchase from a step on that has so many steps and nodes, as far as any has."""
        start = min(box.last, start_from(self.problem.terms[box.term], step))
        length = next((length for length in box.lengths if length >= steps), box.lengths[-1])
        return Bought(box.term, next((size for size in box.sizes if size >= nodes), box.sizes[-1]), start, length)

    def take(self, placed: Sequence[_Placed], groups: Sequence[_Group]) -> None:
        """A plain plan with its purchases becomes the best when it is a plan, and better."""
        runs = [one.run for one in placed if self.problem.options[one.run.option].term is None]
        pairs: list[tuple[Bought, list[Run]]] = []
        for group in groups:
            if group.bought is None:
                return
            pairs += group.bought
        for number, (_, inside) in enumerate(pairs):
            runs += [replace(run, bought=number) for run in inside]
        runs.sort(key=lambda run: (run.start_s, run.option))
        bought = tuple(one for one, _ in pairs)
        found = Solution("feasible", tuple(runs), *evaluate(self.problem, tuple(runs), bought), bought=bought)
        if (self.best is None or self.key(found) < self.key(self.best)) and not check(self.problem, found):
            self.best = found

    def groups(self, node: Node, placed: Sequence[_Placed]) -> list[_Group]:
        """The runs that need a purchase, by box and by term."""
        rows: dict[tuple[int | None, int], list[_Placed]] = {}
        for one in placed:
            term = self.problem.options[one.run.option].term
            if term is not None:
                rows.setdefault((one.box, term), []).append(one)
        found = []
        for (number, term), mine in rows.items():
            runs = [one.run for one in mine]
            bought: list[tuple[Bought, list[Run]]] | None
            if number is None:
                bought = cover(self.problem, self.undecided.whole[term], runs)
            else:
                held = fit(self.problem, node.boxes[number], runs)
                bought = None if held is None else [(held, runs)]
            paid = sum(purchase_cost(self.problem, one) for one, _ in bought or ())
            paid -= 0 if number is None else self.undecided.payment(node.boxes[number])
            found.append(_Group(number, term, runs, bought, paid + sum(one.more for one in mine)))
        return found

    def wanted(self, groups: Sequence[_Group]) -> Iterator[Bought]:
        """Purchases for the runs of all groups; for runs that none can hold where they are, one that starts next."""
        for group in groups:
            yield from (bought for bought, _ in group.bought or ())
            if group.bought is None:
                begin, end = span_of(group.runs, self.problem.step_s)
                nodes = peak(self.problem, group.runs)
                yield self.holding(self.undecided.whole[group.term], begin, end - begin, nodes)

    def children(self, node: Node, groups: Sequence[_Group]) -> list[Node] | None:
        """Nodes with every plan of this one, but not its plain plan; None when that plan costs what it says."""
        for group in groups:
            if group.bought is None:
                return self.apart(node, group)
        worst = max(groups, key=lambda group: group.excess, default=None)
        if worst is not None and worst.excess > 0:
            return self.apart(node, worst)
        bought = [(one, group) for group in groups for one, _ in group.bought or ()]
        crowded = [bought[at][1] for at in overbooked(self.problem, [one for one, _ in bought])]
        for group in crowded:
            if group.box is None or node.boxes[group.box].first < node.boxes[group.box].last:
                return self.apart(node, group)
        return [] if crowded else None

    def apart(self, node: Node, group: _Group) -> list[Node]:
        """The branches of a group."""
        if group.box is not None:
            return [self.with_box(node, group.box, part) for part in self.parts(node.boxes[group.box], group)]
        k, box = group.term, self.undecided.whole[group.term]
        if k in node.alone:
            return [
                replace(node, alone=node.alone - {k}, closed=node.closed | {k}),
                replace(node, boxes=(*node.boxes, box)),
            ]
        first = max([box.first, *(made.first for made in node.boxes if made.term == k)])  # purchases in their order
        shared = replace(box, first=first, runs=2)
        return [replace(node, alone=node.alone | {k}), replace(node, boxes=(*node.boxes, shared))]

    def parts(self, box: Box, group: _Group) -> Iterator[Box]:
        """A box in two, so that the group's runs are charged more in either or do not fit."""
        term = self.problem.terms[box.term]
        used_s = sum(run.end_s - run.start_s for run in group.runs)
        if self.undecided.in_a_row and box.priced and used_s > box.lengths[-1] * self.problem.step_s:
            yield replace(box, by_use=True)
        elif group.bought is None and not box.by_use:
            yield from cut_in_start(term, box, *span_of(group.runs, self.problem.step_s))
        elif box.priced or box.by_use:
            yield from halves(term, box, (box.first + box.last) // 2)
        elif group.bought is not None:
            ((one, _),) = group.bought
            larger, longer = Fraction(one.nodes, box.sizes[0]), Fraction(one.length, box.lengths[0])
            if len(box.sizes) > 1 and (larger >= longer or len(box.lengths) == 1):
                at = max(1, box.sizes.index(one.nodes))
                yield replace(box, sizes=box.sizes[:at])
                yield replace(box, sizes=box.sizes[at:])
            else:
                at = max(1, box.lengths.index(one.length))
                yield replace(box, lengths=box.lengths[:at])
                yield replace(box, lengths=box.lengths[at:])

    def with_box(self, node: Node, number: int, box: Box) -> Node:
        return replace(node, boxes=(*node.boxes[:number], box, *node.boxes[number + 1 :]))

    def most(self) -> int | None:
        """Micro-USD that no plan worth finding costs more than, None when there is no such limit."""
        limits = [] if self.problem.budget is None else [self.problem.budget]
        if self.problem.aim == "cost" and self.best is not None:
            limits.append(self.best.cost)
        return min(limits, default=None)

    def key(self, solution: Solution) -> Key:
        values = (solution.cost, solution.finish_s, solution.carbon_g)
        one, two, three = ORDERS[self.problem.aim]
        return values[one], values[two], values[three]

    def bound_key(self, plain: Plain, solution: Solution) -> Key:
        """Values that no plan of a node comes before."""
        if solution.status == "optimal":
            return self.key(replace(solution, cost=solution.cost + plain.paid))
        return solution.bound + (plain.paid if self.problem.aim == "cost" else 0), 0, 0

    def left_s(self) -> float:
        return self.time_limit_s - (time.monotonic() - self.started)

    def tell(self) -> object:
        """Report the best value and the bound; a true answer ends the search."""
        if self.progress is None:
            return None
        answer = self.answer()
        best = None if self.best is None else self.key(self.best)[0]
        self.stopped = bool(self.progress(best, answer.bound, time.monotonic() - self.started))
        return self.stopped


def placed(problem: Problem, plain: Plain, solution: Solution) -> list[_Placed]:
    """The runs of a plain plan on the options of the whole problem."""
    found = []
    for run in solution.runs:
        option, box = plain.origin[run.option]
        original = replace(run, option=option)
        found.append(_Placed(original, box, _cost(problem, original) - _cost(plain.problem, run)))
    return found


def _cost(problem: Problem, run: Run) -> int:
    return run_cost(problem.options[run.option], run.start_s, run.end_s, problem.step_s)
