"""How far an attacker moves distances: of an image from itself (push), or from another image (pull)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from perceptbench.results.tasks.base import Gated, Measure, Scores, scores
from perceptbench.results.tasks.preference import TRIPLET_COLUMNS, natural_share, relative_margin

if TYPE_CHECKING:
    import pandas as pd

    from perceptbench.results.record import Record
    from perceptbench.results.rows import Measured, Row

_BETTER: dict[str, Measure] = {"push": "smaller", "pull": "larger"}


@scores("drift", source="arXiv:2310.18274 (LipSim), section 4.2")
class DriftScores(Scores):
    """Mean distance under an attack that pushes an image from itself or pulls it towards another."""

    name: ClassVar[str] = "drift"
    goals: ClassVar[tuple[str, ...]] = ("push", "pull")
    kinds: ClassVar[tuple[str, ...]] = ("triplets", "images")
    moves: ClassVar[tuple[str, ...]] = ("reference",)
    endless: ClassVar[bool] = True
    chance: ClassVar[float | None] = 50.0
    columns: ClassVar[Mapping[str, str]] = TRIPLET_COLUMNS
    """Those of triplets, all of them: the natural score and the image to pull towards need the answers of people."""

    def rows(self, record: "Record") -> "list[Row]":
        """Mean distances; there is nothing to certify. On data with answers the natural row is the 2AFC score."""
        from perceptbench.results.rows import score_rows

        rows = score_rows(
            record,
            natural=lambda samples: _natural(record, samples),
            attacked=lambda samples: _moved(record, samples),
        )
        if rows[0].unit == "percent":
            rows[0] = replace(rows[0], task="preference")
        return rows

    def gated(self, record: "Record") -> Gated:
        """The distance after the attack: a push should leave it small, a pull large."""
        samples = record.samples
        moved, better = _distances(record, samples), _BETTER[record.spec.get("goal", "push")]
        if record.facts.get("answers", True):
            return Gated(samples["correct"], moved, better, natural_margin=relative_margin(samples))
        return Gated(samples["d0"], moved, better, natural_measure="larger")


def _natural(record: "Record", samples: "pd.DataFrame") -> "Measured":
    """The 2AFC score; where no one was asked, the mean distance of the different images."""
    from perceptbench.results.rows import mean_distance

    if record.facts.get("answers", True):
        return natural_share(record, samples)
    return mean_distance(record, samples, samples["d0"])


def _moved(record: "Record", samples: "pd.DataFrame") -> "Measured":
    from perceptbench.results.rows import mean_distance

    return mean_distance(record, samples, _distances(record, samples))


def _distances(record: "Record", samples: "pd.DataFrame") -> "pd.Series":
    """d(x, x + delta), or for pull d(x + delta, y), y the image that people did not choose."""
    if record.spec.get("goal") == "pull":
        return samples["d0_adv"].where(samples["label"] == 1, samples["d1_adv"])
    return samples["d_self"]
