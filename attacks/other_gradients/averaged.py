"""Gradients and losses over several draws, for a metric that draws anew at each call and does not say so."""

from dataclasses import dataclass

from perceptbench.attacks.base import Objective
from perceptbench.attacks.other_gradients.along import OtherGradient
from perceptbench.attacks.over_draws import VERDICT_DRAWS, OverDraws
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm


@dataclass(frozen=True)
class Averaged(OtherGradient):
    """The same call several times, as a metric that says that it draws is asked: a success is no lucky draw.

    Args:
        draws: an odd number.
    """

    draws: int = VERDICT_DRAWS

    def seen(self, objective: Objective, eps: float, norm: Norm, noise: Noise) -> Objective:
        return OverDraws((objective,) * self.draws)
