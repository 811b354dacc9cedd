"""Scores that declare nothing, which every run would ask for their goals."""

from perceptbench.results.tasks.base import Scores, scores


@scores("no-goals", source="this example")
class NoGoals(Scores):
    """Declares nothing."""
