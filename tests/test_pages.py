"""The pages about tasks, threats and stored runs name everything that exists."""

import dataclasses
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
TASKS, RECORDS = ((DOCS / f"{name}.md").read_text() for name in ("tasks", "records"))


def _ours(registry, package):
    return [
        name for name in registry.names() if registry.factory(name).__module__.startswith(f"perceptbench.{package}")
    ]


def _row(text, name):
    (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
    return row


def test_each_task_has_a_row_with_its_goals_moves_and_data():
    from perceptbench.results.tasks.base import scores

    for name in _ours(scores, "results"):
        declared, row = scores.factory(name), _row(TASKS, name)
        assert all(f"`{word}`" in row for word in (*declared.goals, *declared.moves))
        assert all(kind in row for kind in declared.kinds)
        assert row.rstrip("| ").rpartition("|")[2].strip().startswith("yes" if declared.provable else "no")


def test_each_threat_has_a_row_with_its_unit():
    from perceptbench.attacks.threats.base import threat
    from perceptbench.core.ref import Ref

    for name in _ours(threat, "attacks"):
        assert f"| {threat.build(Ref(name)).unit} |" in _row(TASKS, name)


def test_each_column_of_samples_has_a_row_with_its_type():
    from perceptbench.results.record import COMMON
    from perceptbench.results.tasks.base import scores

    columns = dict(COMMON)
    for name in _ours(scores, "results"):
        columns |= scores.factory(name).columns
    for name, dtype in columns.items():
        assert re.search(rf"^\| [^|]*`{name}`[^|]* \| {dtype} \|", RECORDS, re.MULTILINE), name


@pytest.mark.parametrize("words", ["row", "spec", "header"])
def test_each_key_of_rows_and_records_is_named(words):
    from perceptbench.core.spec import RunSpec
    from perceptbench.results.record import Record
    from perceptbench.results.rows import Row

    header = [f.name for f in dataclasses.fields(Record) if f.name not in ("samples", "folder")]
    known = {"row": [f.name for f in dataclasses.fields(Row)], "spec": [f.name for f in dataclasses.fields(RunSpec)]}
    missing = [key for key in known.get(words, header) if f"`{key}`" not in RECORDS]
    assert not missing


def test_each_fact_of_a_finished_run_is_named():
    import json

    runs = Path(__file__).parents[1] / "results" / "reference"
    facts = {key for file in runs.glob("*/record.json") for key in json.loads(file.read_text())["facts"]}
    assert facts
    assert not [key for key in facts if f"`{key}`" not in RECORDS]
