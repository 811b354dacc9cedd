"""Scores and their intervals, from samples. An empty set has no score: it raises."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

CONFIDENCE = 0.95

Method = Literal["wilson", "clopper-pearson"]

_NAMES: dict[Method, str] = {"wilson": "wilson", "clopper-pearson": "beta"}
_MOST_DRAWN = 4_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval over n samples."""

    value: float
    low: float
    high: float
    n: int


def credit(samples: pd.DataFrame, survived: pd.Series) -> np.ndarray:
    """What each triplet adds to the score, in [0, 1].

    Where people voted 0 or 1, a right answer counts 1. Where they were divided, the BAPPS rule
    holds: an answer counts the share of people who gave it, so an answer that did not survive
    counts what the other side got (Zhang et al., CVPR 2018, section 4.2).
    """
    share = samples["right_share"].to_numpy()
    majority = np.maximum(share, 1 - share)
    return np.where(survived.to_numpy(), majority, 1 - majority)


def natural_credit(samples: pd.DataFrame) -> np.ndarray:
    """The same without an attack; a tie of the metric counts one half."""
    values = credit(samples, samples["correct"])
    return np.where(samples["d0"] == samples["d1"], 0.5, values)


def proportion(
    values: np.ndarray,
    method: Method = "wilson",
    confidence: float = CONFIDENCE,
    independent: float | None = None,
) -> Estimate:
    """The mean of credits in [0, 1] with its interval: Wilson's (JASA 1927), or that of Clopper and Pearson.

    Wilson's holds its level on average over the true score; Clopper and Pearson's (Biometrika 1934) at every
    one, and is wider. Divided votes and ties give credits between, whose variance is at most that of 0 and 1
    with the same mean, so there both are on the safe side. Where triplets share references, `independent` counts
    for n in the interval. Raises ValueError for an empty set, for values outside [0, 1] and for an unknown method.
    """
    from statsmodels.stats.proportion import proportion_confint

    n = len(values)
    if n == 0:
        raise ValueError("an empty set of samples has no score")
    if not (np.min(values) >= 0 and np.max(values) <= 1):
        raise ValueError("an interval of a proportion wants credits in [0, 1]; a mean of distances has mean_estimate")
    if method not in _NAMES:
        raise ValueError(f"unknown interval {method!r}; known: {', '.join(_NAMES)}")
    mean = float(np.mean(values))
    count = n if independent is None else independent
    low, high = proportion_confint(mean * count, count, alpha=1 - confidence, method=_NAMES[method])
    return _around(mean, float(low), float(high), n)


def _around(mean: float, low: float, high: float, n: int) -> Estimate:
    """An interval holds its score, also where rounding or a skewed bootstrap puts an end on its other side."""
    return Estimate(mean, min(low, mean), max(high, mean), n)


def score(values: np.ndarray, references: Sequence[str]) -> Estimate:
    """The mean of credits in [0, 1] with its 95 % interval, right also where triplets share a reference image.

    Wilson's where each reference stands once, else the BCa bootstrap over references. Where all references have the
    same mean, or there is only one, a bootstrap has nothing to draw: then Wilson's with as many samples as
    there are independent ones. Raises ValueError for an empty set.
    """
    sizes = np.unique(np.asarray(references), return_counts=True)[1]
    if sizes.max(initial=0) <= 1:
        return proportion(values)
    drawn = clustered_mean(values, references) if len(sizes) > 1 else None
    return drawn if drawn and drawn.low < drawn.high else proportion(values, independent=independent(references))


def independent(references: Sequence[str]) -> float:
    """How many independent triplets are as good as these, at worst: (sum of n_r)^2 / sum of n_r^2.

    n_r is the number of triplets of a reference; at worst means that all of them fare alike (Kish, Survey Sampling,
    1965, with an intraclass correlation of 1). That is the number of references where all have as many, and n where
    none repeats. Raises ValueError for no triplets.
    """
    if len(references) == 0:
        raise ValueError("an empty set of samples has no score")
    sizes = np.unique(np.asarray(references), return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def clustered_mean(values: np.ndarray, clusters: Sequence[str], seed: int = 0) -> Estimate:
    """The mean with a 95 % BCa bootstrap interval that draws whole clusters, such as all triplets of a reference.

    Answers to triplets that share a reference are not independent: drawn one by one, they would give an
    interval that is too narrow. Raises ValueError for fewer than two clusters.
    """
    from scipy import stats

    totals = pd.DataFrame({"value": values, "n": 1.0}).groupby(np.asarray(clusters)).sum()
    if len(totals) < 2:
        raise ValueError(f"a clustered interval needs at least two clusters, got {len(totals)}")
    value, n = totals["value"].to_numpy(), totals["n"].to_numpy()
    mean = float(value.sum() / n.sum())
    if np.ptp(value / n) == 0:
        # Every draw gives the same mean, and BCa has no acceleration to compute.
        return Estimate(mean, mean, mean, len(values))
    drawn = stats.bootstrap(
        (value, n), lambda v, k, axis: v.sum(axis) / k.sum(axis), paired=True, vectorized=True,
        confidence_level=CONFIDENCE, n_resamples=4999, method="BCa", rng=np.random.default_rng(seed),
        batch=max(1, _MOST_DRAWN // len(totals)),
    )  # fmt: skip
    low, high = drawn.confidence_interval
    return _around(mean, float(low), float(high), len(values))


def mean_estimate(values: np.ndarray, clusters: Sequence[str] | None = None) -> Estimate:
    """The mean of distances with Student's t interval over clusters, such as all triplets of a reference.

    Without clusters each value is one of its own. The standard error is that of a ratio of sums (Cochran, Sampling
    Techniques, 1977, section 6.3) with one degree of freedom less than there are clusters; for clusters of one size
    that is the t interval of their means. Raises ValueError for fewer than two clusters.
    """
    from scipy import stats

    sums, sizes = totals(values, clusters)
    k = len(sums)
    if k < 2:
        raise ValueError(f"an interval of a mean needs at least two samples that share no reference, got {k}")
    mean = float(sums.sum() / sizes.sum())
    error = math.sqrt(k / (k - 1) * float(((sums - mean * sizes) ** 2).sum())) / float(sizes.sum())
    half = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, k - 1))
    return Estimate(mean, mean - half, mean + half, len(values))


def totals(values: np.ndarray, clusters: Sequence[str] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the values of each cluster, and how many they are. Without clusters each value is one of its own."""
    if clusters is None:
        return np.asarray(values, dtype=float), np.ones(len(values))
    index = np.unique(np.asarray(clusters), return_inverse=True)[1]
    return np.bincount(index, weights=values), np.bincount(index).astype(float)


def radius_gain(samples: pd.DataFrame, others: pd.DataFrame) -> tuple[float, int] | None:
    """The median ratio of certified radii over the triplets where both are positive, and how many those are.

    None where there are none.
    """
    ours, theirs = (frame.drop_duplicates("id").set_index("id")["radius"] for frame in (samples, others))
    both = pd.concat([ours, theirs], axis=1, keys=["ours", "theirs"], join="inner")
    both = both[(both["ours"] > 0) & (both["theirs"] > 0)]
    return (float((both["ours"] / both["theirs"]).median()), len(both)) if len(both) else None
