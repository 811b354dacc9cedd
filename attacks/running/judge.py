"""What an attack achieved: its changes are measured and judged again here."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.norms import per_image, spread
from perceptbench.attacks.running.counted import Tally
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.core.tensors import Images, Mask, PerImage


@dataclass(frozen=True)
class Outcome:
    """What an attack achieved at one eps.

    Args:
        adversarial: images (n, 3, h, w): the smallest success within eps, else the image of the largest loss.
        broken: whether there is a success within eps.
        size: measured size of the change, in float64.
        broken_by: the part that found the success, else ''.
        forwards, backwards: passes of each sample up to this eps.
    """

    eps: float
    adversarial: Images
    broken: Mask
    size: PerImage
    broken_by: tuple[str, ...]
    forwards: PerImage
    backwards: PerImage


@dataclass
class Found:
    """The smallest success of each sample so far and, for every budget, the strongest change that is none.

    Changes are kept as the threat describes them (theta).
    """

    x: Images
    threat: ThreatSet
    budgets: Tensor
    flip: Tensor
    flip_size: PerImage
    flip_by: list[str]
    strongest: list[Tensor]
    strongest_loss: list[PerImage]

    @classmethod
    def nothing(cls, x: Images, threat: ThreatSet, budgets: Sequence[float]) -> "Found":
        """Before anything was tried: no image is changed."""
        infinite = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        levels = torch.tensor(budgets, dtype=torch.float64, device=x.device)
        unchanged = [threat.start(x, eps, None) for eps in budgets]
        return cls(
            x, threat, levels, unchanged[0].clone(), infinite, [""] * len(x),
            unchanged, [torch.full_like(infinite, -torch.inf) for _ in budgets],
        )  # fmt: skip

    def note(self, objective: Objective, theta: Tensor, index: Tensor, part: str) -> None:
        """Measure and judge the thetas that a part found for some samples; keep those that are better than before."""
        x = self.x[index]
        loss = objective.value(self.threat.apply(x, theta))
        measured = self.threat.measure(x, theta)
        flipped = objective.reached(loss) & (measured < self.flip_size[index])
        rows = index[flipped]
        self.flip[rows], self.flip_size[rows] = theta[flipped], measured[flipped]
        for row in rows.tolist():
            self.flip_by[row] = part
        for eps, kept, best in zip(self.budgets, self.strongest, self.strongest_loss, strict=True):
            stronger = (measured <= eps) & (loss > best[index])
            kept[index[stronger]], best[index[stronger]] = theta[stronger], loss[stronger].double()

    def outcome(self, at: int, spent: Sequence[Tally]) -> Outcome:
        """The outcome at one budget; a success at a smaller budget counts."""
        eps = float(self.budgets[at])
        broken = self.flip_size <= eps
        theta = torch.where(spread(broken, self.flip), self.flip, self.strongest[at])
        by = tuple(part if b else "" for part, b in zip(self.flip_by, broken.tolist(), strict=True))
        forwards, backwards = (
            torch.stack([getattr(tally, kind) for tally in spent[: at + 1]]).sum(0)
            for kind in ("forwards", "backwards")
        )
        # Where nothing was tried the image is the clean one itself: no change may still round differently.
        untouched = ~broken & self.strongest_loss[at].isneginf()
        adversarial = torch.where(per_image(untouched), self.x, self.threat.apply(self.x, theta))
        size = torch.where(untouched, 0.0, self.threat.measure(self.x, theta))
        return Outcome(eps, adversarial, broken, size, by, forwards, backwards)
