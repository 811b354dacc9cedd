"""Runs an attack over all budgets and believes nothing it says.

It counts passes (counted.py), fits what was found into the set of the threat, measures and judges it again
(outcome.py), and lets an ensemble's parts work only on what still stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Ensemble, Objective
from perceptbench.attacks.running.counted import Counted, Tally
from perceptbench.attacks.running.outcome import Found, Outcome
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import ball_of
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask


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
    threat: ThreatSet | None = None,
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
        threat: where to search and how to measure; the ball of the attack's norm where none is given.
        restarts: starts of an attack that is no ensemble.
    """
    search = _Sweep(
        objective, x, budgets, skip.to(x.device), noise,
        Found.nothing(x, threat or ball_of(attack), budgets), [Tally.zeros(len(x)) for _ in budgets],
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
    found: Found
    spent: list[Tally]
    stood: Mask
    searched: dict[str, Tensor]

    def budget(self, at: int, starts: Sequence[tuple[str, Attack, int]]) -> None:
        """Some starts at one budget, each on what still stands."""
        for part, member, start in starts:
            label = f"{part}/{start}"
            left = self._standing(at) & ~self.stood
            if self.found.threat.serves_all(member):
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
        eps, threat = self.budgets[at], self.found.threat
        goal, x = Counted(self.objective, self.spent[at], torch.arange(len(self.x))).select(index), self.x[index]
        theta = threat.search(member, goal, x, eps, self.noise.select(index).stream(f"{label}/{eps!r}"))
        # What is no number is no change: there the attack has won nothing.
        theta = torch.where(theta.isfinite(), theta, threat.start(x, eps, None))
        theta = threat.anywhere(theta, x) if threat.serves_all(member) else threat.fit(theta, x, eps)
        self.found.note(goal, theta, index, part)
        self._shrink(part, at, index)

    def _shrink(self, part: str, at: int, index: Tensor) -> None:
        """Try a share of what was just found, at one smaller budget after the other."""
        for smaller in reversed(range(at)):
            eps, size = self.budgets[smaller], self.found.flip_size[index]
            index = index[(size <= self.budgets[smaller + 1]) & (size > eps) & ~self.skip[smaller, index]]
            if len(index) == 0:
                return
            x, share = self.x[index], eps / self.found.flip_size[index]
            theta = self.found.threat.shrink(self.found.flip[index], x, share.to(x))
            goal = Counted(self.objective, self.spent[smaller], torch.arange(len(self.x))).select(index)
            self.found.note(goal, self.found.threat.fit(theta, x, eps), index, part)
