"""Runs on disk: `<root>/<run>/record.json` beside `samples.parquet`, and shards until it is finished.

record.json is written last and marks a finished run. A process killed at any moment leaves either
shards, which the next writer continues from, or a finished run.
"""

import fcntl
import itertools
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically
from perceptbench.core.spec import question
from perceptbench.results.record import (
    COLUMNS,
    COMMON,
    SCHEMA,
    Record,
    answers,
    columns_of,
    narrowed,
    task_of,
    threat_of,
)
from perceptbench.results.tasks.base import installed, scores_of

MAX_JSON_BYTES = 16 * 2**20

_RUN_ID = re.compile(r"[0-9a-f]{12}")
_STATUSES = ("done", "failed")
_SPEC_TYPES: dict[str, tuple[type, ...]] = {
    "metric": (str,),
    "data": (str,),
    "attack": (str, type(None)),
    "certifier": (str, type(None)),
    "norm": (str, type(None)),
    "eps": (list,),
}
_NAMES = ("task", "threat")
"""Of schema 2; where a spec has none, schema 1 says the same by goal and norm."""
_HEADER_TYPES = {"schema": int, "run": str, "status": str, "spec": dict, "provenance": dict, "facts": dict}
_REQUIRED = ("id", "eps", "label", "right_share", "d0", "d1", "correct", "robust", "radius")
"""Columns without gaps, where a task has them: scores are made of these. `norm_ref` is one that may have gaps."""


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

    def set_aside(self, run_id: str) -> Path | None:
        """Keep a run, but never answer from it again. Its new folder; None where no files are."""
        ...

    def folder(self, run_id: str) -> Path | None:
        """Where images and counter-examples of a run are kept; None where no files are."""
        ...

    def writer(self, run_id: str, columns: Mapping[str, str]) -> AbstractContextManager[Writer]:
        """Hold a run while it is computed; `columns` are those of its samples with their dtypes."""
        ...


class RunStore:
    """The runs in one folder. Reading trusts no file: ids, sizes, types and columns are checked."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, run_id: str) -> Record | None:
        """The finished run of that id; None where there is none, or only a beginning of one.

        Raises UserError for a damaged file, a record of a newer schema, and an id that is none.
        """
        header = self._header(run_id)
        return None if header is None else self._load(header)

    def select(self, *, status: str | None = "done", **fields: object) -> list[Record]:
        """Finished runs whose spec has these values (`metric="lipsim"`, `task="drift"`), by time of creation, then id.

        `status=None` takes failed ones too. Folders that are not runs are passed over. Raises
        UserError as `get` does.
        """
        unknown = set(fields) - {*_SPEC_TYPES, *_NAMES, "seed", "limit", "skip_certified"}
        if unknown:
            raise TypeError(f"a spec has no field {', '.join(sorted(unknown))}")
        chosen = [
            header
            for header in self._headers()
            if status in (None, header["status"])
            and all(_named(header).get(key) == value for key, value in fields.items())
        ]
        chosen.sort(key=lambda header: (str(header["provenance"].get("time", "")), header["run"]))
        return [self._load(header) for header in chosen]

    def covering(self, spec: Mapping[str, Any]) -> Record | None:
        """As the protocol says; of several runs the one with the shortest list of eps."""
        asked = question(spec)
        fits = [header for header in self._headers() if answers(header["spec"], spec, asked)]
        fits.sort(key=lambda header: (len(header["spec"]["eps"]), header["run"]))
        return narrowed(self._load(fits[0]), spec["eps"]) if fits else None

    def set_aside(self, run_id: str) -> Path:
        """Rename the folder of a run, so that it is kept and never answered from."""
        folder = self.folder(run_id)
        taken = [path.name for path in self.root.glob(f"{run_id}.aside-*")]
        number = next(n for n in itertools.count(1) if f"{run_id}.aside-{n}" not in taken)
        return folder.rename(folder.with_name(f"{run_id}.aside-{number}"))

    @contextmanager
    def writer(self, run_id: str, columns: Mapping[str, str] = COLUMNS) -> "Iterator[RunWriter]":
        """Hold a run exclusively while it is computed.

        `columns` are those of the samples with their dtypes, as `columns_of` gives them for a task.
        Raises UserError when another process holds the run, or has finished it in the meantime.
        """
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
            if (folder / "record.json").exists():
                raise UserError(f"the run {run_id} in {self.root} is already finished; give the same command again")
            yield RunWriter(folder, columns)

    def folder(self, run_id: str) -> Path:
        """The folder of a run, whether it is there or not. Raises UserError for what is no id."""
        # The id becomes a path, so it must not be able to leave the root.
        if not _RUN_ID.fullmatch(run_id):
            raise UserError(f"a run id is 12 hex digits, got {run_id!r}")
        return self.root / run_id

    def _headers(self) -> list[dict[str, Any]]:
        folders = self.root.iterdir() if self.root.is_dir() else ()
        headers = [self._header(f.name) for f in folders if f.is_dir() and _RUN_ID.fullmatch(f.name)]
        return [header for header in headers if header is not None]

    def _header(self, run_id: str) -> dict[str, Any] | None:
        path = self.folder(run_id) / "record.json"
        return _checked_header(path, _read_json(path)) if path.exists() else None

    def _load(self, header: dict[str, Any]) -> Record:
        path = self.folder(header["run"]) / "samples.parquet"
        task = task_of(header["spec"], header["facts"])
        samples = _read_samples(path, columns_of(scores_of(task).columns) if installed(task) else COMMON)
        if header["status"] == "done" and not set(header["spec"]["eps"]) <= set(samples["eps"]):
            raise _damaged(path, "an eps of record.json has no samples")
        return Record(samples=samples, folder=path.parent, **header)


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
        """Write the run, rows in the order of the record's frame, and drop the shards."""
        if record.run != self.folder.name:
            raise ValueError(f"the record of run {record.run} does not belong into {self.folder.name}")
        text = json.dumps(record.header(), indent=1, allow_nan=False)
        _write_samples(self.folder / "samples.parquet", record.samples, self.columns)
        write_atomically(self.folder / "record.json", lambda part: part.write_text(text + "\n", encoding="utf-8"))
        shutil.rmtree(self.shards, ignore_errors=True)


