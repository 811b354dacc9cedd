"""One package, however it is installed and wherever it is run from: the same files, and each under one name."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
BESIDE = ("tests", "benchmarks", "docs", "src")
"""Folders with Python files that are no folders of the package."""
KEPT_OUT = ("results/reference/", "results/baselines/", "reports/reference/")
"""Finished runs in folders of the package: the repository has them, a wheel does not."""


def call(*words: object, cwd: Path, path: Path | str | None = None) -> subprocess.CompletedProcess[str]:
    """A process in `cwd`; with `path`, this alone is searched before the installed packages."""
    env = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    command = [str(word) for word in words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


def python(*words: object, cwd: Path, path: Path | str | None = None) -> str:
    """What a Python process prints. Fails where it fails."""
    done = call(sys.executable, *words, cwd=cwd, path=path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def folders(root: Path = ROOT) -> set[str]:
    """The top-level folders that hold Python files, but those beside the package and those that git ignores."""
    beside = {*BESIDE, *(line.strip("/") for line in (root / ".gitignore").read_text().split())}
    inside = (folder for folder in root.iterdir() if folder.is_dir() and folder.name.isidentifier())
    return {folder.name for folder in inside if folder.name not in beside and any(folder.rglob("*.py"))}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what is needed to build, links as links."""
    copy = tmp_path / "tree"
    copy.mkdir()
    for name in (*folders(), *BESIDE):
        shutil.copytree(
            ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, copy)
    return copy


def without_links(tree: Path) -> Path:
    """A clone of the tree as git makes it on Windows: links are small text files."""
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "all")):
        subprocess.run((*git, *words), cwd=tree, check=True)
    clone = tree.with_name("clone")
    subprocess.run((*git, "clone", "--quiet", "--config", "core.symlinks=false", str(tree), str(clone)), check=True)
    assert (clone / "src" / "perceptbench" / "core").is_file()
    return clone


# -- wheels ------------------------------------------------------------------------------------------------------------


def build(tree: Path, what: str) -> Path:
    """A `wheel`, `sdist` or `editable` wheel of the tree, by the calls that pip makes."""
    to = tree.with_name(f"{tree.name}_{what}")
    to.mkdir()
    code = f"from setuptools import build_meta; build_meta.build_{what}({str(to)!r})"
    python("-P", "-c", code, cwd=tree)
    (made,) = to.iterdir()
    return made


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel by name, but its list of them."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def unpacked(sdist: Path) -> Path:
    """The folder of an sdist."""
    with tarfile.open(sdist) as archive:
        archive.extractall(sdist.parent, filter="data")
    return sdist.parent / sdist.name.removesuffix(".tar.gz")


def expected() -> dict[str, bytes]:
    """Every file of the folders of the package, as it should stand in a wheel."""
    own = ROOT / "src" / "perceptbench"
    files = {f"perceptbench/{file.name}": file.read_bytes() for file in (own / "py.typed", *own.glob("*.py"))}
    for folder in folders():
        for file in (ROOT / folder).rglob("*"):
            name = file.relative_to(ROOT).as_posix()
            if file.is_file() and not name.startswith(KEPT_OUT) and file.parent.name != "__pycache__":
                files[f"perceptbench/{name}"] = file.read_bytes()
    return files


def test_wheels_of_a_checkout_a_clone_without_links_and_sdists_hold_the_same_files(tree):
    wheel = build(tree, "wheel")
    found = contents(wheel)
    assert {name: data for name, data in found.items() if ".dist-info/" not in name} == expected()
    clone = without_links(tree)
    assert contents(build(clone, "wheel")) == found
    for source in (tree, clone):
        assert contents(build(unpacked(build(source, "sdist")), "wheel")) == found
        shutil.rmtree(tree.with_name(f"{source.name}_sdist"))
    site = wheel.with_name("site")
    zipfile.ZipFile(wheel).extractall(site)
    assert "lipsim" in python("-m", "perceptbench", "list", "metrics", cwd=site.parent, path=site)


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_new_file_is_seen_without_installing_again(tree, links):
    source = tree if links else without_links(tree)
    site = source.with_name("site")
    zipfile.ZipFile(build(source, "editable")).extractall(site)
    (source / "metrics" / "classical" / "brand_new.py").write_text("NEW = 'new'\n")
    code = (
        f"import site; site.addsitedir({str(site)!r})\n"
        "from perceptbench.metrics.classical import brand_new\n"
        "print(brand_new.NEW, brand_new.__file__)"
    )
    said, file = python("-S", "-c", code, cwd=site, path=site).split()
    assert said == "new"
    assert Path(file).resolve() == source.resolve() / "metrics" / "classical" / "brand_new.py"


