"""Did a number of the matrix get worse?

Each score is compared on the same samples as before. Where nothing that decides it has changed, its values must be the
same: a sample that is lost fails. Where something has, a drop fails if a test rejects (`decide.py`) and the drop
exceeds the tolerance. So a matrix in which samples are lost and gained with equal probability, independently of each
other, fails with probability at most alpha, however its scores depend on each other. That does not hold for samples
that change together, as those of one photograph may (docs/ci.md); then only the tolerance protects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from perceptbench.results.gate.baseline import Baseline, BaselineRun
from perceptbench.results.gate.column import Column, columns
from perceptbench.results.gate.decide import Evidence, Verdict, decide, evidence, smallest_drop
from perceptbench.results.rows import Kind
from perceptbench.results.statistics import pair_difference
from perceptbench.results.statistics.comparison import difference
from perceptbench.results.statistics.estimates import Estimate, mean_estimate
from perceptbench.results.tasks.base import Measure

_SAME = ("metric", "data", "task", "kind", "method", "threat", "eps", "measure", "exact", "of_pairs")
"""What a comparison says of a score as its column does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was checked, and what was found in a sentence."""

    metric: str
    what: str
    failed: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreComparison:
    """One score on the same n samples: percent that stand, or a mean distance.

    Args:
        exact: whether its values must be the same; else a test decides.
        lost, gained: ids of the samples that got worse or better.
        close: how many of n may turn by rounding alone, and so are neither where `exact`.
        drop: in points, or as a distance, with its 95 % interval; positive where the score got worse.
        p: of the one-sided test for a drop; `adjusted` after Holm over the tested scores of its kind, `tests` in
            number. Both None where `exact`.
        smallest: the smallest drop that would have failed; None where none would.
        unseen: whether it fell by more than the tolerance, which a test cannot tell from chance here.
        verdict: of a test, worse or better only where test and tolerance agree.
        of_pairs: whether the test is that of pairs, which knows the photographs on both sides.
    """

    metric: str
    data: str
    task: str
    kind: Kind
    method: str
    threat: str
    eps: float | None
    measure: Measure
    n: int
    before: float
    now: float
    exact: bool
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    close: int
    drop: Estimate
    p: float | None
    adjusted: float | None
    tests: int
    smallest: float | None
    unseen: bool
    verdict: Verdict
    of_pairs: bool = False


def compare(baseline: Baseline, now: Sequence[BaselineRun]) -> list[ScoreComparison]:
    """Every score of the matrix beside its new value; where two runs have the same score, that of more samples.

    Args:
        baseline: the matrix as it was.
        now: its runs, computed again, in the same order.

    Raises ValueError where two runs do not have the same samples and budgets.
    """
    every = columns(baseline.runs, now)
    tested = [column for column in every if not column.exact]
    tests = [evidence(column) for column in tested]
    decided = iter(zip(tests, decide(tests, baseline), strict=True))
    return [
        _exact(column, baseline) if column.exact else _tested(column, *next(decided), tested, baseline)
        for column in every
    ]


def _exact(column: Column, baseline: Baseline) -> ScoreComparison:
    lost, gained = bool(column.lost.any()), bool(column.gained.any())
    moved: Verdict = "changed" if column.fall.any() else "same"
    verdict: Verdict = "worse" if lost else "better" if gained else moved
    return _compared(
        column, lost=column.lost, gained=column.gained, p=None, adjusted=None, tests=0,
        smallest=smallest_drop(column, 0, baseline), unseen=False, verdict=verdict,
    )  # fmt: skip


def _tested(
    column: Column, test: Evidence, decided: tuple[float, Verdict], tested: Sequence[Column], baseline: Baseline
) -> ScoreComparison:
    (adjusted, verdict), tests = decided, sum(one.kind == column.kind for one in tested)
    # A test knows no rounding: it counts whatever moved.
    return _compared(
        column, lost=column.fall > 0, gained=column.fall < 0, p=test.fell, adjusted=adjusted, tests=tests,
        smallest=smallest_drop(column, tests, baseline), verdict=verdict,
        unseen=verdict == "changed" and test.drop > baseline.tolerance,
    )  # fmt: skip


def _compared(column: Column, *, lost: np.ndarray, gained: np.ndarray, **decided: Any) -> ScoreComparison:
    scale = 100 if column.measure == "stands" else 1
    return ScoreComparison(
        **{name: getattr(column, name) for name in _SAME},
        n=len(column.names),
        before=scale * float(column.before.mean()),
        now=scale * float(column.now.mean()),
        lost=column.named(lost),
        gained=column.named(gained),
        close=int(column.close.sum()),
        drop=_drop(column, scale * column.fall),
        **decided,
    )


def _drop(column: Column, fall: np.ndarray) -> Estimate:
    """The mean of what each sample lost, with an interval over references where there are several; of pairs over the
    photographs of both sides."""
    if column.sides is not None:
        return pair_difference.difference(fall, column.sides, widest=100.0)
    if len(set(column.clusters)) < 2:
        mean = float(fall.mean())
        return Estimate(mean, mean, mean, len(fall))
    if column.measure == "stands":
        return difference(fall, np.zeros(len(fall)), groups=column.clusters)
    return mean_estimate(fall, column.clusters)
