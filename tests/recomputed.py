"""Scores and intervals from samples.parquet alone, without the code of results."""

from math import sqrt

import pandas as pd

Z = 1.959963984540054


def wilson(credits: pd.Series) -> tuple[float, float, float]:
    """Share and interval in percent, by the formula of Wilson (JASA 1927)."""
    n, p = len(credits), credits.mean()
    middle, half = p + Z**2 / (2 * n), Z * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return 100 * p, *(100 * (middle + sign * half) / (1 + Z**2 / n) for sign in (-1, 1))


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
