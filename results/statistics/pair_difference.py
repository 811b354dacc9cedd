"""Is the mean of paired differences above zero, where pairs share photographs on both sides?

Two pairs are dependent where they have a photograph in common, and no flip of signs keeps that, unless the pairs of one
query share none with those of another. So a difference counts as more than chance only where each of these says so:
sign flips of all pairs of a query together; those of all pairs of an image that queries are compared with; and the mean
over its standard error. That has the larger of two variances, that of `dyadic.py` and that of the jackknife that leaves
out one photograph at a time, and Student's t with one degree of freedom less than so many photographs make pairs that
share nothing, which is half of them. The largest of the three p-values is the answer: the cautious choice.
"""

import numpy as np
import pandas as pd

from perceptbench.results.statistics import sign_flips
from perceptbench.results.statistics.dyadic import Sides, variance
from perceptbench.results.statistics.estimates import CONFIDENCE, Estimate


def one_sided(differences: np.ndarray, sides: Sides) -> float:
    """The probability of so large a mean of differences (n,) if it is zero; 1 where none differs."""
    d = np.asarray(differences, dtype=float)
    differs = d != 0
    if not differs.any():
        return 1.0
    some, mine = d[differs], sides.select(differs)
    by_query = sign_flips.one_sided(some, mine.first.tolist())
    if _queries_stand_apart(mine):
        return by_query
    return max(by_query, sign_flips.one_sided(some, mine.second.tolist()), _by_student(d, sides))


def two_sided(differences: np.ndarray, sides: Sides) -> float:
    """The same for a difference of either sign."""
    away = differences if np.sum(differences) >= 0 else -np.asarray(differences)
    return min(1.0, 2 * one_sided(away, sides))


def difference(values: np.ndarray, sides: Sides, widest: float = 1.0) -> Estimate:
    """The mean of differences (n,) in [-widest, widest], with a 95 % interval by Student's t, as the test has it.

    Where all differences are equal, so are the ends. Raises ValueError for an empty set.
    """
    from scipy import stats

    if len(values) == 0:
        raise ValueError("an empty set of pairs has no difference")
    mean = float(np.mean(values))
    half = _error(values, sides) * float(stats.t.ppf((1 + CONFIDENCE) / 2, _freedom(sides)))
    return Estimate(mean, max(-widest, mean - half), min(widest, mean + half), len(values))


def fewest(sides: Sides, standing: np.ndarray, level: float) -> int | None:
    """How many of the pairs that stand (n,) suffice, were they lost, for the test to reject; None where all do not.

    Photographs take turns, so that these pairs share few of them.
    """
    places = np.flatnonzero(standing)
    order = places[_in_turns(sides.select(places))]

    def rejected(count: int) -> bool:
        lost = np.zeros(len(standing))
        lost[order[:count]] = 1
        return one_sided(lost, sides) <= level

    low, high = 0, len(order)
    if high == 0 or not rejected(high):
        return None
    # Of every count above `low` that is tried, `high` is the least that was rejected.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if rejected(middle) else (middle, high)
    return high


def _by_student(d: np.ndarray, sides: Sides) -> float:
    from scipy import stats

    error = _error(d, sides)
    # Where all pairs differ alike there is no spread, and flips alone say how many that may be by chance.
    return float(stats.t.sf(d.mean() / error, _freedom(sides))) if error > 0 else 0.0


def _freedom(sides: Sides) -> float:
    return max(1.0, sides.photographs / 2 - 1)


def _error(values: np.ndarray, sides: Sides) -> float:
    """The standard error of the mean; infinite where one photograph stands in every pair, so that nothing is known."""
    n, mean = len(values), float(np.mean(values))
    apart = sides.first != sides.second
    sums, counts = (
        np.bincount(sides.first, one, sides.count) + np.bincount(sides.second[apart], one[apart], sides.count)
        for one in (np.asarray(values, dtype=float), np.ones(n))
    )
    sums, counts = sums[counts > 0], counts[counts > 0]
    if (counts == n).any():
        return float("inf")
    left = (n * mean - sums) / (n - counts)
    jackknife = (len(left) - 1) / len(left) * float(((left - left.mean()) ** 2).sum())
    return max(jackknife, variance((values - mean) / n, sides)) ** 0.5


def _queries_stand_apart(sides: Sides) -> bool:
    """Whether every photograph stands in the pairs of one query alone."""
    photographs, queries = np.concatenate([sides.first, sides.second]), np.concatenate([sides.first, sides.first])
    return len(np.unique(photographs)) == len(np.unique(photographs * sides.count + queries))


def _in_turns(sides: Sides) -> np.ndarray:
    """An order of the pairs: the first of every query and of every image before the second of any."""
    before = [pd.Series(one).groupby(one).cumcount().to_numpy() for one in (sides.first, sides.second)]
    return np.argsort(before[0] + before[1], kind="stable")
