"""Every attack in every threat that it declares: inside the set, the same again, alone as in a batch, more at more eps.

An attack without a norm of its own declares every threat, any other one the ball of its norm. Bridges run one triplet
at a time by the code of others and are held to their contract in test_attack.py.
"""

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.base import Attack, Ensemble, Objective, attack
from perceptbench.attacks.norms import change, size
from perceptbench.attacks.objectives import EmbeddingShift
from perceptbench.attacks.running.judge import Outcome
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.core.noise import Noise
from perceptbench.core.ref import Ref
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.attack_setting import Setting, small_attack
from perceptbench.testing.samples import subset, triplets
from perceptbench.triplets.base import Triplets

SIDE = 16
EPS = {
    "l2": (0.1, 0.4), "linf": (0.004, 0.015), "colour": (0.005, 0.02), "frequency": (0.1, 0.4), "spatial": (0.3, 1.2),
    "affine": (0.1, 0.4),
}  # fmt: skip
"""A small and a larger size, in the unit of each threat; half of the answers fall in between or never."""


def _alone(name: str) -> bool:
    """Whether an attack is ours and works on any metric."""
    made = attack.factory(name)
    return not attack.inputs(name) and getattr(made, "solves", None) is None


def _norm(name: str) -> str | None:
    return attack.build(Ref(name)).norm


PAIRS = [
    (name, within)
    for name in attack.names()
    if _alone(name) and not attack.card(name).missing
    for within in threat.names()
    if not threat.inputs(within) and _norm(name) in (None, within)
]


def _batch() -> Triplets:
    return triplets([0.05, 0.2, 0.3, 5.0], height=SIDE, seed=7)


def _made(name: str) -> Attack | Ensemble:
    # Whoever sees answers alone needs more of them to find a first success.
    queries = 400 if name.endswith("query") else 40
    return small_attack(name, steps=12, queries=queries, starts=1, fab_steps=12, fmn_steps=12)


def _run(name: str, within: str, batch: Triplets) -> list[Outcome]:
    made, built = _made(name), threat.build(Ref(within))
    embeds = isinstance(made, Attack) and made.by_embedding
    goal: Objective = (
        EmbeddingShift.make(PixelL2(), batch.reference) if embeds else Setting(made, name, PixelL2(), batch).objective()
    )
    eps = EPS.get(within, (0.5, 2.0))
    skip = torch.zeros(2, len(batch.ids), dtype=torch.bool)
    return run_attack(made, name, goal, batch.reference, eps, skip, Noise.make(0, batch.ids), built)


def test_every_threat_of_ours_has_a_pair_and_sizes() -> None:
    assert {within for _, within in PAIRS} == set(threat.names())
    assert set(EPS) <= set(threat.names())
    assert len(PAIRS) >= 3 * len(EPS)


@pytest.mark.parametrize(("name", "within"), PAIRS)
def test_the_pair_keeps_to_the_contract(name: str, within: str) -> None:
    batch, built = _batch(), threat.build(Ref(within))
    outcomes, again = (_run(name, within, batch) for _ in range(2))
    for outcome, same in zip(outcomes, again, strict=True):
        assert (outcome.size <= outcome.eps).all(), "a change must be in the set of its eps"
        _inside(built, batch.reference, outcome)
        assert torch.equal(outcome.adversarial, same.adversarial), "the same noise must give the same images"
        assert torch.equal(outcome.broken, same.broken)
    small, large = outcomes
    assert (large.broken >= small.broken).all(), "what falls at a small eps must fall at a larger one"
    assert (large.adversarial != batch.reference).any(), "some image must move"
    for row in range(len(batch.ids)):
        clean = batch.reference[row : row + 1]
        alone = _run(name, within, subset(batch, torch.tensor([row])))
        for whole, one in zip(outcomes, alone, strict=True):
            assert bool(one.broken[0]) == bool(whole.broken[row]), "a sample must not notice its batch"
            torch.testing.assert_close(one.size[0], whole.size[row], rtol=1e-3, atol=1e-5)
            # Rounding may turn the sign of a slope that is hardly one, and a pixel of 768 goes the other way.
            found = whole.adversarial[row : row + 1]
            apart, moved = (size(change(other, found), "l2") for other in (one.adversarial, clean))
            assert (apart <= 0.15 * moved + 1e-5).all(), "a sample must not notice its batch"


def _inside(built: ThreatSet, x: Tensor, outcome: Outcome) -> None:
    """What can be said of the images alone: they are images, and no further away than the proof of the set says."""
    assert outcome.adversarial.min() >= 0
    assert outcome.adversarial.max() <= 1
    delta = change(outcome.adversarial, x)
    if built.proof is not None:
        assert (size(delta, built.proof) <= outcome.eps * (1 + 1e-5)).all()
    if built.bounded:
        eps = torch.full_like(x[:, 0, 0, 0], outcome.eps)
        assert (size(delta, "l2") <= built.l2_bound(x, eps)).all()
