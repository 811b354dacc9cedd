"""Pairs at most tau apart: an attacker moves the first image until the pair is further apart ("evade")."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.certifiers.base import Certifier, Proof
from perceptbench.certifiers.certify import in_norm
from perceptbench.certifiers.decision import decision_proof
from perceptbench.certifiers.margin import Margin
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Anchors, Metric
from perceptbench.metrics.seen import Seen
from perceptbench.tasks.base import Aim, Clean, Judged, State, Task, task
from perceptbench_shift.pairs_below_scores import PairsBelowScores


@task("pairs-below", source="this example")
@dataclass(frozen=True)
class PairsBelow(PairsBelowScores, Task[Seen]):
    """Two images are alike where their distance is at most tau; an attacker moves a pair that is alike beyond tau."""

    def prepare(self, metric: Metric, batch: Any, aim: Aim, state: State) -> Seen:
        return Seen(metric, {"reference": batch.reference, "other": batch.other})

    def clean(self, prepared: Seen) -> Clean:
        d = prepared.distance("reference", "other")
        if not bool(d.isfinite().all()):
            raise UserError("the metric gave a distance that is not finite; mend it first")
        return Clean({"d": d, "below": d <= self.tau}, self._judged(d))

    def moving(self, prepared: Seen) -> Images:
        return prepared.images["reference"]

    def objective(self, prepared: Seen) -> Objective:
        return Beyond(prepared.anchors("other"), self.tau)

    def prove(self, prepared: Seen, certifier: Certifier, threat: Threat, noise: Noise) -> Proof:
        if not isinstance(certifier, Margin):
            raise UserError("--task pairs-below is proved by --certifier margin alone; use it, or none")
        proof = decision_proof(prepared, "reference", "other", self.tau)
        return in_norm(proof, threat.norm, prepared.images["reference"])

    @torch.no_grad()
    def judge(self, prepared: Seen, changed: Tensor, index: Tensor) -> Judged:
        return self._judged(prepared.anchors("other").select(index).distances(changed)[0])

    def images(self, prepared: Seen, changed: Tensor) -> Mapping[str, Images]:
        return {**prepared.images, "adversarial": changed}

    def _judged(self, d: PerImage) -> Judged:
        return Judged(d > self.tau, {"d_adv": d})


@dataclass(frozen=True)
class Beyond(Objective):
    """Move an image further than tau from the one it is compared with."""

    anchors: Anchors
    tau: float

    def loss(self, x: Images) -> PerImage:
        return self.anchors.distances(x)[0] - self.tau

    def reached(self, loss: PerImage) -> Mask:
        return loss > 0

    def select(self, index: Tensor) -> "Beyond":
        return Beyond(self.anchors.select(index), self.tau)
