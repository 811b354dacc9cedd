"""The paper's attacks as they were run: absolute steps, last iterate, the model's own output."""

from dataclasses import asdict

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.apgd import L2APGD, LinfAPGD
from perceptbench.attacks.base import Objective
from perceptbench.attacks.literal import LiteralL2MSE, LiteralL2PGD, LiteralLinfPGD, LiteralPGD, literal
from perceptbench.attacks.norms import size, unit
from perceptbench.attacks.objectives import EmbeddingShift, FlipPreference, OwnOutput
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.known_metrics import ProjectionCosine
from perceptbench.testing.samples import generator, random_images, random_triplets, triplets

BOTH = (LiteralL2PGD(), LiteralLinfPGD())
each_norm = pytest.mark.parametrize("made", BOTH, ids=["l2", "linf"])


class Turning(Objective):
    """Linear in x; from look `turn` on the other way round, so that the last image is not the best."""

    def __init__(self, w: Images, turn: int) -> None:
        self.w, self.turn = w, turn
        self.seen: list[Images] = []
        self.losses: list[Tensor] = []

    def loss(self, x: Images) -> PerImage:
        self.seen.append(x.detach().clone())
        loss = (self.w * x).sum((1, 2, 3))
        self.losses.append(loss.detach())
        return loss if len(self.seen) < self.turn else -loss

    def reached(self, loss: PerImage) -> Mask:
        return torch.ones_like(loss, dtype=torch.bool)

    def select(self, index: Tensor) -> "Turning":
        raise AssertionError("every triplet is attacked to the end")


def turning(turn: int, n: int = 2) -> tuple[Turning, Images]:
    x = 0.5 + 0.2 * (random_images(n, 8, seed=1) - 0.5)
    return Turning(torch.randn(x.shape, generator=generator(2)), turn), x


def test_the_numbers_are_those_of_the_papers_code() -> None:
    assert asdict(literal("l2-pgd")) == {"steps": 1000, "step_size": 0.01}  # type: ignore[call-overload]
    assert asdict(literal("linf-pgd")) == {"steps": 50, "step_size": 0.01}  # type: ignore[call-overload]
    assert asdict(literal("l2-mse")) == {"steps": 1000, "step_size": 0.01}  # type: ignore[call-overload]
    for name in ("l2-aa", "l2-apgd-ce"):
        assert literal(name) == L2APGD(steps=100)
    for name in ("linf-aa", "linf-apgd-ce"):
        assert literal(name) == LinfAPGD(steps=100)


@pytest.mark.parametrize("name", ["l2-pgd", "linf-pgd", "l2-mse", "l2-aa", "linf-aa", "l2-apgd-ce", "linf-apgd-ce"])
def test_each_says_its_norm_and_goal_and_whether_its_image_is_final(name: str) -> None:
    made = literal(name)
    assert name.startswith(made.norm)
    assert made.by_embedding == (name == "l2-mse")
    assert not made.minimal
    assert getattr(made, "literal", False) == (name in ("l2-pgd", "linf-pgd", "l2-mse"))


def test_a_name_without_a_row_in_the_paper_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(UserError, match=r"no attack 'linf-mse'; it has: l2-aa, l2-apgd-ce, l2-mse, l2-pgd, linf-aa"):
        literal("linf-mse")


@each_norm
def test_the_last_image_is_returned_and_not_the_best(made: LiteralPGD) -> None:
    objective, x = turning(turn=20)
    few = type(made)(steps=30)
    found = few(objective, x, 0.5, Noise.make(0, "ab"))
    assert len(objective.seen) == 30
    final = (objective.w * found).sum((1, 2, 3))
    assert (final < torch.stack(objective.losses).amax(0) - 0.1).all()
    assert (final < objective.losses[-1]).all()
    assert (size(found - objective.seen[-1], made.norm) <= 0.01 * (1 + 1e-4)).all()


@each_norm
def test_steps_have_an_absolute_size_whatever_the_budget(made: LiteralPGD) -> None:
    for eps in (0.2, 2.0):
        objective, x = turning(turn=99)
        type(made)(steps=5, step_size=0.003)(objective, x, eps, Noise.make(0, "ab"))
        # The l2 start lies on the sphere: later steps slide along it and are a little shorter.
        moves = torch.stack([size(b - a, made.norm) for a, b in zip(objective.seen, objective.seen[1:], strict=False)])
        assert (moves <= 0.003 * (1 + 1e-3)).all()
        assert (moves > 0.002).all()


@each_norm
@pytest.mark.parametrize("eps", [0.01, 0.5])
def test_every_image_lies_in_the_ball_and_in_range(made: LiteralPGD, eps: float) -> None:
    objective, _ = turning(turn=99)
    x = random_images(2, 8, seed=3).round()
    found = type(made)(steps=20)(objective, x, eps, Noise.make(0, "ab"))
    for image in (*objective.seen, found):
        assert (size(image - x, made.norm) <= eps * (1 + 1e-5)).all()
        assert image.min() >= 0
        assert image.max() <= 1


