"""One measurement a row, with every raw number; all rows as JSON and as a table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from perceptbench.core.files import write_atomically

SCHEMA = 1
UNITS = {"x": (1.0, "x"), "%": (100.0, " %")}


@dataclass(frozen=True, kw_only=True)
class BenchRow:
    """`value` is what the bar is about; `raw` holds what it was made of, under names, in `raw_unit`.

    `bar` is None where the issue sets none.
    """

    item: str
    metric: str
    what: str
    value: float
    raw: Mapping[str, Sequence[float]]
    batch: int | None = None
    unit: Literal["x", "%"] = "x"
    bar: float | None = None
    sense: Literal[">=", "<="] = ">="
    raw_unit: Literal["s", "MiB"] = "s"
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool | None:
        """Whether the bar was met; None without one."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.sense == ">=" else self.value <= self.bar

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with medians and numbers of measurements beside the raw ones."""
        made = {
            "median": {name: median(times) for name, times in self.raw.items() if times},
            "n": {name: len(times) for name, times in self.raw.items()},
            "passed": self.passed,
        }
        return asdict(self) | made


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Of medians: one disturbed measurement moves neither."""
    return median(above) / median(below)


def line(row: Mapping[str, Any]) -> str:
    """A row of the table; `row` is `BenchRow.to_dict()`, fresh or read from a file."""
    scale, sign = UNITS[row["unit"]]
    times = ", ".join(f"{name} {_short(value)} {row['raw_unit']}" for name, value in row["median"].items())
    bar = "" if row["bar"] is None else f"{row['sense']} {row['bar'] * scale:g}{sign}"
    met = {None: "", True: "yes", False: "**NO**"}[row["passed"]]
    batch = "" if row["batch"] is None else str(row["batch"])
    what = row["what"] + (f" ({row['note']})" if row["note"] else "")
    value = f"{row['value'] * scale:.2f}{sign}"
    return f"| {row['item']} | {row['metric']} | {batch} | {what} | {times} | {value} | {bar} | {met} |"


def table(machine: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: the machine's facts, then one line a row."""
    return "\n".join([
        "; ".join(f"{key}: {value}" for key, value in machine.items()),
        "",
        "| item | metric | batch | what | medians | value | bar | met? |",
        "|---|---|---|---|---|---|---|---|",
        *(line(row) for row in rows),
    ])  # fmt: skip


def write(folder: Path, name: str, machine: Mapping[str, Any], rows: Sequence[BenchRow], minutes: float) -> Path:
    """Put the rows into <folder>/<name>.json and .md; items that were not measured now keep what they had.

    Returns the path of the JSON file.
    """
    path = folder / f"{name}.json"
    fresh = [row.to_dict() | {"date": machine["date"]} for row in rows]
    measured = {row["item"] for row in fresh}
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    kept = [row for row in old if row["item"] not in measured]
    content = {"schema": SCHEMA, "machine": dict(machine), "minutes": round(minutes, 1), "rows": kept + fresh}
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
    markdown = table(machine, kept + fresh) + "\n"
    write_atomically(path.with_suffix(".md"), lambda part: part.write_text(markdown, encoding="utf-8"))
    return path


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
