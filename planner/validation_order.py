"""Whether layouts are put in the right order: runs of one source that differ in nothing but their layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.validation_rows import Row

FEWEST = 5  # layouts of a group


@dataclass(frozen=True, slots=True)
class Order:
    """One group of runs; `regret` is measured(predicted best) / measured(best) - 1.

    `spread` is the measured time of the slowest layout over that of the fastest, less 1: what a good choice can win.
    `spearman` is the correlation of the ranks of predicted and measured step time, None where all are equal.
    """

    source: str
    model: str
    accelerator: str
    precision: str
    accelerators: int
    global_batch_sequences: int
    sequence_length: int
    n: int
    spearman: float | None
    regret: float
    spread: float
    predicted_best: str
    measured_best: str


def orders(rows: Sequence[Row]) -> list[Order]:
    """Every group of at least five layouts of the same model, batch, precision and accelerators from one source.

    Runs of one layout (repeated, or differing in something that no layout says) count as one, at their mean time.
    """
    groups: dict[tuple[Any, ...], dict[tuple[Any, ...], list[Row]]] = {}
    for row in rows:
        work = (row.source, row.model, row.shape, row.global_batch_sequences, row.sequence_length)
        same = (*work, row.accelerator, row.accelerators, row.precision)
        groups.setdefault(same, {}).setdefault(tuple(row.layout.values()), []).append(row)
    return [_order(list(layouts.values())) for layouts in groups.values() if len(layouts) >= FEWEST]


def order_summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The groups, and over all of them the median correlation, the median regret and the worst."""
    found = orders(rows)
    correlations = [order.spearman for order in found if order.spearman is not None]
    regrets = [order.regret for order in found]
    return {
        "n": len(found),
        "layouts": sum(order.n for order in found),
        "median_spearman": float(np.median(correlations)) if correlations else None,
        "median_regret": float(np.median(regrets)) if regrets else None,
        "worst_regret": max(regrets, default=None),
        "groups": [asdict(order) for order in found],
    }


def _order(layouts: Sequence[Sequence[Row]]) -> Order:
    first = layouts[0][0]
    predicted = np.array([np.mean([row.predicted_step_s for row in same]) for same in layouts])
    measured = np.array([np.mean([row.measured_step_s for row in same]) for same in layouts])
    choice, best = int(predicted.argmin()), int(measured.argmin())
    return Order(
        source=first.source,
        model=first.model,
        accelerator=first.accelerator,
        precision=first.precision,
        accelerators=first.accelerators,
        global_batch_sequences=first.global_batch_sequences,
        sequence_length=first.sequence_length,
        n=len(layouts),
        spearman=spearman(predicted, measured),
        regret=float(measured[choice] / measured[best] - 1.0),
        spread=float(measured.max() / measured[best] - 1.0),
        predicted_best=layouts[choice][0].id,
        measured_best=layouts[best][0].id,
    )


def spearman(x: ArrayLike, y: ArrayLike) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None where one side is constant (Spearman 1904)."""
    a, b = (ranks(values) - ranks(values).mean() for values in (x, y))
    size = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / size if size else None


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1, equal values at the mean of theirs."""
    _, group, counts = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2.0)[group])
