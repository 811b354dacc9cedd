"""The closed-form attack on a perceptual hash: the smallest change of an image that flips chosen bits.

The values c = A x behind the bits are linear in the image, so of all changes of the image that move them by Delta,
A^T K^-1 Delta with K = A A^T is the smallest. What is left is which bits to flip, and where the threshold lies then:
for each number of flips the cheapest choice is taken, and the metric's own library says which number is enough.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.bit_choices import Choices
from perceptbench.attacks.norms import length, per_image
from perceptbench.attacks.smallest import Smallest
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images
from perceptbench.metrics.base import Metric
from perceptbench.metrics.hashes.levels import LEVELS
from perceptbench.metrics.hashes.linear_hash import LinearHash
from perceptbench.metrics.hashes.soft_hash import SoftHash

_HALVINGS = 10
_JUST = 1e-3
"""How far beyond half a grey level a pixel is taken, in grey levels."""


@attack("l2-hash", source="this repository: docs/hashes.md")
@dataclass(frozen=True)
class L2Hash(Attack):
    """Solves the linear map of a perceptual hash in closed form: looks for the smallest flip of enough bits.

    Each value is taken over the threshold by what a change of the image of l2 norm `margin` can do, since libraries
    round. `margins` such sizes are tried, each twice the one before.

    Args:
        margin: the smallest, in pixel l2; rounding to 8 bits moves a value by some 0.001.
        margins: how many sizes.
    """

    norm: ClassVar[Norm] = "l2"
    minimal: ClassVar[bool] = True
    random: ClassVar[bool] = False
    solves: ClassVar[type[Metric] | None] = SoftHash
    margin: float = 0.002
    margins: int = 6

    def __call__(self, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        linear = linear_of(objective)
        values = linear.values(x)
        # Where a larger value raises the loss, the goal wants the bit set.
        towards = linear.slope(objective.gradient(x)[1])
        found = Smallest.none_yet(x)
        for i in range(self.margins):
            beyond = self.margin * 2**i * linear.scale(*x.shape[-2:]).to(x.device).sqrt()
            choices = [Choices.of(linear, c, t, beyond) for c, t in zip(values, towards, strict=True)]
            self._fewest(objective, linear, x, choices, found)
        return found.best

    def _fewest(
        self, objective: Objective, linear: LinearHash, x: Images, choices: list[Choices], found: Smallest
    ) -> None:
        """Halve towards the fewest flips that reach the goal; note the smallest success."""
        low, high = torch.ones(len(x), dtype=torch.long), torch.tensor([len(one.best) + 1 for one in choices])
        while bool((low < high).any()):
            middle = (low + high) // 2
            changes = [one.change(int(flips)) for one, flips in zip(choices, middle, strict=True)]
            changed = _in_favour(x, linear.lift(torch.stack(changes), x))
            reached = objective.reached(objective.value(changed))
            found.update(changed, length(changed - x, "l2"), reached)
            enough = reached.cpu()
            low, high = torch.where(enough | (low >= high), low, middle + 1), torch.where(enough, middle, high)


def linear_of(objective: Objective) -> LinearHash:
    """The linear map behind the goal. Raises UserError for a metric that is no hash."""
    if not isinstance(objective.surrogate, SoftHash):
        raise UserError("l2-hash solves the linear map of a perceptual hash; use --metric pdq, phash, dhash or ahash")
    return objective.surrogate.linear


def _in_favour(x: Images, change: Images) -> Images:
    """Images whose 8-bit pictures have changed by about `change`, with the smallest change of their own.

    A pixel is rounded to the next grey level from half a level on, so the other half need not be paid. Which pixels
    change is decided by rounding a multiple of the change: the one of which as much is left along it as was asked for.
    """
    levels, start = change * LEVELS, (x.double() * LEVELS).round()
    wanted = levels.square().sum((1, 2, 3))
    low, high = torch.zeros_like(wanted), 1 / levels.abs().amax((1, 2, 3)).clamp_min(1e-9) + 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = (levels * (levels * per_image(middle)).round()).sum((1, 2, 3)) >= wanted
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    whole = ((levels * per_image(high)).round() + start).clamp(0, LEVELS) - start
    moved = start + whole - whole.sign() * (0.5 - _JUST)
    return torch.where(whole == 0, x, (moved / LEVELS).to(x.dtype)).clamp(0, 1)
