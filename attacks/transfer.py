"""Transfer: images that are found on other metrics, and judged by the metric of the run, which is never asked before.

The search fills its budget, whether the other metrics are fooled early or not. With several of them it is an attack on
the mean of their margins (arXiv:1611.02770), each in the unit that `JoinedGoals` gives it.
"""

from dataclasses import dataclass

from torch import Tensor

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.diversity import Diverse
from perceptbench.attacks.followed import FollowsOthers
from perceptbench.attacks.momentum import WithMomentum
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm, Ref
from perceptbench.core.tensors import Images
from perceptbench.metrics.base import metric

JOIN = "+"
"""Between the names of several metrics."""


@dataclass(frozen=True)
class Transfer(FollowsOthers):
    """Climbs the goals of the metrics `source` by the attack `by`. The arguments are those of the factory."""

    source: str
    by: str
    momentum: float
    diversity: float

    def followed(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.source.split(JOIN))

    def climber(self) -> Attack:
        made = attack.build(Ref.parse(self.by))
        # What looks for a flip would stop there, and an ensemble leaves out what is flipped.
        if not isinstance(made, Attack) or made.minimal or made.flips_only or isinstance(made, FollowsOthers):
            raise UserError(f"transfer wants an attack that fills its budget, got by={self.by}; take l2-apgd-ce")
        if made.by_embedding or made.solves is not None:
            raise UserError(f"transfer wants an attack on answers, got by={self.by}; take l2-apgd-ce")
        if not made.needs_gradient and (self.momentum or self.diversity):
            raise UserError(f"momentum and diversity change gradients, and {self.by} has none; leave them out")
        return WithMomentum(made, self.momentum) if self.momentum else made

    @property
    def norm(self) -> Norm | None:  # type: ignore[override]
        """That of the attack which climbs."""
        return self.climber().norm

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether another start may find more."""
        return self.climber().random

    def looks(self, goal: Objective, noise: Noise) -> Objective:
        return Diverse(goal, self.diversity, noise.stream("diversity")) if self.diversity else goal

    def __call__(
        self, objective: Objective, x: Images, eps: float, noise: Noise, within: ThreatSet | None = None
    ) -> Tensor:
        made = self.climber()
        return made(objective, x, eps, noise, within) if made.norm is None else made(objective, x, eps, noise)


@attack("transfer", source="arXiv:1611.02770; arXiv:1710.06081, arXiv:1803.06978 for its options")
def transfer(source: str, by: str = "l2-apgd-ce", momentum: float = 0.0, diversity: float = 0.0) -> Transfer:
    """Images found on other metrics, judged by that of the run: transfer(source=lpips), transfer(source=lpips+dists).

    Args:
        source: the metric whose goal is climbed, or several with + between them.
        by: the attack that climbs; it fills its budget and stops at no flip.
        momentum: of the gradients, the paper's mu; 0 for none.
        diversity: the probability that a metric that is followed sees an image resized and padded; 0 for none.

    Raises UserError for an unknown metric, another kind of attack, and a number out of range.
    """
    if not (momentum <= 1 and diversity <= 1):
        raise UserError(f"transfer wants momentum and diversity of at most 1, got {momentum:g} and {diversity:g}")
    made = Transfer(source, by, momentum, diversity)
    made.climber()
    for name in made.followed():
        metric.resolve(Ref.parse(name))
    return made
