"""What every registered metric keeps to."""

from collections.abc import Iterator
from functools import cache

import pytest
import torch
from originals import find_shared_weights

from perceptbench.core.errors import UserError
from perceptbench.core.spec import Ref
from perceptbench.core.tensors import Images
from perceptbench.metrics.base import EmbeddingMetric, LipschitzMetric, Metric, metric
from perceptbench.testing.known_metrics import tiny_lipsim
from perceptbench.testing.samples import generator, random_images
from perceptbench.triplets.base import triplets

# `lipsim-paper` costs 4 GMAC an image (test_lipsim_paper.py); bridges have tests of their own, and timm stands here for
# the networks whose weights are nowhere at hand.
NAMES = [name for name in metric.names() if name != "lipsim-paper" and not metric.inputs(name)]
CASES = [*NAMES, "timm:test_vit(pretrained=false)", "lipsim untrained"]
CHEAPER = {"e-lpips": "e-lpips(n=2)"}


@cache
def _build(name: str) -> Metric:
    """The metric of this name. Skips where its weights, or a package it needs, are not here: nothing is fetched."""
    if name == "lipsim untrained":
        return tiny_lipsim()
    card = metric.card(Ref.parse(name).name)
    if card.missing:
        pytest.skip(f"not installed: {', '.join(card.missing)}")
    if card.absent:
        pytest.skip(f"weights not here: {', '.join(file.file for file in card.absent)}")
    return metric.build(Ref.parse(CHEAPER.get(name, name)))


