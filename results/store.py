"""Runs on disk: `<root>/<run>/record.json` beside `samples.parquet`, and shards until it is finished.

record.json is written last and marks a finished run. A process killed at any moment leaves either shards, which the
next writer continues from, or a finished run.
"""

import fcntl
import json
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from perceptbench.core.errors import LeftOutWarning, UserError
from perceptbench.core.files import write_atomically
from perceptbench.core.spec import question
from perceptbench.results.header_checks import SPEC
from perceptbench.results.reading import read_header, read_run, typed_samples
from perceptbench.results.record import COLUMNS, SEALED_SINCE, Record, answers, narrowed, task_of, threat_of
from perceptbench.results.sample_checks import rows_problem, run_problem
from perceptbench.results.saved_images import image_files
from perceptbench.results.seal import digests, sealed

_RUN_ID = re.compile(r"[0-9a-f]{12}")


class Writer(Protocol):
    """One run being computed."""

    done: pd.DataFrame
    """Samples that an earlier process left behind."""

    def add(self, frame: pd.DataFrame) -> None:
        """Keep finished samples: all eps of a sample in one frame."""
        ...

    def discard(self) -> None:
        """Forget what an earlier process left behind."""
        ...

    def finish(self, record: Record) -> None:
        """Keep the run."""
        ...


class Store(Protocol):
    """Where runs are kept and answered from: a folder (RunStore), or this process alone (memory_store.py)."""

    def get(self, run_id: str) -> Record | None:
        """The finished run of that id; None where there is none."""
        ...

    def covering(self, spec: Mapping[str, Any]) -> Record | None:
        """A finished run of the same question whose list of eps holds those of `spec`, cut down to these; else None.

        Its rows keep the id of the run they are from.
        """
        ...

    def folder(self, run_id: str) -> Path | None:
        """Where images and counter-examples of a run are kept; None where no files are."""
        ...

    def writer(self, run_id: str, columns: Mapping[str, str]) -> AbstractContextManager[Writer]:
        """Hold a run while it is computed; `columns` are those of its samples with their dtypes."""
        ...

    def set_aside(self, run_id: str) -> Path | None:
        """Answer from this run no more; where it lies now, None where no files are."""
        ...


