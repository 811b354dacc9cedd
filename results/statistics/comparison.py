"""Two metrics on the same triplets: is the difference more than chance?

Answers to the same triplets are paired, so unpaired intervals that overlap say little: what counts are
the triplets that only one of the two got right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_lowercase

import numpy as np

from perceptbench.results.statistics.estimates import Estimate, clustered_mean


@dataclass(frozen=True, slots=True)
class Paired:
    """McNemar's comparison of two metrics over n triplets."""

    n: int
    gained: int
    """Triplets that only the first answered."""
    lost: int
    """Triplets that only the second answered."""
    exact: float
    """Two-sided p-value of the binomial test that `gained` is half of `gained + lost`."""
    corrected: float
    """p-value of the chi-square statistic (|gained - lost| - 1)^2 / (gained + lost), one degree of freedom."""


def mcnemar(first: np.ndarray, second: np.ndarray) -> Paired:
    """Whether two metrics answer the same triplets equally well (McNemar, Psychometrika 1947).

    The exact test is right for any number of triplets; the other, with the correction of Edwards
    (Psychometrika 1948), is the one textbooks print. Both p-values are 1 where `gained` equals `lost`.

    Args:
        first: whether the first metric was right, (n,) booleans.
        second: the same of the second metric, in the same order.

    Raises ValueError for no triplets, and where the two are not booleans of one length.
    """
    from statsmodels.stats.contingency_tables import mcnemar as test

    _check_pairs(first, second)
    if first.dtype != bool or second.dtype != bool:
        raise ValueError(f"McNemar's test wants booleans, got {first.dtype} and {second.dtype}")
    gained, lost = int((first & ~second).sum()), int((~first & second).sum())
    if gained == lost:
        # The correction would overshoot, and without any difference divide by zero.
        return Paired(len(first), gained, lost, 1.0, 1.0)
    table = [[int((first & second).sum()), gained], [lost, int((~first & ~second).sum())]]
    exact, corrected = test(table, exact=True), test(table, exact=False, correction=True)
    return Paired(len(first), gained, lost, float(exact.pvalue), float(corrected.pvalue))


def holm(p: Sequence[float]) -> list[float]:
    """p-values for m tests at once, in the same order (Holm, Scandinavian Journal of Statistics 1979).

    The i-th smallest is multiplied by m - i + 1 and never smaller than the one before it, at most 1. Rejecting
    those up to alpha rejects a true hypothesis with probability at most alpha, however the tests depend
    on each other. No tests give no p-values. Raises ValueError for a p-value outside [0, 1].
    """
    if not all(0 <= one <= 1 for one in p):
        raise ValueError(f"p-values lie in [0, 1], got {list(p)}")
    # By hand: statsmodels' multipletests starts the garbage collector at every call, a tenth of a second each.
    order = np.argsort(p)
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1))
    return [float(one) for one in np.minimum(adjusted, 1)]


def difference(first: np.ndarray, second: np.ndarray, groups: Sequence[str] | None = None, seed: int = 0) -> Estimate:
    """The mean of first - second over the same triplets, with a 95 % BCa bootstrap interval (Efron, JASA 1987).

    Whole triplets are drawn, so whatever both metrics find hard cancels; whole groups where they are given.
    Where all differences are equal, so are the ends of the interval.

    Args:
        first: scores of the first metric, (n,).
        second: scores of the second, in the same order and unit.
        groups: n names, equal for triplets that share a reference.

    Raises ValueError for fewer than two triplets or groups, and for two scores of different lengths.
    """
    _check_pairs(first, second)
    if groups is not None and len(groups) != len(first):
        raise ValueError(f"expected one group for each of {len(first)} triplets, got {len(groups)}")
    clusters = [str(i) for i in range(len(first))] if groups is None else groups
    return clustered_mean(np.asarray(first, dtype=float) - np.asarray(second, dtype=float), clusters, seed)


def letters(
    names: Sequence[str], scores: Sequence[float], adjusted: Mapping[frozenset[str], float], alpha: float = 0.05
) -> dict[str, str]:
    """Significance groups, best score first: two metrics share a letter where no difference is significant.

    The compact letter display of Piepho (JCGS 13, 2004) by inserting and absorbing: each significant
    pair splits every group that holds both, and groups inside another one are dropped.

    Args:
        names: metrics, each once.
        scores: their scores, in the same order; larger is better.
        adjusted: p-value of each pair of names, adjusted for their number.

    Raises ValueError for no names, a name used twice, scores of another length, and a pair without p-value.
    """
    if not names or len(set(names)) != len(names) or len(scores) != len(names):
        raise ValueError(f"expected names, each once, with a score each; got {list(names)} and {len(scores)} scores")
    ranked = [name for _, name in sorted(zip(scores, names, strict=True), key=lambda pair: -pair[0])]
    groups = [frozenset(names)]
    for pair in map(frozenset, combinations(ranked, 2)):
        if pair not in adjusted:
            raise ValueError(f"expected a p-value for {' and '.join(sorted(pair))}, got none")
        if adjusted[pair] < alpha:
            split = {group - {name} for group in groups if pair <= group for name in pair}
            groups = _largest([group for group in groups if not pair <= group], split)
    groups.sort(key=lambda group: sorted(map(ranked.index, group)))
    return {name: "".join(_letter(i) for i, group in enumerate(groups) if name in group) for name in ranked}


def _largest(kept: list[frozenset[str]], new: set[frozenset[str]]) -> list[frozenset[str]]:
    """The groups that no other contains."""
    groups = {*kept, *new}
    return [group for group in groups if not any(group < other for other in groups)]


def _letter(i: int) -> str:
    """a to z, then aa, ab: more than 26 groups need two signs."""
    return (_letter(i // 26 - 1) if i >= 26 else "") + ascii_lowercase[i % 26]


def _check_pairs(first: np.ndarray, second: np.ndarray) -> None:
    if len(first) == 0 or np.shape(first) != np.shape(second):
        raise ValueError(
            f"expected two answers to each of the same triplets, got {np.shape(first)} and {np.shape(second)}"
        )
