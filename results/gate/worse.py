"""Did a number of the matrix get worse by more than chance and more than is tolerated?

Each score is compared on the same triplets as before. A drop fails where both hold: the exact
one-sided test of McNemar (Psychometrika 1947) with Holm's correction over the whole matrix
rejects, and the drop exceeds the tolerance. So a matrix in which triplets are lost and gained with
equal probability, independently of each other, fails with probability at most alpha, however its
scores depend on each other. That does not hold for triplets that change together,
as those of one photograph may (docs/ci.md); then only the tolerance protects.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from perceptbench.core.spec import Options
from perceptbench.results.gate.baseline import Baseline, BaselineRun
from perceptbench.results.record import threat_of
from perceptbench.results.rows import Kind
from perceptbench.results.statistics.comparison import Paired, difference, holm, mcnemar
from perceptbench.results.statistics.estimates import Estimate

Verdict = Literal["worse", "better", "changed", "same"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was checked besides the scores, and what was found in a sentence."""

    metric: str
    what: str
    failed: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreComparison:
    """One score on the same n triplets, in percent.

    `drop` in points with its 95 % interval, positive where the score fell; `p` of the one-sided exact
    test for a drop, `adjusted` after Holm; `verdict` worse or better only where test and tolerance agree.
    """

    metric: str
    data: str
    kind: Kind
    method: str
    threat: str
    eps: float | None
    n: int
    before: float
    now: float
    lost: int
    gained: int
    drop: Estimate
    p: float
    adjusted: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Pair:
    """One column of outcomes, before and now; booleans by triplet."""

    metric: str
    data: str
    kind: Kind
    method: str
    threat: str
    eps: float | None
    before: np.ndarray
    now: np.ndarray


def compare(baseline: Baseline, now: Sequence[BaselineRun]) -> list[ScoreComparison]:
    """Every score of the matrix beside its new value; where two runs have the same score, that of more triplets.

    Args:
        baseline: the matrix as it was.
        now: its runs, computed again, in the same order.

    Raises ValueError where two runs do not have the same triplets and budgets.
    """
    pairs: dict[tuple[Any, ...], _Pair] = {}
    for old, new in zip(baseline.runs, now, strict=True):
        for key, pair in _columns(old, new):
            if key not in pairs or len(pairs[key].before) < len(pair.before):
                pairs[key] = pair
    tests = [mcnemar(pair.now, pair.before) for pair in pairs.values()]
    return [
        ScoreComparison(
            **{name: getattr(pair, name) for name in ("metric", "data", "kind", "method", "threat", "eps")},
            n=test.n,
            before=100 * float(pair.before.mean()),
            now=100 * float(pair.now.mean()),
            lost=test.lost,
            gained=test.gained,
            drop=_in_points(pair),
            p=p,
            adjusted=adjusted,
            verdict=verdict,
        )
        for pair, test, (p, adjusted, verdict) in zip(pairs.values(), tests, decide(tests, baseline), strict=True)
    ]


def decide(tests: Sequence[Paired], baseline: Baseline) -> list[tuple[float, float, Verdict]]:
    """For each score the one-sided p-value of a drop, the same after Holm over all of them, and the verdict."""
    fell = [_one_sided(test.lost, test.gained) for test in tests]
    rose = holm([_one_sided(test.gained, test.lost) for test in tests])
    found: list[tuple[float, float, Verdict]] = []
    for test, p, worse, better in zip(tests, fell, holm(fell), rose, strict=True):
        points = 100 * (test.lost - test.gained) / test.n
        if points > baseline.tolerance and worse <= baseline.alpha:
            found.append((p, worse, "worse"))
        elif -points > baseline.tolerance and better <= baseline.alpha:
            found.append((p, worse, "better"))
        else:
            found.append((p, worse, "changed" if test.lost + test.gained else "same"))
    return found


@cache
def _one_sided(lost: int, gained: int) -> float:
    """P(at least this many of the triplets that moved are lost, if each is with probability 1/2)."""
    from scipy.stats import binom

    return float(binom.sf(lost - 1, lost + gained, 0.5)) if lost else 1.0


def _in_points(pair: _Pair) -> Estimate:
    before, now = 100.0 * pair.before, 100.0 * pair.now
    if len(now) > 1:
        return difference(before, now)
    drop = float(before[0] - now[0])
    return Estimate(drop, drop, drop, 1)


def _columns(old: BaselineRun, new: BaselineRun) -> Iterator[tuple[tuple[Any, ...], _Pair]]:
    """The scores of one run under what makes them the same question: natural, then certified and attacked by eps."""
    spec = old.spec
    if set(old.outcomes) != set(new.outcomes) or list(spec["eps"]) != list(new.spec["eps"]):
        raise ValueError(f"the run of {spec['metric']} has other triplets or budgets than in the baseline")
    words = [(word.split(" "), new.outcomes[name].split(" ")) for name, word in old.outcomes.items()]
    kinds: tuple[tuple[Kind, str | None], ...] = (
        ("natural", ""), ("certificate", spec["certifier"]), ("attack", spec["attack"])
    )  # fmt: skip
    for place, (kind, method) in enumerate(kinds):
        if method is None:
            continue
        for at, eps in enumerate([None] if kind == "natural" else spec["eps"]):
            before, now = (np.array([word[side][place][at] == "1" for word in words]) for side in (0, 1))
            named, threat = " ".join((method, *_options(spec, kind))).strip(), threat_of(spec) if eps else ""
            key = (spec["metric"], spec["data"], kind, named, threat, eps, spec["seed"] if eps else None)
            yield key, _Pair(new.spec["metric"], spec["data"], kind, named, threat, eps, before, now)


def _options(spec: Mapping[str, Any], kind: Kind) -> list[str]:
    """The options, as typed, that make it another question."""
    asked = {
        "natural": ("quantize",),
        "certificate": ("quantize", "move", "eps_left", "eps_right"),
        "attack": tuple(key for key in Options().options() if key not in ("seed", "limit", "skip_certified")),
    }
    defaults = Options().options()
    return [f"--{key.replace('_', '-')} {spec[key]}" for key in asked[kind] if spec[key] != defaults[key]]
