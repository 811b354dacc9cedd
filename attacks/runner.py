"""Runs an attack over rising budgets and believes nothing it says.

It counts passes, clips to the budget, measures norms, judges success again, and lets an ensemble's
parts work only on what still stands.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.base import Attack, Ensemble, Objective
from attacks.norms import fit, per_image, size
from core.errors import UserError
from core.noise import Noise
from core.spec import Norm
from core.tensors import Images, Mask, PerImage


@dataclass(frozen=True)
class Tally:
    """Passes of each sample, so that a cost can be stated beside a score."""

    forwards: PerImage
    backwards: PerImage

    @classmethod
    def zeros(cls, n: int) -> "Tally":
        """Nothing counted yet."""
        return cls(torch.zeros(n), torch.zeros(n))


@dataclass(frozen=True)
class Counted(Objective):
    """An objective that counts who was evaluated."""

    inner: Objective
    tally: Tally
    index: Tensor

    def loss(self, x: Images) -> PerImage:
        self.tally.forwards[self.index] += 1
        loss = self.inner.loss(x)
        return _finite(loss, "distance")

    def gradient(self, x: Images) -> tuple[PerImage, Images]:
        self.tally.backwards[self.index] += 1
        loss, gradient = super().gradient(x)
        return loss, _finite(gradient, "gradient")

    def reached(self, loss: PerImage) -> Mask:
        return self.inner.reached(loss)

    def select(self, index: Tensor) -> "Counted":
        return Counted(self.inner.select(index), self.tally, self.index[index.cpu()])


def _finite(values: Tensor, what: str) -> Tensor:
    """Refuse NaN and infinity: an attack would take them for robustness."""
    if not bool(values.isfinite().all()):
        raise UserError(
            f"the metric gave a {what} that is not finite at a perturbed image; mend it before it is judged"
        )
    return values


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
class _Found:
    """The smallest flip of each sample so far, and the strongest image that is no flip."""

    x: Images
    norm: Norm
    flip: Images
    flip_size: PerImage
    flip_by: list[str]
    strongest: Images
    strongest_loss: PerImage

    @classmethod
    def nothing(cls, x: Images, norm: Norm) -> "_Found":
        infinite = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        return cls(x, norm, x.clone(), infinite, [""] * len(x), x.clone(), torch.full_like(infinite, -torch.inf))

    def note(self, objective: Objective, candidate: Images, index: Tensor, part: str, eps: float) -> None:
        """Judge the candidates of some samples."""
        loss = objective.value(candidate)
        measured = size(candidate - self.x[index], self.norm)
        flipped = objective.reached(loss) & (measured < self.flip_size[index])
        rows = index[flipped]
        self.flip[rows], self.flip_size[rows] = candidate[flipped], measured[flipped]
        for row in rows.tolist():
            self.flip_by[row] = part
        stronger = (measured <= eps) & (loss > self.strongest_loss[index])
        rows = index[stronger]
        self.strongest[rows], self.strongest_loss[rows] = candidate[stronger], loss[stronger].double()

    def outcome(self, eps: float, tally: Tally) -> Outcome:
        broken = self.flip_size <= eps
        adversarial = torch.where(per_image(broken), self.flip, self.strongest)
        by = tuple(part if b else "" for part, b in zip(self.flip_by, broken.tolist(), strict=True))
        return Outcome(
            eps, adversarial, broken, size(adversarial - self.x, self.norm), by,
            tally.forwards.clone(), tally.backwards.clone(),
        )  # fmt: skip


def parts_of(attack: Attack | Ensemble, name: str) -> Sequence[tuple[str, Attack, int]]:
    """An ensemble's parts; a single attack is its own part with one start."""
    return attack.parts() if hasattr(attack, "parts") else ((name, attack, 1),)


def run_attack(
    attack: Attack | Ensemble,
    name: str,
    objective: Objective,
    x: Images,
    budgets: Sequence[float],
    skip: Tensor,
    noise: Noise,
) -> Iterator[Outcome]:
    """One outcome for each eps, from small to large; what fell at a smaller eps stays fallen.

    Args:
        x: clean images (n, 3, h, w) in [0, 1].
        budgets: eps, sorted.
        skip: (len(budgets), n); samples that are not attacked at an eps (misclassified, certified).
        noise: one source a sample.
    """
    tally = Tally.zeros(len(x))
    counted = Counted(objective, tally, torch.arange(len(x)))
    found = _Found.nothing(x, attack.norm)
    searched: dict[str, Tensor] = {}
    for eps, skipped in zip(budgets, skip, strict=True):
        for part, member, starts in parts_of(attack, name):
            for start in range(starts):
                label = f"{part}/{start}"
                left = ~(found.flip_size <= eps) & ~skipped
                if member.minimal:
                    # A minimal attack has already given its best for every eps.
                    left &= ~searched.get(label, torch.zeros_like(left))
                    searched[label] = searched.get(label, torch.zeros_like(left)) | left
                index = left.nonzero().flatten()
                if len(index) == 0:
                    continue
                goal = counted.select(index)
                candidate = member(goal, x[index], eps, noise.select(index).stream(f"{label}/{eps!r}"))
                # What is no number is no image: the clean one stands in, and the attack has won nothing.
                candidate = torch.where(candidate.isfinite(), candidate, x[index])
                if not member.minimal:
                    candidate = fit(candidate, x[index], eps, attack.norm)
                found.note(goal, candidate.clamp(0, 1), index, part, eps)
        yield found.outcome(eps, tally)
