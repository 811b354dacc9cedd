"""Runs an attack over all budgets and does not trust its results.

It counts passes (counted.py), brings every change into the set of the threat, measures it and judges it again
(outcome.py). The parts of an ensemble attack only the samples that are not broken yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Ensemble, Objective
from perceptbench.attacks.running.counted import Ascent, Counted, Tally
from perceptbench.attacks.running.first_success import FirstSuccess
from perceptbench.attacks.running.judge import Found, Outcome
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import ball_of
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, Mask


def parts_of(attack: Attack | Ensemble, name: str, restarts: int = 1) -> Sequence[tuple[str, Attack, int]]:
    """An ensemble's parts; a single attack is its own part with `restarts` starts."""
    return attack.parts() if isinstance(attack, Ensemble) else ((name, attack, restarts),)


@dataclass(frozen=True)
class QueryParts:
    """The parts of an ensemble that need no gradient, for a metric that has none."""

    norm: Norm
    kept: tuple[tuple[str, Attack, int], ...]

    def parts(self) -> Sequence[tuple[str, Attack, int]]:
        """(name, attack, number of starts) in the order in which they run."""
        return self.kept


def without_gradients(attack: Attack | Ensemble, name: str) -> Attack | Ensemble:
    """What of an attack can be run on a metric that has no gradient. Raises UserError where nothing can."""
    asking = [part for part, member, _ in parts_of(attack, name) if member.needs_gradient]
    if not asking:
        return attack
    kept = tuple(part for part in parts_of(attack, name) if not part[1].needs_gradient and part[2])
    if isinstance(attack, Attack) or not kept:
        raise UserError(f"the metric has no gradient, which {', '.join(asking)} asks for; use l2-square")
    return QueryParts(attack.norm, kept)


def counts_queries(attack: Attack | Ensemble, threat: ThreatSet) -> bool:
    """Whether success is counted against queries: nothing of the attack needs a gradient, and theta is the image."""
    return threat.pixels and not any(member.needs_gradient for _, member, starts in parts_of(attack, "") if starts)


def run_attack(
    attack: Attack | Ensemble,
    name: str,
    objective: Objective,
    x: Images,
    budgets: Sequence[float],
    skip: Tensor,
    noise: Noise,
    threat: ThreatSet | None = None,
    restarts: int = 1,
    guide: Objective | None = None,
) -> Sequence[Outcome]:
    """One outcome for each eps. A success found at a smaller eps also counts at every larger one.

    Phase 1, from small to large eps: the first start of the first part. It breaks most of the samples that can be
    broken, and these are not attacked again. Phase 2, from large to small eps: all other starts and parts. A sample
    that withstands all of them is not attacked at smaller eps, since a success there would also lie in the larger set.
    So a sample meets the whole attack about once, for any number of budgets.

    Args:
        name: the registered name, for `broken_by`.
        x: clean images (n, 3, h, w) in [0, 1].
        budgets: eps, sorted.
        skip: (len(budgets), n); samples that are not attacked at an eps (answered wrongly, certified).
        noise: one source for each sample.
        threat: the set to search in, which also measures; the ball of the attack's norm where none is given.
        restarts: starts of an attack that is not an ensemble.
        guide: the same goal with a gradient, for attacks that need one, where `objective` has none; success is that of
            `objective` in any case.
    """
    last_counts = isinstance(attack, Attack) and attack.literal
    within = threat or ball_of(attack)
    search = _Sweep(
        objective, guide or objective, x, budgets, skip.to(x.device), noise,
        Found.nothing(x, within, budgets, last_counts=last_counts),
        [Tally.zeros(len(x)) for _ in budgets],
        torch.zeros(len(x), dtype=torch.bool, device=x.device), {},
        FirstSuccess.of(x, within, budgets) if counts_queries(attack, within) else None,
    )  # fmt: skip
    starts = [(part, member, start) for part, member, n in parts_of(attack, name, restarts) for start in range(n)]
    for at in range(len(budgets)):
        search.budget(at, starts[:1])
    for at in reversed(range(len(budgets))):
        search.budget(at, starts[1:])
        search.rest(at)
    return [search.found.outcome(at, search.spent, search.first) for at in range(len(budgets))]


