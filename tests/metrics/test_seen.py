"""One pass an image and precision: the numbers of the two-step form, and how often the network runs."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from perceptbench.certifiers.certify import certify
from perceptbench.certifiers.margin import Margin
from perceptbench.core.errors import UserError
from perceptbench.core.threat import Threat
from perceptbench.metrics.base import LipschitzMetric, Metric
from perceptbench.metrics.classical.fsim import FSIM
from perceptbench.metrics.classical.pixel import PSNR, PixelL2
from perceptbench.metrics.classical.ssim import SSIM
from perceptbench.metrics.lipsim.lipsim import FrozenLipSim
from perceptbench.metrics.seen import Seen
from perceptbench.testing.known_metrics import tiny_lipsim
from perceptbench.testing.samples import random_images, triplets


class Squares(Metric):
    """A metric that needs both images at once."""

    symmetric = False

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return ((x - y).square() * x).sum((1, 2, 3))


METRICS = {"l2": PixelL2(), "psnr": PSNR(), "lipsim": tiny_lipsim(), "ssim": SSIM(), "fsim": FSIM(), "plain": Squares()}
PARTS = {name: random_images(3, 32, seed=seed) for seed, name in enumerate(("reference", "left", "right"))}


class CountedL2(PixelL2):
    """Counts embedded batches by their type of number."""

    def __init__(self) -> None:
        self.passes: Counter[torch.dtype] = Counter()

    def embed(self, x: Tensor) -> Tensor:
        self.passes[x.dtype] += 1
        return super().embed(x)


def counted_lipsim() -> tuple[FrozenLipSim, Counter[torch.dtype]]:
    """A small lipsim whose network, and that of its copy in float64, count their passes."""
    made, passes = tiny_lipsim(), Counter[torch.dtype]()
    for metric in (made, made.double()):
        metric.net.register_forward_hook(lambda _, x, __: passes.update([x[0].dtype]))
    return made, passes


@pytest.mark.parametrize("name", METRICS)
def test_the_same_numbers_as_the_two_step_form(name: str) -> None:
    metric = METRICS[name]
    seen, prepared = Seen(metric, PARTS), metric.prepare(PARTS["left"], PARTS["right"])
    with torch.no_grad():
        wanted = prepared.distances(PARTS["reference"])
        index = torch.tensor([2, 0])
        some = seen.anchors("left", "right").select(index).distances(PARTS["reference"][index])
    assert torch.equal(seen.distance("reference", "left"), wanted[0])
    assert torch.equal(seen.distance("reference", "right"), wanted[1])
    assert torch.equal(seen.anchors("left", "right").distances(PARTS["reference"]).detach(), wanted)
    torch.testing.assert_close(some, wanted[:, index], rtol=1e-4, atol=2e-6)


def test_a_distance_is_from_the_first_to_the_second() -> None:
    seen = Seen(Squares(), PARTS)
    assert torch.equal(seen.distance("left", "right"), Squares()(PARTS["left"], PARTS["right"]))
    assert not torch.equal(seen.distance("left", "right"), seen.distance("right", "left"))


@pytest.mark.parametrize("threat", [Threat(), Threat("left"), Threat("all")], ids=str)
@pytest.mark.parametrize("kind", ["l2", "lipsim"])
def test_a_certified_triplet_costs_three_passes_in_each_precision(kind: str, threat: Threat) -> None:
    """The clean answer, the anchors of the attack and the certificate together; a second one costs none."""
    metric: LipschitzMetric
    if kind == "l2":
        metric = CountedL2()
        passes = metric.passes
    else:
        metric, passes = counted_lipsim()
    batch = triplets([0.2, 0.4], height=32, seed=1)
    seen = Seen(metric, batch.images)
    seen.distance("reference", "left"), seen.distance("reference", "right")
    seen.anchors("left", "right"), seen.anchors("reference")
    seen.norm("reference")
    certify(Margin(), metric, batch, threat, seen=seen)
    certify(Margin(), metric, batch, threat, seen=seen)
    assert passes == {torch.float32: 3, torch.float64: 3}


def test_features_are_extracted_once() -> None:
    class Counted(SSIM):
        passes = 0

        def extract(self, x: Tensor) -> tuple[Tensor, ...]:
            Counted.passes += 1
            return super().extract(x)

    seen = Seen(Counted(), PARTS)
    for part in ("left", "right"):
        seen.distance("reference", part)
    seen.anchors("left", "right", "reference")
    assert Counted.passes == 3


def test_norms_are_those_of_the_embedding_and_nan_without_one() -> None:
    norm = Seen(PixelL2(), PARTS).norm("left")
    assert norm.dtype == torch.float64
    torch.testing.assert_close(norm, PARTS["left"].double().flatten(1).norm(dim=1))
    for metric in (SSIM(), Squares()):
        assert Seen(metric, PARTS).norm("left").shape == (3,)
        assert Seen(metric, PARTS).norm("left").isnan().all()


def test_exact_embeddings_are_those_of_the_network_in_float64() -> None:
    metric = tiny_lipsim()
    seen = Seen(metric, PARTS)
    exact, single = seen.embedded_exact("left"), seen.embedded("left")
    assert (exact.dtype, single.dtype) == (torch.float64, torch.float32)
    with torch.no_grad():
        assert torch.equal(exact, metric.double().embed(PARTS["left"].double()))
        assert torch.equal(single, metric.embed(PARTS["left"]))


def test_nothing_keeps_a_graph() -> None:
    parts = {name: x.clone().requires_grad_() for name, x in PARTS.items()}
    for metric in METRICS.values():
        seen = Seen(metric, parts)
        assert not seen.distance("reference", "left").requires_grad
        assert not seen.norm("left").requires_grad
    seen = Seen(PixelL2(), parts)
    assert not seen.embedded_exact("left").requires_grad
    assert not seen.embedded("left").requires_grad


def test_an_embedding_that_is_not_there_gets_a_sentence() -> None:
    with pytest.raises(UserError, match="expected a metric with an embedding, got SSIM"):
        Seen(SSIM(), PARTS).embedded("left")
    with pytest.raises(UserError, match="expected a metric with a Lipschitz constant, got SSIM"):
        Seen(SSIM(), PARTS).embedded_exact("left")
