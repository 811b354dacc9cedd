"""Attacks on certified answers "these two match" and "they do not", each beside its own radius."""

from collections.abc import Sequence

import torch

from benchmarks.soundness.attacked_pairs import BrokenRadius, PairCount, ProofCase
from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, PerImage
from perceptbench.testing.attack_setting import small_attack


def attacked(
    case: ProofCase,
    attacks: Sequence[str],
    few: dict[str, int],
    own: Objective,
    x: Images,
    radius: PerImage,
    seed: int,
    tally: PairCount,
    guide: Objective | None = None,
) -> None:
    """Count every attack on each of these images, and the answers that it turns inside their radius.

    Args:
        few: how few steps and queries an attack has.
        own: what is turned.
        guide: what an attack follows where `own` has no gradient.
    """
    noise, nothing = Noise.make(seed, [str(i) for i in range(len(x))]), torch.zeros(1, len(x), dtype=torch.bool)
    for attack in attacks:
        one = small_attack(attack, **few)
        if not isinstance(one, Attack):
            raise UserError(f"expected one attack and no ensemble, got {attack}; correct the list")
        # A minimal attack says how small a success it finds; any other one is asked at a radius that half of them have.
        eps = 100.0 if one.minimal else float(radius.median())
        (outcome,) = run_attack(one, attack, own, x, [eps], nothing, noise, guide=guide)
        inside = outcome.broken & (outcome.size < radius)
        tally.count(case.metric, len(x))
        if inside.any():
            tally.violations.append(BrokenRadius(case, attack, int(inside.sum()), seed))


def threshold_among(distances: PerImage, draw: float) -> float:
    """A distance of these, so that pairs lie on both sides of it; draw in [0, 1)."""
    return float(distances.sort().values[int(draw * len(distances))])
