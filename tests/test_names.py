"""One name a notion: no two classes share a name, and no two files do unless both are the same thing."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = [path.name for path in (ROOT / "src" / "perceptbench").iterdir() if (ROOT / path.name).is_dir()]
FILES = [file for folder in (*FOLDERS, "benchmarks") for file in sorted((ROOT / folder).rglob("*.py"))]

MANY = {"__init__.py", "__main__.py", "base.py"}
FRONTS = ("bench/commands", "bench/api")
"""A command and a function of the API may have the name of what they run."""
HALVES = ("tasks", "results/tasks")
"""A task is two files of one name."""


def test_no_two_classes_share_a_name():
    places = defaultdict(set)
    for file in FILES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(str(file.relative_to(ROOT)))
    assert len(places) > 200
    assert not {name: files for name, files in places.items() if len(files) > 1}


def test_no_two_files_share_a_name():
    places = defaultdict(set)
    for file in FILES:
        folder = file.parent.relative_to(ROOT).as_posix()
        if file.name not in MANY and folder not in FRONTS:
            places[file.name].add("tasks" if folder in HALVES else folder)
    assert not {name: folders for name, folders in places.items() if len(folders) > 1}
