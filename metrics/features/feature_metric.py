"""A distance between several feature maps of each image: those of the fixed images are computed once.

Features are a tuple of tensors: layers of a network, or scales of a pyramid. `extract` computes them, `compare`
measures between those of two images.
"""

from typing import TypeAlias

from torch import Tensor

from perceptbench.core.tensors import Images, PerImage
from perceptbench.metrics.base import Metric

Features: TypeAlias = tuple[Tensor, ...]
"""Tensors (n, ...), a row an image."""


class FeatureMetric(Metric):
    """A distance between features. Subclasses give `extract` and `compare`, a name and the smallest side."""

    name: str
    """As users write it."""

    def extract(self, x: Images) -> Features:
        """Features of images of at least the smallest side."""
        raise NotImplementedError

    def compare(self, a: Features, b: Features) -> PerImage:
        """The distance between features of as many images."""
        raise NotImplementedError

    def features(self, x: Images) -> Features:
        """Features of each image. Raises UserError where the images are too small."""
        self.require_size(x, self.name)
        return self.extract(x)

    def represent(self, x: Images) -> Features:
        return self.features(x)

    def __call__(self, x: Images, y: Images) -> PerImage:
        return self.compare(self.features(x), self.features(y))