# -- what has to know of a folder --------------------------------------------------------------------------------------


def known(root: Path) -> dict[str, set[str]]:
    """The folders of the package by each place that lists them."""
    tool = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    (layers,) = (one["layers"] for one in tool["importlinter"]["contracts"] if one["type"] == "layers")
    assigned = {
        node.targets[0].id: node.value
        for node in ast.parse((root / "setup.py").read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    entries = list((root / "src" / "perceptbench").iterdir())
    modules = {path.stem for path in entries if path.suffix == ".py"}
    return {
        "links in src/perceptbench": {path.name for path in entries if not path.suffix} - {"__pycache__"},
        "FOLDERS of setup.py": set(ast.literal_eval(assigned["FOLDERS"])),
        "TID251 of ruff": set(tool["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]),
        "layers of import-linter": {name for layer in layers for name in re.split(r"\W+", layer)} - modules,
    }


@pytest.mark.parametrize("place", known(ROOT))
def test_every_folder_with_code_is_known_everywhere(place):
    assert known(ROOT)[place] == folders()


def test_a_folder_that_is_known_nowhere_would_be_seen(tree):
    (tree / "threats" / "lp").mkdir(parents=True)
    (tree / "threats" / "lp" / "ball.py").touch()
    assert folders(tree) == {*folders(), "threats"}
    assert not [place for place, names in known(tree).items() if "threats" in names]


def test_links_lead_to_the_folders_of_their_names():
    for name in folders():
        assert (ROOT / "src" / "perceptbench" / name).resolve() == (ROOT / name).resolve()


def test_every_folder_with_code_is_a_package():
    """setuptools leaves out a folder without __init__.py, and says nothing."""
    holding = {file.parent for name in folders() for file in (ROOT / name).rglob("*.py")}
    assert not [str(folder) for folder in holding if not (folder / "__init__.py").exists()]


# -- tools -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """The layout and the settings of this repository, with one file a folder that every tool should refuse."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    inside = tmp_path / "src" / "perceptbench"
    inside.mkdir(parents=True)
    for folder in (inside, *(tmp_path / name for name in (*folders(), "benchmarks"))):
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
    for name in folders():
        (inside / name).symlink_to(Path("../..") / name)
        (tmp_path / name / "wrong.py").write_text(
            f"import {name}\nimport perceptbench.testing\n\nnumber: int = 'word'\n"
        )
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("mypy",), r'{}/wrong.py:4: error: Incompatible types in assignment (expression has type "str"'),
        (
            ("ruff", "check", "--select", "TID251", "--output-format", "concise"),
            "{}/wrong.py:1:8: TID251 `{}` is banned",
        ),
        (("lint-imports",), "perceptbench.{} is not allowed to import perceptbench.testing"),
    ],
    ids=["mypy", "ruff", "lint-imports"],
)
def test_tools_see_the_files_of_every_folder(wrong, words, said):
    command = Path(sys.executable).with_name(words[0])
    if not command.exists():
        pytest.skip(f"{words[0]} is not installed: pip install '.[check]'")
    done = call(command, *words[1:], cwd=wrong, path=wrong / "src")
    assert done.returncode == 1, done.stderr
    names = folders() - {"testing"} if words[0] == "lint-imports" else folders()
    assert not [name for name in names if said.replace("{}", name) not in done.stdout], done.stdout


# -- wherever it is run from -------------------------------------------------------------------------------------------

MINE = """
from perceptbench.metrics.base import Metric

class Mine(Metric):
    def __call__(self, x, y):
        return (x - y).abs().mean((1, 2, 3))
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of a user's with packages and a module of the names of ours, a metric, and two images."""
    for name in ("core", "metrics", "results"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"OWNER = 'yours, {name}'\n")
    (tmp_path / "attacks.py").write_text("OWNER = 'yours, attacks'\n")
    (tmp_path / "mine.py").write_text(MINE)
    for name, grey in (("a.png", 0), ("b.png", 51)):
        Image.fromarray(np.full((16, 16, 3), grey, np.uint8)).save(tmp_path / name)
    return tmp_path


def test_a_script_beside_packages_of_the_same_names_gets_ours_and_its_own(elsewhere):
    script = elsewhere / "script.py"
    script.write_text(
        "import perceptbench.attacks.base, perceptbench.core.ref, perceptbench.metrics.base\n"
        "import perceptbench.results.rows\n"
        "import attacks, core, metrics, results\n"
        "print(attacks.OWNER, core.OWNER, metrics.OWNER, results.OWNER, sep='; ')\n"
        "print('lipsim' in perceptbench.metrics.base.metric.names())\n"
        "from loaded_once import twice\n"
        "import sys\n"
        "print(perceptbench.metrics.base.__file__, twice(sys.modules))\n"
    )
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(Path(__file__).parent))))
    yours, ours, rest = python(script, cwd=elsewhere, path=path).splitlines()
    assert yours == "yours, attacks; yours, core; yours, metrics; yours, results"
    assert ours == "True"
    file, names = rest.split(" ", 1)
    assert Path(file).resolve() == ROOT.resolve() / "metrics" / "base.py"
    assert names == "[]"


