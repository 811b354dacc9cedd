"""The robust score over eps: its curve with a simultaneous band, the area under it, the median of its norms.

A triplet holds out up to a norm R of its own, the smallest change that flips the answer, and the score
at eps is that of the triplets with R > eps. So the curve is a survival function, of minimal norms or of
certified radii, and what is known of those holds here.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.statistics.bands import Band, simultaneous
from perceptbench.results.statistics.estimates import CONFIDENCE, Estimate, clustered_mean, credit, independent


@dataclass(frozen=True, slots=True)
class SurvivalCurve:
    """Scores in [0, 1] over eps, and ends between which the whole true curve lies with 95 % confidence."""

    eps: np.ndarray
    """Rising from 0, where a triplet counts as under an attack of no strength: a tie of the metric is lost."""
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int
    everywhere: bool
    """True where the curve is known at every eps and steps down at these; else it is known at these alone."""
    band: Band


def survival_curve(record: Record, proved: bool = False) -> SurvivalCurve:
    """The score left by the attack of a run, or proved by its certificates, over eps.

    Certificates, and attacks for the smallest flip, answer at every eps up to the largest of the run. Their band
    is that of Dvoretzky, Kiefer and Wolfowitz and holds at every eps at once. Other attacks answer at k eps and at
    0; a band over these alone has not to pay for those between, so each of the k + 1 gets its interval of Clopper
    and Pearson (`simultaneous`). Both hold for every n, which counts triplets as `independent` does where they
    share references.

    Raises ValueError for a run without eps, of distances, or without the attack or certificates asked for.
    """
    _check(record, proved)
    samples = _last(record)
    count = independent(references(record, samples["id"]).tolist())
    if not (proved or _looks_for_smallest(record)):
        eps, credits = _credits(record)
        score = credits.mean(axis=0)
        low, high = simultaneous(score, count, "Clopper-Pearson, Bonferroni")
        return SurvivalCurve(eps, score, low, high, len(samples), False, "Clopper-Pearson, Bonferroni")
    norms = certified_radii(record) if proved else minimal_norms(record)
    largest = max(record.spec["eps"])
    eps = np.unique([0.0, *norms[norms <= largest], largest])
    score = _steps(samples, norms, eps)
    low, high = simultaneous(score, count, "Dvoretzky-Kiefer-Wolfowitz")
    return SurvivalCurve(eps, score, low, high, len(samples), True, "Dvoretzky-Kiefer-Wolfowitz")


def areas(record: Record, proved: bool = False) -> np.ndarray:
    """What each triplet adds to the area under the curve: its mean credit over eps from 0 to the largest, (n,).

    In [0, 1], in the order of the samples at the largest eps. Exact where the curve is known at every eps; by the
    trapezium rule between 0 and the eps of the run where it is not. Areas compare only up to the same
    largest eps, and by the same rule. Raises ValueError as survival_curve does.
    """
    from scipy.integrate import trapezoid

    _check(record, proved)
    largest = max(record.spec["eps"])
    if not (proved or _looks_for_smallest(record)):
        eps, credits = _credits(record)
        return np.asarray(trapezoid(credits, eps, axis=1) / largest)
    norms = certified_radii(record) if proved else minimal_norms(record)
    lost, won = _stakes(_last(record))
    return lost + (won - lost) * np.minimum(norms, largest) / largest


def area(record: Record, proved: bool = False) -> Estimate:
    """The area under the robustness curve over the largest eps, in [0, 1]: the mean score over eps.

    With a 95 % BCa bootstrap interval that draws whole references. Raises ValueError as `areas` does, and for
    fewer than two references.
    """
    return clustered_mean(areas(record, proved), references(record, _last(record)["id"]).tolist())


def minimal_norms(record: Record) -> np.ndarray:
    """The norm of the smallest change found to flip each triplet, (n,): 0 where the answer was wrong from the start.

    Infinite where none was found up to the largest eps. From attacks for the smallest flip alone, since others
    stop at the first one within eps. Raises ValueError for any other run.
    """
    _check(record, proved=False)
    if not _looks_for_smallest(record):
        raise ValueError(f"{record.spec['attack']} did not look for the smallest flip, so it has no minimal norms")
    last = _last(record)
    # Floating point may put a flip at the largest eps a hair above it.
    size = np.minimum(last["size"].to_numpy(), max(record.spec["eps"]))
    return np.where(last["robust"], np.inf, np.where(last["correct"], size, 0.0))


def certified_radii(record: Record) -> np.ndarray:
    """The certified radius of each triplet, (n,), 0 where there is none. Raises ValueError without a certifier."""
    _check(record, proved=True)
    return _last(record)["radius"].to_numpy()


def median_norm(norms: np.ndarray) -> Estimate:
    """The smallest norm by which half of the triplets are flipped, with its 95 % interval; infinite: not reached.

    The interval lies between two order statistics chosen by the binomial distribution, so it holds for any
    distribution of norms (Conover, Practical Nonparametric Statistics, 1999, section 3.2); with five norms
    or fewer none are far enough out, and it is [0, infinity]. Raises ValueError for no norms, and for norms
    below zero or not a number.
    """
    from scipy import stats

    n = len(norms)
    if n == 0 or not bool((norms >= 0).all()):
        raise ValueError("a median norm wants norms of zero or more, at least one")
    low, high = stats.quantile_test(norms, p=0.5).confidence_interval(CONFIDENCE)
    low, high = (0.0, math.inf) if math.isnan(low) else (float(low), float(high))
    return Estimate(float(np.sort(norms)[(n - 1) // 2]), low, high, n)


def _check(record: Record, proved: bool) -> None:
    spec = record.spec
    if not spec["eps"] or min(spec["eps"]) <= 0:
        raise ValueError(f"the run {record.run} has no positive eps, so it has no curve over them")
    if not spec["certifier" if proved else "attack"]:
        raise ValueError(f"the run {record.run} has no {'certificates' if proved else 'attack'}")
    if not proved and record.facts.get("unit") == "distance":
        raise ValueError(f"the run {record.run} moved distances, which are no scores")


def _looks_for_smallest(record: Record) -> bool:
    """With other images moving, and by the paper's protocol, every eps is attacked by itself, whatever the attack."""
    default = record.spec.get("move", "reference") == "reference" and record.spec.get("protocol", "ours") == "ours"
    return bool(record.facts.get("minimal")) and default


def _last(record: Record) -> pd.DataFrame:
    return record.samples[record.samples["eps"] == max(record.spec["eps"])]


def _credits(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """eps from 0 (k + 1,), and the credit of each triplet at each of them (n, k + 1)."""
    last = _last(record)
    stands = record.samples.pivot(index="id", columns="eps", values="robust").loc[last["id"]]
    kept = [last["correct"], *(stands[eps] for eps in sorted(record.spec["eps"]))]
    return np.array([0.0, *sorted(record.spec["eps"])]), np.stack([credit(last, column) for column in kept], axis=1)


def _stakes(samples: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The credit of each triplet once its answer is flipped, and as long as it is not."""
    ends = (pd.Series(np.full(len(samples), stands)) for stands in (False, True))
    lost, won = (credit(samples, end) for end in ends)
    return lost, won


def _steps(samples: pd.DataFrame, norms: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """The mean credit of triplets whose norm exceeds each eps."""
    lost, won = _stakes(samples)
    order = np.argsort(norms)
    lost_so_far = np.concatenate([[0.0], np.cumsum((won - lost)[order])])
    return np.asarray(won.mean() - lost_so_far[np.searchsorted(norms[order], eps, side="right")] / len(norms))
