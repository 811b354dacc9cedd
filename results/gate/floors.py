"""Floors: scores that may not be lower, whatever the baseline says: `attacked@1>=60`, `lipsim:certified@36/255>=70`."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref, parse_budget
from perceptbench.results.gate.column import Column
from perceptbench.results.gate.worse import Finding, ScoreComparison
from perceptbench.results.rows import Kind

_KINDS: dict[str, Kind] = {"natural": "natural", "certified": "certificate", "attacked": "attack"}
_FLOOR = re.compile(r"(?:(?P<metric>.+):)?(?P<kind>natural|certified|attacked)(?:@(?P<eps>[^@>]+))?\s*>=(?P<least>.+)")


@dataclass(frozen=True, slots=True)
class Floor:
    """At least `least` percent must stand, for every score of that kind and eps, of one metric or of all."""

    text: str
    metric: str | None
    kind: Kind
    eps: float | None
    least: float

    def fits(self, one: Column | ScoreComparison) -> bool:
        """Whether a score is meant. Mean distances have no floor."""
        named = self.metric in (None, one.metric, Ref.parse(one.metric).name)
        same_eps = self.eps == one.eps or (self.eps and one.eps and math.isclose(self.eps, one.eps, rel_tol=1e-9))
        return named and one.kind == self.kind and bool(same_eps) and one.measure == "stands"


def parse_floor(text: str) -> Floor:
    """Read a floor as typed. Raises UserError for anything else."""
    match = _FLOOR.fullmatch(text.strip())
    if match is None or (match["kind"] == "natural") != (match["eps"] is None):
        raise UserError(
            "--floor wants attacked@EPS>=PERCENT, certified@EPS>=PERCENT or natural>=PERCENT, with METRIC: before it "
            f"for one metric, got {text!r:.60}"
        )
    eps = parse_budget(match["eps"], "the eps of --floor")
    least = parse_budget(match["least"], "the percent of --floor")
    if least is None or least > 100:
        raise UserError(f"--floor wants a percent from 0 to 100, got {text!r:.60}")
    return Floor(text.strip(), match["metric"], _KINDS[match["kind"]], eps, least)


def refuse_unmatched(floors: Sequence[Floor], scores: Sequence[Column]) -> None:
    """Raises UserError for a floor that no score of the matrix is meant by: it would hold without being checked."""
    for floor in floors:
        if not any(floor.fits(score) for score in scores):
            known = dict.fromkeys(f"{_word(one.kind)}@{one.eps:.6g}" if one.eps else "natural" for one in scores)
            metrics = ", ".join(dict.fromkeys(one.metric for one in scores))
            raise UserError(
                f"--floor {floor.text} fits no score in percent of the baseline; it has {', '.join(known)} of {metrics}"
            )


def under_floors(floors: Sequence[Floor], comparisons: Sequence[ScoreComparison]) -> list[Finding]:
    """For each floor and each score it is about, whether the score reaches it."""
    return [
        Finding(metric=one.metric, what=f"floor {floor.text}, {one.method or 'natural'} on {one.data}",
                failed=_under(floor, one), sentence=_sentence(floor, one))
        for floor in floors for one in comparisons if floor.fits(one)
    ]  # fmt: skip


def _under(floor: Floor, one: ScoreComparison) -> bool:
    """In samples: a percentage of them may be a hair below the one that was typed."""
    return round(one.now * one.n / 100, 6) < round(floor.least * one.n / 100, 6)


def _sentence(floor: Floor, one: ScoreComparison) -> str:
    where = f" by {one.method}, {one.threat} eps {one.eps:.4g}" if one.eps else ""
    relation = "below" if _under(floor, one) else "not below"
    return (
        f"{one.metric} on {one.data}: {_word(one.kind)}{where} is {one.now:.4g} %, {relation} the floor of "
        f"{floor.least:g} % (--floor {floor.text}, n = {one.n})."
    )


def _word(kind: Kind) -> str:
    return next(word for word, known in _KINDS.items() if known == kind)
