"""What an attack achieved: judged here, whatever it says itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.ball import Ball
from perceptbench.attacks.base import Objective
from perceptbench.attacks.norms import change, per_image
from perceptbench.attacks.running.counted import Tally
from perceptbench.core.tensors import Images, Mask, PerImage


@dataclass(frozen=True)
class Outcome:
    """What an attack achieved at one eps, judged by the runner.

    `adversarial` is the smallest flip found where there is one within eps, else the strongest
    image; `size` its measured norm; `broken_by` the part that found the flip, else ''.
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
    """The smallest flip of each sample so far and, for every budget, the strongest image that is no flip."""

    x: Images
    ball: Ball
    budgets: Tensor
    flip: Images
    flip_size: PerImage
    flip_by: list[str]
    strongest: list[Images]
    strongest_loss: list[PerImage]

    @classmethod
    def nothing(cls, x: Images, ball: Ball, budgets: Sequence[float]) -> "Found":
        infinite = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        levels = torch.tensor(budgets, dtype=torch.float64, device=x.device)
        return cls(
            x, ball, levels, x.clone(), infinite, [""] * len(x),
            [x.clone() for _ in budgets], [torch.full_like(infinite, -torch.inf) for _ in budgets],
        )  # fmt: skip

    def note(self, objective: Objective, candidate: Images, index: Tensor, part: str) -> None:
        """Judge the candidates of some samples."""
        loss = objective.value(candidate)
        measured = self.ball.measure(change(candidate, self.x[index]))
        flipped = objective.reached(loss) & (measured < self.flip_size[index])
        rows = index[flipped]
        self.flip[rows], self.flip_size[rows] = candidate[flipped], measured[flipped]
        for row in rows.tolist():
            self.flip_by[row] = part
        for eps, image, best in zip(self.budgets, self.strongest, self.strongest_loss, strict=True):
            stronger = (measured <= eps) & (loss > best[index])
            image[index[stronger]], best[index[stronger]] = candidate[stronger], loss[stronger].double()

    def outcome(self, at: int, spent: Sequence[Tally]) -> Outcome:
        """What is known at one budget; a flip at a smaller one counts."""
        eps = float(self.budgets[at])
        broken = self.flip_size <= eps
        adversarial = torch.where(per_image(broken), self.flip, self.strongest[at])
        by = tuple(part if b else "" for part, b in zip(self.flip_by, broken.tolist(), strict=True))
        forwards, backwards = (
            torch.stack([getattr(tally, kind) for tally in spent[: at + 1]]).sum(0)
            for kind in ("forwards", "backwards")
        )
        return Outcome(
            eps, adversarial, broken, self.ball.measure(change(adversarial, self.x)), by, forwards, backwards
        )
