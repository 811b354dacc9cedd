"""Small data sets in their native layouts, made of coloured noise."""

import csv
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

NIGHTS_COLUMNS = [
    "id",
    "left_vote",
    "right_vote",
    "votes",
    "ref_path",
    "left_path",
    "right_path",
    "split",
    "is_imagenet",
    "prompt",
]


def image(path: Path, seed: int, side: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)


def bomb(path: Path, side: int) -> None:
    """A PNG of some hundred bytes that declares side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    )


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_csv(path: Path, columns: list[str], rows: list[list[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def nights_rows() -> list[list[object]]:
    """Six rows: 0 train, 1 val, 2 and 3 test (imagenet), 4 test (other), 5 test with five votes."""
    facts = [("train", True, 8), ("val", True, 8), ("test", True, 6), ("test", True, 9), ("test", False, 7)]
    facts += [("test", False, 5)]
    return [
        [i, i % 2 == 0, i % 2, votes, f"ref/{i}.png", f"distort/{i}_0.png", f"distort/{i}_1.png", split, known, "dog"]
        for i, (split, known, votes) in enumerate(facts)
    ]


def nights_tree(folder: Path, rows: list[list[object]] | None = None, columns: list[str] = NIGHTS_COLUMNS) -> Path:
    rows = nights_rows() if rows is None else rows
    for i in range(6):
        image(folder / f"ref/{i}.png", 3 * i)
        image(folder / f"distort/{i}_0.png", 3 * i + 1)
        image(folder / f"distort/{i}_1.png", 3 * i + 2)
    write_csv(folder / "data.csv", columns, [[int(v) if j == 1 else v for j, v in enumerate(row)] for row in rows])
    return folder


def bapps_tree(folder: Path, shares: dict[str, list[float]]) -> Path:
    """`shares` by split/subset."""
    for place, values in shares.items():
        for i, share in enumerate(values):
            for j, kind in enumerate(("ref", "p0", "p1")):
                image(folder / place / kind / f"{i:06d}.png", 3 * i + j)
            judge = folder / place / "judge" / f"{i:06d}.npy"
            judge.parent.mkdir(parents=True, exist_ok=True)
            np.save(judge, np.array([share], dtype=np.float32))
    return folder


def csv_tree(folder: Path, labels: list[object], columns: list[str] | None = None) -> Path:
    """triplets.csv with ids t0, t1, ... and images i.png, i_left.png, i_right.png."""
    rows = []
    for i, label in enumerate(labels):
        names = [f"img/{i}.png", f"img/{i}_left.png", f"img/{i}_right.png"]
        for j, name in enumerate(names):
            image(folder / name, 3 * i + j)
        rows.append([f"t{i}", *names, label])
    return write_csv(folder / "triplets.csv", columns or ["id", "ref", "left", "right", "right_preferred"], rows)


@pytest.fixture
def trees() -> SimpleNamespace:
    """The builders above: the test modules have no package to import them from."""
    return SimpleNamespace(
        image=image,
        bomb=bomb,
        truncate=truncate,
        write_csv=write_csv,
        nights_rows=nights_rows,
        nights_tree=nights_tree,
        bapps_tree=bapps_tree,
        csv_tree=csv_tree,
    )
