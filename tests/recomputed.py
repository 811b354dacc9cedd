"""Scores and intervals from samples.parquet alone, without the code of results."""

from collections.abc import Mapping
from math import sqrt

import numpy as np
import pandas as pd
from scipy import stats

Z = 1.959963984540054


def wilson(credits: pd.Series, n: float | None = None) -> tuple[float, float, float]:
    """Share and interval in percent, by the formula of Wilson (JASA 1927), as if of n independent samples."""
    n, p = n or len(credits), credits.mean()
    middle, half = p + Z**2 / (2 * n), Z * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return 100 * p, *(100 * (middle + sign * half) / (1 + Z**2 / n) for sign in (-1, 1))


def over_references(credits: pd.Series, ids: pd.Series, names: Mapping[str, str]) -> tuple[float, float, float]:
    """The same where samples share references: by 20,000 draws of whole references (scipy's BCa bootstrap).

    Where all references agree nothing can be drawn; then by Wilson's formula, with the effective number of Kish.
    """
    groups = credits.groupby([names.get(one, one) for one in ids])
    total, n = groups.sum().to_numpy(), groups.count().to_numpy()
    if np.ptp(total / n) == 0:
        return wilson(credits, n.sum() ** 2 / (n**2).sum())
    drawn = stats.bootstrap(
        (total, n), lambda total, n, axis: total.sum(axis) / n.sum(axis), paired=True, vectorized=True,
        n_resamples=20_000, rng=np.random.default_rng(5),
    ).confidence_interval  # fmt: skip
    return 100 * credits.mean(), 100 * drawn.low, 100 * drawn.high


def shown(credits: pd.Series) -> str:
    """As reports print it."""
    return "{:.1f} [{:.1f}, {:.1f}]".format(*wilson(credits))


def _credits(samples: pd.DataFrame, stood: pd.Series) -> pd.Series:
    """What the answers earn: the share of people who gave them (the rule of BAPPS)."""
    right = samples["right_share"]
    agreed = right.where(samples["label"] > 0.5, 1 - right)
    return agreed.where(stood, 1 - agreed)


def credits_of(samples: pd.DataFrame) -> dict[tuple[str, float | None], pd.Series]:
    """(kind, eps) -> what each triplet earns: natural without eps, attack and certificate at each."""
    budgets = samples["eps"].unique().tolist()
    once = samples[samples["eps"] == budgets[0]]
    natural = _credits(once, once["correct"]).where(once["d0"] != once["d1"], 0.5)
    found: dict[tuple[str, float | None], pd.Series] = {("natural", None): natural}
    for eps in budgets:
        at = samples[samples["eps"] == eps]
        found["attack", eps] = _credits(at, at["robust"])
        found["certificate", eps] = _credits(at, at["radius"] > eps)
    return found