@pytest.fixture(autouse=True, scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        find_shared_weights(patch, tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(params=CASES)
def subject(request: pytest.FixtureRequest) -> Metric:
    return _build(request.param)


def sample(subject: Metric, n: int, seed: int, height: int = 32, width: int | None = None) -> Images:
    """Noise, half of it common to every seed: some metrics know nothing worse than no structure in common.

    Images are larger where the metric takes none so small.
    """
    height, width = (max(side, subject.smallest) for side in (height, width or height))
    return (random_images(1, height, width, seed=99) + random_images(n, height, width, seed=seed)) / 2


@pytest.fixture(params=[name for name in CASES if name != "lipsim"])
def lipschitz(request: pytest.FixtureRequest) -> LipschitzMetric:
    """The big network runs in the last test only: its small twin stands for it elsewhere."""
    made = _build(request.param)
    if not isinstance(made, LipschitzMetric):
        pytest.skip("claims no Lipschitz constant")
    return made


def test_there_are_lipschitz_metrics_to_test() -> None:
    assert all(isinstance(_build(name), LipschitzMetric) for name in ("l2", "psnr", "lipsim untrained"))


def test_minimum_at_equal_images(subject: Metric) -> None:
    x, y = sample(subject, 2, seed=1), sample(subject, 2, seed=2)
    with torch.no_grad():
        same, near, far = subject(x, x.clone()), subject(x, 0.99 * x + 0.01 * y), subject(x, y)
    assert (same <= near).all()
    assert (near < far).all()
    assert torch.allclose(same, same[:1].expand(2), atol=1e-6)


def test_symmetric(subject: Metric) -> None:
    x, y = sample(subject, 2, seed=1), sample(subject, 2, seed=2)
    with torch.no_grad():
        forward, backward = subject(x, y), subject(y, x)
    if subject.symmetric:
        torch.testing.assert_close(forward, backward, rtol=1e-5, atol=1e-6)


def test_a_batch_equals_its_items(subject: Metric) -> None:
    x, y = sample(subject, 3, seed=1), sample(subject, 3, seed=2)
    with torch.no_grad():
        together = subject(x, y)
        alone = torch.cat([subject(x[i : i + 1], y[i : i + 1]) for i in range(3)])
    assert together.shape == (3,)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=2e-6)
    assert together.std() > 0


@pytest.mark.parametrize("equal", [False, True])
def test_gradients_are_finite_in_both_arguments(subject: Metric, equal: bool) -> None:
    if not subject.differentiable:
        pytest.skip("claims no gradient")
    x = sample(subject, 2, seed=1).requires_grad_()
    y = (x.detach().clone() if equal else sample(subject, 2, seed=2)).requires_grad_()
    gradients = torch.autograd.grad(subject(x, y).sum(), (x, y))
    assert all(g.isfinite().all() for g in gradients)
    if not equal:
        assert all((g.flatten(1).norm(dim=1) > 0).all() for g in gradients)


def test_gradient_of_the_two_step_form_at_an_anchor(subject: Metric) -> None:
    x = sample(subject, 2, seed=1)
    anchors = subject.prepare(x.clone(), sample(subject, 2, seed=2))
    moving = x.requires_grad_()
    (gradient,) = torch.autograd.grad(anchors.distances(moving).sum(), moving)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_flat_images_have_finite_distances_and_gradients(subject: Metric, level: float) -> None:
    flat = torch.full_like(sample(subject, 1, seed=1), level)
    for other in (flat.clone(), sample(subject, 1, seed=2), 1 - flat):
        moving = flat.clone().requires_grad_()
        distance = subject.prepare(other).distances(moving)
        (gradient,) = torch.autograd.grad(distance.sum(), moving)
        assert distance.isfinite().all()
        assert gradient.isfinite().all()


def test_too_small_images_get_a_sentence(subject: Metric) -> None:
    side = subject.smallest
    with torch.no_grad():
        assert subject(random_images(1, side, seed=1), random_images(1, side, seed=2)).isfinite().all()
        if side > 1:
            small = random_images(1, side - 1, side + 3)
            with pytest.raises(UserError, match=rf"at least {side} x {side} pixels, got \({side - 1}, {side + 3}\)"):
                subject(small, small)
            with pytest.raises(UserError, match=f"at least {side} x {side} pixels"):
                subject.prepare(small).distances(small)


def test_inputs_stay_as_they_were(subject: Metric) -> None:
    x, y = sample(subject, 2, seed=1), sample(subject, 2, seed=2)
    kept = x.clone(), y.clone()
    with torch.no_grad():
        subject(x, y)
        subject.prepare(y).distances(x)
    assert torch.equal(x, kept[0])
    assert torch.equal(y, kept[1])


def test_two_step_form_and_select(subject: Metric) -> None:
    x, a, b = (sample(subject, 3, seed=seed) for seed in (1, 2, 3))
    with torch.no_grad():
        anchors = subject.prepare(a, b)
        distances = anchors.distances(x)
        direct = torch.stack([subject(x, a), subject(x, b)])
        index = torch.tensor([2, 0])
        some = anchors.select(index).distances(x[index])
    torch.testing.assert_close(distances, direct, rtol=1e-4, atol=2e-6)
    torch.testing.assert_close(some, distances[:, index], rtol=1e-4, atol=2e-6)
    assert (distances[:, 0] - distances[:, 2]).abs().min() > 0


def test_other_sizes_than_224_and_not_square(subject: Metric) -> None:
    with torch.no_grad():
        distance = subject(sample(subject, 1, 1, 20, 36), sample(subject, 1, 2, 20, 36))
    assert distance.isfinite().all()


def test_its_numbers_are_float32_like_its_images(subject: Metric) -> None:
    x, y = sample(subject, 1, seed=1, height=16), sample(subject, 1, seed=2, height=16)
    with torch.no_grad():
        assert subject(x, y).dtype == torch.float32


def test_the_same_images_give_the_same_numbers(subject: Metric) -> None:
    x, y = sample(subject, 1, seed=1, height=16), sample(subject, 1, seed=2, height=16)
    with torch.no_grad():
        assert torch.equal(subject(x, y), subject(x, y)) or subject.stochastic


def test_the_same_after_moving_to_the_same_device(subject: Metric) -> None:
    x, y = sample(subject, 1, seed=1, height=16), sample(subject, 1, seed=2, height=16)
    with torch.no_grad():
        assert torch.equal(subject.to("cpu")(x, y), subject(x, y)) or subject.stochastic
    assert all(isinstance(t, torch.Tensor) for t in subject.weights())


def test_shipped_lipsim_keeps_its_word_at_one_image() -> None:
    made = _build("lipsim")
    assert isinstance(made, LipschitzMetric)
    double, x = made.double(), random_images(1, 32, seed=3).double()
    start = torch.randn(x.shape, generator=generator(4), dtype=torch.float64)
    assert 0 < _stretched(double, x, 0.3 * start / start.norm(), steps=3) <= made.lipschitz * (1 + 1e-7)
    with torch.no_grad():
        a, b = double.embed(x), double.embed(random_images(1, 32, seed=6).double())
        moved = double.embed(x + 0.3 * start / start.norm())
        low, high = double.space.interval(a, b, 0.3 * double.lipschitz)
        assert (low <= double.compare(moved, b)).all()
        assert (double.compare(moved, b) <= high).all()


def _stretched(subject: LipschitzMetric, x: torch.Tensor, start: torch.Tensor, steps: int) -> float:
    """The largest |g(x + d) - g(x)| / |d| on the way of an ascent in d, in float64."""
    with torch.no_grad():
        clean = subject.embed(x)
    delta, best = start, 0.0
    for _ in range(steps):
        delta = delta.detach().requires_grad_()
        ratio = (subject.embed(x + delta) - clean).norm(dim=1) / delta.flatten(1).norm(dim=1)
        best = max(best, float(ratio.detach().max()))
        (gradient,) = torch.autograd.grad(ratio.sum(), delta)
        length = delta.flatten(1).norm(dim=1)[:, None, None, None]
        step = gradient / gradient.flatten(1).norm(dim=1).clamp_min(1e-30)[:, None, None, None]
        delta = delta + 0.5 * length * step
    return best


@pytest.mark.parametrize("length", [1e-3, 0.3, 10.0])
@pytest.mark.parametrize("side", [32, 24])
def test_measured_ratio_is_within_the_lipschitz_constant(lipschitz: LipschitzMetric, side: int, length: float) -> None:
    double = lipschitz.double()
    x = random_images(4, side, seed=3).double()
    start = torch.randn(x.shape, generator=generator(4), dtype=torch.float64)
    start = length * start / start.flatten(1).norm(dim=1)[:, None, None, None]
    assert 0 < _stretched(double, x, start, steps=12) <= lipschitz.lipschitz * (1 + 1e-7)


@pytest.mark.parametrize("eps", [0.05, 1.0])
def test_interval_contains_what_perturbations_reach(lipschitz: LipschitzMetric, eps: float) -> None:
    double = lipschitz.double()
    x, y = random_images(3, 32, seed=5).double(), random_images(3, 32, seed=6).double()
    y[0] = x[0]
    with torch.no_grad():
        low, high = double.space.interval(double.embed(x), double.embed(y), eps * double.lipschitz)
        clean = double(x, y)
    assert (low <= clean + 1e-9).all()
    assert (clean <= high + 1e-9).all()
    draw = generator(7)
    for way in (-1.0, 0.0, 1.0):
        delta = torch.randn(x.shape, generator=draw, dtype=torch.float64)
        for _ in range(8):
            delta = eps * delta / delta.flatten(1).norm(dim=1)[:, None, None, None]
            moved = (x + delta).detach().requires_grad_()
            distance = double(moved, y)
            assert (low - 1e-9 <= distance).all()
            assert (distance <= high + 1e-9).all()
            (gradient,) = torch.autograd.grad(distance.sum(), moved)
            size = gradient.flatten(1).norm(dim=1).clamp_min(1e-30)[:, None, None, None]
            delta = delta.detach() + way * eps * gradient / size


def test_boundary_is_where_the_answer_changes(lipschitz: LipschitzMetric) -> None:
    double = lipschitz.double()
    with torch.no_grad():
        g, left, right = (double.embed(random_images(6, 32, seed=seed).double()) for seed in (1, 2, 3))
        normal, offset = double.space.boundary(left, right)
        way = ((g * normal).sum(1) - offset) / normal.square().sum(1)
        for factor, nearer in ((0.999, 1), (1.001, -1)):
            moved = g - factor * way[:, None] * normal
            closer_to_right = (double.compare(moved, left) - double.compare(moved, right)).sign()
            assert torch.equal(closer_to_right, nearer * way.sign())


def test_double_copies_and_keeps_the_original(lipschitz: LipschitzMetric) -> None:
    x = random_images(2, 32, seed=1)
    with torch.no_grad():
        single = lipschitz.embed(x)
        double = lipschitz.double().embed(x.double())
        assert double.dtype == torch.float64
        assert torch.equal(lipschitz.embed(x), single)
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)


def test_lipschitz_metrics_are_embeddings(lipschitz: LipschitzMetric) -> None:
    assert isinstance(lipschitz, EmbeddingMetric)
    assert lipschitz.lipschitz > 0


def test_shipped_lipsim_answers_as_its_page_says() -> None:
    """All 24 triplets that README shows, at known distances: another order of channels answers as well, from others."""
    source = triplets.build(Ref("photos")).limited(24)
    batch = source.batch(source.entries)
    with torch.no_grad():
        d0, d1 = _build("lipsim").prepare(batch.left, batch.right).distances(batch.reference)
    assert int(((d1 < d0) == (batch.label == 1)).sum()) == 24
    assert d0[:2].tolist() == pytest.approx([0.17939, 0.010223], rel=1e-3)
    assert d1[:2].tolist() == pytest.approx([0.0018947, 0.17472], rel=1e-3)
