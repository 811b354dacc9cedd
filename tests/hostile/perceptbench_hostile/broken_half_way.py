"""Registers a metric and an attack, and fails."""

from perceptbench.attacks.base import Attack, attack
from perceptbench.metrics.base import Metric, metric


@metric("half-registered", source="this example")
class Half(Metric):
    """Stays unknown."""


@attack("half-registered-attack", source="this example")
class HalfAttack(Attack):
    """Stays unknown."""


raise RuntimeError("half-way")
