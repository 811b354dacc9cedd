"""HopSkipJump (Chen, Jordan, Wainwright, S&P 2020, arXiv:1904.02144): a search that sees answers alone.

It never asks how near a goal is, only whether it is reached, so it serves whatever answers. From a change that
succeeds it goes back towards no change until the answer turns, estimates there in which direction the answer changes
by asking at random places around, takes a step in that direction, and goes back again.

Every sample has the same plan of queries, whatever is found, so none depends on its batch.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Objective, attack
from perceptbench.attacks.norms import length, per_length, spread
from perceptbench.attacks.query_start import first_success
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.lp import ball_of
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Norm
from perceptbench.core.tensors import Images, Mask, PerImage

_ANY_SIZE = 1e6
"""An eps whose set holds every valid change."""
_FINEST = 2.0**-18
"""Part of a size to which it is searched at least: finer ones would be lost in float32."""
_HALVINGS = 10
"""Of a step, until the answer at its end is right for the attacker."""
_FEWEST = 10
"""Directions that are worth an estimate."""
_LITTLE, _WIDER, _WIDEST = 0.98, 4.0, 4.0**6
"""Where a step leaves more than this part of a size, the next random places lie so much further away, up to a most."""


@attack("query", source="arXiv:1904.02144")
@dataclass(frozen=True)
class HopSkipJump(Attack):
    """HopSkipJump in the set of any threat: answers alone, looks for the smallest success.

    Args:
        queries: at most so many, the search for a first success included.
        directions: places that are asked for the first estimate, the paper's B_0; they grow with the square root of
            the number of steps.
    """

    norm: ClassVar[Norm | None] = None
    minimal: ClassVar[bool] = True
    needs_gradient: ClassVar[bool] = False
    queries: int = 5000
    directions: int = 100

    def __post_init__(self) -> None:
        if self.queries < 2 or self.directions < 1:
            raise UserError(f"query wants at least 2 queries and 1 direction, got {self.queries} and {self.directions}")

    @torch.no_grad()
    def __call__(
        self, objective: Objective, x: Images, eps: float, noise: Noise, within: ThreatSet | None = None
    ) -> Tensor:
        within = within or ball_of(self)
        nothing = within.start(x, eps, None)
        best = nothing.clone()
        standing = (~asked(objective, nothing)).nonzero().flatten()
        tries = max(1, self.queries // 20)
        index, theta = first_success(
            objective.select(standing), x[standing], eps, noise.select(standing), within, tries
        )
        rows = standing[index]
        if len(rows):
            search = DecisionSearch(objective.select(rows), x[rows], nothing[rows], noise.select(rows), within)
            left = self.queries - 1 - tries
            first = min(search.finest, left)
            best[rows] = search.run(theta, first, self.plan(search.finest, left - first))
        return best

    def plan(self, finest: int, left: int) -> list[int]:
        """How many directions each step asks for, so that all steps take no more than the queries that are left.

        Args:
            finest: queries of one way back to the boundary.
        """
        plan: list[int] = []
        while (most := left - _HALVINGS - finest) >= _FEWEST:
            plan.append(min(int(self.directions * math.sqrt(len(plan) + 1)), most))
            left -= plan[-1] + _HALVINGS + finest
        return plan


@attack("l2-query", source="arXiv:1904.02144")
@dataclass(frozen=True)
class L2HopSkipJump(HopSkipJump):
    """HopSkipJump in l2: answers alone, looks for the smallest flip."""

    norm: ClassVar[Norm] = "l2"


@attack("linf-query", source="arXiv:1904.02144")
@dataclass(frozen=True)
class LinfHopSkipJump(HopSkipJump):
    """HopSkipJump in l-infinity: answers alone, looks for the smallest flip."""

    norm: ClassVar[Norm] = "linf"


def asked(objective: Objective, theta: Tensor) -> Mask:
    """Whether each theta (n, ...) reaches the goal: all that this attack learns."""
    return objective.reached(objective.value(theta))


@dataclass
class DecisionSearch:
    """The search from changes that succeed.

    Args:
        nothing: the theta (n, ...) that changes nothing.
        wider: how much further than the paper says random places lie, (n,).
    """

    objective: Objective
    x: Images
    nothing: Tensor
    noise: Noise
    within: ThreatSet
    wider: Tensor | None = None

    @property
    def precision(self) -> float:
        """The part of a size to which it is searched: d^-1.5 of the paper's algorithm 2, d the length of theta."""
        return max(float(self.nothing[0].numel()) ** -1.5, _FINEST)

    @property
    def finest(self) -> int:
        """Queries that find a size to this precision by halving."""
        return math.ceil(-math.log2(self.precision))

    def run(self, theta: Tensor, first: int, plan: list[int]) -> Tensor:
        """The smallest success found, from some that succeed, by as many steps as the plan has.

        Args:
            first: halvings of the way back from the changes that are given.
            plan: how many directions each step asks for.
        """
        theta = self.back(theta, first)
        best, smallest = theta, self.within.measure(self.x, theta)
        for step, directions in enumerate(plan, start=1):
            theta = self.back(self.ahead(theta, self.direction(theta, directions), step), self.finest)
            size = self.within.measure(self.x, theta)
            self._adapt(size, smallest)
            best = torch.where(spread(size < smallest, theta), theta, best)
            smallest = torch.minimum(size, smallest)
        return best

    def back(self, theta: Tensor, halvings: int) -> Tensor:
        """The smallest success between each theta and no change: on the way back in l2, cut off at a level in linf."""
        low, high = torch.zeros(len(theta), dtype=torch.float64), self.within.measure(self.x, theta).cpu()
        for _ in range(halvings):
            middle = (low + high) / 2
            nearer = torch.cat([self._cut(theta, i, float(size)) for i, size in enumerate(middle)])
            hit = asked(self.objective, nearer)
            theta = torch.where(spread(hit, theta), nearer, theta)
            low, high = torch.where(hit.cpu(), low, middle), torch.where(hit.cpu(), middle, high)
        return theta

    def direction(self, theta: Tensor, count: int) -> Tensor:
        """In which direction the goal is reached, of norm 1, from `count` random places (equations 9 and 16)."""
        reach = self._reach(theta)
        votes, places, agreed = torch.zeros_like(theta), torch.zeros_like(theta), torch.zeros_like(reach)
        for _ in range(count):
            draw = self.noise.normal(theta) if self.within.norm == "l2" else 2 * self.noise.uniform(theta) - 1
            place = torch.addcmul(theta, draw, spread(per_length(reach, draw), theta))
            place = self.within.project(place, self.x, _ANY_SIZE)
            vote = 2 * asked(self.objective, place).to(theta) - 1
            place = place - theta
            votes += spread(vote, place) * place
            places += place
            agreed += vote
        mean = agreed / count
        # Where all places gave one answer, less their mean nothing would be left.
        alike = mean.abs() == 1
        estimate = votes - spread(torch.where(alike, 0.0, mean), votes) * places
        if self.within.norm == "linf":
            return estimate.sign()
        return estimate * spread(per_length(1.0, estimate), estimate)

    def ahead(self, theta: Tensor, direction: Tensor, step: int) -> Tensor:
        """A step of size |theta| / sqrt(step), halved until it ends at a success; theta where none does."""
        size = (self.within.measure(self.x, theta) / math.sqrt(step)).to(theta)
        left, found = torch.arange(len(theta), device=theta.device), theta.clone()
        for _ in range(_HALVINGS):
            moved = torch.addcmul(theta[left], direction[left], spread(size[left], theta))
            moved = self.within.project(moved, self.x[left], _ANY_SIZE)
            hit = asked(self.objective.select(left), moved)
            found[left[hit]] = moved[hit]
            left = left[~hit]
            if not len(left):
                break
            size = size / 2
        return found

    def _cut(self, theta: Tensor, i: int, size: float) -> Tensor:
        return self.within.project(theta[i : i + 1].clone(), self.x[i : i + 1], size)

    def _reach(self, theta: Tensor) -> PerImage:
        """How far from theta the random places lie: sqrt(d) or d times what `back` may miss (section III-B)."""
        size = length(theta - self.nothing, self.within.norm)
        entries = theta[0].numel()
        factor = math.sqrt(entries) if self.within.norm == "l2" else entries
        return factor * self.precision * size * (1.0 if self.wider is None else self.wider.to(size))

    def _adapt(self, size: PerImage, smallest: PerImage) -> None:
        """A metric that rounds says little of small changes: where a step brought little, ask further away, in turn."""
        before = torch.ones_like(size) if self.wider is None else self.wider
        wider = torch.where(before < _WIDEST, _WIDER * before, 1.0)
        self.wider = torch.where(size > _LITTLE * smallest, wider, before)
