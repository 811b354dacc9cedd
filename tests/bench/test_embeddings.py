"""What a certified triplet costs that nobody has to attack: each of its images is embedded once in each precision."""

from collections import Counter
from collections.abc import Iterator

import pytest
import torch

from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import metric
from perceptbench.metrics.classical.pixel import PixelL2

embedded: Counter[torch.dtype] = Counter()


class Counted(PixelL2):
    """Pixel l2; it counts the images that it embeds."""

    def embed(self, x: Images) -> Embeddings:
        embedded[x.dtype] += len(x)
        return super().embed(x)


@pytest.fixture
def counted() -> Iterator[str]:
    """The metric is registered while a test runs."""
    metric("counted", source="a test")(Counted)
    embedded.clear()
    try:
        yield "counted"
    finally:
        del metric._factories["counted"], metric._cards["counted"]


@pytest.mark.parametrize("batch_size", [3, 8])
@pytest.mark.parametrize(
    "words", [("run", "--attack", "l2-apgd-ce(steps=5)"), ("certify",)], ids=["bench run", "bench certify"]
)
def test_three_embeddings_in_each_precision(bench, data, tmp_path, counted, words, batch_size, monkeypatch):
    """Every answer of these eight triplets is either wrong, and then not attacked, or proved at this eps.

    The flags of a run ask the metric some more on eight samples, whatever its size, and a metric from outside is looked
    at before; here neither is done.
    """
    monkeypatch.setattr("perceptbench.bench.planner.gives_gradient", lambda *_: True)
    monkeypatch.setattr("perceptbench.bench.flags.asked_again.AskedAgain.of", lambda *_, **__: None)
    given = ("--metric", counted, "--data", data, "--eps", "0.001", "--batch-size", batch_size, "--runs", tmp_path)
    proved = [row for row in bench.json(*words, *given) if row["kind"] == "certificate"]
    assert [row["n"] for row in proved] == [8]
    assert embedded == {torch.float32: 3 * 8, torch.float64: 3 * 8}
