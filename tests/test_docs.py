"""The documents hold together: links lead somewhere, nothing is left to fill in, no path of one machine."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_nothing_is_left_to_fill_in(page):
    text = page.read_text()
    assert not re.search(r"^@[A-Z]+@$|TODO|/work/|/tmp/|/root/", text, re.MULTILINE)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()} | {"src"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_of_the_repository_that_a_page_names_exists(page):
    named = re.findall(r"`([a-z_]+/[\w./-]*)`", page.read_text())
    missing = [path for path in named if path.partition("/")[0] in FOLDERS and not (ROOT / path).exists()]
    assert not [path for path in missing if not path.startswith(("build/", "runs/", "demo/"))]


def test_every_folder_with_code_says_what_belongs_there():
    """`tests` is no package, and scripts of the page have no docstring.

    `testing` is what plug-ins import: beside its docstring it lists its public names, and nothing else.
    """
    import ast

    apart = {".venv", "build", "tests", "docs", "src", "runs", "demo"}
    files = [file for file in ROOT.glob("*/**/*.py") if not apart & set(file.relative_to(ROOT).parts)]
    assert len(files) > 200
    for folder in {file.parent for file in files}:
        tree = ast.parse((folder / "__init__.py").read_text())
        assert ast.get_docstring(tree), folder
        code = [ast.unparse(statement) for statement in tree.body[1:]]
        if folder == ROOT / "testing":
            code = [line for line in code if not line.startswith(("from perceptbench.testing.", "__all__ = "))]
        assert not code, f"{folder}/__init__.py holds code"


def test_the_code_refers_to_pages_that_exist():
    found = set()
    for file in ROOT.glob("*/**/*.py"):
        if not {".venv", "build"} & set(file.relative_to(ROOT).parts):
            found |= set(re.findall(r"\bdocs/\w+\.md\b", file.read_text()))
    assert found
    assert all((ROOT / page).exists() for page in found)


def _code(heading):
    """The first program of a section of CONTRIBUTING."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    return code[1]


@pytest.mark.parametrize(
    ("heading", "file"),
    [
        ("Add a task", "perceptbench_shift/pairs_below_scores.py"),
        ("Add a threat", "perceptbench_shift/shift.py"),
        ("Hold it to its contract", "test_contracts.py"),
    ],
)
def test_what_contributing_quotes_is_what_the_plugin_holds(heading, file):
    """Its classes, as test_plugin.py installs and runs them."""
    whole = (ROOT / "tests" / "plugin" / file).read_text()
    for part in re.split(r"\n\n\n(?=class )", _code(heading)):
        assert part.strip() in whole


def test_the_engine_of_contributing_keeps_the_contract(tmp_path):
    from perceptbench.bench.engines.base import engine
    from perceptbench.core.ref import Ref
    from perceptbench.testing import EngineContract
    from perceptbench.testing.engine_contract import small_job

    exec(compile(_code("Add an engine"), "Add an engine", "exec"), {"__name__": "contributed_backwards"})
    try:
        made = engine.build(Ref("backwards"))
    finally:
        engine._factories.pop("backwards")
        engine._cards.pop("backwards")
    contract = EngineContract()
    contract.test_chunks_give_the_frames_of_this_process(made, small_job(), 2, False)
    contract.test_no_chunk_is_no_work(made, small_job())


@pytest.mark.parametrize(("heading", "name"), [("Add a metric", "l1"), ("Add an attack", "l2-noise")])
def test_the_examples_of_contributing_work(heading, name):
    """The one-file metric and attack are run as they are printed."""
    import torch

    from perceptbench.attacks.base import attack
    from perceptbench.core.noise import Noise
    from perceptbench.core.ref import Ref
    from perceptbench.metrics.base import metric
    from perceptbench.metrics.classical.pixel import PixelL2

    exec(compile(_code(heading), heading, "exec"), {"__name__": f"contributed_{name.replace('-', '_')}"})
    x, y = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).split(1)
    try:
        if heading == "Add a metric":
            assert metric.build(Ref(name))(x, y).shape == (1,)
        else:
            from perceptbench.attacks.objectives import FlipPreference

            label = (PixelL2()(x, x.roll(1, 2)) > PixelL2()(x, y)).float()
            goal = FlipPreference.make(PixelL2(), x.roll(1, 2), y, label)
            found = attack.build(Ref(name))(goal, x, 0.1, Noise.make(0, ["a"]))
            assert (found - x).norm() <= 0.1 + 1e-6
    finally:
        registry = metric if heading == "Add a metric" else attack
        registry._factories.pop(name)
        registry._cards.pop(name)


@pytest.mark.parametrize(("page", "count"), [("docs/python.md", 6), ("README.md", 1)])
def test_the_python_of_a_page_runs_from_top_to_bottom(page, count, tmp_path, monkeypatch, capfd):
    """In an empty folder, and nothing is printed; of README what uses the package."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    blocks = [block for block in blocks if page != "README.md" or "import perceptbench" in block]
    assert len(blocks) == count
    variables: dict[str, object] = {"__name__": "page"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {number}", "exec"), variables)
    assert capfd.readouterr() == ("", "")
