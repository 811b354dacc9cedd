"""How much of the 2AFC score is left when the reference was edited as people edit pictures, and nobody attacks?"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from perceptbench.results.tasks.base import Gated, Scores, scores
from perceptbench.results.tasks.preference import TRIPLET_COLUMNS, natural_share, relative_margin

if TYPE_CHECKING:
    import pandas as pd

    from perceptbench.results.record import Record
    from perceptbench.results.rows import Measured, Row

UNEDITED = "unedited"
"""The group of the triplets as they are."""


@scores("ladder", source="arXiv:1903.12261 (ImageNet-C) has rungs of this kind for classifiers")
class LadderScores(Scores):
    """Natural 2AFC score by edit of the reference and strength; nobody attacks.

    Args:
        rungs: edits with strengths as `--edit` takes them, between spaces; '' for those of the task.
    """

    name: ClassVar[str] = "ladder"
    goals: ClassVar[tuple[str, ...]] = ("none",)
    kinds: ClassVar[tuple[str, ...]] = ("triplets",)
    moves: ClassVar[tuple[str, ...]] = ("reference",)
    attacked: ClassVar[bool] = False
    repeats: ClassVar[bool] = True
    columns: ClassVar[Mapping[str, str]] = TRIPLET_COLUMNS

    def __init__(self, rungs: str = "") -> None:
        self.rungs = rungs

    def rows(self, record: "Record") -> "list[Row]":
        """One natural row a rung, the unedited triplets first; its `measure` is the edit with its strength."""
        from perceptbench.results.rows import score_rows

        first, *others = (_scored(record, rung) for rung in rungs_of(record))
        return score_rows(record, natural=first, attacked=lambda samples: None, also=others)

    def gated(self, record: "Record") -> Gated:
        """Whether each answer was right."""
        samples = record.samples
        return Gated(samples["correct"], samples["correct"], natural_margin=relative_margin(samples))


def rungs_of(record: "Record") -> list[str]:
    """The rungs of a run in the order in which they were asked for: an edit and its strength, `jpeg 75`."""
    found = [str(name) for name in record.samples["group"].drop_duplicates()]
    return sorted(found, key=lambda name: name != UNEDITED)


def _scored(record: "Record", rung: str):  # type: ignore[no-untyped-def]
    def scored(samples: "pd.DataFrame") -> "Measured":
        found = natural_share(record, samples[samples["group"] == rung])
        return found._replace(measure=rung)

    return scored
