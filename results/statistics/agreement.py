"""How far people agree with each other, which is as far as a metric can agree with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perceptbench.results.statistics.estimates import CONFIDENCE, Estimate, proportion, score


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What people reach on a data set, scored by the rule that metrics are scored by. Shares in [0, 1]."""

    majority: Estimate
    """Who always answers as most people did: no metric can score more."""
    person: Estimate
    """One more person, drawn from the same crowd."""


def human_ceiling(
    right_share: np.ndarray, votes: np.ndarray | None = None, references: Sequence[str] | None = None
) -> Ceiling:
    """The expected 2AFC score of the majority of people and of one person (Zhang et al., CVPR 2018, section 4.2).

    An answer counts the share p of people who gave it: the majority gets max(p, 1 - p), a person
    p^2 + (1 - p)^2. The latter counts a person's own vote as that of a second one; with the number of votes,
    that is put right: among k of n votes for the right image, two different people agree with
    probability (k (k - 1) + (n - k) (n - k - 1)) / (n (n - 1)). A share of 0 or 1 everywhere, as NIGHTS
    has, gives 1 and says only that triplets on which people were divided were left out.

    Args:
        right_share: share of people who preferred the right image, (n,), in [0, 1].
        votes: how many people were asked about each triplet, (n,), each at least 2.
        references: the reference image of each triplet, (n,), where some share one: intervals then draw whole ones.

    Raises ValueError for no triplets, shares outside [0, 1], and votes that are fewer than 2 or do not give the shares.
    """
    share = np.asarray(right_share, dtype=float)
    if len(share) == 0 or not bool(((share >= 0) & (share <= 1)).all()):
        raise ValueError("a human ceiling needs shares in [0, 1] of at least one triplet")
    alike = share**2 + (1 - share) ** 2 if votes is None else _two_agree(share, np.asarray(votes, dtype=float))
    names = [str(i) for i in range(len(share))] if references is None else references
    return Ceiling(score(np.maximum(share, 1 - share), names), score(alike, names))


def _two_agree(share: np.ndarray, votes: np.ndarray) -> np.ndarray:
    right = np.round(share * votes)
    if votes.shape != share.shape or bool((votes < 2).any()) or not np.allclose(right, share * votes, atol=0.01):
        raise ValueError("expected two votes or more for each triplet, of which the share is a whole number")
    left = votes - right
    return (right * (right - 1) + left * (left - 1)) / (votes * (votes - 1))


def cohens_kappa(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Agreement of two judges beyond chance, (p_o - p_e) / (1 - p_e) (Cohen, EPM 1960), with its 95 % interval.

    In [-1, 1]: 1 where they always agree, 0 where they agree as often as their own frequencies give by chance. The
    interval is that of Fleiss, Cohen and Everitt (Psychological Bulletin 1969). It has no width where judges always
    agree, whatever n; there, and where they never agree, that of Clopper and Pearson for p_o takes its place,
    with p_e as observed. Judges may be metrics or the majority of people.

    Args:
        first: answers of the first judge, (n,), of any kind.
        second: answers of the second to the same triplets.

    Raises ValueError for fewer than two triplets, for answers of different lengths, and where a judge always gives
    the same answer: then kappa is 0 or 0 / 0 whatever the other judge says.
    """
    from statsmodels.stats.inter_rater import cohens_kappa as kappa

    if np.shape(first) != np.shape(second):
        raise ValueError(f"expected two answers to each of the same triplets, got {len(first)} and {len(second)}")
    if len(first) < 2:
        raise ValueError(f"Cohen's kappa needs the answers to at least two triplets, got {len(first)}")
    if min(len(np.unique(first)), len(np.unique(second))) < 2:
        raise ValueError("Cohen's kappa says nothing where a judge always gives the same answer")
    kinds, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    table = np.zeros((len(kinds), len(kinds)))
    np.add.at(table, (codes[: len(first)], codes[len(first) :]), 1)
    agreed = np.asarray(first) == np.asarray(second)
    if agreed.all() or not agreed.any():
        chance = float(table.sum(0) @ table.sum(1)) / len(first) ** 2
        share = proportion(agreed.astype(float), "clopper-pearson")
        value, low, high = ((end - chance) / (1 - chance) for end in (share.value, share.low, share.high))
        return Estimate(max(-1.0, value), max(-1.0, low), high, len(first))
    found = kappa(table)
    half = float(found.std_kappa) * _normal_quantile()
    value = float(found.kappa)
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), len(first))


def _normal_quantile() -> float:
    from scipy import special

    return float(special.ndtri((1 + CONFIDENCE) / 2))


def fleiss_kappa(counts: np.ndarray) -> float:
    """Agreement of several judges beyond chance (Fleiss, Psychological Bulletin 76, 1971); at most 1.

    Args:
        counts: how many judges gave each answer to each triplet, (n, k); each row has the same sum of 2 or more.

    Raises ValueError for no triplets, rows of different sums or of fewer than 2, and where only one answer was given.
    """
    from statsmodels.stats.inter_rater import fleiss_kappa as kappa

    table = np.asarray(counts)
    if table.ndim != 2 or len(table) == 0:
        raise ValueError(f"expected one row of counts a triplet, got an array of shape {table.shape}")
    judges = table.sum(1)
    if bool((judges != judges[0]).any()) or judges[0] < 2:
        raise ValueError("Fleiss' kappa wants the same number of judges, two or more, for each triplet")
    if np.count_nonzero(table.sum(0)) < 2:
        raise ValueError("Fleiss' kappa is not defined where only one answer was given")
    return float(kappa(table, method="fleiss"))
