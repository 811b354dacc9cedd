"""Registers a number."""

from perceptbench.metrics.base import metric

metric("number", source="this example")(42)  # type: ignore[type-var]
