"""The half of the task that reads finished runs; one of its options is the name of one that every run has."""

from dataclasses import dataclass
from typing import ClassVar

from perceptbench.results.tasks.base import scores
from perceptbench.results.tasks.preference import PreferenceScores


@scores("hostile-question", source="this example")
@dataclass(frozen=True)
class HostileScores(PreferenceScores):
    """Preference, spoilt."""

    name: ClassVar[str] = "hostile-question"
    how: str = "raises"
    seed: int = 0
