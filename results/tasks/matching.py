"""Do two images match at a threshold? Copy detection, de-duplication, moderation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from perceptbench.core.errors import UserError
from perceptbench.core.option import option
from perceptbench.results.tasks.base import Gated, Scores, scores

if TYPE_CHECKING:
    import pandas as pd

    from perceptbench.results.record import Record
    from perceptbench.results.rows import Better, Measured, Row
    from perceptbench.results.statistics.dyadic import Sides

RATES = {"evade": "evasion rate", "collide": "collision rate"}


@scores("matching", source="DISC21, arXiv:2106.09672; CertPHash, USENIX Security 2025")
@dataclass(frozen=True)
class MatchingScores(Scores):
    """Pairs match where their distance is at most tau: how many are found, evade and collide, and what is proved."""

    name: ClassVar[str] = "matching"
    goals: ClassVar[tuple[str, ...]] = ("evade", "collide")
    kinds: ClassVar[tuple[str, ...]] = ("pairs",)
    moves: ClassVar[tuple[str, ...]] = ("reference", "all")
    provable: ClassVar[bool] = True
    columns: ClassVar[Mapping[str, str]] = {
        "same": "bool", "d": "float64", "matched": "bool", "usable": "bool", "d_adv": "float64"
    }  # fmt: skip
    """`same` = both show one picture; `d` = distance of the query to the other image; `matched` = d <= tau; `usable` =
    the metric answers for both images, else the pair is in no rate; `d_adv` = d after the attack."""
    later: ClassVar[Mapping[str, object]] = {"usable": True}
    tau: float | int | None = field(default=None, metadata=option("Pairs at most this far apart match."))
    fpr: float | int | None = field(
        default=None, metadata=option("Find tau for this false-positive rate per pair, on half of the photographs.")
    )

    def __post_init__(self) -> None:
        """Raises UserError for what is no number; a threshold may be negative, as decibels are."""
        for name, value in (("tau", self.tau), ("fpr", self.fpr)):
            if value is not None and (isinstance(value, bool | str) or not math.isfinite(value)):
                raise UserError(f"matching({name}=...) wants a finite number, got {value!r}")

    def rows(self, record: "Record") -> "list[Row]":
        """Clean rates and curves, then the rate at which an attacker evades or collides, and a proved bound of it.

        TPR and evasion are of pairs that are the same, FPR and collision of those that are different. An attacked rate
        is of the pairs at stake: those whose clean decision is right. A bound counts the pairs whose radius is eps or
        less, so the rate is at most that, whatever the attack. Pairs with an image that the metric does not answer for
        are in none of them. A rate of no pair has no row.
        """
        from perceptbench.results.rows import score_rows

        evades = record.spec["goal"] == "evade"
        tpr, fpr = _rate_of(record, "TPR", True, "larger"), _rate_of(record, "FPR", False, "smaller")
        name = RATES[record.spec["goal"]]

        def lost(samples: "pd.DataFrame") -> "Measured | None":
            mine = samples[at_stake(samples, record.spec["goal"])]
            return _rate(record, mine, ~mine["robust"], name, "smaller")

        def unproved(samples: "pd.DataFrame", eps: float) -> "Measured | None":
            mine = samples[at_stake(samples, record.spec["goal"])]
            return _rate(record, mine, ~(mine["radius"] > eps), name, "smaller")

        first, second = (tpr, fpr) if evades else (fpr, tpr)
        curves = (
            lambda samples: _curve(record, samples, "ROC-AUC"),
            lambda samples: _curve(record, samples, "micro-AP"),
        )
        return score_rows(record, natural=first, attacked=lost, certified=unproved, also=(second, *curves))

    def gated(self, record: "Record") -> Gated:
        """Whether the decision on a pair is right, and stays right. Nobody attacks the other kind of pairs."""
        samples, tau = record.samples, float(record.facts["state"]["tau"])
        right = samples["same"] == samples["matched"]
        attacked = samples["robust"].where(at_stake(samples, record.spec["goal"]), right)
        margin = (samples["d"] - tau).abs() / samples["d"].abs().clip(lower=max(abs(tau), 1e-300))
        return Gated(right, attacked, natural_margin=margin)


def at_stake(samples: "pd.DataFrame", goal: str) -> "pd.Series":
    """The pairs that an attacker wants to turn: those that are the same and match, or are different and do not."""
    if goal == "evade":
        return samples["same"] & samples["matched"]
    return ~samples["same"] & ~samples["matched"]


def _rate_of(record: "Record", name: str, same: bool, better: "Better"):  # type: ignore[no-untyped-def]
    def scored(samples: "pd.DataFrame") -> "Measured | None":
        mine = samples[samples["same"] == same]
        return _rate(record, mine, mine["matched"], name, better)

    return scored


def _rate(
    record: "Record", samples: "pd.DataFrame", values: "pd.Series", name: str, better: "Better"
) -> "Measured | None":
    from perceptbench.results.rows import Measured
    from perceptbench.results.statistics.dyadic import rate

    if len(samples) == 0:
        return None
    return Measured(rate(values.to_numpy(float), sides_of(record, samples["id"])), "percent", name, better)


def _curve(record: "Record", samples: "pd.DataFrame", name: str) -> "Measured | None":
    from perceptbench.results.rows import Measured
    from perceptbench.results.statistics.dyadic import micro_ap, roc_auc

    if samples["same"].nunique() < 2:
        return None
    scored = roc_auc if name == "ROC-AUC" else micro_ap
    found = scored(samples["d"].to_numpy(), samples["same"].to_numpy(bool), sides_of(record, samples["id"]))
    return Measured(found, "percent", name)


def sides_of(record: "Record", ids: "Sequence[str] | pd.Series") -> "Sides":
    """The photographs on both sides of some pairs."""
    from perceptbench.results.references import photographs
    from perceptbench.results.statistics.dyadic import Sides

    return Sides.of(*photographs(record, ids))
