"""Runs an attack over all budgets and believes nothing it says.

It counts passes, clips to the budget, measures norms, judges success again, and lets an ensemble's
parts work only on what still stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attacks.ball import Ball
from attacks.base import Attack, Ensemble, Objective
from attacks.norms import per_image
from core.errors import UserError
from core.noise import Noise
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

    @property
    def endless(self) -> bool:
        return self.inner.endless

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
    # The sum first: one pass, and finite only where every term is.
    if not bool(values.sum().isfinite()) and not bool(values.isfinite().all()):
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
    def nothing(cls, x: Images, ball: Ball, budgets: Sequence[float]) -> "_Found":
        infinite = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        levels = torch.tensor(budgets, dtype=torch.float64, device=x.device)
        return cls(
            x, ball, levels, x.clone(), infinite, [""] * len(x),
            [x.clone() for _ in budgets], [torch.full_like(infinite, -torch.inf) for _ in budgets],
        )  # fmt: skip

    def note(self, objective: Objective, candidate: Images, index: Tensor, part: str) -> None:
        """Judge the candidates of some samples."""
        loss = objective.value(candidate)
        measured = self.ball.measure(candidate - self.x[index])
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
        return Outcome(eps, adversarial, broken, self.ball.measure(adversarial - self.x), by, forwards, backwards)


def parts_of(attack: Attack | Ensemble, name: str, restarts: int = 1) -> Sequence[tuple[str, Attack, int]]:
    """An ensemble's parts; a single attack is its own part with `restarts` starts."""
    return attack.parts() if isinstance(attack, Ensemble) else ((name, attack, restarts),)


def run_attack(
    attack: Attack | Ensemble,
    name: str,
    objective: Objective,
    x: Images,
    budgets: Sequence[float],
    skip: Tensor,
    noise: Noise,
    ball: Ball | None = None,
    restarts: int = 1,
) -> Sequence[Outcome]:
    """One outcome for each eps; what fell at a smaller eps stays fallen.

    First, from small to large eps, the first start of the first part: most of what falls, falls here, and
    is left alone from then on. Then, from large to small, all other starts and parts on what still stands;
    what stood against all of them is left alone too, since a flip at a smaller eps would lie in the
    larger ball as well. So a triplet meets the whole attack about once, however many budgets there are.

    Args:
        x: clean images (n, 3, h, w) in [0, 1].
        budgets: eps, sorted.
        skip: (len(budgets), n); samples that are not attacked at an eps (misclassified, certified).
        noise: one source a sample.
        ball: where to search and how to measure; the ball of the attack's norm where none is given.
        restarts: starts of an attack that is no ensemble.
    """
    search = _Sweep(
        objective, x, budgets, skip.to(x.device), noise,
        _Found.nothing(x, ball or Ball(attack.norm), budgets), [Tally.zeros(len(x)) for _ in budgets],
        torch.zeros(len(x), dtype=torch.bool, device=x.device), {},
    )  # fmt: skip
    starts = [(part, member, start) for part, member, n in parts_of(attack, name, restarts) for start in range(n)]
    for at in range(len(budgets)):
        search.budget(at, starts[:1])
    for at in reversed(range(len(budgets))):
        search.budget(at, starts[1:])
        search.rest(at)
    return [search.found.outcome(at, search.spent) for at in range(len(budgets))]


@dataclass
class _Sweep:
    """The state of one batch between budgets."""

    objective: Objective
    x: Images
    budgets: Sequence[float]
    skip: Tensor
    noise: Noise
    found: _Found
    spent: list[Tally]
    stood: Mask
    searched: dict[str, Tensor]

    def budget(self, at: int, starts: Sequence[tuple[str, Attack, int]]) -> None:
        """Some starts at one budget, each on what still stands."""
        for part, member, start in starts:
            label = f"{part}/{start}"
            left = self._standing(at) & ~self.stood
            if member.minimal:
                # A minimal attack has already given its best for every eps.
                left &= ~self.searched.get(label, torch.zeros_like(left))
                self.searched[label] = self.searched.get(label, torch.zeros_like(left)) | left
            index = left.nonzero().flatten()
            if len(index):
                self._attack(member, part, label, at, index)

    def rest(self, at: int) -> None:
        """What stands now has met everything; a goal without end is worked anew at every budget."""
        if not self.objective.endless:
            self.stood |= self._standing(at)

    def _standing(self, at: int) -> Mask:
        return ~(self.found.flip_size <= self.budgets[at]) & ~self.skip[at]

    def _attack(self, member: Attack, part: str, label: str, at: int, index: Tensor) -> None:
        eps, ball = self.budgets[at], self.found.ball
        goal, x = Counted(self.objective, self.spent[at], torch.arange(len(self.x))).select(index), self.x[index]
        candidate = ball.search(member, goal, x, eps, self.noise.select(index).stream(f"{label}/{eps!r}"))
        # What is no number is no image: the clean one stands in, and the attack has won nothing.
        candidate = torch.where(candidate.isfinite(), candidate, x)
        candidate = ball.image(candidate) if member.minimal else ball.fit(candidate, x, eps)
        self.found.note(goal, candidate, index, part)
        self._shrink(part, at, index)

    def _shrink(self, part: str, at: int, index: Tensor) -> None:
        """Try what was just found along the line to the clean image, at one smaller budget after the other."""
        for smaller in reversed(range(at)):
            eps, size = self.budgets[smaller], self.found.flip_size[index]
            index = index[(size <= self.budgets[smaller + 1]) & (size > eps) & ~self.skip[smaller, index]]
            if len(index) == 0:
                return
            x, share = self.x[index], eps / self.found.flip_size[index]
            candidate = torch.lerp(x, self.found.flip[index], per_image(share.to(x)))
            goal = Counted(self.objective, self.spent[smaller], torch.arange(len(self.x))).select(index)
            self.found.note(goal, self.found.ball.fit(candidate, x, eps), index, part)
