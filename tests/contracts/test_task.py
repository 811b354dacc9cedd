"""What every registered task keeps to, on triplets whose exact radius is known."""

from perceptbench.results.tasks.base import scores
from perceptbench.tasks.base import Source, task
from perceptbench.testing import TaskContract
from perceptbench.testing.samples import source_of, triplets


class TestPreference(TaskContract):
    """The 2AFC answer."""

    task = "preference"
    eps = (0.15, 1.0)

    def source(self) -> Source:
        return source_of(triplets([0.1, 0.2, 0.3, 0.4], seed=1))


class TestDrift(TaskContract):
    """Push and pull."""

    task = "drift"

    def source(self) -> Source:
        return source_of(triplets([0.1, 0.2, 0.3, 0.4], seed=2))


def test_every_task_has_two_halves_and_is_held_to_the_contract() -> None:
    ours = {TestPreference.task, TestDrift.task}
    assert set(task.names()) == set(scores.names()) == ours
