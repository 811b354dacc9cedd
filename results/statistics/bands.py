"""Intervals that hold at all points of a curve at once: an interval at each point is no statement about the curve."""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from perceptbench.results.statistics.estimates import CONFIDENCE, proportion

Band = Literal["Dvoretzky-Kiefer-Wolfowitz", "Clopper-Pearson, Bonferroni"]


def simultaneous(scores: ArrayLike, counts: ArrayLike, band: Band) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (k,) around k scores in [0, 1] that all hold at once with 95 % confidence.

    `counts`, one or k, are the independent triplets behind each score. Dvoretzky, Kiefer and Wolfowitz, with
    Massart's constant (Annals of Probability 18, 1990), suits points of one survival function, wherever they lie:
    score +- sqrt(ln(2 / 0.05) / (2 n)). Clopper and Pearson's intervals, each with confidence 1 - 0.05 / k, suit
    points that were chosen before the scores were known; they raise ValueError for scores outside [0, 1].
    """
    score, count = np.broadcast_arrays(np.asarray(scores, dtype=float), np.asarray(counts, dtype=float))
    if band == "Dvoretzky-Kiefer-Wolfowitz":
        half = np.sqrt(math.log(2 / (1 - CONFIDENCE)) / (2 * count))
        return np.maximum(score - half, 0), np.minimum(score + half, 1)
    level = 1 - (1 - CONFIDENCE) / len(score)
    pairs = zip(score, count, strict=True)
    ends = [proportion(np.array([value]), "clopper-pearson", level, float(n)) for value, n in pairs]
    return np.array([end.low for end in ends]), np.array([end.high for end in ends])
