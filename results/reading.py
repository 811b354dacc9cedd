"""The files of a run, read without trust: size, types, columns, values and digests are checked before they are used."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from perceptbench.core.errors import UserError
from perceptbench.results.header_checks import header_problem
from perceptbench.results.record import COMMON, OF_QUERIES, SCHEMA, SEALED_SINCE, VISIBLE, Record, columns_of, task_of
from perceptbench.results.sample_checks import rows_problem, run_problem
from perceptbench.results.seal import ONE_FILE, sample_files, seal_problem
from perceptbench.results.tasks.base import installed, scores_of

MAX_JSON_BYTES = 16 * 2**20
_BESIDE = VISIBLE | OF_QUERIES
"""Columns that some runs have beside those of their task."""
_KEPT = ("schema", "run", "status", "spec", "provenance", "facts")


class DamagedError(UserError):
    """A run whose files are not what was written, or never can have been. It may be set aside and computed again."""


def damaged(path: Path, why: str, folder: Path | None = None) -> DamagedError:
    """The error for a file of the run in that folder, which is that of the file where none is given."""
    folder = folder or path.parent
    return DamagedError(f"{path} is damaged: {why}; delete the folder {folder} and run the same command again")


def read_header(path: Path) -> dict[str, Any]:
    """The content of a record.json. Raises DamagedError, and UserError for a record of a newer schema."""
    header = _json(path)
    if not isinstance(header, dict):
        raise damaged(path, "it is not a JSON object")
    schema = header.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise UserError(f"{path} has schema {schema}, this perceptbench reads up to {SCHEMA}; install a newer one")
    if wrong := header_problem(header) or seal_problem(header):
        raise damaged(path, wrong)
    if header["run"] != path.parent.name:
        raise damaged(path, f"it is the record of run {header['run']!r}")
    return header


def read_run(folder: Path, header: Mapping[str, Any]) -> Record:
    """The run whose header was read from this folder. Raises DamagedError."""
    spec, facts = header["spec"], header["facts"]
    task = task_of(spec, facts)
    scores = scores_of(task) if installed(task) else None
    columns = columns_of(scores.columns) if scores else dict(COMMON)
    later = scores.later if scores else {}
    seal = header["seal"]["samples"] if header["schema"] >= SEALED_SINCE else {}
    paths = [folder / name for name in sorted(seal)] or sample_files(folder) or [folder / ONE_FILE]
    parts = [_part(path, folder, columns, seal, later) for path in paths]
    samples = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    wrong = rows_problem(samples)
    if header["status"] == "done":
        wrong = wrong or run_problem(samples, spec, facts)
    if wrong:
        raise damaged(paths[0] if len(paths) == 1 else folder / "samples", wrong, folder)
    return Record(samples=samples, folder=folder, **{key: header[key] for key in _KEPT})


def _part(
    path: Path, folder: Path, columns: Mapping[str, str], seal: Mapping[str, str], later: Mapping[str, object]
) -> pd.DataFrame:
    """One file of samples; `seal` is empty for a run that has none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise damaged(path, "it is missing", folder) from None
    except OSError as error:
        raise damaged(path, str(error.strerror), folder) from error
    if seal and hashlib.sha256(data).hexdigest() != seal[path.relative_to(folder).as_posix()]:
        raise damaged(path, "its content is not what was written, as the seal in record.json shows", folder)
    try:
        return typed_samples(data, columns, {**later, **({} if seal else {"content": ""})})
    except ValueError as error:
        raise damaged(path, str(error), folder) from error


def typed_samples(data: bytes, columns: Mapping[str, str], later: Mapping[str, object]) -> pd.DataFrame:
    """These columns of a parquet file, and those of _BESIDE that it has; others, which a newer or another task may have
    written, are passed over.

    An older file may lack the columns in `later`, and then has their value there. Raises ValueError for a file that is
    none, and for columns that are missing or of another type.
    """
    try:
        with pq.ParquetFile(io.BytesIO(data)) as file:
            names = file.schema_arrow.names
            columns = {**columns, **{name: kind for name, kind in _BESIDE.items() if name in names}}
            there = {name: kind for name, kind in columns.items() if name in names or name not in later}
            _check_columns(file.schema_arrow, there)
            samples = file.read(columns=list(there)).to_pandas(ignore_metadata=True)
        gaps = [name for name, kind in there.items() if kind != "float64" and samples[name].isna().any()]
        if gaps:
            raise ValueError(f"values are missing in {', '.join(gaps)}")
        filled = samples.assign(**{name: later[name] for name in columns if name not in there})
        return filled[list(columns)].astype(dict(columns))
    except (OSError, pa.ArrowException, TypeError) as error:
        raise ValueError(str(error).partition("\n")[0]) from error


def _check_columns(schema: pa.Schema, columns: Mapping[str, str]) -> None:
    names = schema.names
    if not set(columns) <= set(names) or len(names) != len(set(names)):
        raise ValueError(f"it should have the columns {', '.join(columns)}; it has {', '.join(names)}")
    for name, wanted in columns.items():
        found = schema.field(name).type
        is_text = pa.types.is_string(found) or pa.types.is_large_string(found)
        if not (is_text if wanted == "string" else str(found).replace("double", "float64") == wanted):
            raise ValueError(f"the column {name} should be {wanted}, it is {found}")


def _json(path: Path) -> object:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise damaged(path, f"it is larger than {MAX_JSON_BYTES // 2**20} MiB")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, str(error)) from error