def no_samples(columns: Mapping[str, str]) -> pd.DataFrame:
    """A frame of these columns without a row."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def _write_samples(path: Path, frame: pd.DataFrame, columns: Mapping[str, str]) -> None:
    if list(frame.columns) != list(columns):
        raise ValueError(f"samples want the columns {list(columns)}, got {list(frame.columns)}")
    typed = frame.astype(dict(columns))
    if missing := _missing(typed):
        raise ValueError(f"samples want a value in every row, but not all rows have {', '.join(missing)}")
    write_atomically(path, lambda part: typed.to_parquet(part, engine="pyarrow", index=False))


def _shard_or_none(path: Path, columns: Mapping[str, str]) -> pd.DataFrame | None:
    try:
        return _read_samples(path, columns)
    except UserError:
        # Its samples are simply computed again.
        path.unlink()
        return None


def _read_samples(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """These columns of a file; others, which a newer or another task may have written, are passed over."""
    try:
        with pq.ParquetFile(path) as file:
            _check_columns(path, file.schema_arrow, columns)
            samples = file.read(columns=list(columns)).to_pandas(ignore_metadata=True)
        typed = samples[list(columns)].astype(dict(columns))
    except FileNotFoundError:
        raise _damaged(path, "it is missing") from None
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise _damaged(path, str(error).partition("\n")[0]) from error
    if missing := _missing(typed):
        raise _damaged(path, f"values are missing in {', '.join(missing)}")
    return typed


def _missing(samples: pd.DataFrame) -> list[str]:
    return [name for name in _REQUIRED if name in samples and samples[name].isna().any()]


def _check_columns(path: Path, schema: pa.Schema, columns: Mapping[str, str]) -> None:
    names = schema.names
    if not set(columns) <= set(names) or len(names) != len(set(names)):
        raise _damaged(path, f"it should have the columns {', '.join(columns)}; it has {', '.join(names)}")
    for name, wanted in columns.items():
        found = schema.field(name).type
        is_text = pa.types.is_string(found) or pa.types.is_large_string(found)
        if not (is_text if wanted == "string" else str(found).replace("double", "float64") == wanted):
            raise _damaged(path, f"the column {name} should be {wanted}, it is {found}")


def _read_json(path: Path) -> object:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise _damaged(path, f"it is larger than {MAX_JSON_BYTES // 2**20} MiB")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error


def _checked_header(path: Path, header: object) -> dict[str, Any]:
    if not isinstance(header, dict):
        raise _damaged(path, "it is not a JSON object")
    schema = header.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise UserError(f"{path} has schema {schema}, this perceptbench reads up to {SCHEMA}; install a newer one")
    _check_types(path, header, {key: (kind,) for key, kind in _HEADER_TYPES.items()})
    spec = header["spec"]
    _check_types(path, spec, _SPEC_TYPES)
    _check_types(path, spec, {key: (str,) for key in _NAMES if key in spec})
    if spec["norm"] is None and "threat" not in spec:
        raise _damaged(path, "without a norm a spec should say which threat it is of")
    if header["run"] != path.parent.name:
        raise _damaged(path, f"it is the record of run {header['run']!r}")
    if header["status"] not in _STATUSES:
        raise _damaged(path, f"its status is {header['status']!r}, not one of {', '.join(_STATUSES)}")
    if not all(type(eps) in (int, float) for eps in spec["eps"]):
        raise _damaged(path, "eps should be a list of numbers")
    return {key: header[key] for key in _HEADER_TYPES}


def _named(header: Mapping[str, Any]) -> dict[str, Any]:
    """The spec, with task and threat also where schema 1 says them otherwise."""
    spec = header["spec"]
    return {**spec, "task": task_of(spec, header["facts"]), "threat": threat_of(spec)}


def _check_types(path: Path, values: Mapping[str, Any], wanted: Mapping[str, tuple[type, ...]]) -> None:
    for key, kinds in wanted.items():
        if key not in values or not isinstance(values[key], kinds):
            names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
            raise _damaged(path, f"{key!r} should be {names}, got {values.get(key)!r:.60}")


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged: {why}; delete the folder {path.parent} and run the same command again")
