"""Whose fault an error is: exit status 2 for users and their code, 3 for ours, and what is said then."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from perceptbench.bench import cli, faults
from perceptbench.bench.commands import listing

MINE = """
class {name}:
    def __call__(self, x, y):
        d = (x - y).square().mean((1, 2, 3))
        {says}
        return d
"""


def left_with(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit status of `bench WORDS` in this process."""
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """`bench list tasks` fails inside our own code."""
    monkeypatch.setattr(listing, "_registry", None)


def test_a_fault_of_ours_has_a_status_of_its_own_and_one_line(
    broken: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = ["Homepage, https://example.org", "Issues, https://example.org/issues"]
    monkeypatch.setattr(faults, "metadata", lambda name: type("M", (), {"get_all": lambda self, key: urls})())
    assert left_with(monkeypatch, "list", "tasks") == 3
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith(f"bench: a fault of perceptbench {faults._version()}, not of what you typed: TypeError: ")
    assert "(listing.py, line " in line
    assert line.endswith("please run the same command with --debug and report what it prints at "
                         "https://example.org/issues")  # fmt: skip


def test_debug_shows_the_traceback(
    broken: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert left_with(monkeypatch, "list", "tasks", "--debug") == 3
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert "--debug" not in said.splitlines()[-1]
    assert left_with(monkeypatch, "run", "--metric", "nothing", "--attack", "l2-pgd", "--eps", "1", "--debug") == 2
    assert "UserError: unknown metric 'nothing'" in capsys.readouterr().err


def test_debug_is_no_option_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.toml").write_text("debug = true\n")
    assert left_with(monkeypatch, "list", "tasks", "--config", str(tmp_path / "a.toml")) == 2
    assert "no option is called 'debug'" in capsys.readouterr().err


def test_help_says_the_statuses(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (("--help",), ("list", "--help")):
        assert left_with(monkeypatch, *words) == 0
        assert "3 a fault of ours" in " ".join(capsys.readouterr().out.split())


def run_mine(folder: Path, says: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`bench run` on a metric of a file that does this besides."""
    (folder / "mine.py").write_text(MINE.format(name="Mine", says=says))
    asked = ("--metric", "py:mine.py:Mine", "--attack", "l2-pgd(steps=2)", "--eps", "1", "--json")
    command = [sys.executable, "-m", "perceptbench", "run", *asked, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_an_exception_late_in_a_run_names_its_samples_and_loses_nothing(tmp_path: Path) -> None:
    """The probe of the flags and the first chunk pass; the second chunk fails, and the same command goes on later."""
    words = ("--limit", "4", "--batch-size", "2", "--certifier", "none")
    late = (
        "import pathlib, sys; n = pathlib.Path('n'); "
        "done = list(pathlib.Path('runs').glob('*/shards/*.parquet')) if n.exists() else []; "
        "sys.exit(7) if done else None"
    )
    (tmp_path / "n").touch()
    failed = run_mine(tmp_path, late, *words)
    assert failed.returncode == 2, failed.stderr
    assert "Traceback" not in failed.stderr
    said = failed.stderr.splitlines()[-1]
    assert "your metric Mine failed: it called sys.exit(7) (" in said
    assert "mine.py, line 5); raised in the samples " in said
    assert " of the metric py:mine.py:Mine" in said
    (tmp_path / "n").unlink()
    again = run_mine(tmp_path, late, *words)
    assert again.returncode == 0, again.stderr
    (run,) = {row["run"] for row in json.loads(again.stdout)["rows"]}
    assert json.loads((tmp_path / "runs" / run / "record.json").read_text())["facts"]["resumed"] == 2


def test_what_is_printed_beside_the_answer_goes_to_standard_error(tmp_path: Path) -> None:
    says = (
        "print('mine'); import os, atexit; os.write(1, b'low'); os.system('echo sub'); atexit.register(print, 'late')"
    )
    done = run_mine(tmp_path, says, "--limit", "1")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["rows"]) == 2
    for word in ("mine", "low", "sub"):
        assert word in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_what_cannot_be_written_to_standard_output_is_said() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "perceptbench", "list", "metrics"], stdout=full, stderr=subprocess.PIPE, text=True,
            check=False, timeout=120,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("bench: the output: No space left on device; free some space")
    assert len(done.stderr.splitlines()) == 1
