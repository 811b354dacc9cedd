"""The search for a pair of images that moves faster than was proved."""

import pytest
import torch
from torch import Tensor

from perceptbench.certifiers.audit import audit
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.metrics.base import CosineLipschitzMetric, EmbeddingMetric
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.testing.known_metrics import ProjectionCosine, tiny_lipsim
from perceptbench.testing.samples import random_images


def found(metric: EmbeddingMetric, side: int = 8, steps: int = 30):  # type: ignore[no-untyped-def]
    x = 0.25 + 0.5 * random_images(3, side, seed=1)
    return audit(metric, x, Noise.make(0, "abc"), steps)


@pytest.mark.parametrize("scale", [0.05, 1.0, 20.0])
def test_a_projection_is_as_fast_as_its_scale(scale: float) -> None:
    result = found(ProjectionCosine(192, scale=scale))
    torch.testing.assert_close(result.slope, torch.full((3,), scale, dtype=torch.float64), rtol=1e-6, atol=0)
    assert result.largest == pytest.approx(scale, rel=1e-6)
    assert result.bound == scale
    assert not result.refuted


def test_pixels_move_at_speed_one_and_lipsim_at_most() -> None:
    assert found(PixelL2()).largest == pytest.approx(1, abs=1e-6)
    result = found(tiny_lipsim(), side=32)
    assert 0.5 < result.largest <= 1
    assert not result.refuted
    expected = tiny_lipsim().double().embed((0.25 + 0.5 * random_images(3, 32, seed=1)).double()).norm(dim=1)
    torch.testing.assert_close(result.norm, expected)


def test_a_bound_that_is_too_small_is_refuted() -> None:
    class Boastful(ProjectionCosine):
        def embed(self, x: Tensor) -> Tensor:
            return 1.05 * super().embed(x)

    assert found(Boastful(192)).refuted


def test_speed_far_from_the_image_is_found_by_the_pairs() -> None:
    """Slope 2.8 at the image, and more towards white: only a pair further on passes the bound of 3."""

    class Bends(CosineLipschitzMetric):
        lipschitz = 3.0

        def embed(self, x: Tensor) -> Tensor:
            return x.flatten(1) + 3 * (x.flatten(1) - 0.2).square()

        def double(self) -> "Bends":
            return self

    x = torch.full((2, 3, 4, 4), 0.5)
    result = audit(Bends(), x, Noise.make(0, "ab"))
    assert float(result.slope.max()) == pytest.approx(2.8, abs=1e-2)
    assert float(result.ratio.max()) > 3.5
    assert result.refuted


def test_without_a_proof_there_is_a_measurement_and_no_verdict() -> None:
    class Plain(EmbeddingMetric):
        def embed(self, x: Tensor) -> Tensor:
            return 3 * x.flatten(1)

    result = found(Plain())
    assert result.largest == pytest.approx(3, rel=1e-3)
    assert result.bound is None
    assert not result.refuted


def test_an_embedding_that_is_no_number_is_refused() -> None:
    class Broken(EmbeddingMetric):
        def embed(self, x: Tensor) -> Tensor:
            return x.flatten(1) / 0

    with pytest.raises(UserError, match="not finite on a clean image"):
        found(Broken())
