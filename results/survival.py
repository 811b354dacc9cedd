"""The robust score as a function of eps: its curve with a simultaneous band, the area under it, its median.

A triplet holds out up to its own norm R, the smallest change that flips the answer, and the score at eps
is that of the triplets with R > eps. So the curve is a survival function, of minimal norms or of
certified radii, and what is known of those holds here.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from results.record import Record
from results.statistics import CONFIDENCE, Estimate, clustered_mean, credit, natural_credit, proportion

Band = Literal["dvoretzky-kiefer-wolfowitz", "clopper-pearson with bonferroni"]


@dataclass(frozen=True, slots=True)
class RobustnessCurve:
    """Scores in [0, 1] over eps, with ends between which the whole true curve lies with 95 % confidence."""

    eps: np.ndarray
    """Rising, from 0, where nothing was changed."""
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int
    every: bool
    """Whether the curve is known at every eps: then it steps down at these eps; else it is known at these alone."""
    band: Band

    def at(self, eps: float) -> Estimate:
        """The score at one eps, by the step before it. Raises ValueError outside what is known."""
        place = int(np.searchsorted(self.eps, eps, side="right")) - 1
        if place < 0 or eps > self.eps[-1] or not (self.every or self.eps[place] == eps):
            raise ValueError(f"the curve is not known at eps {eps:g}")
        return Estimate(float(self.score[place]), float(self.low[place]), float(self.high[place]), self.n)


def robustness_curve(record: Record, proved: bool = False) -> RobustnessCurve:
    """The score under the attack of a run, or what its certificates prove, over eps.

    Certificates and attacks for the smallest flip answer at every eps up to the largest of the run. Their band
    is that of Dvoretzky, Kiefer and Wolfowitz with Massart's constant (Annals of Probability 18, 1990): half of its
    width is sqrt(ln(2 / 0.05) / (2 n)), whatever the curve. Other attacks answer at k eps and without an attack; a
    band over k + 1 points need not pay for those between, so each gets the interval of Clopper and Pearson with
    confidence 1 - 0.05 / (k + 1). Both hold for every n.

    Raises ValueError for a run without eps, of distances, or without the attack or certificate asked for.
    """
    samples, norms = _last(record), None
    _check(record, proved)
    if proved or record.facts.get("minimal"):
        norms = certified_radii(record) if proved else minimal_norms(record)
    if norms is None:
        by_eps = [samples_at["robust"].to_numpy() for _, samples_at in record.samples.groupby("eps", sort=True)]
        steps = np.array([0.0, *sorted(record.spec["eps"])])
        points = [natural_credit(samples), *(credit(samples, pd.Series(stands)) for stands in by_eps)]
        level = 1 - (1 - CONFIDENCE) / len(points)
        ends = [proportion(values, "clopper-pearson", level) for values in points]
        score, low, high = (np.array([getattr(end, name) for end in ends]) for name in ("value", "low", "high"))
        return RobustnessCurve(steps, score, low, high, len(samples), False, "clopper-pearson with bonferroni")
    largest = max(record.spec["eps"])
    steps = np.unique([0.0, *norms[norms <= largest], largest])
    score = _stepped(samples, norms, steps)
    half = math.sqrt(math.log(2 / (1 - CONFIDENCE)) / (2 * len(samples)))
    low, high = np.maximum(score - half, 0), np.minimum(score + half, 1)
    return RobustnessCurve(steps, score, low, high, len(samples), True, "dvoretzky-kiefer-wolfowitz")
