"""The ROC curve of matching in its worst case: same pairs are pushed apart, different ones pulled together."""

from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.objectives import DistanceShift, EmbeddingShift
from perceptbench.certifiers.base import Certifier, IntervalCertifier, Proof
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.metrics.seen import Seen
from perceptbench.metrics.usable import usable
from perceptbench.results.tasks.roc import RocScores
from perceptbench.tasks.base import Aim, Clean, Columns, Judged, Source, State, Task, task
from perceptbench.triplets.pairs import Pairs, PairSource


@dataclass(frozen=True)
class RankedPairs:
    """A batch of pairs, each image of which passes through the metric once."""

    batch: Pairs
    aim: Aim
    seen: Seen
    usable: Mask

    @property
    def sign(self) -> PerImage:
        """+1 for pairs to push apart, -1 for those to pull together (n,)."""
        return 2 * self.batch.same.float() - 1


@task("roc", source="DISC21, arXiv:2106.09672; CertPHash, USENIX Security 2025")
@dataclass(frozen=True)
class Roc(RocScores, Task[RankedPairs]):
    """Every pair is moved to the side where it does not belong, as far as it goes."""

    def admit(self, source: Source) -> None:
        super().admit(source)
        if not isinstance(source, PairSource):
            raise UserError(
                f"--task roc reads pairs that say which are the same, and those of {source.name} do not; "
                "use pairs:FILE.csv or copies"
            )

    def prepare(self, metric: Metric, batch: Pairs, aim: Aim, state: State) -> RankedPairs:
        answers = usable(metric, batch.reference) & usable(metric, batch.other)
        return RankedPairs(batch, aim, Seen(metric, batch.images), answers)

    def clean(self, prepared: RankedPairs) -> Clean:
        d = prepared.seen.distance("reference", "other")
        if not bool(d.isfinite().all()):
            raise UserError(
                f"the metric gave a distance that is not finite on {prepared.batch.ids[0]} or its batch; "
                "correct it first"
            )
        unproved = torch.full_like(d, torch.nan)
        columns = {"same": prepared.batch.same, "d": d, "usable": prepared.usable, "d_proved": unproved}
        return Clean(columns, _judged(d))

    def moving(self, prepared: RankedPairs) -> Images:
        return prepared.batch.reference

    def objective(self, prepared: RankedPairs) -> Objective:
        if prepared.aim.by_embedding:
            return EmbeddingShift.make(prepared.seen.metric, prepared.batch.other, prepared.sign)
        return DistanceShift(prepared.seen.anchors("other"), prepared.sign)

    def prove(self, prepared: RankedPairs, certifier: Certifier, threat: Threat, noise: Noise) -> Proof:
        """No radius: there is no answer to defend. `prove_at` has what is proved."""
        nothing = torch.zeros(len(prepared.batch.ids), dtype=torch.float64, device=prepared.batch.same.device)
        return Proof(nothing, nothing, prepared.seen.norm("reference").double(), nothing > 0)

    def prove_at(self, prepared: RankedPairs, certifier: Certifier, threat: Threat, eps: float) -> Columns:
        """The end of the interval of each distance at which its pair is on the wrong side the most."""
        if not isinstance(certifier, IntervalCertifier):
            raise UserError(
                f"the certifier {type(certifier).__name__} bounds no distances; use --certifier margin or none"
            )
        scale = prepared.batch.reference[0].numel() ** 0.5 if threat.norm == "linf" else 1.0
        low, high = certifier.prove_interval(prepared.seen, eps * scale)
        return {"d_proved": torch.where(prepared.batch.same, high, low)}

    @torch.no_grad()
    def judge(self, prepared: RankedPairs, changed: Tensor, index: Tensor) -> Judged:
        return _judged(prepared.seen.anchors("other").select(index).distances(changed)[0])

    def images(self, prepared: RankedPairs, changed: Tensor) -> dict[str, Images]:
        return {**prepared.batch.images, "adversarial": changed}


def _judged(d: PerImage) -> Judged:
    return Judged(torch.zeros_like(d, dtype=torch.bool), {"d_adv": d})
