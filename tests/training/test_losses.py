"""The losses at points where their value is known on paper."""

import math

import pytest
import torch

from perceptbench.training.lipsim.config import TripletLoss
from perceptbench.training.lipsim.losses import (
    batch_margins,
    batch_radii,
    cosine_hinge,
    hinge,
    hinge_kr,
    loss_of_batch,
    loss_of_triplets,
    radii_of,
    triplet_margins,
    triplet_radii,
)

REFERENCE, LEFT, RIGHT = (torch.tensor([v]) for v in ([2.0, 1.0], [0.0, 3.0], [5.0, 0.0]))
RADIUS = 1 / math.sqrt(2)  # the distance of (2, 1) from the diagonal, on which the answer flips
MARGIN = 1 / math.sqrt(5)  # cosines 2/sqrt(5) with the right image, 1/sqrt(5) with the left


def test_radii_and_margins_of_a_triplet_in_the_plane():
    """In the plane the radius is the distance from the bisecting line of the anchors' directions."""
    g = torch.cat([REFERENCE, LEFT, RIGHT])
    assert triplet_radii(REFERENCE, LEFT, RIGHT).item() == pytest.approx(RADIUS)
    assert batch_radii(g)[0, 2, 1].item() == pytest.approx(RADIUS)
    assert batch_radii(g)[0, 1, 2].item() == pytest.approx(-RADIUS)
    assert radii_of(g, torch.tensor([[0, 1, 2], [0, 2, 1]])).tolist() == pytest.approx([RADIUS, -RADIUS])
    assert triplet_margins(REFERENCE, LEFT, RIGHT).item() == pytest.approx(MARGIN)
    assert batch_margins(g)[0, 2, 1].item() == pytest.approx(MARGIN)


def test_what_each_loss_makes_of_a_margin():
    assert hinge(torch.tensor([-2.0, 0.0, 1.0, 3.0]), 2.0).tolist() == [2.0, 1.0, 0.5, 0.0]
    assert cosine_hinge(torch.tensor([-0.5, 0.0, 0.25, 0.75]), 0.5).tolist() == [1.0, 0.5, 0.25, 0.0]
    assert hinge_kr(torch.tensor([-1.0, 0.0, 2.0, 3.0]), 2.0, 10.0).tolist() == [31.0, 20.0, -2.0, -3.0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("asked", "right", "wrong"),
    [
        (TripletLoss(loss="hinge", radius=2.0), 1 - RADIUS / 2, 1 + RADIUS / 2),
        (TripletLoss(loss="cosine", margin=0.5), 0.5 - MARGIN, 0.5 + MARGIN),
        (TripletLoss(loss="hkr", radius=1.0, hinge_weight=10.0), 10 - 11 * RADIUS, 10 + 11 * RADIUS),
    ],
)
def test_the_loss_of_triplets_follows_the_answer_whichever_side_it_is_on(asked, right, wrong, sign):
    pair = (LEFT, RIGHT) if sign > 0 else (RIGHT, LEFT)
    assert loss_of_triplets(asked, REFERENCE, *pair, torch.tensor([sign])).item() == pytest.approx(right)
    assert loss_of_triplets(asked, REFERENCE, *pair, torch.tensor([-sign])).item() == pytest.approx(wrong)
    both = loss_of_triplets(asked, *(x.repeat(2, 1) for x in (REFERENCE, *pair)), torch.tensor([sign, -sign]))
    assert both.item() == pytest.approx((right + wrong) / 2)


@pytest.mark.parametrize("loss", ["hinge", "cosine", "hkr"])
def test_the_loss_of_a_batch_is_that_of_its_triplets_weighed_by_the_teacher(loss):
    """Three images have three triplets with an order: (0; 1, 2), (1; 0, 2) and (2; 1, 0)."""
    g = torch.tensor([[3.0, 0.0], [3.0, 1.0], [0.5, 3.0]])
    teacher = torch.tensor([[1.0, 0.6, 0.2], [0.6, 1.0, 0.5], [0.2, 0.5, 1.0]])
    asked = TripletLoss(loss=loss, radius=4.0, focus=0.0)
    one = torch.ones(1)

    def of(i, j, k):
        return loss_of_triplets(asked, g[[i]], g[[k]], g[[j]], one).item()

    expected = (0.4 * of(0, 1, 2) + 0.1 * of(1, 0, 2) + 0.3 * of(2, 1, 0)) / 0.8
    assert loss_of_batch(asked, g, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_focus_weighs_a_triplet_by_how_alike_its_images_are():
    """Of two triplets in order, (0; 1, 2) is e^(0.6 + 0.4 - 0.3 - 0.1) times as near as (2; 1, 0) at focus 1."""
    g = torch.tensor([[3.0, 0.0], [3.0, 1.0], [0.5, 3.0]])
    teacher = torch.tensor([[1.0, 0.6, 0.4], [0.6, 1.0, 0.3], [0.1, 0.3, 1.0]])
    asked, one = TripletLoss(focus=1.0), torch.ones(1)

    def of(i, j, k):
        return loss_of_triplets(asked, g[[i]], g[[k]], g[[j]], one).item()

    gains = torch.tensor([0.2, 0.3, 0.2])
    weight = gains * torch.exp(torch.tensor([1.0, 0.9, 0.4]))
    losses = torch.tensor([of(0, 1, 2), of(1, 0, 2), of(2, 1, 0)])
    expected = (weight * losses).sum() / weight.sum()
    assert loss_of_batch(asked, g, teacher).item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss_of_batch(asked, g, teacher).item() != pytest.approx(
        loss_of_batch(TripletLoss(focus=0.0), g, teacher).item(), rel=1e-3
    )


def test_where_the_teacher_sees_no_difference_there_is_nothing_to_learn():
    g = torch.tensor([[3.0, 0.0], [3.0, 0.5], [0.0, 3.0]])
    assert loss_of_batch(TripletLoss(focus=0.0), g, torch.zeros(3, 3)) == 0


def test_the_mean_radius_is_bounded_by_the_length_of_the_reference():
    """So that hinge-KR, which pulls without end, cannot run away from a bounded embedding."""
    g = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    assert bool((batch_radii(g).abs() <= g.norm(dim=1)[:, None, None] + 1e-4).all())
