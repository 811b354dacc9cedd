"""What the samples of a run must be to be believed: values in range, none missing, none twice, none that contradict.

Each function gives one sentence that names the column and the sample, or ''. header_checks.py is about record.json.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from perceptbench.results.record import COLUMNS, OF_QUERIES, VISIBLE

_ROUNDING = 1e-6
"""Part of eps by which a measured size may exceed it."""

_Wrong = Callable[[pd.Series], pd.Series]

_AT_LEAST_0: tuple[str, _Wrong] = ("a finite number of at least 0", lambda column: ~((column >= 0) & (column < np.inf)))
_FINITE: tuple[str, _Wrong] = ("a finite number", lambda column: ~(column.abs() < np.inf))
_OR_MISSING: tuple[str, _Wrong] = (
    "missing, or a finite number of at least 0", lambda column: (column < 0) | (column == np.inf)
)  # fmt: skip
_TYPES = {**COLUMNS, **VISIBLE, **OF_QUERIES}
_RANGES: Mapping[str, tuple[str, _Wrong]] = {
    "eps": ("a positive and finite number", lambda column: ~((column > 0) & (column < np.inf))),
    "size": _AT_LEAST_0,
    # Infinite where no change of any size can break the answer.
    "radius": ("a number of at least 0", lambda column: ~(column >= 0)),
    "forwards": _AT_LEAST_0,
    "backwards": _AT_LEAST_0,
    "content": ("16 hex digits, or empty", lambda column: ~column.str.fullmatch("|[0-9a-f]{16}").astype(bool)),
    "label": ("0 or 1", lambda column: ~column.isin((0, 1))),
    "right_share": ("a number from 0 to 1", lambda column: ~column.between(0, 1)),
    **dict.fromkeys(("d0", "d1", "d0_adv", "d1_adv", "d_self"), _FINITE),
    "queries": ("missing, or a finite number of at least 1", lambda column: (column < 1) | (column == np.inf)),
    **dict.fromkeys(("norm_ref", "change_l2", "change_linf", "change_lpips", "change_lipsim"), _OR_MISSING),
    "change_ssim": ("missing, or a number from -1 to 1", lambda column: column.abs() > 1),
}
CLEAN = ("group", "radius", "content", "label", "right_share", "d0", "d1", "correct", "norm_ref")
"""Columns that say something of a sample before any attack, so they are the same at each of its eps."""


def rows_problem(samples: pd.DataFrame) -> str:
    """What is wrong with single rows, or with two of the same sample at one eps."""
    for name in ("id", "group", "broken_by", "content"):
        if name in samples and samples[name].isna().any():
            return f"the column {name} has missing values"
    for name, (words, wrong) in _RANGES.items():
        if name in samples and samples[name].dtype == _TYPES[name] and (found := wrong(samples[name])).any():
            return (
                f"{name} should be {words}, got {samples[name][found].tolist()[0]!r:.60} for {_named(samples, found)}"
            )
    if (twice := samples.duplicated(["id", "eps"])).any():
        return f"there are two rows of id {_named(samples, twice)}"
    return _answers_problem(samples) if {"label", "right_share", "d0", "d1", "correct"} <= set(samples) else ""


def _answers_problem(samples: pd.DataFrame) -> str:
    """A label that people did not give, or an answer that the distances do not give."""
    right, share = samples["label"] == 1, samples["right_share"]
    wrong = (right & (share < 0.5)) | (~right & (share > 0.5))
    if wrong.any():
        return f"label and right_share name two sides for {_named(samples, wrong)}"
    answer = (samples["d0"] > samples["d1"]).where(right, samples["d0"] < samples["d1"])
    if (wrong := answer != samples["correct"]).any():
        return f"correct should be what d0, d1 and label say, which it is not for {_named(samples, wrong)}"
    return ""


def run_problem(samples: pd.DataFrame, spec: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """What is missing in the samples of a finished run, or contradicts its record."""
    eps, count = spec["eps"], samples["id"].nunique()
    if count == 0:
        return "it has no samples"
    if (other := ~samples["eps"].isin(eps)).any():
        return f"eps should be one of spec.eps, which it is not for {_named(samples, other)}"
    for budget in eps:
        at = samples["id"][samples["eps"] == budget]
        if len(at) < count:
            missing = next(name for name in samples["id"] if name not in set(at))
            return f"id {missing!r} has no row at eps {budget:g}"
    if facts.get("n", count) != count:
        return f"id should have facts.n, {facts['n']}, different values, got {count}"
    for key in ("references", "others"):
        if strange := sorted(set(facts.get(key, {})) - set(samples["id"])):
            return f"facts.{key} names {strange[0]!r}, which is the id of no sample"
    return _sweep_problem(samples, spec, facts)


def _sweep_problem(samples: pd.DataFrame, spec: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """What cannot be along the eps of one sample."""
    ordered = samples.sort_values("eps", kind="stable")
    for name in (name for name in CLEAN if name in samples):
        first = ordered.groupby("id")[name].transform("first")
        if (wrong := (ordered[name] != first) & ~(ordered[name].isna() & first.isna())).any():
            return f"{name} should be the same at every eps, which it is not for {_named(ordered, wrong)}"
    if facts.get("sound") and "correct" in samples and (wrong := (samples["radius"] > 0) & ~samples["correct"]).any():
        return f"radius should be 0 where correct is false, got more for {_named(samples, wrong)}"
    if spec["attack"] is None and "correct" in samples and (wrong := samples["robust"] != samples["correct"]).any():
        return f"robust should be correct where nothing attacks, which it is not for {_named(samples, wrong)}"
    if spec.get("protocol", "ours") != "ours":
        # The attacks of the paper's code also attack wrong answers, and may turn one into the right one.
        return ""
    if "correct" in samples and (wrong := samples["robust"] & ~samples["correct"]).any():
        return f"robust should be false where correct is, got true for {_named(samples, wrong)}"
    if (wrong := samples["size"] > samples["eps"] * (1 + _ROUNDING)).any():
        return f"size should be at most eps, got {samples['size'][wrong].iloc[0]:g} for {_named(samples, wrong)}"
    before = ordered.groupby("id")["robust"].shift(fill_value=True).astype(bool)
    if (wrong := ordered["robust"] & ~before).any():
        return f"robust should stay false at larger eps, got true again for {_named(ordered, wrong)}"
    return ""


def _named(samples: pd.DataFrame, which: pd.Series) -> str:
    """The first of some rows."""
    row = samples[which].iloc[0]
    return f"{row['id']!r:.60} at eps {row['eps']:g}"
