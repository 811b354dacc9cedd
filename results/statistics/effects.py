"""How far apart two sets of distances lie, whatever their unit."""

import numpy as np

from perceptbench.results.statistics.estimates import CONFIDENCE, Estimate, proportion


def cohens_d(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Cohen's d of two independent sets of distances with its 95 % interval.

    d = (mean of first - mean of second) / s, s^2 the variance pooled over both sets; with equally many in
    each, s^2 is the mean of the two variances (Cohen, Statistical Power Analysis, 1988, eq. 2.5.1). The interval
    inverts the noncentral t distribution (Steiger and Fouladi 1997), which supposes normal distances; where
    they are skewed, as distances under attack are, cliffs_delta is the one to read. Unbounded; `n` counts both.

    Raises ValueError for fewer than two distances in a set, and where neither set varies.
    """
    from scipy import special

    sizes = len(first), len(second)
    if min(sizes) < 2:
        raise ValueError(f"Cohen's d needs at least two distances in each set, got {sizes[0]} and {sizes[1]}")
    freedom = sum(sizes) - 2
    pooled = sum((n - 1) * np.var(values, ddof=1) for n, values in zip(sizes, (first, second), strict=True)) / freedom
    if pooled == 0:
        raise ValueError("Cohen's d is not defined where the distances of neither set vary")
    d = float((np.mean(first) - np.mean(second)) / np.sqrt(pooled))
    per_d = np.sqrt(sizes[0] * sizes[1] / sum(sizes))
    low, high = (special.nctdtrinc(freedom, p, d * per_d) / per_d for p in ((1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2))
    return Estimate(d, float(low), float(high), sum(sizes))


def cliffs_delta(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Cliff's delta, P(first > second) - P(first < second), with its 95 % interval (Psychological Bulletin 1993).

    In [-1, 1]: 0 where the two sets of distances lie alike, 1 where every one of the first is larger than every
    one of the second. It asks for order alone, so metrics of any scale compare. The interval is
    that of Brunner and Munzel (Biometrical Journal 2000). Its variance is zero where the sets do not overlap; there the
    smaller set gives m pairs without common members, all of one sign, and Clopper and Pearson's interval
    of m out of m holds. `n` counts both sets.

    Raises ValueError for fewer than two distances in a set, and where all are equal.
    """
    from statsmodels.stats.nonparametric import rank_compare_2indep

    sizes = len(first), len(second)
    if min(sizes) < 2:
        raise ValueError(f"Cliff's delta needs at least two distances in each set, got {sizes[0]} and {sizes[1]}")
    if np.ptp(np.concatenate([first, second])) == 0:
        raise ValueError("Cliff's delta has no interval where all distances are equal")
    above, below = np.min(first) > np.max(second), np.max(first) < np.min(second)
    if above or below:
        share = proportion(np.full(min(sizes), float(above)), "clopper-pearson")
        larger, low, high = share.value, share.low, share.high
    else:
        found = rank_compare_2indep(first, second)
        larger, (low, high) = found.prob1, found.conf_int(alpha=1 - CONFIDENCE)
    value, low, high = (min(1.0, max(-1.0, float(2 * end - 1))) for end in (larger, low, high))
    return Estimate(value, low, high, sum(sizes))
