"""The ROC curve of matching at every threshold, with its worst case under attack and the one that is proved."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from perceptbench.results.tasks.base import Scores, scores

if TYPE_CHECKING:
    import pandas as pd

    from perceptbench.results.record import Record
    from perceptbench.results.rows import Measured, Row


@scores("roc", source="DISC21, arXiv:2106.09672; CertPHash, USENIX Security 2025")
class RocScores(Scores):
    """Area under the ROC curve of pairs: clean, with every pair moved to the wrong side, and proved.

    The attack has no end: pairs that are the same are pushed apart, and different ones pulled together, as far as they
    go. An attack that stops at a threshold leaves distances that say nothing of other thresholds.
    """

    name: ClassVar[str] = "roc"
    goals: ClassVar[tuple[str, ...]] = ("blend",)
    kinds: ClassVar[tuple[str, ...]] = ("pairs",)
    moves: ClassVar[tuple[str, ...]] = ("reference",)
    endless: ClassVar[bool] = True
    provable: ClassVar[bool] = True
    chance: ClassVar[float | None] = 50.0
    columns: ClassVar[Mapping[str, str]] = {
        "same": "bool", "d": "float64", "usable": "bool", "d_adv": "float64", "d_proved": "float64"
    }  # fmt: skip
    """`same` = both show one picture; `d` = distance of the query to the other image, `d_adv` after the attack;
    `usable` = the metric answers for both images, else the pair is in no curve;
    `d_proved` = the distance that no change within eps gets past: above it for pairs that are the same, below it for
    different ones. NaN without a certifier."""
    later: ClassVar[Mapping[str, object]] = {"usable": True}

    def rows(self, record: "Record") -> "list[Row]":
        """ROC-AUC in percent. Each attacked distance is the worst that the attack found of its pair."""
        from perceptbench.results.evidence import counted
        from perceptbench.results.rows import score_rows

        every = counted(record.samples)

        def proved(samples: "pd.DataFrame", eps: float) -> "Measured | None":
            # Of each eps of the run: what is proved of distances is no radius, which would serve all of them.
            return _area(record, every[every["eps"] == eps], "d_proved")

        return score_rows(
            record,
            natural=lambda samples: _area(record, samples, "d"),
            attacked=lambda samples: _area(record, samples, "d_adv"),
            certified=proved,
        )


def _area(record: "Record", samples: "pd.DataFrame", column: str) -> "Measured | None":
    from perceptbench.results.references import photographs
    from perceptbench.results.rows import Measured
    from perceptbench.results.statistics.dyadic import Sides, roc_auc

    if samples[column].isna().any() or samples["same"].nunique() < 2:
        return None
    sides = Sides.of(*photographs(record, samples["id"]))
    found = roc_auc(samples[column].to_numpy(), samples["same"].to_numpy(bool), sides)
    return Measured(found, "percent", "ROC-AUC")