@dataclass
class _Sweep:
    """The state of one batch between budgets. `stood` marks samples that have withstood the whole attack."""

    objective: Objective
    guide: Objective
    x: Images
    budgets: Sequence[float]
    skip: Tensor
    noise: Noise
    found: Found
    spent: list[Tally]
    stood: Mask
    searched: dict[str, Tensor]
    first: FirstSuccess | None

    def budget(self, at: int, starts: Sequence[tuple[str, Attack, int]]) -> None:
        """Some starts at one budget, each on the samples that are not broken yet."""
        for part, member, start in starts:
            label = f"{part}/{start}"
            left = self._standing(at) & ~self.stood
            if self.found.threat.serves_all(member):
                # One call of a minimal attack has already answered for every eps.
                left &= ~self.searched.get(label, torch.zeros_like(left))
                self.searched[label] = self.searched.get(label, torch.zeros_like(left)) | left
            index = left.nonzero().flatten()
            if len(index):
                self._attack(member, part, label, at, index)

    def rest(self, at: int) -> None:
        """Mark the unbroken samples, which have met every part; with an endless goal each budget is attacked again."""
        if not self.objective.endless:
            self.stood |= self._standing(at)

    def _standing(self, at: int) -> Mask:
        return ~(self.found.flip_size <= self.budgets[at]) & ~self.skip[at]

    def _attack(self, member: Attack, part: str, label: str, at: int, index: Tensor) -> None:
        eps, threat, tally = self.budgets[at], self.found.threat, self.spent[at]
        x, ascent = self.x[index], Ascent.of(len(self.x)) if member.needs_gradient else None
        whole = torch.arange(len(self.x))
        goal = self.guide if member.needs_gradient else self.objective
        sought = Counted(goal, tally, whole, ascent, self.first).select(index)
        theta = threat.search(member, sought, x, eps, self.noise.select(index).stream(f"{label}/{eps!r}"))
        _check_theta(theta, self.found.flip[index], part)
        if ascent is not None:
            ascent.count(tally)
        goal = Counted(self.objective, tally, whole).select(index)
        # Where a change is not finite, the attack has found nothing.
        theta = torch.where(theta.isfinite(), theta, threat.start(x, eps, None))
        theta = threat.anywhere(theta, x) if threat.serves_all(member) else threat.fit(theta, x, eps)
        self.found.note(goal, theta, index, part)
        self._shrink(part, at, index)

    def _shrink(self, part: str, at: int, index: Tensor) -> None:
        """Try a share of the change that was just found, at one smaller budget after the other."""
        for smaller in reversed(range(at)):
            eps, size = self.budgets[smaller], self.found.flip_size[index]
            index = index[(size <= self.budgets[smaller + 1]) & (size > eps) & ~self.skip[smaller, index]]
            if len(index) == 0:
                return
            x, share = self.x[index], eps / self.found.flip_size[index]
            theta = self.found.threat.shrink(self.found.flip[index], x, share.to(x))
            goal = Counted(self.objective, self.spent[smaller], torch.arange(len(self.x))).select(index)
            self.found.note(goal, self.found.threat.fit(theta, x, eps), index, part)


def _check_theta(theta: Tensor, like: Tensor, part: str) -> None:
    """Raises UserError where an attack gives anything but changes like these, one for each image."""
    if isinstance(theta, Tensor) and (theta.shape, theta.dtype, theta.layout) == (like.shape, like.dtype, like.layout):
        return
    got = f"{tuple(theta.shape)}, {theta.dtype}, {theta.layout}" if isinstance(theta, Tensor) else type(theta).__name__
    raise UserError(f"the attack {part}: expected a tensor {tuple(like.shape)}, {like.dtype}, {like.layout}, got {got}")
