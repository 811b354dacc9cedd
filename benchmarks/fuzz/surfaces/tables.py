"""A CSV of triplets, and the folders of NIGHTS and BAPPS: cells and rows edited, files removed, linked and replaced."""

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from benchmarks.fuzz.edits import Bytes, damaged, edited
from benchmarks.fuzz.oracle import WrongError
from benchmarks.fuzz.surface import Surface
from benchmarks.fuzz.surfaces.image_files import originals
from perceptbench.core.ref import Ref
from perceptbench.triplets.base import TripletSource, triplets

_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""What every spreadsheet reads as the same number."""
_CELLS = st.sampled_from(
    ["", " ", "0", "1", "0.5", "0_1", "1e-400", "1e400", "nan", "inf", "-0", "-1", "\uff12", "٣", "0x1", "1,0", "True",
     "../a.png", "/etc/passwd", "a.png", "A.PNG", "a.png\0", "é.png", "a\nb", '"', "'", "=1+1", "x" * 5000, "\ufeff",
     "ref", "left", "id", "\u202e", "b.png", "c.png", "."]
)  # fmt: skip
ROWS = (("id", "ref", "left", "right", "right_preferred", "votes"), ("t1", "a.png", "b.png", "c.png", "1", "5"),
        ("t2", "b.png", "c.png", "a.png", "0.25", "7"), ("t3", "c.png", "a.png", "b.png", "", "9"))  # fmt: skip


def table(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as a CSV file in UTF-8."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode("utf-8", "surrogatepass")


@st.composite
def _with_cells(draw: st.DrawFn, rows: Sequence[Sequence[str]]) -> bytes:
    """One to three cells replaced."""
    made = [list(row) for row in rows]
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.integers(0, len(made) - 1))
        made[row][draw(st.integers(0, len(made[row]) - 1))] = draw(st.one_of(_CELLS, st.text(max_size=6)))
    return table(made)


def _tables(rows: Sequence[Sequence[str]]) -> Bytes:
    whole = table(rows)
    lines = whole.splitlines(keepends=True)
    fresh = st.one_of(st.binary(max_size=20), st.just(b"\r\n"), st.just(b'"'), st.just(lines[0]))
    recoded = st.sampled_from(["utf-16", "utf-8-sig", "latin-1", "utf-32"]).map(
        lambda name: whole.decode().encode(name)
    )
    columns = st.permutations(range(len(rows[0]))).map(lambda at: table([[row[i] for i in at] for row in rows]))
    return st.one_of(
        _with_cells(rows), _with_cells(rows), edited(lines, fresh).map(b"".join), damaged(whole), recoded, columns
    )


def judge_csv(case: bytes, folder: Path) -> None:
    """What is accepted has a header without repeats and shares that are plain numbers, and can be read."""
    for name, content in zip("abc", originals("png"), strict=False):
        (folder / f"{name}.png").write_bytes(content)
    (folder / "case.csv").write_bytes(case)
    source = triplets.build(Ref("csv", target=str(folder / "case.csv")))
    lines = [line for line in csv.reader(io.StringIO(case.decode("utf-8-sig"), newline="")) if line]
    header = [name.strip() for name in lines[0]]
    if repeats := {name for name in header if name in ROWS[0] and header.count(name) > 1}:
        raise WrongError("a table whose header repeats a column", repeats)
    rows = [dict(zip(header, line, strict=True)) for line in lines[1:]]
    if len(source.entries) != sum(_told_apart(row) for row in rows):
        raise WrongError("another number of triplets than rows", len(source.entries), len(rows))
    for row in rows:
        share = row["right_preferred"].strip()
        if share and not _PLAIN.fullmatch(share):
            raise WrongError("a share that is no plain number", share)
    _read(source)


def _told_apart(row: dict[str, str]) -> bool:
    """Ties have no answer and are left out of a source."""
    share = row["right_preferred"].strip()
    return bool(share) and float(share) != 0.5


def _read(source: TripletSource) -> None:
    """Read what was accepted."""
    batch = source.batch(source.entries[:2])
    if not all(bool(image.isfinite().all()) for image in batch.images.values()):
        raise WrongError("an image that is not finite")


_NIGHTS = (
    ("id", "left_vote", "right_vote", "votes", "ref_path", "left_path", "right_path", "split", "is_imagenet"),
    ("0", "1", "0", "6", "ref/0.png", "distort/0.png", "distort/1.png", "train", "True"),
    ("1", "0", "1", "7", "ref/1.png", "distort/1.png", "distort/0.png", "test", "False"),
)


def _npy(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value)
    return buffer.getvalue()


def _nights_files() -> dict[str, bytes]:
    picture = originals("png")
    made = {"data.csv": table(_NIGHTS)}
    for place in ("ref", "distort"):
        made |= {f"{place}/{i}.png": picture[i] for i in range(2)}
    return made


def _bapps_files() -> dict[str, bytes]:
    picture = originals("png")
    made: dict[str, bytes] = {}
    for subset in ("cnn", "color"):
        for kind in ("ref", "p0", "p1"):
            made |= {f"val/{subset}/{kind}/{i:06d}.png": picture[i] for i in range(2)}
        made |= {f"val/{subset}/judge/{i:06d}.npy": _npy(np.array([0.8])) for i in range(2)}
    return made


_JUDGES = st.sampled_from(
    [np.array([]), np.array([2.0]), np.array([np.nan]), np.array([0.2, 0.3]), np.array([1], dtype=np.int8),
     np.array(["0.5"]), np.array([0.5 + 1j]), np.array([True]), np.array([["0"]]), np.float16(0.3), np.array([b"1"]),
     np.array([np.datetime64("2020-01-01")]), np.array([(0.5,)], dtype=[("x", "f8")])]
).map(_npy)  # fmt: skip
_NAMES = st.sampled_from(
    ["data.csv", "ref/0.png", "distort/7.png", "val", "val/cnn/judge/000009.npy", "val/cnn/ref/x.PNG", "ref/é.png",
     "val/traditional/ref/a.png", "val/cnn/ref/..png"]
)  # fmt: skip


@st.composite
def _changes(draw: st.DrawFn, files: dict[str, bytes]) -> bytes:
    """One to three files removed, replaced, linked or made a folder, as JSON: [what, name, other or content in hex]."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.one_of(st.sampled_from(sorted(files)), _NAMES))
        what = draw(st.sampled_from(["remove", "folder", "link", "write", "write", "fifo"]))
        other = ""
        if what == "link":
            other = draw(st.sampled_from([*sorted(files), "..", ".", name, "/etc/hostname", "/dev/zero", "nowhere"]))
        elif what == "write":
            other = draw(_content(name, files)).hex()
        made.append([what, name, other])
    return json.dumps(made).encode()


