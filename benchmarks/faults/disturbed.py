"""The commands that are disturbed: what lies there before, what must still be whole, and what must come out at last."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from perceptbench.bench import cli
from perceptbench.core.errors import UserError
from perceptbench.results.record import Record
from perceptbench.results.store import RunStore

ATTACK = "l2-pgd(steps=2)"
RUN = ("run", "--metric", "psnr", "--attack", ATTACK, "--eps", "1,2", "--device", "cpu", "--batch-size", "2")
BEFORE = (*RUN, "--limit", "2", "--runs", "runs")
DISTURBED = (*RUN, "--limit", "3", "--save-images", "1", "--runs", "runs")
REPORT = ("report", "--runs", "runs", "--to", "report", "--format", "md,html,csv")


def bench(words: Sequence[str], folder: Path) -> None:
    """The command line in this process, in a folder. Raises SystemExit where its exit status is not 0."""
    os.chdir(folder)
    sys.argv = ["bench", *words]
    try:
        cli.main()
    except SystemExit as ended:
        if ended.code not in (0, None):
            raise


@dataclass(frozen=True)
class DisturbedCommand:
    """A command and the folder it is given.

    Args:
        before: commands that make what lies there already.
        words: the command that is disturbed.
        kept: the folder that it writes to.
    """

    name: str
    before: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    kept: str

    def problems(self, folder: Path, old: Path, new: Path, *, finished: bool) -> list[str]:
        """What is wrong in a folder, beside an undisturbed one before the command (`old`) and after it (`new`).

        With `finished` the command has said that it is done, so all that it makes has to be there.
        """
        return [*_runs(folder, old, new, finished=finished), *_report(folder, old, new, finished=finished)]


SUBJECTS = (
    DisturbedCommand("bench run", (BEFORE,), DISTURBED, "runs"),
    DisturbedCommand("bench report", (BEFORE, REPORT, (*RUN, "--limit", "3", "--runs", "runs")), REPORT, "report"),
)


def prepared(subject: DisturbedCommand, folder: Path) -> None:
    """Make what lies there before the command."""
    folder.mkdir(parents=True)
    for words in subject.before:
        bench(words, folder)


def _runs(folder: Path, old: Path, new: Path, *, finished: bool) -> list[str]:
    """Every run from before is there and the same; a new one is not there, or is whole."""
    found, wrong = RunStore(folder / "runs"), []
    before = {path.parent.name for path in old.glob("runs/*/record.json")}
    for path in sorted(new.glob("runs/*/record.json")):
        name = path.parent.name
        right = RunStore(new / "runs").get(name)
        if right is None:
            raise UserError(f"the undisturbed command left no run {name}")
        try:
            record = found.get(name)
        except UserError as error:
            wrong.append(f"the run {name} cannot be read: {error}")
            continue
        if record is None and (name in before or finished):
            wrong.append(f"the run {name} is lost" if name in before else f"done, and the run {name} is not there")
        if record is not None:
            wrong += _differences(record, right)
    left = [path for path in folder.glob("runs/*/**/.*") if path.name != ".lock"] if finished else []
    return wrong + [f"a part of a file is left behind in {path.parent.name}: {path.suffix or '.tmp*'}" for path in left]


def _differences(record: Record, right: Record) -> list[str]:
    """A silently different number."""
    try:
        pd.testing.assert_frame_equal(record.samples, right.samples)
    except AssertionError as error:
        return [f"the run {record.run} has other samples: {' '.join(str(error).split())}"]
    same = record.spec == right.spec and record.facts.get("flags") == right.facts.get("flags")
    return [] if same else [f"the run {record.run} has another spec or other flags"]


def _report(folder: Path, old: Path, new: Path, *, finished: bool) -> list[str]:
    """Every file of the report is the old or the new one, whole; a new document shows nothing old."""
    before, after, found = (_files(place / "report") for place in (old, new, folder))
    wrong = [f"{name} of the report is lost" for name in before if name not in found]
    for name, content in found.items():
        if any(part.startswith(".") for part in Path(name).parts):
            continue  # a part that a killed process left behind; nothing reads it
        if content not in (before.get(name), after.get(name)):
            wrong.append(f"{name} of the report is neither the old nor the new one: {len(content)} bytes")
        elif finished and content != after.get(name):
            wrong.append(f"{name} of the report is not what the command makes undisturbed")
    if finished:
        wrong += [f"{name} of the report is not there" for name in after if name not in found]
        wrong += [f"{part.name} is left behind in the report" for part in (folder / "report").glob(".*.part")]
    return wrong


def aged(folder: Path) -> None:
    """As if the folders that a killed process left had lain there for long: the next report has to remove them."""
    for part in folder.glob("report/.*.part"):
        os.utime(part, (0, 0))


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def copied(template: Path, folder: Path) -> None:
    """A fresh copy of a template."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
