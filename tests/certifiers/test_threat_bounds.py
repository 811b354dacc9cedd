"""Certified radii in the size of a threat whose l2 bound depends on the image."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.norms import change, size
from perceptbench.attacks.threats.affine import Affine
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.colour import Colour
from perceptbench.attacks.threats.frequency import Frequency
from perceptbench.attacks.threats.proved import l2_of, radius_in_set, size_of
from perceptbench.attacks.threats.spatial import Spatial
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images, PerImage
from perceptbench.testing.samples import random_images


@dataclass(frozen=True)
class Steps(ThreatSet):
    """A made-up set whose bound is known: slope times eps, up to a most."""

    unit: ClassVar[str] = "steps"
    slope: float = 2.0
    most: float = 100.0

    def l2_bound(self, x: Images, eps: PerImage) -> PerImage:
        return (self.slope * eps).clamp(max=self.most)


def test_the_radius_in_a_set_is_where_its_bound_meets_that_in_l2() -> None:
    x, radius = random_images(4, 8), torch.tensor([0.0, 0.5, 3.0, 1e-5])
    found = radius_in_set(Steps(), x, radius)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found[:3], radius[:3].double() / 2, rtol=1e-4, atol=0)
    assert (2 * found[1:3] < radius[1:3]).all(), "what is returned was tried"
    assert found[3] == 0, "below the least size that is tried, nothing is claimed"


def test_a_bound_that_never_gets_there_gives_the_largest_size_tried() -> None:
    assert radius_in_set(Steps(most=0.1), random_images(1, 8), torch.tensor([0.5])).item() == 2.0**10


class Wrong(Steps):
    def l2_bound(self, x: Images, eps: PerImage) -> Tensor:
        return eps[:, None]


def test_a_bound_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(UserError, match=r"Wrong.l2_bound: expected \(2,\) numbers of at least 0"):
        radius_in_set(Wrong(), random_images(2, 8), torch.ones(2))


@pytest.mark.parametrize("threat", [Spatial(), Affine(), Affine(rotation=3.0, translation=0.0, scale=0.0)])
def test_no_change_within_the_radius_moves_an_image_as_far_as_that_in_l2(threat: ThreatSet) -> None:
    """Random changes at the very size; the radius is not so small that this says nothing."""
    x, radius = random_images(3, 12, seed=1), torch.tensor([0.3, 1.0, 3.0])
    reach = radius_in_set(threat, x, radius)
    assert (reach > 0).all()
    largest = torch.zeros(3, dtype=torch.float64)
    for seed in range(40):
        for row in range(3):
            one, eps = x[row : row + 1], float(reach[row])
            theta = threat.start(one, eps, Noise.make(seed, ["a"]))
            theta = theta * (eps / threat.measure(one, theta)).to(theta)[:, *(None,) * (theta.ndim - 1)]
            largest[row] = max(largest[row], float(size(change(threat.apply(one, theta), one), "l2")))
    assert (largest < radius).all()
    assert (largest > 0.1 * radius).all()


def test_balls_colours_and_bands_have_the_radius_of_their_norm() -> None:
    x, radius = random_images(2, 8), torch.tensor([0.5, 2.0], dtype=torch.float64)
    side = (3 * 64) ** 0.5
    torch.testing.assert_close(size_of(Frequency(), x, radius), radius)
    torch.testing.assert_close(size_of(Colour(), x, radius), radius / side)
    torch.testing.assert_close(l2_of(Colour(), x, 0.1), torch.full((2,), 0.1 * side, dtype=torch.float64))


def test_a_flat_image_does_not_move_and_is_safe_at_every_size() -> None:
    grey = torch.full((1, 3, 8, 8), 0.5)
    assert radius_in_set(Spatial(), grey, torch.tensor([0.1])).item() == 2.0**10