API = """
import sys
import time

began = time.process_time()
import perceptbench as pb

print(time.process_time() - began, "torch" in sys.modules)
import core, metrics, results


class Mine:
    def __call__(self, x, y):
        return (x - y).abs().mean((1, 2, 3))


psnr = pb.metric("psnr")
run = pb.run([psnr, pb.metric("l2"), Mine()], attack="l2-pgd(steps=1)", eps=[0.5, 1, 2], data="photos", limit=3)
print(len(run.frame()), len(run.samples()), len(run.plot().axes))
some = pb.data("photos")[:1]
x, left, right = some.reference, some.left, some.right
print(pb.attack(psnr, x, left, right, "l2-pgd(steps=1)", eps=1.0).size <= 1, pb.certify(psnr, x, left, right).sound)
print(f"{pb.distance(psnr, 'a.png', 'b.png').distance:.1f}")
pb.report([run], to="report")
pb.run("l2", "l2-pgd(steps=1)", 1, limit=3, runs="runs/")
print(len(pb.load("runs/")))
"""


def test_the_example_of_the_api_runs_beside_packages_of_the_same_names(elsewhere):
    (elsewhere / "script.py").write_text(API)
    seconds, torch = (said := python("script.py", cwd=elsewhere).splitlines())[0].split()
    assert float(seconds) < 0.3
    assert torch == "False"
    # Of each metric a natural row and three attacked, of the two that admit it three certified; 3 samples at 3 eps.
    assert said[1:] == ["18 27 1", "tensor([True]) True", "-14.0", "1"]
    assert (elsewhere / "report" / "report.md").exists()


@pytest.mark.parametrize(
    "command", [("-m", "perceptbench"), (Path(sys.executable).with_name("bench"),)], ids=["-m", "bench"]
)
def test_the_command_runs_in_a_folder_with_packages_of_the_same_names(elsewhere, command):
    said = python(*command, "distance", "--metric", "py:mine.py:Mine", "a.png", "b.png", cwd=elsewhere)
    assert "0.2" in said


def test_the_command_runs_above_the_clone(tmp_path):
    """There the clone itself is a folder named as the package."""
    (tmp_path / "perceptbench").symlink_to(ROOT)
    assert "l2-aa" in python("-m", "perceptbench", "list", "attacks", cwd=tmp_path)
