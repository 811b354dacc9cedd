"""Which attacks can break a certificate, and one attack on a batch of certified triplets."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import Ball
from perceptbench.attacks.threats.stacked import separate
from perceptbench.certifiers.base import Certifier
from perceptbench.certifiers.certify import certify
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Mask, PerImage
from perceptbench.core.threat import Move, Threat
from perceptbench.metrics.base import LipschitzMetric
from perceptbench.tasks.base import Aim
from perceptbench.tasks.preference import Preference
from perceptbench.testing.attack_setting import small_attack
from perceptbench.testing.samples import subset
from perceptbench.triplets.base import Triplets

INSIDE = 0.999
"""Share of the radius at which is attacked."""
TARGETS = {
    "autoattack": ("apgd-ce", "fab", "square"),
    "torchattacks": ("PGDL2", "PGD"),
    "foolbox": ("L2PGD", "LinfPGD", "DDNAttack"),
}
"""What the bridges to other libraries are asked for; they take one triplet at a time, so few are attacked."""
FEW = 4


@dataclass(frozen=True)
class Ground:
    """Where a certificate is given: the metric, the certifier, and who may move in which norm.

    Args:
        sides: the budgets of left and right as a share of the distance between them, where each image has its own.
    """

    metric: LipschitzMetric
    certifier: Certifier
    move: Move = "reference"
    norm: Norm = "l2"
    sides: tuple[float, float] | None = None

    @property
    def threat(self) -> Threat:
        """As certificates read it."""
        left, right = self.sides or (None, None)
        return Threat(self.move, self.norm, left, right)

    @property
    def changes(self) -> ThreatSet:
        """As attacks read it."""
        return separate(Ball(self.norm), *self.sides) if self.sides else Ball(self.norm)

    def radii(self, batch: Triplets) -> PerImage:
        """Certified radii (n,) in the norm of the ground; 0 where the metric's own answer is not right."""
        radius = certify(self.certifier, self.metric, batch, self.threat, Noise.make(0, batch.ids)).radius
        prepared = Preference().prepare(self.metric, batch, Aim("flip", move=self.move), {})
        return torch.where(Preference().clean(prepared).judged.reached, torch.zeros_like(radius), radius)

    def flipped(self, name: str, made: Attack | Ensemble, batch: Triplets, eps: float, seed: int) -> Mask:
        """Which answers (n,) an attack flips within eps, as the runner and the task judge it."""
        task = Preference()
        prepared = task.prepare(self.metric, batch, Aim("flip", move=self.move), {})
        nothing = torch.zeros(1, len(batch.ids), dtype=torch.bool)
        noise = Noise.make(seed, batch.ids)
        moving, goal = task.moving(prepared), task.objective(prepared)
        (outcome,) = run_attack(made, name, goal, moving, [eps], nothing, noise, self.changes)
        judged: Tensor = task.judge(prepared, outcome.adversarial, torch.arange(len(batch.ids))).reached
        return judged | outcome.broken


def suitable(norm: Norm) -> Sequence[str]:
    """The attacks of the registry that flip answers within a ball of this norm, as users name them."""
    names = []
    for name in attack.names():
        if attack.card(name).missing:
            continue
        for whole in [f"{name}:{target}" for target in TARGETS.get(name, ())] if attack.inputs(name) else [name]:
            made = small_attack(whole)
            if made.norm in (None, norm) and not getattr(made, "by_embedding", False) and not _solves(made):
                names.append(whole)
    return names


def _solves(made: Attack | Ensemble) -> bool:
    """Whether it attacks no metrics but those that it can solve (hash_matches.py)."""
    return isinstance(made, Attack) and made.solves is not None


def few(batch: Triplets, name: str) -> Triplets:
    """The triplets that an attack gets: few where it takes one at a time."""
    return subset(batch, torch.arange(min(FEW, len(batch.ids)))) if ":" in name else batch
