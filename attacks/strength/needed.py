"""The size that an attack needs beside the smallest that there is, and what it spends on it."""

from dataclasses import dataclass

import torch

from perceptbench.attacks.base import Attack, Ensemble
from perceptbench.attacks.running.judge import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.strength.victims import Victim
from perceptbench.attacks.threats.lp import Ball
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import PerImage

RATIOS = (0.999, 1.0002, 1.001, 1.002, 1.005, 1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0)
"""Budgets, in multiples of the optimum, at which an attack that fills a budget is tried, from the smallest on.

None can succeed at the first one: it shows what an image costs that stands.
"""


@dataclass(frozen=True)
class Needed:
    """What an attack needed on each image (n,).

    Args:
        ratio: the measured size of its smallest success over the optimum; infinity where it had none at the largest
            budget.
        call: forward and backward passes of its dearest call.
        total: passes of all calls. A minimal attack has one call, one that fills a budget a call for each budget up to
            the first that suffices.
    """

    ratio: PerImage
    call: PerImage
    total: PerImage


def needed(attack: Attack | Ensemble, name: str, victim: Victim, seed: int = 0) -> Needed:
    """Run an attack on a victim as a run does: every success is measured and judged again.

    Args:
        name: for the random numbers: another name draws others.
    """
    n = len(victim.x)
    ratio = torch.full((n,), torch.inf, dtype=torch.float64)
    call, total = torch.zeros(n), torch.zeros(n)
    for budget in RATIOS[-1:] if isinstance(attack, Attack) and attack.minimal else RATIOS:
        index = ratio.isinf().nonzero().flatten()
        if not len(index):
            break
        outcome = _attacked(attack, name, victim, index, budget * victim.optimum, seed)
        ratio[index] = torch.where(outcome.broken, outcome.size / victim.optimum, torch.inf)
        passes = outcome.forwards + outcome.backwards
        call[index] = torch.maximum(call[index], passes)
        total[index] += passes
    return Needed(ratio, call, total)


def _attacked(
    attack: Attack | Ensemble, name: str, victim: Victim, index: torch.Tensor, eps: float, seed: int
) -> Outcome:
    """What it achieves on some of the images within eps."""
    skip = torch.zeros(1, len(index), dtype=torch.bool)
    noise = Noise.make(seed, [victim.ids[i] for i in index.tolist()])
    goal, x = victim.objective.select(index), victim.x[index]
    (outcome,) = run_attack(attack, name, goal, x, [eps], skip, noise, Ball(victim.norm))
    return outcome
