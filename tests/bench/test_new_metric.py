"""The file to begin with is a metric that keeps to the contract and can be run as it is."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_passes_its_own_test_and_runs(folder, bench, data):
    said = bench("new", "metric", "color-net")
    assert sorted(path.name for path in folder.iterdir()) == ["color_net.py", "test_color_net.py"]
    assert len((folder / "color_net.py").read_text().splitlines()) <= 22
    assert '--metric "ColorNet=py:color_net.py:ColorNet,lipsim"' in said
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_color_net.py"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    words = ("--metric", "Mine=py:color_net.py:ColorNet(side=8)", "--attack", "l2-pgd(steps=2)", "--eps", "1")
    rows = bench.json("run", *words, "--data", data)
    assert {row["metric"] for row in rows} == {"Mine"}
    assert not any(row["flags"] for row in rows)


def test_nothing_is_overwritten(folder, bench):
    (folder / "test_ours.py").write_text("kept")
    assert "expected no file at test_ours.py, found one" in bench.refusal("new", "metric", "ours")
    assert [path.name for path in folder.iterdir()] == ["test_ours.py"]
    assert (folder / "test_ours.py").read_text() == "kept"
    bench("new", "metric", "ours", "--to", "there")
    assert sorted(path.name for path in (folder / "there").iterdir()) == ["ours.py", "test_ours.py"]


@pytest.mark.parametrize("name", ["../x", "a b", "1st", "class.py", "x" * 61, "-a", "ü"])
def test_a_name_that_is_no_name_is_refused(name, folder, bench):
    assert "expected a name of letters, digits, - and _" in bench.refusal("new", "metric", "--", name)
    assert not list(folder.iterdir())
