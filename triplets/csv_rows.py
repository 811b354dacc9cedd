"""A CSV file that a stranger may have made: its columns and numbers checked, errors with their row."""

import csv
import hashlib
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from perceptbench.core.errors import UserError
from perceptbench.triplets.images import read_bytes

_PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")


def plain_number(text: str) -> float:
    """A decimal of ASCII digits: `1`, `0.25`, `-.5`. Raises ValueError for any other text, and where it has no float.

    Python also reads `0_1` as 1, `1e-400` as 0, and `inf`, `nan` and digits of other scripts.
    """
    value = float(text) if _PLAIN.fullmatch(text) else math.nan
    if not math.isfinite(value) or (value == 0 and any(digit in text for digit in "123456789")):
        raise ValueError(f"expected a plain decimal, got {text!r}")
    return value


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One line. `where` names it in messages: `data.csv row 17`, the header being row 1."""

    where: str
    values: dict[str, str]

    def text(self, column: str) -> str:
        """A value that must not be blank."""
        value = self.values[column].strip()
        if not value:
            raise UserError(f"{self.where}: expected a value in column {column!r}, got a blank; fill it in")
        return value

    def number(self, column: str, low: float, high: float, blank: float | None = None) -> float:
        """A number within [low, high]; `blank` is what an empty field means, where it may be empty."""
        if blank is not None and not self.values[column].strip():
            return blank
        text = self.text(column)
        try:
            value = plain_number(text)
        except ValueError:
            raise UserError(
                f"{self.where}: expected a number in column {column!r}, got {text!r}; write it with digits, as 0.25"
            ) from None
        if not low <= value <= high:
            raise UserError(f"{self.where}: expected {column!r} between {low:g} and {high:g}, got {text!r}; correct it")
        return value

    def one_of(self, column: str, words: Sequence[str]) -> str:
        """One of some words."""
        text = self.text(column)
        if text not in words:
            raise UserError(f"{self.where}: expected {column!r} to be one of {', '.join(words)}, got {text!r}")
        return text


@dataclass(frozen=True, slots=True)
class CsvTable:
    """All rows of a CSV file and the SHA-256 of its bytes."""

    rows: tuple[CsvRow, ...]
    sha256: str


def read_table(path: Path, columns: Sequence[str]) -> CsvTable:
    """Read a UTF-8 CSV file with a header that holds at least `columns`, in any order.

    Raises UserError when the file is missing, too large, not UTF-8, or lacks a column or a field, and for a column that
    stands there twice.
    """
    content = read_bytes(path, path.name)
    try:
        # The -sig takes off the byte-order mark that spreadsheets write.
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path.name}: expected a CSV file in UTF-8, got {path} ({error}); save it as such") from None
    if not lines:
        raise UserError(f"{path.name}: expected the columns {', '.join(columns)}, got an empty file {path}; fill it in")
    header = [name.strip() for name in lines[0]]
    missing = [name for name in columns if name not in header]
    if missing:
        raise UserError(
            f"{path.name}: expected the column {', '.join(missing)}, got only {', '.join(header)}; add or rename it"
        )
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise UserError(f"{path.name}: expected each column once, got {', '.join(repeated)} twice; rename or drop one")
    rows = []
    for number, fields in enumerate(lines[1:], start=2):
        where = f"{path.name} row {number}"
        if not fields:
            continue
        if len(fields) != len(header):
            raise UserError(f"{where}: expected {len(header)} fields, got {len(fields)}; check its commas and quotes")
        rows.append(CsvRow(where, dict(zip(header, fields, strict=True))))
    return CsvTable(tuple(rows), hashlib.sha256(content).hexdigest())


def check_unique(rows: Sequence[CsvRow], column: str) -> None:
    """Raises UserError, naming both rows, when a value stands in two of them."""
    first: dict[str, str] = {}
    for row in rows:
        value = row.text(column)
        if value in first:
            raise UserError(
                f"{row.where}: expected a new {column}, got {value!r} as in {first[value]}; give each row its own"
            )
        first[value] = row.where
