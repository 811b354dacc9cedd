"""What every metric keeps to."""

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Images
from perceptbench.metrics.base import EmbeddingMetric, LipschitzMetric, Metric
from perceptbench.metrics.usable import Selective, usable
from perceptbench.testing.contract import Contract, built, dense
from perceptbench.testing.said import close, finite
from perceptbench.testing.samples import generator, random_images
from perceptbench.testing.strategies import few, images


def noise(subject: Metric, n: int, seed: int, height: int = 32, width: int | None = None) -> Images:
    """Noise, half of it common to every seed: some metrics know nothing worse than no structure in common.

    Images are larger where the metric takes none so small.
    """
    height, width = (max(side, subject.smallest) for side in (height, width or height))
    return (random_images(1, height, width, seed=99) + random_images(n, height, width, seed=seed)) / 2


def stretched(subject: LipschitzMetric, x: Tensor, start: Tensor, steps: int) -> float:
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


class MetricContract(Contract):
    """Derive from it, give the metric in `made`, and pytest finds the tests.

    class TestMine(MetricContract):
        def made(self):
            return Mine()
    """

    def made(self) -> Metric:
        """The metric, built anew."""
        raise NotImplementedError("give your metric: def made(self): return Mine()")

    @pytest.fixture
    def subject(self) -> Metric:
        """The metric under test."""
        made: Metric = built(self.made, Metric)
        return made

    @pytest.fixture
    def lipschitz(self, subject: Metric) -> LipschitzMetric:
        """The metric under test, where it claims a Lipschitz constant."""
        if not isinstance(subject, LipschitzMetric):
            pytest.skip("claims no Lipschitz constant")
        return subject

    def test_minimum_at_equal_images(self, subject: Metric) -> None:
        x, y = noise(subject, 2, seed=1), noise(subject, 2, seed=2)
        with torch.no_grad():
            same, near, far = subject(x, x.clone()), subject(x, 0.99 * x + 0.01 * y), subject(x, y)
        assert (same <= near).all(), "equal images must have the smallest distance; a similarity s is given as 1 - s"
        assert (near < far).all(), "an image mixed with 1 % of another one must be nearer than that other one"
        close(same, same[:1].expand(2), "the distance of an image from itself must be the same for every image")

    def test_distances_are_a_tensor_of_them(self, subject: Metric) -> None:
        """Watched classes say this at every call; here it is said of any."""
        x, y = noise(subject, 2, seed=1, height=16), noise(subject, 2, seed=2, height=16)
        with torch.no_grad():
            for given, what in (
                (subject(x, y), "metric(x, y)"),
                (subject.prepare(y).distances(x)[0], "distances(x)[0]"),
            ):
                dense(given, x[:, 0, 0, 0], what)
                finite(given, f"{what} must be finite on noise in [0, 1]")

    def test_other_images_in_between_change_nothing(self, subject: Metric) -> None:
        x, y = noise(subject, 2, seed=1, height=16), noise(subject, 2, seed=2, height=16)
        with torch.no_grad():
            before = subject(x, y)
            subject(noise(subject, 3, seed=3, height=20), noise(subject, 3, seed=4, height=20))
            subject(y, y.clone())
            after = subject(x, y)
        assert torch.equal(before, after) or subject.stochastic, (
            "the same pair must get the same number after other calls; keep no state between calls"
        )

    def test_symmetric(self, subject: Metric) -> None:
        x, y = noise(subject, 2, seed=1), noise(subject, 2, seed=2)
        with torch.no_grad():
            forward, backward = subject(x, y), subject(y, x)
        if subject.symmetric:
            close(forward, backward, "d(x, y) must equal d(y, x); set symmetric = False where it does not")

    def test_a_batch_equals_its_items(self, subject: Metric) -> None:
        x, y = noise(subject, 3, seed=1), noise(subject, 3, seed=2)
        with torch.no_grad():
            together = subject(x, y)
            alone = torch.cat([subject(x[i : i + 1], y[i : i + 1]) for i in range(3)])
        assert together.shape == (3,), f"distances of three pairs must be of shape (3,), got {tuple(together.shape)}"
        close(together, alone, "the distance of a pair must not depend on its batch", rtol=1e-4, atol=2e-6)
        assert together.std() > 0, "distances of different pairs must differ; is the metric a constant?"

    def test_which_images_it_answers_for_does_not_depend_on_the_batch(self, subject: Metric) -> None:
        if not isinstance(subject, Selective):
            pytest.skip("answers for every image; see metrics/usable.py")
        x = noise(subject, 2, seed=1)
        x = torch.cat([x, torch.full_like(x[:1], 0.5)])
        alone = torch.cat([usable(subject, x[i : i + 1]) for i in range(3)])
        assert torch.equal(usable(subject, x), alone), "usable must say of an image what it says of it in any batch"

    @pytest.mark.parametrize("equal", [False, True])
    def test_gradients_are_finite_in_both_arguments(self, subject: Metric, equal: bool) -> None:
        if not subject.differentiable:
            pytest.skip("claims no gradient")
        x = noise(subject, 2, seed=1).requires_grad_()
        y = (x.detach().clone() if equal else noise(subject, 2, seed=2)).requires_grad_()
        gradients = torch.autograd.grad(subject(x, y).sum(), (x, y))
        for gradient in gradients:
            finite(
                gradient, f"gradients must be finite{' at equal images' if equal else ''}; look for sqrt(0) or 0 / 0"
            )
            if not equal:
                assert (gradient.flatten(1).norm(dim=1) > 0).all(), (
                    "gradients must reach both images; set differentiable = False where they cannot"
                )

    def test_gradient_of_the_two_step_form_at_an_anchor(self, subject: Metric) -> None:
        if not subject.differentiable:
            pytest.skip("claims no gradient")
        x = noise(subject, 2, seed=1)
        anchors = subject.prepare(x.clone(), noise(subject, 2, seed=2))
        moving = x.requires_grad_()
        (gradient,) = torch.autograd.grad(anchors.distances(moving).sum(), moving)
        finite(gradient, "the gradient of prepare(x).distances(x) must be finite; look for sqrt(0) or 0 / 0")

    @pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
    def test_flat_images_have_finite_distances_and_gradients(self, subject: Metric, level: float) -> None:
        flat = torch.full_like(noise(subject, 1, seed=1), level)
        for other in (flat.clone(), noise(subject, 1, seed=2), 1 - flat):
            moving = flat.clone().requires_grad_()
            distance = subject.prepare(other).distances(moving)
            finite(distance, f"the distance of a flat image of level {level} must be finite")
            if subject.differentiable:
                (gradient,) = torch.autograd.grad(distance.sum(), moving)
                finite(gradient, f"the gradient at a flat image of level {level} must be finite")

    @settings(few, max_examples=4)
    @given(x=images(n=2, smallest=8))
    def test_any_images_have_finite_distances(self, subject: Metric, x: Tensor) -> None:
        if min(x.shape[-2:]) < subject.smallest:
            return
        with torch.no_grad():
            distances = subject.prepare(x.flip(0)).distances(x)
        assert distances.shape == (1, 2), f"distances to one anchor must be (1, n), got {tuple(distances.shape)}"
        finite(distances, "distances of flat, black, white and noisy images must be finite")

    def test_too_small_images_get_a_sentence(self, subject: Metric) -> None:
        side = subject.smallest
        with torch.no_grad():
            finite(
                subject(random_images(1, side, seed=1), random_images(1, side, seed=2)),
                f"smallest = {side} says that images of this side are taken, and their distance must be finite",
            )
            if side > 1:
                small = random_images(1, side - 1, side + 3)
                said = rf"at least {side} x {side} pixels, got \({side - 1}, {side + 3}\)"
                with pytest.raises(UserError, match=said):
                    subject(small, small)
                with pytest.raises(UserError, match=f"at least {side} x {side} pixels"):
                    subject.prepare(small).distances(small)

    def test_inputs_stay_as_they_were(self, subject: Metric) -> None:
        x, y = noise(subject, 2, seed=1), noise(subject, 2, seed=2)
        kept = x.clone(), y.clone()
        with torch.no_grad():
            subject(x, y)
            subject.prepare(y).distances(x)
        assert torch.equal(x, kept[0]), "the metric must not write into its first images; clone them first"
        assert torch.equal(y, kept[1]), "the metric must not write into its second images; clone them first"

    def test_two_step_form_and_select(self, subject: Metric) -> None:
        x, a, b = (noise(subject, 3, seed=seed) for seed in (1, 2, 3))
        with torch.no_grad():
            anchors = subject.prepare(a, b)
            distances = anchors.distances(x)
            direct = torch.stack([subject(x, a), subject(x, b)])
            index = torch.tensor([2, 0])
            some = anchors.select(index).distances(x[index])
        close(distances, direct, "prepare(a, b).distances(x) must be d(x, a) and d(x, b)", rtol=1e-4, atol=2e-6)
        close(some, distances[:, index], "anchors.select must keep the rows it is given", rtol=1e-4, atol=2e-6)
        # From one anchor at least: what is counted in bits may agree by chance.
        assert (distances[:, 0] - distances[:, 2]).abs().max() > 0, "distances of different images must differ"

    def test_other_sizes_than_224_and_not_square(self, subject: Metric) -> None:
        with torch.no_grad():
            distance = subject(noise(subject, 1, 1, 20, 36), noise(subject, 1, 2, 20, 36))
        finite(distance, "images of 20 x 36 must be taken; resize inside, or state the smallest side")

    def test_its_numbers_are_float32_like_its_images(self, subject: Metric) -> None:
        x, y = noise(subject, 1, seed=1, height=16), noise(subject, 1, seed=2, height=16)
        with torch.no_grad():
            assert subject(x, y).dtype == torch.float32, "distances of float32 images must be float32"

    def test_the_same_images_give_the_same_numbers(self, subject: Metric) -> None:
        x, y = noise(subject, 1, seed=1, height=16), noise(subject, 1, seed=2, height=16)
        with torch.no_grad():
            same = torch.equal(subject(x, y), subject(x, y))
        assert same or subject.stochastic, (
            "two calls must give the same number; set stochastic = True where they do not"
        )

    def test_the_same_after_moving_to_the_same_device(self, subject: Metric) -> None:
        x, y = noise(subject, 1, seed=1, height=16), noise(subject, 1, seed=2, height=16)
        with torch.no_grad():
            same = torch.equal(subject.to("cpu")(x, y), subject(x, y))
        assert same or subject.stochastic, "to('cpu') must give the same metric"
        assert all(isinstance(t, Tensor) for t in subject.weights()), "weights() must give tensors"

    @pytest.mark.parametrize("length", [1e-3, 0.3, 10.0])
    @pytest.mark.parametrize("side", [32, 24])
    def test_measured_ratio_is_within_the_lipschitz_constant(
        self, lipschitz: LipschitzMetric, side: int, length: float
    ) -> None:
        double = lipschitz.double()
        x = random_images(4, side, seed=3).double()
        start = torch.randn(x.shape, generator=generator(4), dtype=torch.float64)
        start = length * start / start.flatten(1).norm(dim=1)[:, None, None, None]
        measured = stretched(double, x, start, steps=12)
        assert 0 < measured <= lipschitz.lipschitz * (1 + 1e-7), (
            f"lipschitz = {lipschitz.lipschitz} is stated, and an embedding moved {measured} times as far as its image"
        )

    @pytest.mark.parametrize("eps", [0.05, 1.0])
    def test_interval_contains_what_perturbations_reach(self, lipschitz: LipschitzMetric, eps: float) -> None:
        double = lipschitz.double()
        x, y = random_images(3, 32, seed=5).double(), random_images(3, 32, seed=6).double()
        y[0] = x[0]
        with torch.no_grad():
            low, high = double.space.interval(double.embed(x), double.embed(y), eps * double.lipschitz)
            clean = double(x, y)
        wrong = f"space.interval must hold every distance that a change of {eps} reaches; mend space or lipschitz"
        assert (low <= clean + 1e-9).all(), wrong
        assert (clean <= high + 1e-9).all(), wrong
        draw = generator(7)
        for way in (-1.0, 0.0, 1.0):
            delta = torch.randn(x.shape, generator=draw, dtype=torch.float64)
            for _ in range(8):
                delta = eps * delta / delta.flatten(1).norm(dim=1)[:, None, None, None]
                moved = (x + delta).detach().requires_grad_()
                distance = double(moved, y)
                assert (low - 1e-9 <= distance).all(), wrong
                assert (distance <= high + 1e-9).all(), wrong
                (gradient,) = torch.autograd.grad(distance.sum(), moved)
                size = gradient.flatten(1).norm(dim=1).clamp_min(1e-30)[:, None, None, None]
                delta = delta.detach() + way * eps * gradient / size

    def test_boundary_is_where_the_answer_changes(self, lipschitz: LipschitzMetric) -> None:
        double = lipschitz.double()
        with torch.no_grad():
            g, left, right = (double.embed(random_images(6, 32, seed=seed).double()) for seed in (1, 2, 3))
            normal, offset = double.space.boundary(left, right)
            way = ((g * normal).sum(1) - offset) / normal.square().sum(1)
            for factor, nearer in ((0.999, 1), (1.001, -1)):
                moved = g - factor * way[:, None] * normal
                closer_to_right = (double.compare(moved, left) - double.compare(moved, right)).sign()
                assert torch.equal(closer_to_right, nearer * way.sign()), (
                    "space.boundary must be where the answer flips, not before and not behind"
                )

    def test_double_copies_and_keeps_the_original(self, lipschitz: LipschitzMetric) -> None:
        x = random_images(2, 32, seed=1)
        with torch.no_grad():
            single = lipschitz.embed(x)
            double = lipschitz.double().embed(x.double())
            assert double.dtype == torch.float64, "double() must compute in float64"
            assert torch.equal(lipschitz.embed(x), single), "double() must give a copy and leave the metric as it is"
        close(single.double(), double, "double() must be the same function", rtol=1e-4, atol=1e-5)

    def test_lipschitz_metrics_are_embeddings(self, lipschitz: LipschitzMetric) -> None:
        assert isinstance(lipschitz, EmbeddingMetric), "a metric with a Lipschitz constant must be an EmbeddingMetric"
        assert lipschitz.lipschitz > 0, f"lipschitz must be positive, got {lipschitz.lipschitz}"
