"""What every registered metric keeps to."""

from collections.abc import Iterator
from functools import cache

import pytest
import torch
from originals import find_shared_weights

from perceptbench.core.ref import Ref
from perceptbench.metrics.base import LipschitzMetric, Metric, metric
from perceptbench.testing import MetricContract
from perceptbench.testing.known_metrics import tiny_lipsim
from perceptbench.testing.metric_contract import stretched
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


class TestMetrics(MetricContract):
    """Each by its name."""

    @pytest.fixture(params=CASES)
    def subject(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Metric:
        if request.param == "ensemble-cosine":
            # Its VGG16 costs 15 GMAC at 224 x 224, and a contract holds at any size that it brings images to.
            monkeypatch.setattr("perceptbench.metrics.embeddings.pooled.SIDE", 64)
        return _build(request.param)

    @pytest.fixture(params=[name for name in CASES if name != "lipsim"])
    def lipschitz(self, request: pytest.FixtureRequest) -> LipschitzMetric:
        """The big network runs in a test of its own below: its small twin stands for it elsewhere."""
        made = _build(request.param)
        if not isinstance(made, LipschitzMetric):
            pytest.skip("claims no Lipschitz constant")
        return made


def test_there_are_lipschitz_metrics_to_test() -> None:
    assert all(isinstance(_build(name), LipschitzMetric) for name in ("l2", "psnr", "lipsim untrained"))


def test_shipped_lipsim_keeps_its_word_at_one_image() -> None:
    made = _build("lipsim")
    assert isinstance(made, LipschitzMetric)
    double, x = made.double(), random_images(1, 32, seed=3).double()
    start = torch.randn(x.shape, generator=generator(4), dtype=torch.float64)
    assert 0 < stretched(double, x, 0.3 * start / start.norm(), steps=3) <= made.lipschitz * (1 + 1e-7)
    with torch.no_grad():
        a, b = double.embed(x), double.embed(random_images(1, 32, seed=6).double())
        moved = double.embed(x + 0.3 * start / start.norm())
        low, high = double.space.interval(a, b, 0.3 * double.lipschitz)
        assert (low <= double.compare(moved, b)).all()
        assert (double.compare(moved, b) <= high).all()


def test_shipped_lipsim_answers_as_its_page_says() -> None:
    """All 24 triplets that README shows, at known distances: another order of channels answers as well, from others."""
    source = triplets.build(Ref("photos")).limited(24)
    batch = source.batch(source.entries)
    with torch.no_grad():
        d0, d1 = _build("lipsim").prepare(batch.left, batch.right).distances(batch.reference)
    assert int(((d1 < d0) == (batch.label == 1)).sum()) == 24
    assert d0[:2].tolist() == pytest.approx([0.17939, 0.010223], rel=1e-3)
    assert d1[:2].tolist() == pytest.approx([0.0018947, 0.17472], rel=1e-3)
