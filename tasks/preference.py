"""The two-alternative forced choice (2AFC): which of two images does the metric find more like the reference?"""

from dataclasses import dataclass

from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.objectives import FlipByAll, FlipFromTheSide, FlipPreference, OwnOutput
from perceptbench.certifiers.base import Certifier, Proof
from perceptbench.certifiers.certify import certify
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import Metric
from perceptbench.results.tasks.preference import PreferenceScores
from perceptbench.tasks.base import Aim, Clean, Judged, Source, State, Task, task
from perceptbench.tasks.compared import Compared
from perceptbench.triplets.base import Triplets


@task("preference", source="arXiv:1801.03924, section 3")
@dataclass(frozen=True)
class Preference(PreferenceScores, Task[Compared]):
    """The metric prefers the image that people preferred; an attacker flips that answer. A tie is a lost answer."""

    def admit(self, source: Source) -> None:
        if source.kind == "images":
            raise UserError(f"{source.name} has no triplets to answer; use bench run --goal push or --goal pull")
        super().admit(source)

    def prepare(self, metric: Metric, batch: Triplets, aim: Aim, state: State) -> Compared:
        return Compared.of(metric, batch, aim)

    def clean(self, prepared: Compared) -> Clean:
        return prepared.answers()

    def moving(self, prepared: Compared) -> Images:
        return prepared.moving()

    def objective(self, prepared: Compared) -> Objective:
        batch, metric, aim = prepared.batch, prepared.metric, prepared.aim
        if aim.literal:
            return OwnOutput.make(prepared.anchors, batch.reference)
        if aim.move == "reference":
            return FlipPreference(prepared.anchors, batch.sign)
        if aim.move == "all":
            return FlipByAll(metric, batch.sign)
        stays, preferred = (batch.right, -batch.sign) if aim.move == "left" else (batch.left, batch.sign)
        return FlipFromTheSide.make(metric, batch.reference, stays, preferred)

    def prove(self, prepared: Compared, certifier: Certifier, threat: Threat, noise: Noise) -> Proof:
        return certify(certifier, prepared.metric, prepared.batch, threat, noise, prepared.seen)

    def judge(self, prepared: Compared, changed: Tensor, index: Tensor) -> Judged:
        return prepared.judged(changed, index)

    def images(self, prepared: Compared, changed: Tensor) -> dict[str, Images]:
        return prepared.evidence(changed)
