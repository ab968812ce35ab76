"""Why a row may be off: sentences made of what the file says about the row, its source and its nearest relatives."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import median

from planner.validation_rows import Row

FEWEST = 2  # other runs that make a bias
SAME_SIDE = 0.8  # share of the others on the same side of the measurement
BIASED = 0.1  # median error of the others that counts as a bias
EXPLAINED = 0.25  # share of the row's error, as a logarithm, that the bias must make up
OPEN = 1.02  # settings left open matter where they differ by more than 2 %
ALIKE = 3  # runs shown
FARTHEST = 8.0  # distance beyond which two runs are not alike
MAIN_PART = 0.2  # share of the step worth naming
DOUBT = re.compile(
    "[Ll]ow trust|LOW TRUST|[Cc]ongest|secondary|recalled|nois[ey]|outlier|inferred|assumed|unstable|not stated|exceeds"
)
LONGEST_QUOTE = 140  # characters
_DEGREES = ("tp", "pp", "vp", "cp", "dp", "ep", "micro_batch")


def worst(rows: Sequence[Row], number: int) -> list[Row]:
    """The rows with the largest errors, largest first."""
    return sorted(rows, key=lambda row: -abs(row.error))[:number]


def why(row: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    """Sentences about one row, most telling first; `rows` are all rows of the file."""
    return tuple(
        sentence
        for sentence in (
            _utilisation(row, rows),
            _company(row, rows),
            _doubt(row),
            _relatives(row, rows),
            _open_settings(row),
            _parts(row),
        )
        if sentence
    )


def alike(row: Row, rows: Sequence[Row]) -> list[Row]:
    """The other runs nearest to a row: doublings of sizes and degrees between them, and what else differs."""
    others = sorted((distance(row, other), other.id, other) for other in rows if other.id != row.id)
    return [other for far, _, other in others[:ALIKE] if far <= FARTHEST]


def distance(row: Row, other: Row) -> float:
    """How unlike two runs are: one for every doubling of a size or degree; weights of the rest are guesses."""
    sizes = (
        (row.parameters, other.parameters),
        (row.accelerators, other.accelerators),
        (row.sequence_length, other.sequence_length),
        (row.global_batch_sequences, other.global_batch_sequences),
        *((row.layout[name], other.layout[name]) for name in _DEGREES),
    )
    doublings = sum(abs(math.log2(mine / theirs)) for mine, theirs in sizes)
    differs = (
        2.0 * (row.accelerator != other.accelerator),
        4.0 * (row.family != other.family),
        4.0 * (row.architecture != other.architecture),
        1.0 * (row.precision != other.precision),
        1.0 * (row.layout["zero"] != other.layout["zero"]),
        1.0 * (row.layout["recompute"] != other.layout["recompute"]),
        0.5 * (row.source != other.source),
    )
    return doublings + sum(differs)


def share(part: float) -> str:
    """A share in whole percent."""
    return f"{part * 100:.0f} %"


def signed(error: float) -> str:
    """An error in whole percent with its sign."""
    return f"{round(error * 100) or 0:+d} %"


def _doubt(row: Row) -> str:
    """What the notes say that lowers trust in the measurement."""
    clauses = [clause.strip() for clause in re.split(r";|\. ", row.notes)]
    doubtful = [clause for clause in clauses if DOUBT.search(clause)]
    if not doubtful:
        return ""
    quoted = "; ".join(doubtful)
    if len(quoted) > LONGEST_QUOTE:
        quoted = quoted[:LONGEST_QUOTE].rsplit(" ", 1)[0] + " ..."
    return f'Its notes say: "{quoted}".'


def _utilisation(row: Row, rows: Sequence[Row]) -> str:
    """The measurement as a share of the peak, beside that of other runs on the same accelerator and precision."""
    others = [
        other.measured_mfu
        for other in rows
        if (other.accelerator, other.precision) == (row.accelerator, row.precision) and other.id != row.id
    ]
    text = f"Measured, it reaches an MFU of {share(row.measured_mfu)}, predicted {share(row.predicted_mfu)}"
    if row.measured_mfu > 1.0:
        text += " (all of the attention counts, though a causal mask needs half)"
    if len(others) >= FEWEST:
        text += f"; the other {len(others)} runs in {row.precision} on {row.accelerator} reach {share(median(others))}"
        text += f" in the median and {share(max(others))} at most"
    return text + "."


def _company(row: Row, rows: Sequence[Row]) -> str:
    """Whether the runs of the same source, or of the family, share the error; else how far off they are."""
    source = f"source {row.source}"
    scopes = (
        (f"{source} with {row.model} on {row.accelerator}", ("source", "model", "accelerator"), "software or settings"),
        (f"{source} on {row.accelerator}", ("source", "accelerator"), "machines or software"),
        (source, ("source",), "software or measurements"),
        (f"{row.family} in {row.precision}", ("family", "precision"), "constants"),
    )
    apart = ""
    for name, fields, cause in scopes:
        errors = [
            other.error
            for other in rows
            if other.id != row.id and all(getattr(other, field) == getattr(row, field) for field in fields)
        ]
        if len(errors) < FEWEST:
            continue
        middle = median(errors)
        same = sum(error * row.error > 0 for error in errors)
        explained = math.log1p(middle) / math.log1p(row.error) if row.error else 0.0
        if same >= SAME_SIDE * len(errors) and abs(middle) >= BIASED and explained >= EXPLAINED:
            side = "faster" if row.error < 0 else "slower"
            counted = f"{same} of the {len(errors)}" if same < len(errors) else f"all {same}" if same > 2 else "both"
            return (
                f"It is not alone: {counted} other runs of {name} are predicted {side} than measured too, by "
                f"{share(abs(middle))} in the median; their {cause} differ from what the model assumes."
            )
        apart = apart or f"The {len(errors)} other runs of {name} are off by {signed(middle)} in the median."
    return apart


def _relatives(row: Row, rows: Sequence[Row]) -> str:
    """The errors of the runs most alike."""
    shown = [
        f"{other.id} ({other.model}, {other.accelerators} x {other.accelerator}: {signed(other.error)})"
        for other in alike(row, rows)
    ]
    return f"Most alike: {', '.join(shown)}." if shown else "No run of the file is like it."


def _open_settings(row: Row) -> str:
    """What was assumed, and whether another choice could explain the measurement."""
    if not row.assumed:
        return ""
    text = f"Assumed: {'; '.join(row.assumed)}"
    if row.slowest_step_s < OPEN * row.predicted_step_s or row.error > 0:
        return text + "."
    reach = "which would explain it" if row.slowest_step_s >= row.measured_step_s else "still short of the measurement"
    return f"{text}. The settings left open allow up to {row.slowest_step_s:.3g} s, {reach}."


def _parts(row: Row) -> str:
    """Where the predicted time goes; for a step predicted too slow, what it would be without its largest extra part."""
    ranked = sorted(row.breakdown_s.items(), key=lambda part: -part[1])
    named = [(name.replace("_", " "), seconds) for name, seconds in ranked]
    main = [(name, seconds / row.predicted_step_s) for name, seconds in named]
    shown = [f"{name} {share(part)}" for i, (name, part) in enumerate(main[:3]) if part >= MAIN_PART or i == 0]
    text = f"Of the predicted step {' and '.join(shown)}"
    name, seconds = next((part for part in named if part[0] != "matmul"), named[0])
    if row.error > 0 and seconds >= MAIN_PART * row.predicted_step_s:
        text += f"; without {name} it would take {row.predicted_step_s - seconds:.3g} s"
    return text + "."