def _content(name: str, files: dict[str, bytes]) -> Bytes:
    if name.endswith(".csv"):
        return _tables(_NIGHTS)
    if name.endswith(".npy"):
        return st.one_of(_JUDGES, damaged(_npy(np.array([0.8]))))
    return st.one_of(damaged(next(iter(files.values()))), st.sampled_from(originals("png")), st.just(b""))


def _laid(case: bytes, folder: Path, files: dict[str, bytes]) -> Path:
    """The folder of a data set after the changes of a case. A change that cannot be made is left out."""
    root = folder / "data"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    for what, name, other in json.loads(case):
        path = root / name
        try:
            _change(path, what, other)
        except OSError:
            continue
    return root


def _change(path: Path, what: str, other: str) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(other)
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "write":
        path.write_bytes(bytes.fromhex(other))


def judge_nights(case: bytes, folder: Path) -> None:
    """What is accepted can be read."""
    _read(triplets.build(Ref("nights", target=str(_laid(case, folder, _nights_files())))))


def judge_bapps(case: bytes, folder: Path) -> None:
    """What is accepted can be read."""
    _read(triplets.build(Ref("bapps", target=str(_laid(case, folder, _bapps_files())))))


SURFACES = (
    Surface("csv", lambda: _tables(ROWS), judge_csv, 14),
    Surface("nights", lambda: _changes(_nights_files()), judge_nights, 8),
    Surface("bapps", lambda: _changes(_bapps_files()), judge_bapps, 8),
)
