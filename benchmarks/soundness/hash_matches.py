"""Certified matches of perceptual hashes beside attacks: pieces of photographs, both goals, thresholds of all sizes."""

import random

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.soundness.attacked_pairs import PairCount, ProofCase
from benchmarks.soundness.matches import attacked, threshold_among
from perceptbench.attacks.guided import Guided
from perceptbench.attacks.objectives import CrossThreshold
from perceptbench.certifiers.decision import certify_decision
from perceptbench.certifiers.hash import Hash
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import metric
from perceptbench.metrics.hashes.levels import on_grid
from perceptbench.metrics.hashes.provable import ProvableHash
from perceptbench.metrics.seen import Seen
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
            _tried(name, kept, draw.randrange(2**31), tally)
    return tally


def _photographs() -> Tensor:
    """References of the embedded triplets (n, 3, 224, 224)."""
    source = photos()
    return source.batch(source.entries[:: len(source.entries) // 24]).reference


def _tried(name: str, kept: Tensor, seed: int, tally: PairCount) -> None:
    draw, made = random.Random(seed), metric.build(Ref(name))
    if not isinstance(made, ProvableHash):
        raise UserError(f"expected a hash with a certificate, got {name}; correct the list")
    x, y, distance = _pairs(made, kept, draw)
    # A threshold among the distances: what lies on either side is a match to hide, or an image to make match.
    tau = threshold_among(distance, draw.random())
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
    case = ProofCase(name, "hash", "reference", "l2")
    attacked(case, ATTACKS, FEW, own, x, radius, seed, tally, Guided(own, guide, soft))


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
