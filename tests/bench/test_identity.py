"""A change that can change a number moves the id, or the probe speaks. What changes no number moves nothing."""

import json

import pytest
from identity_changes import run

HIDDEN = {"file read at each call", "package edited in place"}
"""What no fingerprint can see."""
EXPECTED = {
    "weight: closed": {"weights", "metric"},
    "weight: listed": {"weights", "metric"},
    "weight: named": {"metric"},
    "weight: plain": {"weights", "metric"},
    "weight: packed": {"metric"},
    "state of an object of an extension": {"metric"},
    "helper two imports away": {"metric"},
    "version of a package": {"metric"},
    "loader: labels inverted": {"data"},
    "label": {"samples"},
    "pixel": {"samples"},
    "code: attacks/pgd.py": {"attack"},
    "code: attacks/running/judge.py": {"evaluator"},
    "code: tasks/compared.py": {"task"},
    "code: attacks/threats/lp.py": {"attack", "evaluator", "task", "threat"},
    "code: bench/evaluate.py": {"evaluator"},
    "code: bench/runner.py": {"evaluator"},
    "code: bench/kept_state.py": {"evaluator"},
    "code: metrics/base.py": {"attack", "evaluator", "metric", "task", "threat"},
}
"""The parts that each change moves; every other one moves nothing."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    return {line["change"]: line for line in run(tmp_path_factory.mktemp("copy"))}


def test_each_change_moves_the_parts_it_can_change_and_no_other_one(lines: dict[str, dict]) -> None:
    moved = {name: set(line["moved"]) for name, line in lines.items()}
    assert {name: parts for name, parts in moved.items() if parts} == EXPECTED
    assert all(line["id"] == bool(line["moved"]) for line in lines.values())


def test_what_no_fingerprint_sees_is_seen_by_the_probe(lines: dict[str, dict]) -> None:
    assert set(lines) >= HIDDEN
    for name in HIDDEN:
        assert lines[name]["probe"].startswith("d0 of "), json.dumps(lines[name])


def test_comments_docstrings_and_unused_parts_change_nothing(lines: dict[str, dict]) -> None:
    harmless = [line for name, line in lines.items() if name.startswith(("unused", "comment", "docstring"))]
    assert len(harmless) >= 8
    assert not any(line["moved"] or line["probe"] for line in harmless)
