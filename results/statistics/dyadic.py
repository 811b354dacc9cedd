"""Rates and curves of pairs that share photographs on both sides: their intervals are about other photographs.

Two pairs are dependent where they have a photograph in common, whatever side it is on. The variance of a mean then is
the sum over all such couples of pairs (Fafchamps and Gubert, J. Dev. Econ. 2007; Aronow, Samii and Assenova, Political
Analysis 2015), here by inclusion and exclusion over photographs, as Cameron, Gelbach and Miller (JBES 2011) do it for
two ways. An interval is Wilson's with the number of independent pairs that has this variance, less what Student's t
takes for few photographs (Korn and Graubard, Survey Methodology 1998).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perceptbench.results.statistics.estimates import CONFIDENCE, Estimate, independent, proportion


@dataclass(frozen=True, slots=True)
class Sides:
    """The photographs of n pairs: `first` and `second` are numbers (n,) of the same photographs."""

    first: np.ndarray
    second: np.ndarray
    count: int

    @classmethod
    def of(cls, first: np.ndarray, second: np.ndarray) -> "Sides":
        """From names, of the queries and of the images they are compared with."""
        names, index = np.unique(np.concatenate([first, second]), return_inverse=True)
        return cls(index[: len(first)], index[len(first) :], len(names))

    def select(self, which: np.ndarray) -> "Sides":
        """Some of the pairs."""
        return Sides(self.first[which], self.second[which], self.count)

    @property
    def photographs(self) -> int:
        """How many photographs there are in these pairs."""
        return len(np.unique(np.concatenate([self.first, self.second])))

    def without(self, photograph: int) -> np.ndarray:
        """Which pairs do not have a photograph on either side."""
        return (self.first != photograph) & (self.second != photograph)


def variance(influence: np.ndarray, sides: Sides) -> float:
    """The variance of a sum of what each pair adds, less its mean: the sum over couples that share a photograph.

    It is never less than that of independent pairs.
    """
    apart = sides.first != sides.second
    by_photograph = np.bincount(sides.first, influence, sides.count)
    by_photograph += np.bincount(sides.second[apart], influence[apart], sides.count)
    # Pairs of the same two photographs were counted once for each of them.
    low, high = np.minimum(sides.first, sides.second), np.maximum(sides.first, sides.second)
    both = np.unique(low[apart] * sides.count + high[apart], return_inverse=True)[1]
    twice = np.bincount(both, influence[apart]) if apart.any() else np.zeros(1)
    found = float((by_photograph**2).sum() - (twice**2).sum())
    return max(found, float((influence**2).sum()))


def rate(values: np.ndarray, sides: Sides) -> Estimate:
    """The mean of values in [0, 1] with its 95 % interval. Raises ValueError for an empty set."""
    if len(values) == 0:
        raise ValueError("an empty set of pairs has no rate")
    mean = float(values.mean())
    return _interval(mean, variance((values - mean) / len(values), sides), sides)


def roc_auc(distances: np.ndarray, same: np.ndarray, sides: Sides) -> Estimate:
    """The area under the ROC curve: how often a pair that is the same is nearer than one that is different.

    A tie counts one half (Mann and Whitney 1947). What each pair adds is its placement among those of the other kind
    (DeLong, DeLong and Clarke-Pearson, Biometrics 1988). Raises ValueError where one of the kinds is missing.
    """
    near, far = distances[same], distances[~same]
    if len(near) == 0 or len(far) == 0:
        raise ValueError("an area under the ROC curve wants pairs that are the same and pairs that are different")
    placed = np.empty(len(distances))
    placed[same] = 1 - _below(near, np.sort(far))
    placed[~same] = _below(far, np.sort(near))
    area = float(placed[same].mean())
    influence = (placed - area) / np.where(same, len(near), len(far))
    return _interval(area, variance(influence, sides), sides)


def _below(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """The share of ordered values that is below each value, an equal one counting one half."""
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(ordered))


def micro_ap(distances: np.ndarray, same: np.ndarray, sides: Sides) -> Estimate:
    """Micro-average precision: all pairs in one list, the nearest first (DISC21, arXiv:2106.09672, section 5).

    The mean over the pairs that are the same of the precision at their distance. Equal distances are one place in the
    list, so ties count against. It depends on how many different pairs there are for each that is the same. The
    interval is that of the jackknife that leaves out one photograph at a time, which is on the safe side (Efron and
    Stein, Ann. Stat. 1981). Raises ValueError where no pair is the same.
    """
    value = _average_precision(distances, same)
    used = np.unique(np.concatenate([sides.first, sides.second]))
    left = [_left_out(lambda kept: _average_precision(distances[kept], same[kept]), same, sides, one) for one in used]
    drops = np.array([one for one in left if one is not None])
    count = len(drops)
    spread = (count - 1) / count * float(((drops - drops.mean()) ** 2).sum()) if count > 1 else 0.0
    return _interval(value, spread, sides)


def _left_out(statistic: Callable[[np.ndarray], float], same: np.ndarray, sides: Sides, one: int) -> float | None:
    kept = sides.without(one)
    return statistic(kept) if same[kept].any() else None


def _average_precision(distances: np.ndarray, same: np.ndarray) -> float:
    if not same.any():
        raise ValueError("average precision wants pairs that are the same")
    order = np.argsort(distances, kind="stable")
    ordered, hits = distances[order], np.cumsum(same[order])
    last = np.searchsorted(ordered, ordered, "right") - 1
    precision = hits[last] / (last + 1)
    return float(precision[same[order]].mean())


def _interval(value: float, spread: float, sides: Sides) -> Estimate:
    """Wilson's, of as many independent pairs as have this variance."""
    from scipy import stats

    n, photographs = len(sides.first), sides.photographs
    if 0 < value < 1 and spread > 0:
        count = value * (1 - value) / spread
    else:
        # All pairs fare alike, which says nothing of their dependence: as many as there are independent photographs.
        count = min(independent(sides.first.tolist()), independent(sides.second.tolist()))
    if photographs > 1:
        normal, student = stats.norm.ppf((1 + CONFIDENCE) / 2), stats.t.ppf((1 + CONFIDENCE) / 2, photographs - 1)
        count *= float((normal / student) ** 2)
    count = min(max(count, 1e-9), n)
    found = proportion(np.array([value]), independent=count)
    return Estimate(value, found.low, found.high, n)
