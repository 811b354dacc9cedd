"""Threats beyond the balls against answers known in advance, and white-box attacks against their optimum."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn
from torch import Tensor

from perceptbench.attacks.apgd import APGD
from perceptbench.attacks.base import Attack, Objective
from perceptbench.attacks.norms import change, size
from perceptbench.attacks.pgd import PGD
from perceptbench.attacks.running.sweep import run_attack
from perceptbench.attacks.threats.affine import Affine
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.colour import Colour
from perceptbench.attacks.threats.frequency import Frequency, cosines
from perceptbench.attacks.threats.lp import Ball
from perceptbench.attacks.threats.resampled import largest_move, resampled
from perceptbench.attacks.threats.spatial import Spatial, variation
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, Mask, PerImage
from perceptbench.testing.samples import generator, random_images

ATTACKS = [PGD(steps=60, relative_step=0.05), APGD(steps=60)]
SIDE = 17


@dataclass(frozen=True)
class Linear(Objective):
    """<w, x>, the loss of a metric that is linear in the image; reached from a level on."""

    w: Tensor
    level: float = torch.inf

    @property
    def endless(self) -> bool:
        return self.level == torch.inf

    def loss(self, x: Images) -> PerImage:
        return (x * self.w).sum((1, 2, 3))

    def reached(self, loss: PerImage) -> Mask:
        return loss >= self.level

    def select(self, index: Tensor) -> "Linear":
        return self


def climbed(attack: Attack, threat: ThreatSet, x: Images, goal: Objective, *eps: float, restarts: int = 1):
    """What the runner makes of an attack at each eps."""
    skip = torch.zeros(len(eps), len(x), dtype=torch.bool)
    noise = Noise.make(0, [f"image {i}" for i in range(len(x))])
    return run_attack(attack, "attack", goal, x, eps, skip, noise, threat, restarts)


def ramp(slope: float = 0.03) -> Images:
    """Grey that grows from left to right."""
    return (0.2 + slope * torch.arange(SIDE)).expand(1, 3, SIDE, SIDE).clone()


def blob(row: float, column: float, sigma: float = 1.5) -> Images:
    """A round bright spot on black, from its formula."""
    rows, columns = torch.arange(SIDE)[:, None], torch.arange(SIDE)[None]
    spot = torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))
    return spot.expand(1, 3, SIDE, SIDE).clone()


@pytest.mark.parametrize(
    ("threat", "eps"),
    [
        (Colour(), 0.03), (Colour(nodes=2), 0.2), (Affine(), 0.3), (Frequency(), 0.3), (Spatial(), 0.5),
        (Spatial(tv=9.0), 0.5), (Ball("l2"), 0.3), (Ball("linf"), 0.03),
    ],
    ids=str,
)  # fmt: skip
def test_a_far_change_is_projected_onto_the_border_of_the_set_and_no_nearer(threat: ThreatSet, eps: float) -> None:
    """What projects too far is brought back later, by what is measured: no size of a run shows it."""
    x = torch.full((4, 3, 12, 12), 0.5)
    far = threat.start(x, 8 * eps, Noise.make(0, "abcd"))
    assert (threat.measure(x, far) > 2 * eps).all()
    found = threat.measure(x, threat.project(far, x, eps))
    torch.testing.assert_close(found, torch.full_like(found, eps), rtol=1e-5, atol=0)


# --- spatial


def test_on_a_ramp_the_difference_over_the_slope_is_the_displacement() -> None:
    x, slope = ramp(), 0.03
    flow = torch.zeros(1, 2, SIDE, SIDE)
    flow[:, 0], flow[:, 1] = 0.4, 0.7
    moved = Spatial().apply(x, flow)
    inside = (moved - x)[..., :-1]
    torch.testing.assert_close(inside / slope, torch.full_like(inside, 0.7), rtol=0, atol=1e-4)
    assert (moved[..., -1] == x[..., -1]).all(), "beyond the edge the edge goes on"
    assert Spatial().measure(x, flow).item() == pytest.approx(np.hypot(0.4, 0.7), rel=1e-6)


@pytest.mark.parametrize("attack", ATTACKS, ids=["pgd", "apgd"])
def test_the_attack_on_a_ramp_is_near_its_optimum(attack: Attack) -> None:
    """Each pixel looks eps to the right, where it is brighter; the last one cannot."""
    eps, x = 1.5, ramp()
    (outcome,) = climbed(attack, Spatial(), x, Linear(torch.ones(1)), eps)
    away = torch.arange(SIDE).flip(0).clamp(max=eps)
    best = 3 * SIDE * 0.03 * float(away.sum())
    found = float((outcome.adversarial - x).sum())
    assert 0.95 * best <= found <= best * (1 + 1e-5)


def test_a_whole_step_is_a_shift_and_ties_to_pixels_are_exact() -> None:
    x = random_images(2, 9, 11)
    flow = torch.zeros(2, 2, 9, 11)
    flow[:, 0], flow[:, 1] = 2, -1
    moved = Spatial(tv=0.0).apply(x, flow)
    assert torch.equal(moved[:, :, :-2, 1:], x[:, :, 2:, :-1])
    assert Spatial(tv=0.0).measure(x, flow).tolist() == pytest.approx([5**0.5] * 2)


def test_total_variation_is_that_of_the_formula_and_bounds_what_is_projected() -> None:
    flow = torch.zeros(1, 2, 4, 5)
    flow[:, 0, 2:] = 3.0
    assert variation(flow).item() == pytest.approx(3.0 * 5 / 20)
    rough = 4 * torch.randn(3, 2, 20, 15, generator=generator(0))
    for tv in (0.0, 0.01, 0.1, 1.0):
        threat = Spatial(tv=tv)
        kept = threat.project(rough.clone(), random_images(3, 20, 15), 2.0)
        assert (variation(kept) <= tv * (1 + 1e-4) + 1e-7).all()
        assert (variation(kept) >= 0.5 * tv).all(), "what is allowed should be used"
        assert kept.norm(dim=1).max() <= 2.0 * (1 + 1e-5)
        assert torch.isinf(threat.measure(random_images(3, 20, 15), rough)).all()


def test_the_variation_of_a_smooth_flow_is_left_and_its_shape_kept() -> None:
    """A gentle swirl is inside the set; noise on it is averaged away and the swirl stays."""
    turn = torch.linspace(0, 3.14159, 20)
    swirl = torch.stack((turn.sin()[:, None].expand(20, 20), turn.cos()[None].expand(20, 20)))[None]
    threat, x = Spatial(tv=2 * float(variation(swirl))), random_images(1, 20)
    assert torch.equal(threat.project(swirl.clone(), x, 2.0), swirl)
    noisy = threat.project(swirl + 0.5 * torch.randn(swirl.shape, generator=generator(1)), x, 2.0)
    assert float((noisy - swirl).norm() / swirl.norm()) < 0.4


# --- affine


def test_a_quarter_turn_and_whole_pixels_are_exact() -> None:
    x = random_images(1, SIDE)
    turn = Affine(rotation=90.0, translation=0.0, scale=0.0)
    theta = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(turn.apply(x, theta), torch.rot90(x, 1, (2, 3)), rtol=0, atol=1e-4)
    move = Affine(rotation=0.0, translation=4.0, scale=0.0)
    moved = move.apply(x, torch.tensor([[0.0, 0.5, -0.25, 0.0]]))
    torch.testing.assert_close(moved[..., :-1, 2:], x[..., 1:, :-2], rtol=0, atol=1e-6)


def test_twice_as_large_shows_each_pixel_twice_as_far_from_the_middle() -> None:
    x = random_images(1, SIDE)
    grown = Affine(rotation=0.0, translation=0.0, scale=100.0).apply(x, torch.tensor([[0.0, 0.0, 0.0, 1.0]]))
    torch.testing.assert_close(grown[..., ::2, ::2], x[..., 4:13, 4:13], rtol=0, atol=1e-6)


def test_no_rotation_changes_a_disc_and_a_dot_aside_goes_where_geometry_says() -> None:
    turn = Affine(rotation=180.0, translation=0.0, scale=0.0)
    disc, dot = blob(8, 8, sigma=3), blob(8, 13, sigma=2)
    for share in (0.1, 0.3, 0.77):
        theta = torch.tensor([[share, 0.0, 0.0, 0.0]])
        assert float((turn.apply(disc, theta) - disc)[..., 3:-3, 3:-3].abs().max()) < 0.03
        angle = np.pi * share
        aside = blob(8 - 5 * np.sin(angle), 8 + 5 * np.cos(angle), sigma=2)
        assert float((turn.apply(dot, theta) - aside)[..., 3:-3, 3:-3].abs().max()) < 0.06


@pytest.mark.parametrize("attack", ATTACKS, ids=["pgd", "apgd"])
def test_the_dot_is_turned_by_the_angle_it_takes_and_no_less(attack: Attack) -> None:
    """From (5, 0) to (3, 4) around the middle; the least angle is found by trying 4,000 of them."""
    threat, x = Affine(rotation=90.0, translation=0.0, scale=0.0), blob(8, 13)
    w = torch.zeros(1, 3, SIDE, SIDE)
    w[:, 0, 4, 11] = 1
    goal, shares = Linear(w, level=0.9), torch.linspace(0, 1, 4001)
    theta = torch.stack((shares, *(torch.zeros(4001),) * 3), 1)
    bright = goal.loss(threat.apply(x.expand(4001, -1, -1, -1), theta))
    assert float(90 * shares[bright.argmax()]) == pytest.approx(np.degrees(np.arctan2(4, 3)), abs=0.05)
    needed = float(shares[(bright >= 0.9).nonzero()[0, 0]])
    below, above = climbed(attack, threat, x, goal, 0.95 * needed, 1.05 * needed, restarts=3)
    assert not below.broken.any()
    assert above.broken.all()


def test_a_side_of_zero_does_not_move() -> None:
    x = random_images(2, SIDE)
    theta = Affine(rotation=0.0, translation=2.0, scale=0.0).start(x, 1.0, Noise.make(0, ["a", "b"]))
    assert (theta[:, [0, 3]] == 0).all()
    assert (theta[:, 1:3] != 0).all()
    with pytest.raises(UserError, match="affine wants a rotation, translation or scale above 0"):
        Affine(rotation=0.0, translation=0.0, scale=0.0)


# --- colour


@pytest.mark.parametrize("attack", ATTACKS, ids=["pgd", "apgd"])
def test_two_flat_images_change_by_eps_and_no_more_than_white(attack: Attack) -> None:
    """Mid-grey moves by eps in every channel: the proof, eps sqrt(3 h w), is reached. Light grey ends at white."""
    eps, x = 0.1, torch.tensor([0.4, 0.95])[:, None, None, None].expand(2, 3, 8, 8).clone()
    (outcome,) = climbed(attack, Colour(), x, Linear(torch.ones(1)), eps)
    moved = change(outcome.adversarial, x)
    torch.testing.assert_close(moved.mean((1, 2, 3)), torch.tensor([0.1, 0.05]).double(), rtol=0.05, atol=0)
    assert float(size(moved, "l2")[0]) == pytest.approx(eps * (3 * 64) ** 0.5, rel=1e-4)
    assert float(size(moved, "linf").max()) <= eps


def test_equal_colours_stay_equal_and_between_nodes_changes_are_means() -> None:
    x = random_images(1, 8)
    x[..., 0, 0] = x[..., 5, 6]
    theta = Colour(nodes=3).start(x, 0.2, Noise.make(0, ["a"]))
    moved = Colour(nodes=3).apply(x, theta)
    assert torch.equal(moved[..., 0, 0], moved[..., 5, 6])
    corner = torch.zeros(1, 3, 2, 2, 2)
    corner[0, 1, 1, 0, 0] = 0.2  # Green of colours with blue 1, green 0 and red 0.
    colour = torch.tensor([0.75, 0.5, 0.25])[None, :, None, None]
    change_of_green = float((Colour(nodes=2).apply(colour, corner) - colour)[0, 1])
    assert change_of_green == pytest.approx(0.2 * 0.25 * 0.5 * 0.25, abs=1e-6)


@pytest.mark.parametrize("nodes", [1, 34])
def test_a_lattice_of_one_node_and_a_huge_one_are_refused(nodes: int) -> None:
    with pytest.raises(UserError, match=f"colour wants 2 to 33 nodes, got {nodes}"):
        Colour(nodes=nodes)


# --- frequency


def test_the_transform_is_that_of_scipy() -> None:
    x = random_images(1, 9, 12)[0, 0].double()
    rows, columns = cosines(9, torch.float64, x.device), cosines(12, torch.float64, x.device)
    np.testing.assert_allclose((rows @ x @ columns.T).numpy(), dctn(x.numpy(), norm="ortho"), atol=1e-12)


def in_band(w: Tensor, low: float, high: float) -> np.ndarray:
    """The projection of (3, h, w) onto the band, by scipy."""
    height, width = w.shape[1:]
    frequency = np.maximum(np.arange(height)[:, None] / height, np.arange(width)[None] / width)
    coefficients = dctn(w.numpy().astype(float), axes=(1, 2), norm="ortho")
    return idctn(coefficients * ((frequency >= low) & (frequency < high)), axes=(1, 2), norm="ortho")


@pytest.mark.parametrize("attack", ATTACKS, ids=["pgd", "apgd"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 0.25), (0.5, 1.0), (0.2, 0.4)])
def test_on_a_linear_metric_the_best_change_is_its_projection(attack: Attack, low: float, high: float) -> None:
    w = torch.randn(1, 3, 16, 20, generator=generator(2))
    x, eps = torch.full((1, 3, 16, 20), 0.5), 0.4
    (outcome,) = climbed(attack, Frequency(low=low, high=high), x, Linear(w), eps)
    moved = change(outcome.adversarial, x)[0].numpy()
    best = in_band(w[0], low, high)
    gained = float((moved * w[0].numpy()).sum())
    assert 0.95 * eps * np.linalg.norm(best) <= gained <= eps * np.linalg.norm(best) * (1 + 1e-5)
    np.testing.assert_allclose(in_band(torch.from_numpy(moved), low, high), moved, atol=1e-5)


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.5, 0.2), (0.0, 1.5)])
def test_a_band_that_is_none_is_refused(low: float, high: float) -> None:
    with pytest.raises(UserError, match="frequency wants 0 <= low < high <= 1"):
        Frequency(low=low, high=high)


def test_a_band_without_a_frequency_of_such_images_is_refused() -> None:
    with pytest.raises(UserError, match="holds no frequency of images of 8 x 8 pixels; widen the band"):
        Frequency(low=0.9, high=0.95).start(random_images(1, 8), 1.0, Noise.make(0, ["a"]))


# --- how far places can be away


def test_the_largest_move_holds_for_every_place_in_reach_and_is_met() -> None:
    """On a checkerboard every window holds the other colour: each pixel changes by all that a place can change it."""
    board = ((torch.arange(9)[:, None] + torch.arange(9)[None]) % 2).float().expand(1, 3, 9, 9).clone()
    assert float(largest_move(board, torch.full((1, 9, 9), 1.0))) == pytest.approx((3 * 81) ** 0.5, rel=1e-4)
    x = random_images(1, 9)
    rows, columns = torch.arange(9)[:, None].expand(1, 9, 9), torch.arange(9)[None].expand(1, 9, 9)
    draw = generator(5)
    for reach in (0.1, 0.5, 0.8, 1.0, 1.7, 3.0):
        bound = float(largest_move(x, torch.full((1, 9, 9), reach)))
        for _ in range(60):
            angle = 6.2832 * torch.rand(1, 9, 9, generator=draw)
            moved = resampled(x, rows + reach * angle.sin(), columns + reach * angle.cos())
            assert float(size(change(moved, x), "l2")) <= bound


def test_half_a_pixel_along_the_diagonal_gives_the_others_the_weight_of_the_formula() -> None:
    """One bright pixel on black: at (a, a), a^2 + a^2 = 1/4, it keeps (1 - a)^2 of its brightness."""
    x = torch.zeros(1, 3, 5, 5)
    x[..., 2, 2] = 1
    reach = torch.zeros(1, 5, 5)
    reach[0, 2, 2] = 0.5
    a = 0.5 / 2**0.5
    assert float(largest_move(x, reach)) == pytest.approx(3**0.5 * (1 - (1 - a) ** 2), rel=1e-4)
