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


def test_the_code_refers_to_pages_that_exist():
    found = set()
    for file in ROOT.glob("*/**/*.py"):
        if not {".venv", "build"} & set(file.relative_to(ROOT).parts):
            found |= set(re.findall(r"\bdocs/\w+\.md\b", file.read_text()))
    assert found
    assert all((ROOT / page).exists() for page in found)


@pytest.mark.parametrize(("heading", "name"), [("Add a metric", "l1"), ("Add an attack", "l2-noise")])
def test_the_examples_of_contributing_work(heading, name):
    """The one-file metric and attack are run as they are printed."""
    import torch

    from perceptbench.attacks.base import attack
    from perceptbench.core.noise import Noise
    from perceptbench.core.spec import Ref
    from perceptbench.metrics.base import metric
    from perceptbench.metrics.classical.pixel import PixelL2

    section = (ROOT / "CONTRIBUTING.md").read_text().split(f"## {heading}")[1]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    exec(compile(code[1], heading, "exec"), {"__name__": f"contributed_{name.replace('-', '_')}"})
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
