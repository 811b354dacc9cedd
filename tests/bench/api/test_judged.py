"""Attacks, proofs and distances of images in memory, against answers that are known in closed form."""

import pandas as pd
import pytest
import torch

import perceptbench as pb
from perceptbench.core.ref import Ref
from perceptbench.triplets.base import triplets

SHAPE = (3, 8, 8)
REFERENCE = torch.full(SHAPE, 0.5)
LEFT, RIGHT = torch.full(SHAPE, 0.4), torch.full(SHAPE, 0.8)
SEEDED = torch.Generator().manual_seed(0)
PIXELS = 3 * 8 * 8
RADIUS = 0.1 * PIXELS**0.5
"""Of the l2 metric's answer left: the plane of equal distance is at 0.6 of every pixel, 0.1 away."""


def test_the_radius_is_the_distance_from_the_plane_of_equal_distance():
    proof = pb.certify("l2", REFERENCE, LEFT, RIGHT)
    assert proof.radius.shape == ()
    assert proof.radius.item() == pytest.approx(RADIUS, rel=1e-4)
    assert proof.radius.item() <= RADIUS
    assert (proof.sound, proof.confidence, proof.correct.item()) == (True, 1.0, True)
    linf = pb.certify("l2", REFERENCE, LEFT, RIGHT, threat="linf").radius.item()
    assert linf == pytest.approx(0.1, rel=1e-4)
    assert pb.certify("l2", REFERENCE, LEFT, RIGHT, label=1).radius.item() == 0


def test_an_attack_succeeds_just_above_the_radius_and_never_below():
    small, large = (
        pb.attack("l2", REFERENCE, LEFT, RIGHT, "l2-apgd-ce(steps=20)", eps=share * RADIUS) for share in (0.98, 1.05)
    )
    assert (small.flipped.item(), large.flipped.item()) == (False, True)
    assert RADIUS <= large.size.item() <= 1.05 * RADIUS
    assert large.adversarial.shape == SHAPE
    delta = (large.adversarial - REFERENCE).double().norm()
    assert delta.item() == pytest.approx(large.size.item(), rel=1e-9)
    assert large.adversarial.min() >= 0
    assert large.adversarial.max() <= 1
    changed = large.images
    l2 = pb.metric("l2")
    assert l2(changed.reference, changed.right) <= l2(changed.reference, changed.left)
    torch.testing.assert_close(changed.left, LEFT[None], rtol=0, atol=0)


def test_without_a_label_the_answer_of_the_metric_is_the_right_one():
    both = [torch.stack(pair) for pair in ((REFERENCE, REFERENCE), (LEFT, RIGHT), (RIGHT, LEFT))]
    found = pb.attack("l2", *both, "l2-pgd(steps=1)", eps=0.01)
    assert found.samples["label"].tolist() == [0, 1]
    assert found.correct.tolist() == [True, True]
    told = pb.attack("l2", *both, "l2-pgd(steps=1)", eps=0.01, label=[1, 1])
    assert told.correct.tolist() == [False, True]
    assert told.flipped.tolist() == [False, False]
    assert told.size[0] == 0


@pytest.mark.parametrize("move", ["left", "right", "all"])
def test_other_images_may_move(move):
    found = pb.attack("l2", REFERENCE, LEFT, RIGHT, "l2-pgd(steps=20)", eps=3 * RADIUS, move=move)
    assert found.flipped
    before = {"reference": REFERENCE, "left": LEFT, "right": RIGHT}
    moved = {name for name, image in found.images.images.items() if not torch.equal(image[0], before[name])}
    assert moved == (set(before) if move == "all" else {move})
    assert found.adversarial.shape == SHAPE


def test_the_same_triplets_in_a_run_give_the_same_samples(data):
    """The judge is one: only ids, which seed random starts, differ from what `bench run` has."""
    source = triplets.build(Ref.parse(data))
    batch = source.batch(source.entries)
    attack, eps = "l2-apgd-ce(steps=3)", 4.0
    found = pb.attack("l2", batch.reference, batch.left, batch.right, attack, eps, label=batch.label)
    (run,) = pb.run("l2", attack, eps, data, certifier="none")
    columns = ["label", "d0", "d1", "correct", "robust"]
    pd.testing.assert_frame_equal(found.samples[columns], run.samples[columns])
    proof = pb.certify("l2", batch.reference, batch.left, batch.right, label=batch.label)
    (certified,) = pb.run("l2", eps=eps, data=data)
    assert proof.radius.tolist() == certified.samples["radius"].tolist()


def test_distances_are_those_of_the_metric_with_what_is_proved():
    l2 = pb.metric("l2")
    found = pb.distance(l2, REFERENCE, RIGHT, eps=0.1, tau=2.0)
    exact = 0.3 * PIXELS**0.5
    assert found.distance.item() == pytest.approx(exact, rel=1e-6)
    assert found.low.item() == pytest.approx(exact - 0.1, rel=1e-4)
    assert found.high.item() == pytest.approx(exact + 0.1, rel=1e-4)
    assert not found.within
    assert found.radius.item() == pytest.approx(exact - 2, rel=1e-4)
    many = pb.distance(l2, REFERENCE, torch.stack([LEFT, RIGHT]))
    torch.testing.assert_close(many.distance, torch.tensor([0.1, 0.3]) * PIXELS**0.5)
    assert many.low is None


def test_an_audit_confirms_the_constant_of_pixels(data):
    found = pb.audit("l2", data, limit=2)
    assert (found.n, found.proved_bound, found.refuted) == (2, 1.0, False)
    assert found.largest_ratio == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pb.attack("l2", REFERENCE, LEFT, torch.zeros(3, 9, 8)), "got 8 x 8 in x"),
        (lambda: pb.attack("l2", REFERENCE, LEFT, RIGHT, label=0.5), "label: expected 1"),
        (lambda: pb.attack("l2", REFERENCE, LEFT, RIGHT, label=[0, 1]), "for each of 1 triplets"),
        (lambda: pb.attack("l2", REFERENCE, LEFT, RIGHT, eps="1,2"), "one attack or certifier and one eps"),
        (lambda: pb.attack("l2", REFERENCE, LEFT, RIGHT, "l2-pgd,l2-fmn"), "one attack or certifier and one eps"),
        (lambda: pb.attack("l2", REFERENCE, LEFT, RIGHT, "l2-pgdd"), "unknown attack"),
        (lambda: pb.attack("l2", REFERENCE, LEFT, RIGHT, stepps=3), "pb.attack has no option stepps"),
        (lambda: pb.certify("ssim", *torch.rand(3, 3, 16, 16, generator=SEEDED)), "margin"),
        (lambda: pb.distance("ssim", REFERENCE, LEFT, eps=1), "nothing can be proved of ssim"),
        (lambda: pb.distance("l2", REFERENCE, LEFT, tau=-1), "--tau wants a distance of l2"),
        (lambda: pb.audit("ssim"), "ssim has no embedding to audit"),
    ],
)
def test_what_is_wrong_is_refused(call, words):
    with pytest.raises(pb.UserError, match=words):
        call()
