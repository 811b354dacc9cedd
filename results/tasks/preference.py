"""Two-alternative forced choice: which of two images is nearer to the reference, as people see it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from perceptbench.results.tasks.base import Gated, Scores, scores

if TYPE_CHECKING:
    import pandas as pd

    from perceptbench.results.record import Record
    from perceptbench.results.rows import Measured, Row

TRIPLET_COLUMNS = {
    "label": "int8",
    "right_share": "float64",
    "d0": "float64",
    "d1": "float64",
    "correct": "bool",
    "d0_adv": "float64",
    "d1_adv": "float64",
    "d_self": "float64",
    "norm_ref": "float64",
}
"""`label` 1 = right preferred; `right_share` = share of people who preferred right; `d0`, `d1` = distances of the
reference to left and right, `d0_adv`, `d1_adv` after the attack (the sign of a distance means nothing: psnr is -dB);
`correct` = the clean answer is that of most people; `d_self` = distance of the moved image from its clean self;
`norm_ref` = |g(reference)|, NaN for a metric without embeddings."""


@scores("preference", source="arXiv:1801.03924 (LPIPS), section 4.2: the 2AFC score")
class PreferenceScores(Scores):
    """2AFC score in percent: natural, after an attack that flips answers, and certified."""

    name: ClassVar[str] = "preference"
    goals: ClassVar[tuple[str, ...]] = ("flip",)
    kinds: ClassVar[tuple[str, ...]] = ("triplets",)
    moves: ClassVar[tuple[str, ...]] = ("reference", "left", "right", "all")
    provable: ClassVar[bool] = True
    chance: ClassVar[float | None] = 50.0
    columns: ClassVar[Mapping[str, str]] = TRIPLET_COLUMNS

    def rows(self, record: "Record") -> "list[Row]":
        """Shares of triplets whose answer is right, stays right, and is proved to stay right.

        A certified score counts the triplets whose radius exceeds eps: a proof up to eps needs R > eps.
        """
        from perceptbench.results.rows import score_rows, shares
        from perceptbench.results.statistics.estimates import credit

        def attacked(samples: "pd.DataFrame") -> "Measured":
            return shares(record, samples, credit(samples, samples["robust"]))

        return score_rows(
            record,
            natural=lambda samples: natural_share(record, samples),
            attacked=attacked,
            certified=lambda samples, eps: certified_share(record, samples, eps),
        )

    def gated(self, record: "Record") -> Gated:
        """Whether the answer was right, and whether it withstood the attack."""
        samples = record.samples
        return Gated(samples["correct"], samples["robust"], natural_margin=relative_margin(samples))


def relative_margin(samples: "pd.DataFrame") -> "pd.Series":
    """How far apart the two distances of a triplet are, as a share of the larger one."""
    larger = samples[["d0", "d1"]].abs().max(axis=1)
    # Two distances of zero are a tie.
    return ((samples["d0"] - samples["d1"]).abs() / larger).fillna(0.0)


def natural_share(record: "Record", samples: "pd.DataFrame") -> "Measured":
    """The 2AFC score before any attack; a tie of the metric counts one half."""
    from perceptbench.results.rows import shares
    from perceptbench.results.statistics.estimates import natural_credit

    return shares(record, samples, natural_credit(samples))


def certified_share(record: "Record", samples: "pd.DataFrame", eps: float) -> "Measured":
    """The 2AFC score that no change up to eps can push lower."""
    from perceptbench.results.rows import shares
    from perceptbench.results.statistics.estimates import credit

    return shares(record, samples, credit(samples, samples["radius"] > eps))


def certified_row(record: "Record", eps: float) -> "Row | None":
    """The certified score of a run at any eps, as a radius answers for all of them; None without a certifier."""
    from perceptbench.results.rows import certificate_row

    return certificate_row(record, eps, lambda samples, at: certified_share(record, samples, at))
