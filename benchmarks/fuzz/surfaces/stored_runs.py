"""Finished runs and baselines: record.json edited, its seal made anew or not, samples rewritten, a baseline edited."""

import io
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from benchmarks.fuzz.edits import VALUES, Bytes, as_text, damaged, edited_value, json_text
from benchmarks.fuzz.oracle import WrongError
from benchmarks.fuzz.surface import Surface
from perceptbench.core.errors import UserError
from perceptbench.core.spec import canonical_json
from perceptbench.results.gate import baseline_file
from perceptbench.results.ledger import Ledger
from perceptbench.results.record import COLUMNS, Record
from perceptbench.results.rows import table_rows
from perceptbench.results.seal import sealed
from perceptbench.results.store import RunStore

RUN = "0123456789ab"
BASELINE = Path(__file__).parents[3] / "results" / "baselines" / "default.json"


def record() -> Record:
    """A small run: two samples at two eps."""
    frame = pd.DataFrame({"id": ["a", "b"] * 2, "group": "g", "eps": [0.5, 0.5, 1.0, 1.0], "label": 1})
    frame = frame.assign(right_share=1.0, d0=[0.5, 0.4] * 2, d1=[0.2, 0.1] * 2, correct=True, norm_ref=1.0)
    frame = frame.assign(d0_adv=0.3, d1_adv=[0.2, 0.2, 0.4, 0.2], d_self=0.1, robust=[True, True, False, True])
    frame = frame.assign(size=[0.4, 0.4, 0.9, 0.9], broken_by=["", "", "l2-pgd", ""], radius=[0.1, 0.2] * 2)
    frame = frame.assign(forwards=2.0, backwards=2.0, content=["0" * 16, "1" * 16] * 2)
    spec: dict[str, Any] = {"metric": "psnr", "data": "d", "attack": "l2-pgd", "certifier": "margin", "norm": "l2"}
    spec |= {"eps": [0.5, 1.0], "task": "preference", "threat": "l2", "goal": "flip", "seed": 0}
    samples = frame[list(COLUMNS)].astype(COLUMNS)
    provenance = {"time": "2026-01-01T00:00:00+00:00", "cpu": "x"}
    facts = {"sound": True, "n": 2, "unit": "percent"}
    return Record(run=RUN, spec=spec, provenance=provenance, samples=samples, facts=facts)


@cache
def original() -> Mapping[str, bytes]:
    """The files of that run."""
    with TemporaryDirectory() as folder:
        with RunStore(Path(folder)).writer(RUN) as writer:
            writer.finish(record())
        made = Path(folder) / RUN
        return {name: (made / name).read_bytes() for name in ("record.json", "samples.parquet")}


def _laid(folder: Path, files: Mapping[str, bytes]) -> Path:
    run = folder / RUN
    run.mkdir()
    for name, content in files.items():
        (run / name).write_bytes(content)
    return run


def resealed(header: Any, samples: bytes) -> bytes:
    """The text of a record.json whose seal fits, as a forger would make it; that of anything else as it is."""
    if not isinstance(header, dict):
        return as_text(header)
    plain = {key: value for key, value in header.items() if key != "seal"}
    with TemporaryDirectory() as folder:
        run = _laid(Path(folder), {"samples.parquet": samples})
        try:
            return as_text(sealed(plain, run, {}))
        except (ValueError, TypeError, UnicodeError, RecursionError):
            return as_text(header)


def records() -> Bytes:
    """Texts of record.json."""
    files = original()
    header = json.loads(files["record.json"])
    forged = edited_value(header).map(lambda value: resealed(value, files["samples.parquet"]))
    return st.one_of(forged, forged, json_text(header), damaged(files["record.json"]))