def test_the_starts_are_those_of_advertorch() -> None:
    """linf: uniform in the ball. l2: an image of uniform noise, drawn back along a line."""
    draw = Noise.make(0, "ab").uniform(random_images(2, 8))
    objective, x = turning(turn=99)
    LiteralLinfPGD(steps=1)(objective, x, 0.1, Noise.make(0, "ab"))
    torch.testing.assert_close(objective.seen[0] - x, 0.1 * (2 * draw - 1), rtol=0, atol=1e-6)
    objective, x = turning(turn=99)
    LiteralL2PGD(steps=1)(objective, x, 0.1, Noise.make(0, "ab"))
    way = draw - x
    torch.testing.assert_close(objective.seen[0] - x, 0.1 * unit(way, "l2"), rtol=0, atol=1e-6)


def test_the_range_comes_before_the_ball() -> None:
    """A long step from near white is cut at 1 first; the other order ends elsewhere."""
    x = 0.9 + 0.1 * random_images(1, 4, seed=6)
    objective = Turning(torch.randn(x.shape, generator=generator(7)), 99)
    found = LiteralL2PGD(steps=1, step_size=0.5)(objective, x, 0.3, Noise.make(0, "a"))
    there = objective.seen[0] + 0.5 * unit(objective.w, "l2")
    torch.testing.assert_close(found, x + 0.3 * unit(there.clamp(0, 1) - x, "l2"), rtol=0, atol=1e-5)
    assert (found - (x + 0.3 * unit(there - x, "l2")).clamp(0, 1)).abs().max() > 0.01


def test_own_output_is_the_cross_entropy_with_the_clean_distances_as_target() -> None:
    batch = random_triplets(4, 8, 1, PixelL2())
    anchors = PixelL2().prepare(batch.left, batch.right)
    objective = OwnOutput.make(anchors, batch.reference)
    moved = (batch.reference + 0.05 * torch.randn(batch.reference.shape, generator=generator(4))).clamp(0, 1)
    (y0, y1), (z0, z1) = anchors.distances(batch.reference).double(), anchors.distances(moved).double()
    both = torch.logaddexp(z0, z1)
    expected = -(y1 * (z1 - both) + y0 * (z0 - both))
    torch.testing.assert_close(objective.value(moved).double(), expected, rtol=1e-5, atol=1e-5)
    assert objective.endless
    assert not objective.reached(objective.value(moved)).any()
    keep = torch.tensor([2, 0])
    torch.testing.assert_close(objective.select(keep).value(moved[keep]), objective.value(moved)[keep])


@pytest.mark.parametrize(("scale", "towards"), [(0.05, True), (1.0, False)])
def test_own_output_turns_round_where_the_logarithmic_mean_of_the_distances_is_one(scale: float, towards: bool) -> None:
    """Short distances: away from the own answer. Long ones: towards it, so that the attack mends the answer."""
    batch = random_triplets(8, 8, 2, PixelL2())
    left, right = (batch.reference + scale * (side - batch.reference) for side in (batch.left, batch.right))
    flip = FlipPreference.make(PixelL2(), left, right, batch.label)
    own = OwnOutput.make(flip.anchors, batch.reference)
    d0, d1 = flip.anchors.distances(batch.reference)
    mean = (d1 - d0) / (d1 / d0).log()
    assert ((mean < 1) == towards).all()
    _, uphill = own.gradient(batch.reference)
    _, to_flip = flip.gradient(batch.reference)
    assert (((uphill * to_flip).sum((1, 2, 3)) > 0) == towards).all()


@each_norm
def test_the_own_output_is_a_weaker_target_than_the_label(made: LiteralPGD) -> None:
    """Half the answers are wrong: the label attack leaves them, the other one puts them right."""
    metric = ProjectionCosine(192, seed=1)
    batch = random_triplets(12, 8, 3, metric)
    label = torch.where(torch.arange(12) % 2 == 0, batch.label, 1 - batch.label)
    flip = FlipPreference.make(metric, batch.left, batch.right, label)
    own = OwnOutput.make(flip.anchors, batch.reference)
    few = type(made)(steps=100)
    eps = 1.0 if made.norm == "l2" else 0.1
    score = []
    for objective in (flip, own):
        found = few(objective, batch.reference, eps, Noise.make(0, batch.ids))
        score.append(float((~flip.reached(flip.value(found))).float().mean()))
    assert (~flip.reached(flip.value(batch.reference))).float().mean() == 0.5
    assert score[0] == 0.0
    assert score[1] >= 0.4


def test_the_embedding_attack_needs_its_random_start_and_fills_the_budget() -> None:
    x = 0.5 + 0.1 * (random_images(3, 8, seed=4) - 0.5)
    objective = EmbeddingShift.make(PixelL2(), x)
    assert objective.gradient(x)[1].abs().max() == 0
    found = LiteralL2MSE(steps=60)(objective, x, 0.3, Noise.make(0, "abc"))
    torch.testing.assert_close(size(found - x, "l2"), torch.full((3,), 0.3, dtype=torch.float64), rtol=1e-4, atol=0)


@each_norm
def test_a_sample_does_not_notice_its_batch(made: LiteralPGD) -> None:
    batch = triplets([0.2, 0.3, 0.4], seed=5)
    flip = FlipPreference.make(PixelL2(), batch.left, batch.right, batch.label)
    own = OwnOutput.make(flip.anchors, batch.reference)
    noise = Noise.make(0, batch.ids)
    few = type(made)(steps=20)
    together = few(own, batch.reference, 0.3, noise)
    keep = torch.tensor([2, 0])
    alone = few(own.select(keep), batch.reference[keep], 0.3, Noise.make(0, batch.ids).select(keep))
    torch.testing.assert_close(together[keep], alone, rtol=0, atol=1e-5)
