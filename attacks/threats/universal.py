"""One change for all images: found on some references, judged on others (Moosavi-Dezfooli et al., arXiv:1610.08401)."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import size, unit
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.attacks.threats.lp import Ball
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Scalar
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.core.threat import Move

MOST_EPS = 8
"""Each eps has a change of its own, which is kept in the record."""
MOST_FITTED = 100
"""Samples that a change is fitted on, whose images and embeddings are held in memory together."""
FITTED_ON, CHANGE = "universal_fitted_on", "universal_change"


@dataclass(frozen=True)
class Universal(Ball):
    """The change of each eps, added to an image and clipped to [0, 1]. Before it is fitted: the ball it is sought in.

    theta is the changed image, as in the ball. So every change has at most the norm eps, and certificates of the ball
    hold. An image may be changed by the change of any eps of the run up to its own, and by nothing else.

    Args:
        changes: (1, 3, h, w) by eps.
    """

    changes: Mapping[float, Tensor] = field(default_factory=dict)
    moves: ClassVar[tuple[Move, ...]] = ("reference", "left", "right")

    def split(self, source: Any) -> tuple[Any, Sequence[Any]]:
        """Halves by the names of references: a sample whose images are of both halves is in neither."""
        halves: dict[bool, list[Any]] = {True: [], False: []}
        for entry in source.entries:
            names = {getattr(entry, "reference", "") or entry.id, getattr(entry, "other", "")} - {""}
            kinds = {fits(name) for name in names}
            if len(kinds) == 1:
                halves[kinds.pop()].append(entry)
        if not halves[True] or not halves[False]:
            raise UserError(
                f"--threat universal is fitted on half of the references and judged on the others; {source.name} "
                f"gives {len(halves[True])} and {len(halves[False])} samples; take more data, or a larger --limit"
            )
        return replace(source, entries=tuple(halves[False])), halves[True][:MOST_FITTED]

    def learn(
        self, attack: Attack, goals: Sequence[tuple[Objective, Tensor]], budgets: Sequence[float], noise: Noise
    ) -> dict[str, Scalar]:
        """The change of each eps: what the attack finds where it climbs the mean loss of all samples.

        A sample adds its loss up to a cap, the median distance from the goal before any change: what is beyond the
        goal need not go further, and a far sample counts as much as a near one.
        """
        if len(budgets) > MOST_EPS:
            raise UserError(f"--threat universal keeps a change for each of up to {MOST_EPS} eps, got {len(budgets)}")
        if attack.minimal or attack.flips_only:
            raise UserError(
                f"--threat universal climbs a mean, and {type(attack).__name__} looks for one flip; use pgd"
            )
        clean = [goal.value(x) for goal, x in goals]
        open_ = [(~goal.reached(loss)).nonzero().flatten() for (goal, _), loss in zip(goals, clean, strict=True)]
        left = [(goal.select(rows), x[rows]) for (goal, x), rows in zip(goals, open_, strict=True) if len(rows)]
        found: dict[str, Scalar] = {FITTED_ON: sum(len(x) for _, x in left)}
        if not left:
            raise UserError(
                "--threat universal has nothing to fit its change on: no sample of that half is answered right; "
                "take more data, or a larger --limit"
            )
        first = torch.cat([loss[rows] for loss, rows in zip(clean, open_, strict=True)])
        together = Together(tuple(left), torch.inf if left[0][0].endless else float(first.abs().median()))
        around = AnyChange(self.norm)
        nothing = torch.zeros_like(left[0][1][:1])
        for eps in budgets:
            change = attack(together, nothing, eps, noise.stream(f"universal/{eps!r}"), around)
            found[f"{CHANGE}_{eps!r}"] = _text(around.fit(change, nothing, eps))
        return found

    def taught(self, state: Mapping[str, Any]) -> "Universal":
        """Raises UserError where nothing was fitted, as for triplets in memory."""
        changes = {
            float(name.removeprefix(f"{CHANGE}_")): _change(text)
            for name, text in state.items()
            if name.startswith(f"{CHANGE}_")
        }
        if not changes:
            raise UserError("--threat universal is fitted on a data set: use bench run, with --data")
        return replace(self, changes=changes)

    def note(self, state: Mapping[str, Any]) -> str:
        """How many samples it was fitted on."""
        return f"one change for all, fitted on {state[FITTED_ON]} samples of other references"

    def serves_all(self, attack: Attack) -> bool:
        """Never: each eps has its own change."""
        return False

    def search(self, attack: Attack, objective: Objective, x: Images, eps: float, noise: Noise) -> Images:
        """The change of this eps on every image; without one, what the attack finds in the ball."""
        if not self.changes:
            return super().search(attack, objective, x, eps, noise)
        found = self.changes.get(eps)
        if found is None or found.shape[1:] != x.shape[1:]:
            fitted = ", ".join(f"{one:g} ({' x '.join(map(str, to.shape[2:]))})" for one, to in self.changes.items())
            raise UserError(
                f"--threat universal was fitted at eps (size of the images) {fitted}, got {eps:g} "
                f"({x.shape[2]} x {x.shape[3]}); use images of one size"
            )
        return (x + found.to(x)).clamp(0, 1)

    def shrink(self, theta: Images, x: Images, share: PerImage) -> Images:
        """A part of the one change would be another change, so once it is fitted there is nothing in between."""
        if not self.changes:
            return super().shrink(theta, x, share)
        return torch.where((share < 1)[:, None, None, None], x, theta)


def fits(reference: str) -> bool:
    """Whether a change is fitted on a reference, and not judged on it. It depends on the name alone."""
    return hashlib.sha256(f"universal {reference}".encode(errors="surrogatepass")).digest()[0] % 2 == 1


@dataclass(frozen=True)
class AnyChange(Ball):
    """Changes of no image in particular: theta is the difference itself, of any sign."""

    def start(self, x: Images, eps: float, noise: Noise | None) -> Tensor:
        if noise is None:
            return torch.zeros_like(x)
        draw = noise.normal(x) if self.norm == "l2" else 2 * noise.uniform(x) - 1
        return eps * unit(draw, self.norm)

    def project(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        if self.norm == "linf":
            return theta.clamp_(-eps, eps)
        return theta * (eps / size(theta, "l2").clamp_min(1e-12)).clamp(max=1).to(theta)[:, None, None, None]

    def fit(self, theta: Tensor, x: Images, eps: float) -> Tensor:
        return ThreatSet.fit(self, theta, x, eps)


@dataclass(frozen=True)
class Together(Objective):
    """The goals of many samples as one of the change (1, 3, h, w) that they share: the mean of their losses.

    It is never reached: a larger mean is always better.

    Args:
        goals: batches, each with its images.
        cap: what a sample adds at most.
    """

    goals: tuple[tuple[Objective, Tensor], ...]
    cap: float

    @property
    def endless(self) -> bool:
        return True

    def loss(self, x: Tensor) -> PerImage:
        return torch.stack([self.of(goal, images, x) for goal, images in self.goals]).sum(0)

    def gradient(self, x: Tensor) -> tuple[PerImage, Tensor]:
        """Batch by batch, so that one at a time is held in memory."""
        found = [Batchwise(self, goal, images).gradient(x) for goal, images in self.goals]
        return sum(loss for loss, _ in found), sum(gradient for _, gradient in found)  # type: ignore[return-value]

    def of(self, goal: Objective, images: Tensor, change: Tensor) -> Tensor:
        """What one batch adds, (1,)."""
        count = sum(len(x) for _, x in self.goals)
        return (goal.loss((images + change).clamp(0, 1)).clamp(max=self.cap).sum() / count)[None]

    def reached(self, loss: PerImage) -> Mask:
        return torch.zeros_like(loss, dtype=torch.bool)

    def select(self, index: Tensor) -> "Together":
        return self


@dataclass(frozen=True)
class Batchwise(Objective):
    """What one batch adds."""

    whole: Together
    goal: Objective
    images: Images

    def loss(self, x: Tensor) -> PerImage:
        return self.whole.of(self.goal, self.images, x)


def _text(change: Tensor) -> str:
    """A change as text: its shape, and float32 numbers."""
    shape = "x".join(map(str, change.shape[1:]))
    return f"{shape}:{base64.b64encode(change.detach().cpu().numpy().astype('<f4').tobytes()).decode()}"


def _change(text: Any) -> Tensor:
    """Raises UserError for a text that `_text` does not write."""
    try:
        shape, _, numbers = text.partition(":")
        array = np.frombuffer(base64.b64decode(numbers, validate=True), "<f4")
        return torch.from_numpy(array.reshape(1, *map(int, shape.split("x"))).copy())
    except (AttributeError, TypeError, ValueError):
        raise UserError("the change of --threat universal in a stored run is damaged; delete that run") from None


@threat("universal", source="arXiv:1610.08401")
def universal(norm: str = "l2") -> Universal:
    """One change for all images in the l2 or linf ball, fitted on half of the references and judged on the others."""
    if norm not in ("l2", "linf"):
        raise UserError(f"universal(norm=...) wants l2 or linf, got {norm!r}")
    return Universal(norm)  # type: ignore[arg-type]
