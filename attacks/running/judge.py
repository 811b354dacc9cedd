"""What an attack achieved: its changes are measured and judged again here."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Objective
from perceptbench.attacks.norms import per_image, spread
from perceptbench.attacks.running.counted import Tally
from perceptbench.attacks.running.first_success import FirstSuccess
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
        spent: passes of each sample up to this eps, and what was seen in them.
        queries: passes at which a search without gradients first succeeded, NaN where it did not; None where it was not
            watched.
    """

    eps: float
    adversarial: Images
    broken: Mask
    size: PerImage
    broken_by: tuple[str, ...]
    spent: Tally
    queries: PerImage | None = None

    @property
    def forwards(self) -> PerImage:
        """Forward passes of each sample (n,) up to this eps."""
        return self.spent.forwards

    @property
    def backwards(self) -> PerImage:
        """Backward passes of each sample (n,) up to this eps."""
        return self.spent.backwards


@dataclass
class Found:
    """The smallest success of each sample so far and, for every budget, the strongest change that is none.

    The first of the strongest is no change: whatever a part found, no sample ends worse for the attacker than it began.
    Changes are kept as the threat describes them (theta).

    Args:
        last_counts: whether the first change that a part finds is kept also where no change is better, as the paper's
            code does.
    """

    x: Images
    threat: ThreatSet
    budgets: Tensor
    flip: Tensor
    flip_size: PerImage
    flip_by: list[str]
    strongest: list[Tensor]
    strongest_loss: list[PerImage]
    changed: list[Mask]
    clean_loss: PerImage
    """NaN where nobody had to know it yet."""
    last_counts: bool = False

    @classmethod
    def nothing(cls, x: Images, threat: ThreatSet, budgets: Sequence[float], *, last_counts: bool = False) -> "Found":
        """Before anything was tried: no image is changed."""
        infinite = torch.full((len(x),), torch.inf, dtype=torch.float64, device=x.device)
        levels = torch.tensor(budgets, dtype=torch.float64, device=x.device)
        unchanged = [threat.start(x, eps, None) for eps in budgets]
        return cls(
            x, threat, levels, unchanged[0].clone(), infinite, [""] * len(x),
            unchanged, [torch.full_like(infinite, -torch.inf) for _ in budgets],
            [torch.zeros_like(infinite, dtype=torch.bool) for _ in budgets],
            torch.full_like(infinite, torch.nan), last_counts,
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
        if not self.last_counts:
            self._look_at_clean(objective, index, ~objective.reached(loss))
        for at, eps in enumerate(self.budgets):
            kept, best = self.strongest[at], self.strongest_loss[at]
            stronger = (measured <= eps) & (loss > best[index]) & ~(loss <= self.clean_loss[index])
            rows = index[stronger]
            kept[rows], best[rows], self.changed[at][rows] = theta[stronger], loss[stronger].double(), True

    def _look_at_clean(self, objective: Objective, index: Tensor, wanted: Mask) -> None:
        """Learn the loss of the unchanged images of some samples, unless it is known. A success has no need of it."""
        unknown = (wanted & self.clean_loss[index].isnan()).nonzero().flatten()
        if len(unknown):
            rows = index[unknown]
            x = self.threat.apply(self.x[rows], self.threat.start(self.x[rows], float(self.budgets[-1]), None))
            self.clean_loss[rows] = objective.select(unknown).value(x).double()

    def outcome(self, at: int, spent: Sequence[Tally], first: FirstSuccess | None = None) -> Outcome:
        """The outcome at one budget; a success at a smaller budget counts."""
        eps = float(self.budgets[at])
        broken = self.flip_size <= eps
        theta = torch.where(spread(broken, self.flip), self.flip, self.strongest[at])
        by = tuple(part if b else "" for part, b in zip(self.flip_by, broken.tolist(), strict=True))
        # Where nothing better was found the image is the clean one itself: no change may still round differently.
        untouched = ~broken & ~self.changed[at]
        clean = self.threat.unchanged(self.x)
        adversarial = torch.where(per_image(untouched), clean, self.threat.apply(self.x, theta))
        size = torch.where(untouched, 0.0, self.threat.measure(self.x, theta))
        total = Tally.sum(spent[: at + 1])
        # A success that no search saw was found by shrinking another one, after all its passes.
        when = None if first is None else torch.minimum(first.passes[at], total.forwards)
        queries = None if when is None else torch.where(broken.cpu(), when, torch.nan)
        return Outcome(eps, adversarial, broken, size, by, total, queries)
