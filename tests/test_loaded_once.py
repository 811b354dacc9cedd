"""The plug-in that fails a run in which one file was imported under two names, in runs of its own."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from loaded_once import twice

HELPER = "class Shared: pass\n"
ONCE = "import sys\nsys.path.insert(0, {folder!r})\nimport shared\n\ndef test_it():\n    assert shared.Shared\n"
TWICE = """
import importlib.util

def test_again():
    spec = importlib.util.spec_from_file_location("another.name", shared.__file__)
    sys.modules["another.name"] = importlib.util.module_from_spec(spec)
"""
AN_ALIAS = "\ndef test_alias():\n    sys.modules['alias'] = shared\n"


def run(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """pytest on one file, with the plug-in and without anything else of ours."""
    (folder / "shared.py").write_text(HELPER)
    (folder / "test_it.py").write_text(program.format(folder=str(folder)))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "loaded_once", "--rootdir", str(folder), *words, str(folder)]
    path = {"PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.run(command, env=path, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["one process", "xdist"])
def test_a_file_with_two_names_fails_the_run(tmp_path, words):
    done = run(tmp_path, ONCE + TWICE, *words)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "2 passed" in done.stdout
    said = f"expected one module a file, got another.name and shared from {tmp_path.resolve() / 'shared.py'}"
    assert done.stdout.count(said) == 1


def test_a_link_to_the_file_is_the_file(tmp_path):
    (tmp_path / "link.py").symlink_to("shared.py")
    done = run(tmp_path, ONCE + "import link\n")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "got link and shared" in done.stdout


@pytest.mark.parametrize("more", ["", AN_ALIAS], ids=["one name", "one module under two names"])
def test_one_module_a_file_passes(tmp_path, more):
    assert run(tmp_path, ONCE + more).returncode == pytest.ExitCode.OK


def test_what_installed_packages_do_to_themselves_is_not_ours():
    twins = {name: ModuleType(name) for name in ("pytest", "pytest.again")}
    for module in twins.values():
        module.__file__ = pytest.__file__
    assert twice(twins) == []
