"""Search under attack: is a right image still among the first k? Without labels: does the first match stay there?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from perceptbench.core.errors import UserError
from perceptbench.core.option import option
from perceptbench.core.ref import split_list
from perceptbench.results.tasks.base import Gated, Scores, scores

if TYPE_CHECKING:
    import pandas as pd

    from perceptbench.results.record import Record
    from perceptbench.results.rows import Measured, Row

SIDES = ("", "_adv")
MOST_TOP = 10_000
"""Of matches that count."""


@scores("retrieval", source="arXiv:2310.18274 (LipSim), figure 4; certificate: docs/certificates.md, section 5")
@dataclass(frozen=True)
class RetrievalScores(Scores):
    """Share of queries whose match is among the first k of a gallery: clean, after an attack, and certified.

    Ties count against: a rival as far as the match stands before it. With labels, the match is the nearest image with
    the label of the query, its rivals are images of other labels, and the score is recall@k. Without labels the match
    is the first one of the clean query, and the score, which is no recall, is 100 % before an attack but for ties. A
    query's own file is in neither. Of goal pull the score is the share of queries whose rival stays out.

    `target` = the match, or for pull the rival; `rank` = its place, from 1 on; `d_target` = its distance; `d_cut` =
    the distance of the k-th of those that it competes with; `nearest` and `d_nearest` = the first image of all;
    `average_precision` of all right images, NaN without labels; `..._adv` after the attack; `norm_ref` = |g(query)|,
    NaN for a metric without embeddings.
    """

    name: ClassVar[str] = "retrieval"
    goals: ClassVar[tuple[str, ...]] = ("push", "pull")
    kinds: ClassVar[tuple[str, ...]] = ("queries",)
    moves: ClassVar[tuple[str, ...]] = ("reference",)
    provable: ClassVar[bool] = True
    by_embedding: ClassVar[bool] = True
    columns: ClassVar[Mapping[str, str]] = {
        "correct": "bool",
        **{
            f"{name}{side}": dtype
            for side in SIDES
            for name, dtype in {
                "rank": "int64", "d_target": "float64", "d_cut": "float64", "nearest": "string", "d_nearest": "float64",
            }.items()
        },
        "target": "string",
        "average_precision": "float64",
        "norm_ref": "float64",
    }  # fmt: skip
    top: int = field(default=1, metadata=option("The first k matches count.", min=1, max=MOST_TOP))
    short_list: int = field(
        default=0,
        metadata=option(
            "A metric without an embedding is attacked on this many nearest images of the gallery; 0 for all.",
            min=0, max=MOST_TOP,
        ),
    )  # fmt: skip
    rival: str | None = field(
        default=None, metadata=option("For --goal pull: the image that shall enter; default: one in the middle.")
    )

    def __post_init__(self) -> None:
        """Raises UserError for a k below 1, and a short list of fewer than k images."""
        if not 1 <= self.top <= MOST_TOP:
            raise UserError(f"--top wants a number from 1 to {MOST_TOP}, got {self.top}")
        if self.short_list and not self.top <= self.short_list <= MOST_TOP:
            raise UserError(
                f"--short-list wants {self.top} images or more, as --top says, and at most {MOST_TOP}, "
                f"got {self.short_list}"
            )

    def rows(self, record: "Record") -> "list[Row]":
        """Shares of queries: clean, after the attack, and proved at an eps (a proof up to eps needs R > eps)."""
        from perceptbench.results.rows import score_rows, shares

        return score_rows(
            record,
            natural=lambda samples: shares(record, samples, samples["correct"].to_numpy(float)),
            attacked=lambda samples: shares(record, samples, samples["robust"].to_numpy(float)),
            certified=lambda samples, eps: shares(record, samples, (samples["radius"] > eps).to_numpy(float)),
        )

    def gated(self, record: "Record") -> Gated:
        """Whether the match was among the first k, and stayed there."""
        samples = record.samples
        larger = samples[["d_target", "d_cut"]].abs().max(axis=1)
        # Two distances of zero are a tie.
        margin = ((samples["d_target"] - samples["d_cut"]).abs() / larger).fillna(0.0)
        return Gated(samples["correct"], samples["robust"], natural_margin=margin)


def mean_average_precision(record: "Record") -> "Measured | None":
    """mAP of the clean queries of a run; None where there are no labels."""
    from perceptbench.results.rows import shares

    samples: pd.DataFrame = record.samples.drop_duplicates("id")
    values = samples["average_precision"]
    return None if values.isna().any() else shares(record, samples, values.to_numpy(float))


def tops_of(given: int | str | Iterable[int | str]) -> tuple[int, ...]:
    """The numbers k of the first k matches from `5`, `"1,5"` or `[1, 5]`: sorted, each once.

    Raises UserError for anything but whole numbers from 1 to MOST_TOP.
    """
    parts = split_list([str(one) for one in ([given] if isinstance(given, int | str) else given)])
    for part in parts:
        if not (part.isascii() and part.isdecimal()) or len(part) > 5 or not 1 <= int(part) <= MOST_TOP:
            raise UserError(f"--top wants numbers from 1 to {MOST_TOP}, such as 1,5, got {part[:80]!r}")
    if not parts:
        raise UserError("--top wants a number, such as 1,5, got none")
    return tuple(sorted(set(map(int, parts))))
