"""Certified matches of networks on images of 32 pixels beside attacks: every family, both goals, any threshold."""

import random
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.soundness.attacked_pairs import PairCount, ProofCase
from benchmarks.soundness.instances import network, shapes
from benchmarks.soundness.matches import attacked, threshold_among
from perceptbench.attacks.objectives import CrossThreshold
from perceptbench.certifiers.base import certifier
from perceptbench.certifiers.decision import certify_decision
from perceptbench.core.ref import Ref
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import LipschitzMetric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.metrics.seen import Seen
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import generator

SIDE, BATCH = 32, 64
ATTACKS = ("l2-fmn", "l2-ddn", "l2-fab", "l2-apgd-ce", "l2-pgd", "l2-square")
FEW = {"steps": 30, "queries": 100}


def network_matches(pairs: int, seed: int, *, factor: float = 1.0) -> PairCount:
    """Attack until so many pairs were tried: certified matches and non-matches times attacks.

    Args:
        factor: of every radius; a test makes them too large.
    """
    draw, tally = random.Random(seed), PairCount()
    while tally.pairs < pairs:
        for name, made in _metrics(draw.randrange(97)).items():
            _tried(name, made, draw.randrange(2**31), factor, tally)
    return tally


def _metrics(seed: int) -> dict[str, LipschitzMetric]:
    """A network of each shape, and two metrics whose radii are tight."""
    made: dict[str, LipschitzMetric] = {
        f"{name}, {SIDE} px": network(replace(shape, size=SIDE), seed) for name, shape in shapes().items()
    }
    return {
        **made,
        f"pixel l2, {SIDE} px": PixelL2(),
        f"orthonormal embedding, {SIDE} px": ProjectionCosine(3 * SIDE**2, seed=seed),
    }


def _tried(name: str, made: LipschitzMetric, seed: int, factor: float, tally: PairCount) -> None:
    draw = random.Random(seed)
    x, y = _pairs(seed)
    with torch.no_grad():
        distance = made(x, y)
    tau, sign = threshold_among(distance, draw.random()), draw.choice((1, -1))
    chosen = (distance <= tau) if sign > 0 else (distance > tau)
    x, y = x[chosen], y[chosen]
    if not len(x):
        return
    margin = certifier.build(Ref("margin"))
    radius = factor * certify_decision(margin, Seen(made, {"reference": x, "other": y}), tau, Threat()).radius
    x, y, radius = x[radius > 0], y[radius > 0], radius[radius > 0]
    if len(x):
        own = CrossThreshold(made.prepare(y), tau, sign, torch.ones(len(x), dtype=torch.bool))
        attacked(ProofCase(name, "margin", "reference", "l2"), ATTACKS, FEW, own, x, radius, seed, tally)


def _pairs(seed: int) -> tuple[Tensor, Tensor]:
    """Images far enough from black and white for a change, and as many at all distances from them."""
    draw = generator(seed)
    x = 0.5 + 0.15 * torch.randn(BATCH, 3, SIDE, SIDE, generator=draw)
    share = torch.rand(BATCH, 1, 1, 1, generator=draw) ** 2
    other = 0.5 + 0.15 * torch.randn(x.shape, generator=draw)
    return x.clamp(0.1, 0.9), torch.lerp(x, other, share).clamp(0.1, 0.9)
