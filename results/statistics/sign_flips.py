"""Is the mean of paired differences above zero? The sign-flip test (Fisher, The Design of Experiments, 1935).

If two metrics are equally good, a difference of theirs is as likely to have one sign as the other. So the observed
sum is compared with the sums after the signs of some differences are flipped. Differences of one cluster, such as all
triplets of a reference, are flipped together. Where every difference is -1, 0 or 1, this is the exact test of McNemar.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from perceptbench.results.statistics.estimates import totals

_ALL = 14
"""With at most so many clusters that differ, all flips are counted."""
_DRAWN = 19_999
"""Else so many are drawn, and no p-value is below 1 / (this + 1)."""
_BLOCK = 4_000_000
_ROUNDING = 1e-9


def one_sided(differences: np.ndarray, clusters: Sequence[str] | None = None) -> float:
    """P(a sum at least as large as that observed, if each cluster had either sign with probability 1/2).

    Exact where all clusters that differ do so by the same amount, and where they are few; else from draws of
    a seeded generator, the observed signs among them, which keeps the level of the test.
    """
    sums = totals(differences, clusters)[0]
    sums = sums[sums != 0]
    if len(sums) == 0:
        return 1.0
    largest = float(np.abs(sums).max())
    if np.allclose(np.abs(sums), largest, rtol=_ROUNDING, atol=0):
        return _tail(int((sums > 0).sum()), len(sums))
    flipped = np.concatenate([flips @ sums for flips in _flips(len(sums))])
    return float(np.mean(flipped <= _ROUNDING * largest))


def two_sided(differences: np.ndarray, clusters: Sequence[str] | None = None) -> float:
    """The same for a difference of either sign."""
    away = differences if np.sum(differences) >= 0 else -np.asarray(differences)
    return min(1.0, 2 * one_sided(away, clusters))


def smallest_shift(differences: np.ndarray, clusters: Sequence[str] | None, level: float) -> float | None:
    """The smallest mean that the test would have called above zero at this level; None where no mean is.

    The differences keep their spread around their mean, and the mean alone is another one.
    """
    sums, sizes = totals(differences, clusters)
    around = sums - sums.sum() / sizes.sum() * sizes
    # A flip gives a sum as large as the observed one up to the shift at which the flipped clusters sum to zero.
    flipped = np.concatenate([flips @ np.stack([around, sizes], axis=1) for flips in _flips(len(sums))])
    some = flipped[:, 1] > 0
    last = np.sort(-flipped[some, 0] / flipped[some, 1])[::-1]
    allowed = math.floor(level * len(flipped) + _ROUNDING) - int((~some).sum())
    if allowed < 0:
        return None
    return max(0.0, float(last[allowed])) if allowed < len(last) else 0.0


def _tail(positive: int, n: int) -> float:
    """P(at least this many of n are positive, if each is with probability 1/2)."""
    from scipy.stats import binom

    return float(binom.sf(positive - 1, n, 0.5)) if positive else 1.0


def _flips(n: int) -> Iterator[np.ndarray]:
    """Blocks of rows of n zeros and ones, one where a sign is flipped; among them the row of none."""
    if n <= _ALL:
        yield ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(float)
        return
    yield np.zeros((1, n))
    rng, left = np.random.default_rng(0), _DRAWN
    while left:
        rows = min(left, max(1, _BLOCK // n))
        yield rng.integers(0, 2, (rows, n)).astype(float)
        left -= rows
