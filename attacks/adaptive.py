"""The seam between an attack that chooses its parts and what it chooses them by.

Who plans a run tells such an attack what is declared of metric, task and threat, and, before the first sample is
attacked, which signs of masking were seen. The choice follows from these alone, so the same run makes it again.

    chosen = adaptive.on(Situation(norm="l2", gradient=True))          # when the run is planned
    chosen = chosen.on(replace(chosen.situation, masked=True))         # once the metric was looked at
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perceptbench.attacks.base import Attack
from perceptbench.core.ref import Norm
from perceptbench.metrics.base import Metric

SIGNS = "signs"
"""The key, in the state of a run, of the signs that were seen before its first sample was attacked."""
MASKED, RANDOM = "masked", "random"
"""The signs: gradients do not lead where the loss grows; two equal calls differ."""


@dataclass(frozen=True)
class Situation:
    """What may be known of a run before it attacks.

    Args:
        norm: of the ball that is searched; None for the set of another threat.
        gradient: whether the metric has a gradient of its own.
        surrogate: the metric whose gradient is followed where it has none.
        endless: whether the goal is never reached.
        masked: whether a sign was seen that its gradients do not lead where the loss grows.
        random: whether two equal calls were seen to differ, and it does not say that it draws.
    """

    norm: Norm | None = "l2"
    gradient: bool = True
    surrogate: Metric | None = None
    endless: bool = False
    masked: bool = False
    random: bool = False


class Adaptive:
    """An ensemble whose parts follow from a situation. Without one it is what it would be on a differentiable metric,
    for a goal that can be reached in the l2 ball."""

    @property
    def situation(self) -> Situation:
        """What the parts were chosen for."""
        return Situation()

    @property
    def norm(self) -> Any:
        """The norm of the ball that every part searches; None for the set of another threat."""
        return self.situation.norm

    def on(self, situation: Situation) -> "Adaptive":
        """The same, with the parts for this situation. Raises UserError where no part can run."""
        raise NotImplementedError

    def parts(self) -> Sequence[tuple[str, Attack, int]]:
        """(name, attack, number of starts) in the order in which they run."""
        raise NotImplementedError

    def left_out(self) -> tuple[str, ...]:
        """Names of the parts that do not run, for want of a gradient."""
        return ()

    def members(self) -> Sequence[object]:
        """All that may be chosen in any situation: its code decides the numbers of a run."""
        raise NotImplementedError
