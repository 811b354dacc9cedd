"""The images of one batch as a metric sees them: no image passes through the network twice.

seen = Seen(metric, {"reference": x, "left": y, "right": z})
d0, d1 = seen.distance("reference", "left"), seen.distance("reference", "right")
anchors = seen.anchors("left", "right")      # for the attack; nothing is embedded again
seen.embedded_exact("reference")             # for the certificate; once more, in float64
"""

from collections.abc import Mapping

import torch

from perceptbench.core.errors import UserError
from perceptbench.core.tensors import Embeddings, Images, PerImage
from perceptbench.metrics.base import Anchors, EmbeddingMetric, LipschitzMetric, Metric, Representation


class Seen:
    """The images of one batch, each taken through the metric at most once in each precision.

    Everything is computed without gradients, and each batch of images by a call of its own: joined batches
    would round differently.

    Args:
        metric: the metric.
        images: batches of as many images by the name of their part ("reference", "left", ...).
    """

    def __init__(self, metric: Metric, images: Mapping[str, Images]) -> None:
        self.metric = metric
        self.images: Mapping[str, Images] = {name: x.detach() for name, x in images.items()}
        self._represented: dict[str, Representation] = {}
        self._exact: dict[str, Embeddings] = {}

    def anchors(self, *names: str) -> Anchors:
        """These images as `metric.prepare` gives them, to be compared with one that moves."""
        return self.metric.anchors(*(self._represent(name) for name in names))

    @torch.no_grad()
    def distance(self, moving: str, fixed: str) -> PerImage:
        """Distances (n,), the same numbers as `metric.prepare(fixed).distances(moving)[0]`."""
        return self.metric.compare(self._represent(moving), self._represent(fixed))

    def embedded(self, name: str) -> Embeddings:
        """Embeddings (n, d) in the precision of the metric. Raises UserError for a metric without an embedding."""
        if not isinstance(self.metric, EmbeddingMetric):
            raise UserError(f"expected a metric with an embedding, got {type(self.metric).__name__}; use lipsim or l2")
        embeddings: Embeddings = self._represent(name)
        return embeddings

    @torch.no_grad()
    def embedded_exact(self, name: str) -> Embeddings:
        """Embeddings (n, d) by `metric.double()` of the images in float64.

        Raises UserError for a metric without a Lipschitz constant, which has no such form.
        """
        if not isinstance(self.metric, LipschitzMetric):
            made = type(self.metric).__name__
            raise UserError(f"expected a metric with a Lipschitz constant, got {made}; use lipsim, l2 or psnr")
        if name not in self._exact:
            self._exact[name] = self.metric.double().embed(self.images[name].double())
        return self._exact[name]

    @torch.no_grad()
    def norm(self, name: str) -> PerImage:
        """|g| (n,) in float64 of the embeddings in the metric's precision; NaN for a metric without an embedding."""
        if isinstance(self.metric, EmbeddingMetric):
            return self.embedded(name).double().norm(dim=1)
        return torch.full_like(self.images[name][:, 0, 0, 0], torch.nan, dtype=torch.float64)

    @torch.no_grad()
    def _represent(self, name: str) -> Representation:
        if name not in self._represented:
            self._represented[name] = self.metric.represent(self.images[name])
        return self._represented[name]
