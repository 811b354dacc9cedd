"""The fault campaign: calls fail where they are told to, and planted faults of the store are seen."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faults import __main__ as command
from benchmarks.faults import shim
from benchmarks.faults.cases import sentence_problems
from benchmarks.forked import CRASHED, Ended, forked
from perceptbench.core.errors import UserError

ROOT = Path(__file__).parents[2]
FAULTED = Path(__file__).with_name("faulted.py")
pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or not sys.platform.startswith("linux"), reason="the library wants Linux and gcc"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shim.build(tmp_path_factory.mktemp("shim"))


def preloaded(library: Path, *words: object) -> subprocess.CompletedProcess[str]:
    env = {**shim.environment(library), "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)


CALLS = """
import sys
from pathlib import Path
from benchmarks.faults.shim import Fault, arm, counted
folder, n, code, sticky = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), bool(int(sys.argv[4]))
(folder / "in").mkdir(parents=True)
arm(folder / "in", n, Fault("planted", code, sticky))
said = []
def attempt(name, call):
    try:
        call()
        said.append(name)
    except OSError as error:
        said.append(f"{name}:{error.errno}")
attempt("outside", lambda: (folder / "out").write_bytes(b"0123456789"))
attempt("mkdir", lambda: (folder / "in" / "x").mkdir())
attempt("write", lambda: (folder / "in" / "a").write_bytes(b"0123456789"))
attempt("rename", lambda: (folder / "in" / "a").rename(folder / "in" / "b"))
attempt("unlink", lambda: (folder / "in" / "b").unlink())
print(*said, counted())
"""


@pytest.mark.parametrize(
    ("n", "code", "sticky", "said"),
    [
        (0, 0, 0, "outside mkdir write rename unlink 5"),
        (1, 5, 0, "outside mkdir:5 write rename unlink 5"),
        (2, 5, 0, "outside mkdir write:5 rename:2 unlink:2 4"),
        (3, 28, 0, "outside mkdir write:28 rename unlink 5"),
        (4, 28, 1, "outside mkdir write rename:28 unlink:2 5"),
        (1, 30, 1, "outside mkdir:30 write:30 rename:30 unlink:30 4"),
    ],
)
def test_the_nth_call_below_the_folder_fails_and_no_other(
    library: Path, tmp_path: Path, n: int, code: int, sticky: int, said: str
) -> None:
    """5: EIO, 28: ENOSPC, 30: EROFS; 2 says that an earlier failure left no file there."""
    done = preloaded(library, "-c", CALLS, tmp_path / "x", n, code, sticky)
    words = done.stdout.split()
    assert words[:-1] == said.split()[:-1], done.stderr
    assert (tmp_path / "x" / "out").read_bytes() == b"0123456789"


def test_a_process_is_killed_in_the_middle_of_a_write(library: Path, tmp_path: Path) -> None:
    done = preloaded(library, "-c", CALLS, tmp_path / "x", 3, -9, 0)
    assert done.returncode == -9
    assert (tmp_path / "x" / "in" / "a").read_bytes() == b"01234"


CAMPAIGNS = [
    ("nothing", 1, 16, "all"),
    ("directly", 10, 1, "killed"),
    ("swallowed", 1, 7, "broken disk"),
    ("raw", 2, 3, "broken disk"),
]


@pytest.fixture(scope="module")
def campaigns(library: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """How each ended, by what was planted."""
    done = preloaded(library, FAULTED, tmp_path_factory.mktemp("campaigns"), json.dumps(CAMPAIGNS))
    assert done.returncode == 0, done.stderr
    return {planted: Ended(**ended) for planted, ended in json.loads(done.stdout).items()}


@pytest.mark.parametrize(
    ("planted", "seen"),
    [
        ("nothing", ""),
        ("directly", "killed at"),
        ("swallowed", "the run ba9876543210"),
        ("raw", "it ends with status 3"),
    ],
)
def test_a_fault_of_the_store_is_seen(campaigns: dict[str, Ended], planted: str, seen: str) -> None:
    done = campaigns[planted]
    assert done.status == 0, done.errors
    *failures, told = done.output.splitlines()
    failures = [one for one in failures if "memory in MiB" not in one]
    assert int(told.split()[0]) > 20
    assert bool(failures) == (planted != "nothing"), done.output
    assert seen in "\n".join(failures)


def test_how_a_command_may_end() -> None:
    assert not sentence_problems(Ended(0, "", ""), killed=False)
    assert not sentence_problems(Ended(2, "", "bench: the disk is full; make room\n"), killed=False)
    assert not sentence_problems(Ended(-9, "", ""), killed=True)
    assert sentence_problems(Ended(-9, "", ""), killed=False)
    assert sentence_problems(Ended(None, "", ""), killed=True) == ["it hangs"]
    assert sentence_problems(Ended(2, "", "bench: one\nbench: two\n"), killed=False)
    assert sentence_problems(Ended(2, "", ""), killed=False)
    assert sentence_problems(Ended(1, "", "bench: one\n"), killed=False)
    assert sentence_problems(Ended(2, "", "Traceback (most recent call last):\nbench: one\n"), killed=False)


def test_a_forked_call_says_how_it_ended(tmp_path: Path) -> None:
    said = tmp_path / "said"
    assert forked(lambda: print("out"), said) == Ended(0, "out\n", "")
    assert forked(lambda: sys.exit(2), said).status == 2
    crashed = forked(lambda: {}["x"], said)
    assert crashed.status == CRASHED
    assert "KeyError" in crashed.errors
    assert forked(lambda: os.kill(os.getpid(), 9), said).status == -9
    assert forked(lambda: __import__("time").sleep(60), said, seconds=0.2).status is None


def test_without_gcc_and_for_figures_of_some_there_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["faults", "--keep", "--stride", "2"])
    with pytest.raises(UserError, match="leave out --stride"):
        command.main()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="expected gcc"):
        shim.build(tmp_path)
