"""Command lines and TOML files for `--config`: up to the plan, before the first image is embedded."""

import contextlib
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from benchmarks.fuzz.edits import Bytes, damaged, edited
from benchmarks.fuzz.oracle import WrongError
from benchmarks.fuzz.surface import Surface
from perceptbench.bench import cli
from perceptbench.bench.commands import finished
from perceptbench.bench.commands.shared import Execution
from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Request

RUN = ("run", "--metric", "psnr", "--attack", "l2-pgd(steps=2)", "--eps", "1,2", "--limit", "1", "--device", "cpu")
LINES: tuple[tuple[str, ...], ...] = (
    RUN,
    (*RUN, "--move", "all", "--eps-left", "0.1", "--eps-right", "0.2"),
    (*RUN, "--goal", "push", "--quantize", "8bit", "--no-skip-certified", "--seed", "3", "--restarts", "2"),
    (*RUN, "--certifier", "smoothing(sigma=0.5)", "--task", "preference", "--threat", "l2", "--batch-size", "2"),
    ("certify", "--metric", "psnr,l2", "--eps", "36/255", "--limit", "1", "--data", "photos", "--json"),
    ("report", "--runs", "runs", "--to", "report", "--format", "md,html"),
    ("check", "--baseline", "baseline.json", "--runs", "runs", "--floor", "attacked@1>=60"),
    ("distance", "a.png", "b.png", "--metric", "psnr", "--tau", "-20", "--eps", "0.1"),
    ("verify", "--runs", "runs"),
    ("list", "metrics"),
)
_WORDS = st.sampled_from(
    ["", "-", "--", "-1", "0", "1e400", "nan", "inf", "1/0", "36/255/2", ",", "1,,2", "1,1", "psnr,psnr", "lipsim:",
     ":", "psnr(", "psnr)", "psnr(a=1)", "l2-pgd(steps=)", "l2-pgd(steps=-1)", "l2-pgd(steps=1e9)",
     "l2-pgd(steps=99999999999999999999)", "l2-pgd(steps=2", "l2-aa(parts=1)", "py:", "py:x.py", "py:x.py:Y", "csv:",
     "csv:nowhere.csv", "nights:.", "bapps:.@x", "images:.", "images:nowhere", "--metric", "--eps", "--attack",
     "--help", "--config", "--limit", "--json", "--goal", "pull", "--move", "left", "--threat", "linf", "--protocol",
     "paper", "margin(exact=7)", "none", "smoothing(n=0)", "smoothing(alpha=2)", "ε", "\x00", "\ud800", "a" * 3000,
     "../x", "\n", "'", "2" * 400, "1_0", "٣", "-0", "1e-320", "true", "l2", "ssim", "train", "run"]
)  # fmt: skip


def _joined(words: Sequence[bytes]) -> bytes:
    return json.dumps([word.decode("utf-8", "surrogatepass") for word in words if _text(word) is not None]).encode()


def _text(word: bytes) -> str | None:
    try:
        return word.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def lines() -> Bytes:
    """Command lines as JSON: words dropped, exchanged, damaged, and strange ones put in."""
    fresh = _WORDS.map(lambda word: word.encode("utf-8", "surrogatepass"))
    return st.one_of([edited([word.encode() for word in line], fresh).map(_joined) for line in LINES])


def judge_line(case: bytes, folder: Path) -> None:
    """Exit status 0, 1 or 2; where it is 2, standard error says why in a sentence or as typer does."""
    _ended(json.loads(case), folder)


def _ended(words: Sequence[str], folder: Path) -> None:
    output, errors = io.StringIO(), io.StringIO()
    before, argv, planned = Path.cwd(), sys.argv, finished.run_and_print
    finished.run_and_print = _planned  # type: ignore[assignment]
    sys.argv = ["bench", *words]
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            cli.main()
        status: object = 0
    except SystemExit as ended:
        status = ended.code or 0
    finally:
        os.chdir(before)
        sys.argv, finished.run_and_print = argv, planned
    said = errors.getvalue()
    if status not in (0, 1, 2):
        raise WrongError(f"an exit status that is not 0, 1 or 2: {status!r}"[:80])
    # Typer says by itself what is wrong with an option; where no command is typed it shows the help.
    sentences = [line for line in said.splitlines() if line.startswith(("bench: ", "Error: "))]
    if status == 2 and len(sentences) != 1 and not said.lstrip().startswith("Usage:"):
        raise WrongError("an exit status of 2 without one sentence", said[-300:])
    if "Traceback" in said:
        raise WrongError("a traceback on standard error", said[-300:])


def _planned(request: Request, execution: Execution) -> None:
    """In place of the run: everything that is refused is refused before. The command ends here."""
    make_plans(request)
    sys.exit(0)


CONFIG = b"""metric = ["psnr"]
attack = "l2-pgd(steps=2)"
eps = [0.5, 1]
limit = 1
device = "cpu"
skip-certified = true
seed = 3
"""
_LINES = st.sampled_from(
    [b"eps = nan\n", b"eps = inf\n", b"eps = [[1]]\n", b"eps = {a = 1}\n", b"limit = -1\n", b"limit = 1.5\n",
     b"limit = '1'\n", b"metric = 1\n", b"metric = []\n", b"[run]\n", b"seed = 1979-05-27\n",
     b"seed = 0xFFFFFFFFFFFFFFFFFFFFFF\n", b"x = 1\n", b"config = 'x'\n", b"help = true\n", b"json = 'yes'\n",
     b"json = true\n", b"eps-left = 1\n", b"\xff\n", b"a.b.c = 1\n", b"eps = [" + b"[" * 3000 + b"]" * 3000 + b"]\n",
     b"skip_certified = false\n", b"batch-size = true\n", b"eps = ['1/0']\n"]
)  # fmt: skip


def configs() -> Bytes:
    """TOML files: lines dropped, exchanged, damaged, and strange ones put in."""
    return st.one_of(edited(CONFIG.splitlines(keepends=True), _LINES).map(b"".join), damaged(CONFIG))


def judge_config(case: bytes, folder: Path) -> None:
    """As a command line."""
    (folder / "case.toml").write_bytes(case)
    _ended(["run", "--config", "case.toml"], folder)


SURFACES = (
    Surface("command line", lines, judge_line, 10),
    Surface("config file", configs, judge_config, 6),
)