class RunStore:
    """The runs in one folder. Reading trusts no file: ids, sizes, types, values and digests are checked."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, run_id: str) -> Record | None:
        """The finished run of that id; None where there is none, or only a beginning of one.

        Raises DamagedError for a damaged file, UserError for a record of a newer schema and an id that is none.
        """
        header = self._header(run_id)
        return None if header is None else self._load(header)

    def select(self, *, status: str | None = "done", **fields: object) -> list[Record]:
        """Finished runs whose spec has these values (`metric="lipsim"`, `task="drift"`), by time of creation, then id.

        `status=None` takes failed ones too. Folders that are not runs are passed over. A run that `get` would refuse is
        left out, and a LeftOutWarning says so: one bad run does not block the others.
        """
        if unknown := set(fields) - set(SPEC):
            raise TypeError(f"a spec has no field {', '.join(sorted(unknown))}")
        found = []
        for name in self._names():
            try:
                header = self._header(name)
                if header is not None and status in (None, header["status"]) and _has(header, fields):
                    found.append(self._load(header))
            except UserError as error:
                warnings.warn(f"left out the run {name}: {error}", LeftOutWarning, stacklevel=2)
        return sorted(found, key=lambda record: (str(record.provenance.get("time", "")), record.run))

    def covering(self, spec: Mapping[str, Any]) -> Record | None:
        """As the protocol says; of several runs the one with the shortest list of eps."""
        asked = question(spec)
        fits = [header for header in self._headers() if answers(header["spec"], spec, asked)]
        for header in sorted(fits, key=lambda header: (len(header["spec"]["eps"]), header["run"])):
            try:
                return narrowed(self._load(header), spec["eps"])
            except UserError as error:
                warnings.warn(f"left out the run {header['run']}: {error}", LeftOutWarning, stacklevel=2)
        return None

    @contextmanager
    def writer(self, run_id: str, columns: Mapping[str, str] = COLUMNS) -> "Iterator[RunWriter]":
        """Hold a run exclusively while it is computed.

        `columns` are those of the samples with their dtypes, as `columns_of` gives them for a task.
        Raises UserError when another process holds the run, or has finished it in the meantime.
        """
        folder = self.folder(run_id)
        with self._held(run_id):
            if (folder / "record.json").exists():
                raise UserError(f"the run {run_id} in {self.root} is already finished; give the same command again")
            yield RunWriter(folder, columns)

    def set_aside(self, run_id: str) -> Path:
        """Rename the folder of a run to `<run>.aside-1`, or the first free number, so that nothing is answered from it.

        Nothing in it is lost. Raises UserError where another process holds the run, and where there is none.
        """
        folder = self.folder(run_id)
        if not folder.is_dir():
            raise UserError(f"there is no run {run_id} in {self.root} to set aside")
        with self._held(run_id):
            number = 1
            while (aside := folder.with_name(f"{run_id}.aside-{number}")).exists():
                number += 1
            return folder.rename(aside)

    def folder(self, run_id: str) -> Path:
        """The folder of a run, whether it is there or not. Raises UserError for what is no id."""
        # The id becomes a path, so it must not be able to leave the root.
        if not _RUN_ID.fullmatch(run_id):
            raise UserError(f"a run id is 12 hex digits, got {run_id!r}")
        return self.root / run_id

    @contextmanager
    def _held(self, run_id: str) -> Iterator[None]:
        """No other process writes this run. Raises UserError where one does."""
        folder = self.folder(run_id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / ".lock").open("w")
        except OSError as error:
            raise UserError(
                f"cannot write to {folder} ({error.strerror}); choose another folder with --runs"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"another process is working on the run {run_id} in {self.root}; "
                    "wait for it to end, or choose another folder with --runs"
                ) from None
            yield

    def _headers(self) -> Iterator[Mapping[str, Any]]:
        """Of finished runs; one that cannot be read is left out with a warning."""
        for name in self._names():
            try:
                header = self._header(name)
            except UserError as error:
                warnings.warn(f"left out the run {name}: {error}", LeftOutWarning, stacklevel=2)
                continue
            if header is not None and header["status"] == "done":
                yield header

    def _names(self) -> list[str]:
        folders = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(folder.name for folder in folders if folder.is_dir() and _RUN_ID.fullmatch(folder.name))

    def _header(self, run_id: str) -> dict[str, Any] | None:
        path = self.folder(run_id) / "record.json"
        return read_header(path) if path.exists() else None

    def _load(self, header: Mapping[str, Any]) -> Record:
        return read_run(self.folder(header["run"]), header)


def _has(header: Mapping[str, Any], fields: Mapping[str, object]) -> bool:
    """Whether a spec has these values; task and threat also where schema 1 says them otherwise."""
    spec = header["spec"]
    said = {**spec, "task": task_of(spec, header["facts"]), "threat": threat_of(spec)}
    return all(said.get(key) == value for key, value in fields.items())


class RunWriter:
    """One run being computed. Made by `RunStore.writer`, which holds the lock."""

    def __init__(self, folder: Path, columns: Mapping[str, str]) -> None:
        self.folder, self.columns = folder, columns
        self.shards = folder / "shards"
        for part in (path for place in (folder, self.shards, folder / "images") for path in place.glob(".*.part")):
            part.unlink()
        kept = {path: _shard_or_none(path, columns) for path in sorted(self.shards.glob("*.parquet"))}
        frames = [frame for frame in kept.values() if frame is not None]
        self.done = pd.concat(frames, ignore_index=True) if frames else no_samples(columns)
        """Samples of the shards that an earlier process left behind."""
        self._next = 1 + max((int(path.stem) for path in kept if path.stem.isdigit()), default=-1)

    def add(self, frame: pd.DataFrame) -> None:
        """Put finished samples on disk: all eps of a sample in one frame."""
        _write_samples(self.shards / f"{self._next:06d}.parquet", frame, self.columns)
        self._next += 1

    def discard(self) -> None:
        """Delete the shards of an earlier process."""
        shutil.rmtree(self.shards, ignore_errors=True)
        self.done = no_samples(self.columns)

    def finish(self, record: Record) -> None:
        """Write the run with its seal, rows in the order of the record's frame, and drop the shards."""
        if record.run != self.folder.name:
            raise ValueError(f"the record of run {record.run} does not belong into {self.folder.name}")
        if wrong := run_problem(record.samples, record.spec, record.facts):
            raise _impossible(wrong)
        _write_samples(self.folder / "samples.parquet", record.samples, self.columns)
        header = record.header()
        if record.schema >= SEALED_SINCE:
            header = sealed(header, self.folder, digests(self.folder, image_files(self.folder)))
        text = json.dumps(header, indent=1, allow_nan=False)
        write_atomically(self.folder / "record.json", lambda part: part.write_text(text + "\n", encoding="utf-8"))
        shutil.rmtree(self.shards, ignore_errors=True)


def no_samples(columns: Mapping[str, str]) -> pd.DataFrame:
    """A frame of these columns without a row."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def _write_samples(path: Path, frame: pd.DataFrame, columns: Mapping[str, str]) -> None:
    """Raises ValueError for other columns, and UserError for values that would be refused when they are read."""
    if list(frame.columns) != list(columns):
        raise ValueError(f"samples want the columns {list(columns)}, got {list(frame.columns)}")
    typed = frame.astype(dict(columns))
    if wrong := rows_problem(typed):
        raise _impossible(wrong)
    write_atomically(path, lambda part: part.write_bytes(typed.to_parquet(None, engine="pyarrow", index=False)))


def _impossible(why: str) -> UserError:
    return UserError(f"these samples cannot be kept: {why}; correct the metric, attack or data set that gave them")


def _shard_or_none(path: Path, columns: Mapping[str, str]) -> pd.DataFrame | None:
    try:
        samples = typed_samples(path.read_bytes(), columns, {})
    except (OSError, ValueError):
        samples = None
    if samples is None or rows_problem(samples):
        # Its samples are simply computed again.
        path.unlink()
        return None
    return samples
