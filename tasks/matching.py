"""Do two images match at a threshold? An attacker hides a copy (evade), or makes a different image match (collide)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.objectives import CrossByBoth, CrossThreshold, crossed
from perceptbench.attacks.threats.stacked import stack, unstack
from perceptbench.certifiers.base import Certifier, Proof
from perceptbench.certifiers.decision import certify_decision
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.seen import Seen
from perceptbench.metrics.usable import usable
from perceptbench.results.tasks.matching import MatchingScores
from perceptbench.tasks.base import Aim, Clean, Judged, Source, State, Task, task
from perceptbench.triplets.pairs import PairEntry, Pairs, PairSource, calibrates

_AT_ONCE = 32
"""Pairs that are embedded together where a threshold is found."""
LEAST_FALSE_MATCHES = 3
"""A rate is only asked for where this many false matches are expected: of fewer, nothing is known with 95 % confidence
(the rule of three, Hanley and Lippman-Hand, JAMA 1983)."""


@dataclass(frozen=True)
class ComparedPairs:
    """A batch of pairs, each image of which passes through the metric once."""

    metric: Metric
    batch: Pairs
    aim: Aim
    tau: float
    seen: Seen
    d: PerImage
    usable: Mask
    at_stake: Mask

    @property
    def sign(self) -> int:
        """+1 where the attacker wants a larger distance."""
        return 1 if self.aim.goal == "evade" else -1

    def judged(self, d: PerImage, at_stake: Mask) -> Judged:
        """Of the distances of some pairs."""
        return Judged(crossed(self.sign * (d - self.tau), self.sign) | ~at_stake, {"d_adv": d})


@task("matching", source="DISC21, arXiv:2106.09672; CertPHash, USENIX Security 2025")
@dataclass(frozen=True)
class Matching(MatchingScores, Task[ComparedPairs]):
    """Pairs match where d <= tau; an attacker parts pairs that are the same, or brings different ones together."""

    def admit(self, source: Source) -> None:
        super().admit(source)
        if not isinstance(source, PairSource):
            raise UserError(
                f"--task matching reads pairs that say which are the same, and those of {source.name} do not; "
                "use pairs:FILE.csv or copies"
            )
        if (self.tau is None) == (self.fpr is None):
            raise UserError(
                "--task matching wants either a threshold, --tau 0.3, or the false-positive rate to find it for, "
                f"--fpr 1e-3; got {'neither' if self.tau is None else 'both'}"
            )
        if self.fpr is not None and not 0 < self.fpr < 1:
            raise UserError(f"--fpr wants a rate between 0 and 1, got {self.fpr:g}")
        if self.fpr is not None:
            _check_enough(self.fpr, len(_negatives(source)))

    @property
    def fitted_apart(self) -> bool:
        return self.fpr is not None

    def answered(self, source: Source) -> Source:
        """All pairs under a threshold that was given; else those of photographs that it was not found on."""
        if self.tau is not None or not isinstance(source, PairSource):
            return source
        kept = [one for one in source.entries if not calibrates(one.reference) and not calibrates(one.other)]
        if not any(one.same for one in kept) or all(one.same for one in kept):
            raise UserError(
                f"{source.name}: no pairs of both kinds are left to report once a threshold was found on half of the "
                "photographs; give more photographs, or --tau"
            )
        about = f"of the half of the photographs that tau was not found on; all: {source.note}"
        return replace(source, entries=tuple(kept), about=about)

    def fit(self, metric: Metric, source: Source, device: str) -> State:
        """tau, and what it was found on: `calibration_pairs` different pairs with `calibration_matches` false matches.

        `calibration_left_out` counts those that the metric does not answer for, where there are any. tau is the largest
        float32 number at which the share of false matches is at most the rate asked for. It is a float32 number also
        where it is given, so that every comparison with a distance is exact.
        """
        if self.tau is not None:
            return {"tau": float(np.float32(self.tau))}
        negatives = _negatives(source)
        rate = float(self.fpr or 0)
        _check_enough(rate, len(negatives))
        distances = np.sort(_distances(metric, source, negatives, device))
        left_out = len(negatives) - len(distances)
        _check_enough(rate, len(distances), left_out)
        allowed = int(np.floor(rate * len(distances) + 1e-9))
        tau = float(np.nextafter(np.float32(distances[allowed]), np.float32(-np.inf)))
        return {
            "tau": tau,
            "calibration_pairs": len(distances),
            "calibration_matches": int((distances <= tau).sum()),
            **({"calibration_left_out": left_out} if left_out else {}),
        }

    def prepare(self, metric: Metric, batch: Pairs, aim: Aim, state: State) -> ComparedPairs:
        tau = float(state["tau"])  # type: ignore[arg-type]
        seen = Seen(metric, batch.images)
        d = seen.distance("reference", "other")
        if not bool(d.isfinite().all()):
            raise UserError(
                f"the metric gave a distance that is not finite on {batch.ids[0]} or its batch; correct it first"
            )
        answers = usable(metric, batch.reference) & usable(metric, batch.other)
        right = batch.same & (d <= tau) if aim.goal == "evade" else ~batch.same & (d > tau)
        return ComparedPairs(metric, batch, aim, tau, seen, d, answers, answers & right)

    def clean(self, prepared: ComparedPairs) -> Clean:
        d = prepared.d
        columns = {"same": prepared.batch.same, "d": d, "matched": d <= prepared.tau, "usable": prepared.usable}
        return Clean(columns, prepared.judged(d, prepared.at_stake))

    def moving(self, prepared: ComparedPairs) -> Images:
        batch = prepared.batch
        return stack(batch.reference, batch.other) if prepared.aim.move == "all" else batch.reference

    def objective(self, prepared: ComparedPairs) -> Objective:
        if prepared.aim.move == "all":
            return CrossByBoth(prepared.metric, prepared.tau, prepared.sign, prepared.at_stake)
        return CrossThreshold(prepared.seen.anchors("other"), prepared.tau, prepared.sign, prepared.at_stake)

    def prove(self, prepared: ComparedPairs, certifier: Certifier, threat: Threat, noise: Noise) -> Proof:
        return certify_decision(certifier, prepared.seen, prepared.tau, threat)

    @torch.no_grad()
    def judge(self, prepared: ComparedPairs, changed: Tensor, index: Tensor) -> Judged:
        if prepared.aim.move == "all":
            d = prepared.metric(*unstack(changed, 2))
        else:
            d = prepared.seen.anchors("other").select(index).distances(changed)[0]
        return prepared.judged(d, prepared.at_stake[index])

    def images(self, prepared: ComparedPairs, changed: Tensor) -> dict[str, Images]:
        kept = dict(prepared.batch.images)
        if prepared.aim.move != "all":
            return {**kept, "adversarial": changed}
        reference, other = unstack(changed, 2)
        return {**kept, "adversarial": reference, "adversarial_other": other}


def _negatives(source: Source) -> list[PairEntry]:
    """The different pairs that a threshold is found on: both photographs are of the calibration half."""
    entries: Sequence[PairEntry] = source.entries  # type: ignore[assignment]
    return [one for one in entries if not one.same and calibrates(one.reference) and calibrates(one.other)]


def _check_enough(rate: float, count: int, left_out: int = 0) -> None:
    """Raises UserError for a rate of which so many pairs say nothing."""
    if rate * count < LEAST_FALSE_MATCHES - 1e-9:
        needed = int(np.ceil(LEAST_FALSE_MATCHES / rate - 1e-9))
        beside = f", and {left_out} that the metric does not answer for" if left_out else ""
        raise UserError(
            f"--fpr {rate:g} wants at least {needed} different pairs in the half of the photographs that the threshold "
            f"is found on, got {count}{beside}; give more pairs, as by copies(others=...), or a larger rate"
        )


@torch.no_grad()
def _distances(metric: Metric, source: Source, entries: Sequence[PairEntry], device: str) -> np.ndarray:
    """Of the pairs whose images the metric answers for."""
    found = []
    for start in range(0, len(entries), _AT_ONCE):
        batch: Pairs = source.batch(entries[start : start + _AT_ONCE]).to(device)
        d = Seen(metric, batch.images).distance("reference", "other")
        found.append(d[usable(metric, batch.reference) & usable(metric, batch.other)].cpu().numpy())
    distances = np.concatenate(found)
    if not np.isfinite(distances).all():
        raise UserError("the metric gave a distance that is not finite where its threshold is found; correct it first")
    return distances
