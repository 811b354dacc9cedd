"""The answers of two runs to the same triplets, side by side, as tests between metrics need them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from perceptbench.results.evidence import counted
from perceptbench.results.record import Record, same_samples
from perceptbench.results.references import photographs, references
from perceptbench.results.rows import Kind
from perceptbench.results.statistics import pair_difference
from perceptbench.results.statistics.comparison import Paired, difference, holm, letters, mcnemar
from perceptbench.results.statistics.dyadic import Sides
from perceptbench.results.statistics.estimates import Estimate, credit, natural_credit
from perceptbench.results.statistics.sign_flips import two_sided


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What two runs made of the n triplets that both have, in the order of the first."""

    ids: np.ndarray
    references: np.ndarray
    """Equal for triplets that share a reference image."""
    right: tuple[np.ndarray, np.ndarray]
    """Whether the answer was that of most people, and stayed it: booleans."""
    score: tuple[np.ndarray, np.ndarray]
    """Credits in [0, 1], whose means are the 2AFC scores."""
    sides: Sides | None = None
    """The photographs on both sides of each pair, where samples are pairs."""

    def test(self) -> Paired:
        """McNemar's test between the answers of the two."""
        return mcnemar(*self.right)

    def p_value(self) -> float:
        """Two-sided, of the sign-flip test of the credits, which flips whole references; for pairs pair_difference.py.

        The exact one of McNemar where each triplet earns 0 or 1 and no reference repeats.
        """
        if self.sides is not None:
            return pair_difference.two_sided(self.score[0] - self.score[1], self.sides)
        return two_sided(self.score[0] - self.score[1], self.references.tolist())

    def difference(self) -> Estimate:
        """The first score less the second, in [-1, 1], with its 95 % interval."""
        if self.sides is not None:
            return pair_difference.difference(self.score[0] - self.score[1], self.sides)
        return difference(*self.score, groups=self.references.tolist())


def outcomes(first: Record, second: Record, kind: Kind, eps: float | None = None) -> Outcomes:
    """Natural, attacked or certified answers of two runs at one eps, aligned by the id of the triplet.

    Runs with another limit share the triplets of the smaller one. Raises ValueError where the runs are on other
    data or have no triplet in common, and where one has not that kind of answer at that eps.
    """
    if not same_samples(first, second):
        raise ValueError(f"the runs {first.run} and {second.run} are on different data, so nothing is paired")
    one, other = (_answers(run, kind, eps) for run in (first, second))
    both = one.index[one.index.isin(other.index)]
    if len(both) == 0:
        raise ValueError(f"the runs {first.run} and {second.run} have no triplet in common")
    one, other = one.loc[both], other.loc[both]
    return Outcomes(
        both.to_numpy(dtype=str),
        references(first, both),
        (one["right"].to_numpy(), other["right"].to_numpy()),
        (one["score"].to_numpy(), other["score"].to_numpy()),
        Sides.of(*photographs(first, both)) if first.facts.get("others") else None,
    )


@dataclass(frozen=True, slots=True)
class Significance:
    """Every pair of metrics tested, for the same answers of all."""

    pairs: Mapping[frozenset[str], Paired]
    """As `gained` and `lost` see it, the first is the one named first."""
    adjusted: Mapping[frozenset[str], float]
    """p-values of the differences of the scores, after Holm's correction over all pairs."""
    letters: Mapping[str, str]
    """Best score first; two that share a letter do not differ significantly at 5 %."""


def significance(runs: Mapping[str, Record], kind: Kind, eps: float | None = None) -> Significance:
    """The test of `Outcomes.p_value` between all pairs of metrics, with Holm's correction and the groups it leaves.

    Args:
        runs: one run a metric, by the name that the table gives it.

    Metrics are ranked by their scores on all their own triplets; each pair is tested on those that both have.
    Raises ValueError for no runs, and as `outcomes` does.
    """
    paired = {
        frozenset((one, other)): outcomes(runs[one], runs[other], kind, eps) for one, other in combinations(runs, 2)
    }
    adjusted = dict(zip(paired, holm([pair.p_value() for pair in paired.values()]), strict=True))
    scores = [float(_answers(run, kind, eps)["score"].mean()) for run in runs.values()]
    tests = {names: pair.test() for names, pair in paired.items()}
    return Significance(tests, adjusted, letters(list(runs), scores, adjusted))


def _answers(record: Record, kind: Kind, eps: float | None) -> pd.DataFrame:
    """`right` and `score` of each triplet, by id."""
    spec, samples = record.spec, counted(record.samples)
    if kind == "natural":
        samples = samples.drop_duplicates("id")
        right, score = samples["correct"], natural_credit(samples)
    else:
        if not spec["attack" if kind == "attack" else "certifier"] or eps not in spec["eps"]:
            raise ValueError(f"the run {record.run} has no {kind} at eps {eps}")
        if kind == "attack" and record.facts.get("unit") == "distance":
            raise ValueError(f"the run {record.run} moved distances, which are no answers")
        samples = samples[samples["eps"] == eps]
        right = samples["robust"] if kind == "attack" else samples["radius"] > eps
        # Only triplets have people who were divided.
        score = credit(samples, right) if "right_share" in samples else right.to_numpy(dtype=float)
    return pd.DataFrame({"right": right.to_numpy(), "score": score}, index=samples["id"].to_numpy())
