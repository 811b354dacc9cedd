"""The lipsim that ships with the package, on photographs: every triplet attacked at 0.999 of its own radius."""

import time

import torch

from benchmarks.soundness.assaults import INSIDE, Ground
from benchmarks.soundness.attacked_pairs import BrokenRadius, PairCount, ProofCase
from perceptbench.certifiers.base import certifier
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import LipschitzMetric, metric
from perceptbench.testing.attack_setting import small_attack
from perceptbench.triplets.base import triplets

ATTACKS = ("l2-pgd(steps=10)", "l2-apgd-ce(steps=20)")
PROOF = ProofCase("lipsim", "margin", "reference", "l2")


def shipped(n: int, seed: int, *, seconds: float = float("inf")) -> PairCount:
    """Pairs of up to n certified triplets of the embedded photographs and each attack."""
    made = metric.build(Ref("lipsim"))
    if not isinstance(made, LipschitzMetric):
        raise UserError(f"expected a metric with a Lipschitz constant, got {type(made).__name__}")
    ground = Ground(made, certifier.build(Ref(PROOF.certifier)))
    source = triplets.build(Ref("photos"))
    tally, found, until = PairCount(), 0, time.monotonic() + seconds
    for entry in source.entries:
        if found == n or time.monotonic() >= until:
            break
        batch = source.batch([entry])
        radius = float(ground.radii(batch))
        if radius == 0:
            continue
        found += 1
        for name in ATTACKS:
            flipped = ground.flipped(name, small_attack(name), batch, INSIDE * radius, seed)
            tally.count(PROOF.metric, 1)
            if flipped.any():
                tally.violations.append(BrokenRadius(PROOF, name, int(torch.count_nonzero(flipped)), seed))
    return tally
