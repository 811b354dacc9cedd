"""Certified matches of perceptual hashes beside attacks: pieces of photographs, both goals, thresholds of all sizes."""

import random

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.soundness.attacked_pairs import BrokenRadius, PairCount, ProofCase
from perceptbench.attacks.base import Attack
from perceptbench.attacks.guided import Guided
from perceptbench.attacks.objectives import CrossThreshold
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.certifiers.decision import certify_decision
from perceptbench.certifiers.hash import Hash
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import metric
from perceptbench.metrics.hashes.levels import on_grid
from perceptbench.metrics.hashes.provable import ProvableHash
from perceptbench.metrics.seen import Seen
from perceptbench.testing.attack_setting import small_attack
from perceptbench.triplets.photos import photos

BATCH = 32
SIDES = (32, 48, 64)
HASHES = ("pdq", "phash")
ATTACKS = ("l2-hash", "l2-fmn", "l2-ddn", "l2-fab", "l2-apgd-ce", "l2-pgd", "l2-square")
FEW = {"steps": 15, "queries": 60}
"""Gradients and queries are followed through the library, which costs more than they do."""


def hash_matches(pairs: int, seed: int) -> PairCount:
    """Attack until so many pairs were tried: certified matches and non-matches times attacks."""
    draw, tally, kept = random.Random(seed), PairCount(), _photographs()
    while tally.pairs < pairs:
        for name in HASHES:
            _attacked(name, kept, draw.randrange(2**31), tally)
    return tally


def _photographs() -> Tensor:
    """References of the embedded triplets (n, 3, 224, 224)."""
    source = photos()
    return source.batch(source.entries[:: len(source.entries) // 24]).reference


def _attacked(name: str, kept: Tensor, seed: int, tally: PairCount) -> None:
    draw, made = random.Random(seed), metric.build(Ref(name))
    if not isinstance(made, ProvableHash):
        raise UserError(f"expected a hash with a certificate, got {name}; correct the list")
    x, y, distance = _pairs(made, kept, draw)
    # A threshold among the distances: what lies on either side is a match to hide, or an image to make match.
    tau = float(distance.sort().values[draw.randrange(len(distance))])
    sign = draw.choice((1, -1))
    chosen = (distance <= tau) if sign > 0 else (distance > tau)
    x, y = x[chosen], y[chosen]
    if not len(x):
        return
    radius = certify_decision(Hash(), Seen(made, {"reference": x, "other": y}), tau, Threat()).radius
    x, y, radius = x[radius > 0], y[radius > 0], radius[radius > 0]
    if not len(x):
        return
    soft, stakes = made.surrogate(), torch.ones(len(x), dtype=torch.bool)
    own, guide = (CrossThreshold(one.prepare(y), tau, sign, stakes) for one in (made, soft))
    noise, nothing = Noise.make(seed, [str(i) for i in range(len(x))]), torch.zeros(1, len(x), dtype=torch.bool)
    case = ProofCase(name, "hash", "reference", "l2")
    for attack in ATTACKS:
        one = small_attack(attack, **FEW)
        if not isinstance(one, Attack):
            raise UserError(f"expected one attack and no ensemble, got {attack}; correct the list")
        # A minimal attack says how small a success it finds; any other one is asked at a radius that half of them have.
        eps = 100.0 if one.minimal else float(radius.median())
        goal = Guided(own, guide, soft)
        (outcome,) = run_attack(one, attack, own, x, [eps], nothing, noise, guide=goal)
        inside = outcome.broken & (outcome.size < radius)
        tally.count(name, len(x))
        if inside.any():
            tally.violations.append(BrokenRadius(case, attack, int(inside.sum()), seed))


def _pairs(made: ProvableHash, kept: Tensor, draw: random.Random) -> tuple[Tensor, Tensor, Tensor]:
    """Pieces of photographs, as many others that some have been mixed with, and their distances."""
    side, numbers = draw.choice(SIDES), torch.Generator().manual_seed(draw.randrange(2**31))
    x, y = (torch.stack([_piece(kept[draw.randrange(len(kept))], side, draw) for _ in range(BATCH)]) for _ in range(2))
    share = torch.rand(BATCH, 1, 1, 1, generator=numbers) ** 2
    mixed = torch.lerp(x, y, share) + 0.02 * torch.randn(x.shape, generator=numbers)
    x, y = on_grid(x).float(), on_grid(mixed.clamp(0, 1)).float()
    trusted = made.usable(x) & made.usable(y)
    return x[trusted], y[trusted], made(x[trusted], y[trusted])


def _piece(photograph: Tensor, side: int, draw: random.Random) -> Tensor:
    height, width = photograph.shape[-2:]
    size = draw.randint(min(side, height, width), min(height, width))
    top, left = draw.randint(0, height - size), draw.randint(0, width - size)
    piece = photograph[None, :, top : top + size, left : left + size]
    return interpolate(piece, (side, side), mode="bilinear", antialias=True)[0].clamp(0, 1)