def judge_record(case: bytes, folder: Path) -> None:
    """What is read can be shown; under the seal of the original it is the original, samples and all."""
    files = original()
    _laid(folder, {**files, "record.json": case})
    found = RunStore(folder).get(RUN)
    if found is None:
        raise WrongError("a finished run that is not there")
    table_rows([found])
    Ledger([found])
    right = json.loads(files["record.json"])
    same_seal = json.loads(case).get("seal") == right["seal"]
    if same_seal and canonical_json(found.header()) != canonical_json({k: v for k, v in right.items() if k != "seal"}):
        raise WrongError("a changed record under the seal of the original")


@st.composite
def _frames(draw: st.DrawFn) -> bytes:
    """Tables of samples with one to three columns dropped, renamed, of another type or with another value."""
    frame = pd.read_parquet(io.BytesIO(original()["samples.parquet"]))
    for _ in range(draw(st.integers(1, 3))):
        column = draw(st.sampled_from(sorted(frame.columns))) if len(frame.columns) else "id"
        kind = draw(st.sampled_from(["drop", "rename", "type", "value", "value", "rows", "repeat"]))
        try:
            frame = _changed(draw, frame, column, kind)
        except (ValueError, TypeError, KeyError, OverflowError, ArithmeticError):
            continue
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=draw(st.booleans()))
    except Exception:  # pyarrow has a dozen kinds for a table that it cannot write
        return original()["samples.parquet"]
    return buffer.getvalue()


def _changed(draw: st.DrawFn, frame: pd.DataFrame, column: str, kind: str) -> pd.DataFrame:
    if kind == "drop":
        return frame.drop(columns=column)
    if kind == "rename":
        return frame.rename(columns={column: draw(st.text(max_size=4))})
    if kind == "type":
        return frame.astype(
            {column: draw(st.sampled_from(["string", "float32", "int64", "bool", "object", "category"]))}
        )
    if frame.empty:
        return frame
    if kind == "rows":
        return frame.iloc[draw(st.lists(st.integers(0, max(len(frame) - 1, 0)), max_size=5))]
    if kind == "repeat":
        return pd.concat([frame, frame.iloc[:1]])
    values = frame[column].astype("object").tolist()
    values[draw(st.integers(0, len(values) - 1))] = draw(st.sampled_from(VALUES[:20]))
    return frame.assign(**{column: values})


def samples() -> Bytes:
    """Contents of samples.parquet."""
    return st.one_of(_frames(), _frames(), damaged(original()["samples.parquet"]))


def judge_samples(case: bytes, folder: Path) -> None:
    """Unsealed, only the original is read; with a seal made anew, what is read can be shown."""
    files = original()
    run = _laid(folder, {**files, "samples.parquet": case})
    try:
        unsealed = RunStore(folder).get(RUN)
    except UserError:
        unsealed = None
    if unsealed is not None and case != files["samples.parquet"]:
        raise WrongError("other samples under the seal of the original")
    (run / "record.json").write_bytes(resealed(json.loads(files["record.json"]), case))
    found = RunStore(folder).get(RUN)
    if found is None:
        raise WrongError("a run that was written is not there")
    table_rows([found])
    Ledger([found])


@cache
def _baseline() -> Any:
    """The start of the shipped baseline: its first run with three samples."""
    whole = json.loads(BASELINE.read_text(encoding="utf-8"))
    run = dict(whole["runs"][0])
    for key, value in run.items():
        if isinstance(value, dict) and len(value) > 20:
            run[key] = dict(list(value.items())[:3])
    return {**whole, "runs": [run]}


def judge_baseline(case: bytes, folder: Path) -> None:
    """What is read can be written, and is then read as the same."""
    path, again = folder / "case.json", folder / "again.json"
    path.write_bytes(case)
    found = baseline_file.read(path)
    baseline_file.write(found, again)
    if baseline_file.read(again) != found:
        raise WrongError("a baseline that is another one when it is written and read again")


SURFACES = (
    Surface("record.json", records, judge_record, 10),
    Surface("samples.parquet", samples, judge_samples, 6),
    Surface("baseline", lambda: json_text(_baseline()), judge_baseline, 6),
)
