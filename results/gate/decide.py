"""What is more than chance: tests of all scores of a matrix, and the smallest drop that they see.

The probability of a false alarm is split equally over natural, certified and attacked scores, and Holm's correction
holds within each of the three. So many certified scores, which are cheap, do not raise the bar for attacked ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np

from perceptbench.results.gate.baseline import Baseline
from perceptbench.results.gate.column import Column
from perceptbench.results.rows import Kind
from perceptbench.results.statistics import pair_difference
from perceptbench.results.statistics.comparison import holm
from perceptbench.results.statistics.sign_flips import one_sided, smallest_shift

Verdict = Literal["worse", "better", "changed", "same"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one score: `drop` in points, or percent of a mean distance, and one-sided p-values that it fell and rose."""

    kind: Kind
    drop: float
    fell: float
    rose: float
    moved: bool


def counted(kind: Kind, n: int, lost: int, gained: int) -> Evidence:
    """Of n answers: McNemar's exact one-sided test (Psychometrika 1947)."""
    drop = 100 * (lost - gained) / n
    return Evidence(kind, drop, _tail(lost, gained), _tail(gained, lost), lost + gained > 0)


def evidence(column: Column) -> Evidence:
    """Of any score: of distances the sign-flip test, which flips all samples of a reference together.

    Of decisions on pairs the test that knows the photographs on both sides.
    """
    fall = column.fall
    if column.sides is not None:
        fell, rose = pair_difference.one_sided(fall, column.sides), pair_difference.one_sided(-fall, column.sides)
        return Evidence(column.kind, 100 * float(fall.mean()), fell, rose, bool(fall.any()))
    if column.measure == "stands":
        return counted(column.kind, len(fall), int((fall > 0).sum()), int((fall < 0).sum()))
    fell, rose = one_sided(fall, column.clusters), one_sided(-fall, column.clusters)
    return Evidence(column.kind, _percent(column, float(fall.mean())), fell, rose, bool(fall.any()))


def share_of_alpha(alpha: float) -> float:
    """The level of each of the three kinds of scores."""
    return alpha / len(get_args(Kind))


def decide(tests: Sequence[Evidence], baseline: Baseline) -> list[tuple[float, Verdict]]:
    """For each score the p-value of a drop after Holm over those of its kind, and the verdict."""
    level = share_of_alpha(baseline.alpha)
    kinds = [test.kind for test in tests]
    fell, rose = (_within(kinds, values) for values in ([t.fell for t in tests], [t.rose for t in tests]))
    found: list[tuple[float, Verdict]] = []
    for test, worse, better in zip(tests, fell, rose, strict=True):
        if test.drop > baseline.tolerance and worse <= level:
            found.append((worse, "worse"))
        elif -test.drop > baseline.tolerance and better <= level:
            found.append((worse, "better"))
        else:
            found.append((worse, "changed" if test.moved else "same"))
    return found


def smallest_drop(column: Column, tests: int, baseline: Baseline) -> float | None:
    """The smallest drop, in points or distance, that would have failed if no other score had moved; None for none.

    Of answers, where none is gained meanwhile; of distances, where the samples differ as they do now. Where values must
    be the same, one lost sample is seen.

    Args:
        tests: how many scores of its kind are tested.
    """
    n, level = len(column.names), share_of_alpha(baseline.alpha) / max(1, tests)
    if column.measure == "stands":
        standing = int(column.before.sum())
        least = 1 if column.exact else _fewest_of(column, level, baseline.tolerance)
        return 100 * least / n if least <= standing else None
    if column.exact:
        return 0.0
    shift = smallest_shift(column.fall, column.clusters, level)
    return None if shift is None else max(shift, baseline.tolerance / 100 * abs(float(column.before.mean())))


def _fewest_of(column: Column, level: float, tolerance: float) -> int:
    """Of answers; of pairs those that stand and share as few photographs as can be. More than n if none."""
    n = len(column.names)
    if column.sides is None:
        return _fewest(n, level, tolerance)
    seen = pair_difference.fewest(column.sides, column.before > 0, level)
    return n + 1 if seen is None else max(seen, math.floor(n * tolerance / 100) + 1)


@cache
def _fewest(n: int, level: float, tolerance: float) -> int:
    """The fewest of n answers that must be lost, none gained, for test and tolerance to fail; more than n if none."""
    return next((k for k in range(1, n + 1) if 0.5**k <= level and 100 * k / n > tolerance), n + 1)


def _percent(column: Column, change: float) -> float:
    """A change of a mean distance in percent of it."""
    before = abs(float(column.before.mean()))
    return 100 * change / before if before else float(np.sign(change)) * 100


@cache
def _tail(lost: int, gained: int) -> float:
    """P(at least this many of the answers that moved are lost, if each is with probability 1/2)."""
    return one_sided(np.repeat([1.0, -1.0], [lost, gained]))


def _within(kinds: Sequence[Kind], p: Sequence[float]) -> list[float]:
    """Holm within each kind, in the same order."""
    found = dict[int, float]()
    for kind in set(kinds):
        mine = [i for i, one in enumerate(kinds) if one == kind]
        found |= dict(zip(mine, holm([p[i] for i in mine]), strict=True))
    return [found[i] for i in range(len(p))]
