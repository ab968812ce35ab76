"""The plain problem that bounds every plan whose purchases are only partly decided.

A purchase of n nodes for L steps at price c pays n L c, and the runs in it use w(t) <= n nodes in a step t. Let it have
at least m nodes and one of the lengths l..l', let rho be the least L / (steps of it that can be used), and T the steps
in which it is in use. Then, for every 0 <= a <= 1,

    n L  >=  m L + (n - m) L  >=  m ((1 - a) l + a rho T) + rho sum over t of max(0, w(t) - m)

so `(1 - a) l m c` is paid, and a run on w nodes is charged `rho c (max(0, w - m) + a m)` in every step: side by side
`a m w / n'` in place of `a m` with n' the largest size. The sum over runs is never more than the true price, because
max(0, . - m) is superadditive. a = 1 - l / l': the price is exact once size and length are known. But where the start
is not, more may then be used than the length has; a = 1 charges for that. Of a term that may be
bought any number of times nothing is known: m = 0. Where every purchase holds one run, the run is billed in blocks of
the lengths, which is exact. Charges are rounded down by so much that rounding up the bill of each run is made good.

Runs of phases in a row share no nodes; those side by side claim the nodes of their purchase as a cap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from planner.optimizer.problem import Billing, Cap, Level, Problem, RunOption, Window
from planner.optimizer.purchases import Box, Span, held, least_cost, use_of, waste, whole
from planner.optimizer.runs import ceil_div, chain_order, duration_s, stated, usable

Row = tuple[int, int | None, RunOption]  # index in the whole problem, number of the box, option of the plain one
MOST = 1 << 62  # what 64 bits hold
SPANS_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Node:
    """What is decided: these purchases are made, others of the terms `alone` hold one run each, and of the terms
    `closed` nothing else is bought."""

    boxes: tuple[Box, ...] = ()
    alone: frozenset[int] = frozenset()
    closed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Plain:
    """A problem without terms; `paid` comes on top of its plans' cost, and `origin` says of each of its options which
    option of the whole problem it is and in which box of the node it runs (None: in none, or in a purchase of its own).
    """

    problem: Problem
    paid: int
    origin: tuple[tuple[int, int | None], ...]


class Undecided:
    """The plain problems of one problem with terms."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem = stated(problem)
        self.in_a_row = chain_order(problem.phases) is not None
        allowed = usable(problem)
        self.plain = [i for i in allowed if problem.options[i].term is None]
        self.of_term = {k: [i for i in allowed if problem.options[i].term == k] for k in range(len(problem.terms))}
        phases = {k: {problem.options[i].phase for i in mine} for k, mine in self.of_term.items()}
        self.runs = {k: sum(problem.phases[p].max_segments for p in mine) for k, mine in phases.items()}
        self.dates = {k: use_of(problem, k) for k in self.of_term}
        self.whole = {k: box for k in self.of_term if (box := whole(problem, k)) is not None}
        self.share = {k: self._share(k) for k in self.whole}
        self._known: dict[tuple[Box, bool, bool], list[tuple[int, int, RunOption]]] = {}
        self._windows: dict[tuple[int, tuple[Span, ...], int, bool], tuple[Window, ...]] = {}

    def settled(self, node: Node) -> Node | None:
        """The node with what follows from how many runs there can be: a purchase without runs, or one that several
        runs share but has only one, is in no plan worth having. None when its purchases need more runs than that.
        """
        used = {k: sum(box.runs for box in node.boxes if box.term == k) for k in self.whole}
        left = sum(phase.max_segments for phase in self.problem.phases) - sum(used.values())
        room = {k: min(left, self.runs[k] - used[k]) for k in self.whole}
        if min(room.values(), default=0) < 0:
            return None
        closed = node.closed | {k for k in room if room[k] == 0}
        return replace(node, closed=closed, alone=node.alone | {k for k in room if room[k] < self.share[k]})

    def _share(self, k: int) -> int:
        """The runs that a plan has at least when a purchase holds two of them.

        Of one phase: two that follow each other in a purchase, with nothing to tell its steps apart, are no better than
        one run of the faster of their options from the start of the first. So a third is between them, elsewhere.
        """
        problem, options = self.problem, [self.problem.options[i] for i in self.of_term[k]]
        spans = {(o.windows[0].start, o.windows[-1].end) for o in options if len(o.windows) == 1}
        steady = len(spans) == 1 and all(len(o.windows) == 1 and self._free(o) and not o.leave for o in options)
        capped = problem.caps or problem.aim == "carbon" or problem.carbon_cap is not None
        return 3 if len(problem.phases) == 1 and steady and not capped else 2

    @staticmethod
    def _free(option: RunOption) -> bool:
        """Whether the use of a purchase costs nothing by the hour."""
        return option.billing == Billing() and all(window.price == 0 for window in option.windows)

    def plain_problem(self, node: Node, most: int | None) -> Plain | None:
        """The plain problem of a node without purchases that bring the cost above `most`, None when there is none."""
        paid = sum(self.payment(box) for box in node.boxes)
        if most is not None and paid > most:
            return None
        problem = self.problem
        rows: list[Row] = [(i, None, problem.options[i]) for i in self.plain]
        caps = list(problem.caps)
        for number, box in enumerate(node.boxes):
            left = None if most is None else most - paid + self.payment(box)
            own = self.options(box, certain=True, alone=False)
            mine: list[Row] = [(i, number, o) for low, i, o in own if left is None or low <= left]
            if not mine:
                return None
            rows += self._claiming(caps, box, box.sizes[-1], mine)
        for k, box in self.whole.items():
            if k not in node.closed:
                left = None if most is None else most - paid
                own = self.options(box, certain=False, alone=k in node.alone)
                mine = [(i, None, o) for low, i, o in own if left is None or low <= left]
                rows += self._claiming(caps, box, problem.terms[k].capacity, mine)
        plain = replace(
            problem,
            options=tuple(option for _, _, option in rows),
            budget=None if problem.budget is None else problem.budget - paid,
            caps=tuple(caps),
            terms=(),
        )
        return Plain(plain, paid, tuple((index, number) for index, number, _ in rows))

    def payment(self, box: Box) -> int:
        """What a purchase of a box costs whatever is used of it."""
        if box.priced:
            return least_cost(self.problem, box) or 0
        term = self.problem.terms[box.term]
        share = 1 - _by_use(box)
        return int(share * box.lengths[0] * box.sizes[0] * self.problem.step_s * term.price / 3600)

    def options(self, box: Box, certain: bool, alone: bool) -> list[tuple[int, int, RunOption]]:
        """The options of a purchase in a box that is made, or of any number that may be: the least that is bought for
        each, its index in the whole problem and what it is in the plain one."""
        key = (box, certain, alone)
        if key not in self._known:
            self._known[key] = [
                (least, index, option)
                for index in self.of_term[box.term]
                if (least := least_cost(self.problem, box, self.problem.options[index].nodes)) is not None
                and (option := self._option(box, index, certain, alone)).windows
            ]
        return self._known[key]

    def _option(self, box: Box, index: int, certain: bool, alone: bool) -> RunOption:
        problem, option = self.problem, self.problem.options[index]
        term, spans = problem.terms[box.term], held(problem.terms[box.term], box)
        free = self._free(option)
        longest = box.lengths[-1] * problem.step_s
        if alone and free and term.price * longest * max(1, option.nodes) < MOST:
            size = next(size for size in box.sizes if size >= option.nodes)
            price = term.price
            if size != option.nodes:
                price = self._rounded(option, Fraction(size * price, option.nodes))
            blocks = tuple(length * problem.step_s for length in box.lengths)
            windows = self._inside(option, spans, price)
            return replace(option, windows=windows, billing=Billing(blocks_s=blocks), term=None)
        dates = self.dates[box.term]
        assert dates is not None
        price = 0 if certain and box.priced else self._rounded(option, self._charge(option, box, certain, dates))
        if price == 0 and free:  # a bill in one block costs nothing and keeps the run within the length
            return replace(
                option, windows=self._inside(option, spans, 0), billing=Billing(blocks_s=(longest,)), term=None
            )
        if price == 0 or option.billing == Billing():
            return replace(option, windows=self._inside(option, spans, price), term=None)
        # the charge is for what is used, which no bill of another length can carry
        return replace(option, windows=self._inside(option, spans, price, False), billing=Billing(), term=None)

    def _charge(self, option: RunOption, box: Box, certain: bool, dates: Span) -> Fraction:
        """Micro-USD per node-hour charged to a run for its use of a purchase."""
        term, m = self.problem.terms[box.term], box.sizes[0] if certain else 0
        over = Fraction(max(0, option.nodes - m), option.nodes)
        shared = Fraction(m, option.nodes) if self.in_a_row else Fraction(m, box.sizes[-1])
        return term.price * waste(term, box, dates) * (over + _by_use(box) * shared)

    def _rounded(self, option: RunOption, price: Fraction) -> int:
        """A whole price so far below that every bill, rounded up to a micro-USD, is not above the true one."""
        problem, phase = self.problem, self.problem.phases[option.phase]
        shortest = duration_s(option, phase.work if phase.max_segments == 1 else 1, problem.step_s)
        return max(0, int(price) - ceil_div(3600, option.nodes * shortest))

    def _inside(
        self, option: RunOption, spans: tuple[Span, ...], price: int, priced: bool = True
    ) -> tuple[Window, ...]:
        """The option's windows in these spans with a price added to theirs, or in place of it.

        Options that share windows go on sharing them.
        """
        key = (id(option.windows), spans, price, priced)
        if key not in self._windows:
            if len(self._windows) > SPANS_KEPT:
                self._windows.clear()
            self._windows[key] = tuple(
                replace(w, start=max(w.start, start), end=min(w.end, end), price=price + (w.price if priced else 0))
                for w in option.windows
                for start, end in spans
                if max(w.start, start) < min(w.end, end)
            )
        return self._windows[key]

    def _claiming(self, caps: list[Cap], box: Box, nodes: int, rows: list[Row]) -> list[Row]:
        """Options of a purchase that claim its nodes, where phases may run at the same time."""
        if self.in_a_row or not rows:
            return rows
        levels = tuple(Level(start, end, nodes) for start, end in held(self.problem.terms[box.term], box))
        caps.append(Cap(f"purchase {len(caps)}", levels))
        cap = len(caps) - 1
        return [(i, number, replace(o, claims=(*o.claims, (cap, o.nodes)))) for i, number, o in rows]


def _by_use(box: Box) -> Fraction:
    """a: the share of the length that is paid as it is used."""
    return Fraction(1) if box.by_use else 1 - Fraction(box.lengths[0], box.lengths[-1])
