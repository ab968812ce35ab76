"""Equations of interrupted work: the best checkpoint interval, the share of useful time, where the rest goes, spread.

Interruptions are a Poisson process. Notation: `stall` seconds that a checkpoint stops training, `interval` useful
seconds between two, `mtbf` mean seconds between interruptions. All numbers are SI.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

DECILE = NormalDist().inv_cdf(0.9)
MOST = 30.0  # exponents beyond it mean that nothing is ever finished; 1 - e^-30 still is not 1


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of interruptions: how often, what each costs before work goes on, and how well the rate is known.

    `delay` is spent on the nodes and may itself be interrupted; `wait` comes before it without nodes, exponentially
    distributed; `doubt` is the standard deviation of the rate over its mean.
    """

    rate: float  # 1/s
    delay: float
    wait: float = 0.0
    doubt: float = 0.0


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and mean square of a random time, s and s2."""

    mean: float
    square: float

    @property
    def variance(self) -> float:
        """Variance, s2."""
        return max(self.square - self.mean**2, 0.0)


NOTHING = Moments(0.0, 0.0)


def young_daly(stall: float, mtbf: float) -> float:
    """Seconds between checkpoints that lose least: sqrt(2 stall mtbf).

    Young 1974 (doi:10.1145/361147.361115), equation 10; Daly 2006 (doi:10.1016/j.future.2004.11.016) for its limits.
    """
    return math.sqrt(2.0 * stall * mtbf)


def useful_share(stall: float, interval: float, restart: float, mtbf: float) -> float:
    """Share of time that advances training.

    A checkpointed interval takes interval + stall; interrupted at random with mean mtbf it takes
    mtbf exp(restart/mtbf) (exp((interval + stall)/mtbf) - 1) on average: Daly 2006 (doi:10.1016/j.future.2004.11.016),
    equation 15. For rare interruptions 1 - stall/interval - (interval/2 + restart)/mtbf.
    """
    exponent = min((interval + stall) / mtbf, MOST)
    return interval / (mtbf * math.exp(min(restart / mtbf, MOST)) * math.expm1(exponent))


def mean_time_between(causes: Sequence[Cause]) -> float:
    """Mean seconds between interruptions of any cause."""
    return 1.0 / sum(cause.rate for cause in causes)


def equivalent_restart(causes: Sequence[Cause]) -> float:
    """The one delay R that loses as much as the causes' own: exp(-R/mtbf) = sum of share exp(-delay/mtbf).

    The share of an interruption's restarts that are not interrupted in turn is the same on both sides.
    """
    mtbf = mean_time_between(causes)
    disturbed = sum(cause.rate * mtbf * math.expm1(-min(cause.delay / mtbf, MOST)) for cause in causes)
    return -mtbf * math.log1p(disturbed)


def rework(stall: float, interval: float, mtbf: float) -> float:
    """Seconds of interrupted attempts per interval that is finished: mtbf (exp(s/mtbf) - 1) - s, s = interval + stall.

    Daly's time without restarts less the one attempt that succeeds; s^2/(2 mtbf) for rare interruptions.
    """
    length = interval + stall
    return mtbf * math.expm1(min(length / mtbf, MOST)) - length


def until_done(rate: float, ways: Sequence[tuple[float, float, float]], after: Moments = NOTHING) -> Moments:
    """Moments of the time until an attempt is not interrupted.

    An attempt is one of `ways` (probability, mean wait, length): an exponential wait, then `length` seconds that
    interruptions of a Poisson process end at `rate`. An interrupted attempt is followed by a time with the moments
    `after`, then by another. Conditioning on the first attempt, T = W + min(X, l) + [X < l] (after + T'), gives both.
    """
    done = again = mean = square = cut = 0.0
    for probability, wait, length in ways:
        exponent = min(rate * length, MOST)
        stopped = -math.expm1(-exponent)  # P(X < l)
        lasts = stopped / rate  # E min(X, l)
        stopped_at = (stopped - exponent * math.exp(-exponent)) / rate  # E X [X < l]
        lasts_square = 2.0 * stopped_at / rate  # E min(X, l)^2
        done += probability * math.exp(-exponent)
        again += probability * stopped
        mean += probability * (wait + lasts)
        square += probability * (2.0 * wait**2 + 2.0 * wait * lasts + lasts_square)
        cut += probability * (wait * stopped + stopped_at)
    total = (mean + again * after.mean) / done
    return Moments(
        total, (square + 2.0 * cut * (after.mean + total) + again * (after.square + 2.0 * after.mean * total)) / done
    )


def interval_time(stall: float, interval: float, causes: Sequence[Cause]) -> Moments:
    """Moments of the time from one checkpoint to the next, waits for nodes included.

    Its mean is Daly's (`useful_share`) plus the waits.
    """
    rate = sum(cause.rate for cause in causes)
    delay = until_done(rate, [(cause.rate / rate, cause.wait, cause.delay) for cause in causes])
    return until_done(rate, [(1.0, 0.0, interval + stall)], delay)


def rate_doubt(stall: float, interval: float, causes: Sequence[Cause]) -> Moments:
    """Moments of what the doubt about the rates adds to the mean time per useful second, the causes independent.

    A rate with mean r and standard deviation d r is r (1 - d) or r (1 + d) with equal odds: the two-point Gauss rule,
    exact for the mean and variance of what grows in proportion to the rate.
    """
    expected = interval_time(stall, interval, causes).mean
    drift = variance = 0.0
    for place, cause in enumerate(causes):
        less, more = (
            interval_time(stall, interval, [*causes[:place], changed, *causes[place + 1 :]]).mean
            for changed in (replace(cause, rate=cause.rate * (1.0 + side * cause.doubt)) for side in (-1.0, 1.0))
        )
        drift += (more + less) / 2.0 - expected
        variance += ((more - less) / 2.0) ** 2
    return Moments(drift / interval, (drift**2 + variance) / interval**2)


def delay_shares(causes: Sequence[Cause]) -> tuple[float, ...]:
    """How the time from an interruption until work goes on divides over the causes, waits left out; they add up to 1.

    Each delay counts for the cause that began it, also when it is cut short by the next.
    """
    mtbf = mean_time_between(causes)
    parts = [cause.rate * -math.expm1(-cause.delay / mtbf) for cause in causes]
    return tuple(part / sum(parts) for part in parts)


def gamma_quantile(mean: float, variance: float, quantile: float) -> float:
    """Quantile of a gamma distribution with this mean and variance, never below 0.

    Wilson and Hilferty 1931 (doi:10.1073/pnas.17.12.684): the cube root is nearly normal; to about 1 % for shapes
    (mean^2/variance) of 1 and more.
    """
    if variance <= 0:
        return mean
    spread = variance / mean**2 / 9.0
    return mean * max(1.0 - spread + NormalDist().inv_cdf(quantile) * math.sqrt(spread), 0.0) ** 3
