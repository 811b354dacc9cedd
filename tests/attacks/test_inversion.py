"""Inversion against inverses that are known: of orthonormal embeddings, and of those that lose something."""

import pytest
import torch
from torch import Tensor

from perceptbench.attacks.inversion import STARTS, InverseSearch, invert, require_inverse, total_variation
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.metrics.base import EmbeddingMetric, Metric
from perceptbench.metrics.features.feature_metric import FeatureMetric
from perceptbench.testing.samples import generator, random_images

SIDE = 8
PIXELS = 3 * SIDE * SIDE
IDS = ("a", "b", "c")


class Linear(EmbeddingMetric):
    """g(x) = A x, with any matrix A (k, pixels)."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix = matrix

    def embed(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.matrix.T


class Squares(FeatureMetric):
    """The mean squared difference of pixels, as a metric of features."""

    name = "squares"

    def extract(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x,)

    def compare(self, a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> Tensor:
        return (a[0] - b[0]).square().mean((1, 2, 3))


def orthonormal(rows: int) -> Tensor:
    return torch.linalg.qr(torch.randn(PIXELS, rows, generator=generator(0))).Q.T


def images(n: int = 3) -> Tensor:
    """Away from 0 and 1, so that no value is cut back."""
    return 0.25 + 0.5 * random_images(n, SIDE, seed=1)


@pytest.mark.parametrize("start", STARTS)
def test_of_an_orthonormal_embedding_the_image_comes_back(start: str) -> None:
    x = images()
    found = invert(Linear(orthonormal(PIXELS)), x, InverseSearch(start, 300, tv=0.0), Noise.make(0, IDS))
    torch.testing.assert_close(found.images, x, atol=2e-3, rtol=0)
    assert (found.residual < 5e-3).all()


@pytest.mark.parametrize("start", STARTS)
def test_where_rank_is_lacking_nothing_is_left_to_find(start: str) -> None:
    x = images()
    found = invert(Linear(orthonormal(20)), x, InverseSearch(start, 300, tv=0.0), Noise.make(0, IDS))
    assert (found.residual < 5e-3).all()
    assert ((found.images - x).flatten(1).norm(dim=1) > 1).all()


@pytest.mark.parametrize("start", STARTS)
def test_what_the_embedding_does_not_see_stays_as_it_started(start: str) -> None:
    """The embedding sees every second value: its null space is spanned by the others, where the gradient is zero."""
    x, seen = images(), torch.arange(PIXELS) % 2 == 0
    found = invert(Linear(torch.eye(PIXELS)[seen]), x, InverseSearch(start, 300, tv=0.0), Noise.make(0, IDS))
    started = Noise.make(0, IDS).uniform(x) if start == "noise" else torch.full_like(x, 0.5)
    torch.testing.assert_close(found.images.flatten(1)[:, seen], x.flatten(1)[:, seen], atol=2e-3, rtol=0)
    assert torch.equal(found.images.flatten(1)[:, ~seen], started.flatten(1)[:, ~seen])


def test_features_come_back_by_the_distance_of_the_metric() -> None:
    x = images()
    found = invert(Squares(), x, InverseSearch(steps=300, tv=0.0), Noise.make(0, IDS))
    torch.testing.assert_close(found.images, x, atol=2e-3, rtol=0)
    few = invert(Squares(), x, InverseSearch(steps=3, tv=0.0), Noise.make(0, IDS))
    wanted = (few.images - x).square().mean((1, 2, 3)) / (0.5 - x).square().mean((1, 2, 3))
    torch.testing.assert_close(few.residual, wanted)


def test_the_residual_of_an_embedding_is_a_ratio_of_lengths() -> None:
    x, matrix = images(), orthonormal(20)
    few = invert(Linear(matrix), x, InverseSearch(steps=3, tv=0.0), Noise.make(0, IDS))
    left, whole = (((z - x).flatten(1) @ matrix.T).norm(dim=1) for z in (few.images, torch.full_like(x, 0.5)))
    torch.testing.assert_close(few.residual, left / whole)
    assert (few.residual > 0.1).all()


def test_total_variation_by_hand() -> None:
    board = torch.arange(4)[:, None].add(torch.arange(4)).remainder(2).float().expand(1, 3, 4, 4)
    across = torch.linspace(0, 1, 5).expand(1, 3, 4, 5)
    found = [total_variation(x).item() for x in (board, torch.full((1, 3, 4, 4), 0.3), across, across.mT)]
    assert found == pytest.approx([2, 0, 0.25, 0.25])


def test_total_variation_smooths_what_the_embedding_does_not_see() -> None:
    x, seen = images(), torch.arange(PIXELS) < PIXELS // 3
    subject = Linear(torch.eye(PIXELS)[seen])
    rough, smooth = (
        invert(subject, x, InverseSearch("noise", 100, tv=tv), Noise.make(0, IDS)).images for tv in (0.0, 1.0)
    )
    assert (total_variation(smooth) < 0.5 * total_variation(rough)).all()


def test_an_image_is_found_as_if_it_were_alone_and_values_stay_values() -> None:
    x, search = random_images(3, SIDE, seed=2), InverseSearch("noise", 20)
    subject = Linear(orthonormal(20))
    whole = invert(subject, x, search, Noise.make(0, IDS))
    alone = invert(subject, x[1:2], search, Noise.make(0, IDS[1:2]))
    torch.testing.assert_close(whole.images[1:2], alone.images, atol=1e-4, rtol=0)
    assert 0 <= whole.images.min() <= whole.images.max() <= 1
    other = invert(subject, x, search, Noise.make(1, IDS))
    assert not torch.allclose(whole.images, other.images, atol=1e-2)


def test_an_image_that_is_grey_to_the_metric_is_found_at_once() -> None:
    found = invert(
        Linear(orthonormal(20)), torch.full((1, 3, SIDE, SIDE), 0.5), InverseSearch(steps=5), Noise.make(0, "a")
    )
    assert found.residual.item() == 0
    assert (found.images == 0.5).all()


def test_what_cannot_be_inverted_is_told_why() -> None:
    with pytest.raises(UserError, match=r"^mine keeps no embedding and no features .* such as lipsim or lpips$"):
        require_inverse(Metric(), "mine")
    stiff = Linear(orthonormal(4))
    stiff.differentiable = False
    with pytest.raises(UserError, match=r"^stiff has no gradient"):
        require_inverse(stiff, "stiff")
    require_inverse(Squares(), "squares")


def test_a_distance_that_is_no_number_is_refused() -> None:
    class Broken(Linear):
        def embed(self, x: Tensor) -> Tensor:
            return super().embed(x) * float("nan")

    with pytest.raises(UserError, match="expected finite distances"):
        invert(Broken(orthonormal(4)), images(1), InverseSearch(steps=1), Noise.make(0, "a"))
