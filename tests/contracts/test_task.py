"""What every registered task keeps to, on triplets whose exact radius is known."""

from pathlib import Path

import pytest
from galleries import near_grey, searched

from perceptbench.results.tasks.base import scores
from perceptbench.tasks.base import Source, task
from perceptbench.testing import TaskContract
from perceptbench.testing.samples import pairs, pairs_source, source_of, triplets


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


class TestMatching(TaskContract):
    """Pairs at a threshold: two of four that are the same match, and one of three that are different."""

    task = "matching(tau=0.45)"
    eps = (0.15, 1.0)

    def source(self) -> Source:
        same = [True] * 4 + [False] * 3
        return pairs_source(pairs([0.2, 0.4, 0.5, 0.6, 0.3, 0.5, 0.8], same, seed=3))


class TestRoc(TaskContract):
    """The same pairs at every threshold."""

    task = "roc"

    def source(self) -> Source:
        return pairs_source(pairs([0.2, 0.4, 0.5, 0.3, 0.55, 0.8], [True] * 3 + [False] * 3, seed=3))

    def test_no_attack_reaches_its_goal_inside_a_radius(self) -> None:  # type: ignore[override]
        pytest.skip("proves intervals of distances, and no radius; tests/tasks/test_roc.py")


class TestRetrieval(TaskContract):
    """A search in a gallery with labels: two of each."""

    task = "retrieval(top=2)"

    @pytest.fixture(autouse=True)
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path / "cache"))

    def source(self) -> Source:
        labels = [str(i // 2) for i in range(12)]
        gallery = near_grey(6, seed=3).repeat_interleave(2, 0) + 0.5 * (near_grey(12, seed=4) - 0.5)
        queries = gallery[:4] + 0.1 * (near_grey(4, seed=5) - 0.5)
        return searched(gallery, queries, own=[0, 1, 2, 3], labels=labels, of_queries=["0", "0", "1", "1"])


def test_every_task_has_two_halves_and_is_held_to_the_contract() -> None:
    # Nobody attacks the ladder: tests/tasks/test_ladder.py.
    ours = {
        TestPreference.task, TestDrift.task, TestMatching.task.partition("(")[0], TestRoc.task, "retrieval", "ladder"
    }  # fmt: skip
    assert set(task.names()) == set(scores.names()) == ours
