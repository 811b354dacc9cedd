"""Registers a name that is taken."""

from perceptbench.metrics.base import Metric, metric


@metric("l2", source="this example")
class Taken(Metric):
    """Would stand for l2."""
