"""The half of `pairs-below` that reads finished runs: its option, columns and rows. Imports of pandas are inside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from perceptbench.core.option import option
from perceptbench.results.tasks.base import Gated, Scores, scores

if TYPE_CHECKING:
    from perceptbench.results.record import Record
    from perceptbench.results.rows import Row


@scores("pairs-below", source="this example")
@dataclass(frozen=True)
class PairsBelowScores(Scores):
    """Share of pairs that a metric finds at most tau apart."""

    name: ClassVar[str] = "pairs-below"
    goals: ClassVar[tuple[str, ...]] = ("evade",)
    kinds: ClassVar[tuple[str, ...]] = ("pairs",)
    moves: ClassVar[tuple[str, ...]] = ("reference",)
    provable: ClassVar[bool] = True
    columns: ClassVar[Mapping[str, str]] = {"d": "float64", "below": "bool", "d_adv": "float64"}
    tau: float = field(default=0.3, metadata=option("Pairs at most this far apart count as alike."))

    def rows(self, record: "Record") -> "list[Row]":
        """Shares of pairs below tau: clean, after the attack, and proved at an eps."""
        from perceptbench.results.rows import score_rows, shares

        return score_rows(
            record,
            natural=lambda samples: shares(record, samples, samples["below"].to_numpy(float)),
            attacked=lambda samples: shares(record, samples, samples["robust"].to_numpy(float)),
            certified=lambda samples, eps: shares(record, samples, (samples["radius"] > eps).to_numpy(float)),
        )

    def gated(self, record: "Record") -> Gated:
        """Whether a pair is found, and is found after the attack."""
        samples = record.samples
        margin = (samples["d"] - self.tau).abs() / samples["d"].abs().clip(lower=abs(self.tau))
        return Gated(samples["below"], samples["robust"], natural_margin=margin)
