"""A full disk, missing rights, too little memory: one sentence, and what was there before stays whole."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from perceptbench.bench import cli
from perceptbench.bench.machine_failures import refusal
from perceptbench.core.errors import UserError
from perceptbench.core.files import replaced_when_whole, write_atomically
from perceptbench.training.lipsim.checkpoints import save_checkpoint

LARGE = torch.arange(200_000.0)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to make a file longer, in the middle of a write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: write_atomically(path, lambda part: part.write_text("x" * 500_000)),
    "safetensors": lambda path: write_atomically(path, lambda part: save_file({"a": LARGE}, part)),
    "checkpoint": lambda path: save_checkpoint(path, "me", {"a": LARGE}),
    "parquet": lambda path: write_atomically(path, pd.DataFrame({"a": LARGE.numpy()}).to_parquet),
}


@pytest.mark.parametrize("which", WRITERS)
def test_a_write_that_ends_early_leaves_the_old_file(which: str, tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text("old")
    with files_of_at_most(100_000), pytest.raises((OSError, UserError)) as refused:
        WRITERS[which](path)
    said = refusal(refused.value) or str(refused.value)
    assert str(path) in said
    assert "what was there before is whole" in said
    assert "\n" not in said
    assert [one.name for one in tmp_path.iterdir()] == ["there"]
    assert path.read_text() == "old"


def test_a_library_that_hides_the_reason_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(part: Path) -> None:
        raise RuntimeError("unexpected pos 64 vs 0")

    with pytest.raises(RuntimeError):
        write_atomically(tmp_path / "a", fail)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=7))
    with pytest.raises(OSError, match="No space left") as refused:
        write_atomically(tmp_path / "a", fail)
    assert refused.value.errno == errno.ENOSPC


def test_a_folder_is_replaced_when_all_is_written(tmp_path: Path) -> None:
    to = tmp_path / "report"
    to.mkdir()
    for name in ("report.md", "mine.txt"):
        (to / name).write_text("old")

    def write(words: str, *, fail: bool) -> None:
        with replaced_when_whole(to) as folder:
            write_atomically(folder / "report.md", lambda part: part.write_text(words))
            write_atomically(folder / "figures" / "one.svg", lambda part: part.write_text(words))
            if fail:
                raise OSError(errno.ENOSPC, "No space left on device", str(folder / "two.svg"))

    with pytest.raises(OSError, match="No space"):
        write("half", fail=True)
    assert sorted(path.name for path in to.iterdir()) == ["mine.txt", "report.md"]
    assert (to / "report.md").read_text() == "old"
    write("new", fail=False)
    assert sorted(path.name for path in to.iterdir()) == ["figures", "mine.txt", "report.md"]
    assert [(to / name).read_text() for name in ("report.md", "figures/one.svg", "mine.txt")] == ["new", "new", "old"]


def test_what_a_killed_process_left_is_removed_once_it_is_abandoned(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    parts = {name: tmp_path / f".{name}.part" for name in (int(gone.stdout), 1, "mine")}
    for part in parts.values():
        part.mkdir()
        (part / "report.md").write_text("half")
    with replaced_when_whole(tmp_path):
        pass
    assert all(part.exists() for part in parts.values()), "its process may live on another machine"
    for part in parts.values():
        os.utime(part, (0, 0))
    with replaced_when_whole(tmp_path):
        pass
    assert [name for name, part in parts.items() if part.exists()] == [1, "mine"]


def test_a_new_folder_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), replaced_when_whole(tmp_path / "new"):
        raise ValueError("no")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.md"), "a.md: No space left on device; free some space"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "a: Read-only file system; choose a place that can"),
        (OSError(errno.EACCES, "Permission denied", b"a"), "a: Permission denied; choose another place"),
        (OSError(errno.EIO, "Input/output error", "a"), "a: Input/output error; the disk or the network"),
        (OSError(errno.EMFILE, "Too many open files", "a"), "a: Too many open files; allow more open files: ulimit"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 5000), "...: File name too long; choose a shorter"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "there is too little memory (Cannot allocate memory)"),
        (OSError("broken"), "the output: broken"),
        (MemoryError(), "there is too little memory (MemoryError): close other programs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9\nmore"), "you tried 9): close other"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "there is too little memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "there is too little memory (CUDA out of"),
    ],
)
def test_what_the_machine_refuses_is_said(error: Exception, words: str) -> None:
    said = refusal(error)
    assert words in said
    assert "\n" not in said
    assert len(said) < 700


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ImportError("no module x"), KeyError("a")])
def test_other_errors_pass(error: Exception) -> None:
    assert refusal(error) == ""


def test_the_command_leaves_with_status_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/a")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("bench: runs/a: No space left on device; free some space")
