"""From samples to the rows of interface.md: natural, attacked and certified scores."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from results.record import Record
from results.statistics import Estimate, credit, mean_estimate, natural_credit, proportion

Kind = Literal["natural", "attack", "certificate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table. Scores in percent with a 95 % interval, or a mean distance by `unit`."""

    metric: str
    data: str
    kind: Kind
    method: str | None
    norm: str | None
    eps: float | None
    n: int
    score: float
    low: float
    high: float
    unit: Literal["percent", "distance"] = "percent"
    sound: bool | None = None
    seconds: float | None = None
    run: str = ""
    parts: str = ""
    """What an attack was made of: parts with starts, steps and queries."""
    note: str = ""
    """What must be said with any score on this data."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return asdict(self)


def rows_of(record: Record) -> list[Row]:
    """The rows of one run: natural first, then one attack and one certificate row an eps.

    A certified score counts the triplets whose radius exceeds eps: a proof up to eps needs R > eps.
    """
    spec, samples = record.spec, record.samples
    base = {"metric": spec["metric"], "data": spec["data"], "run": record.run}
    smallest = samples[samples["eps"] == samples["eps"].min()] if spec["eps"] else samples
    rows = [_row(base, "natural", None, None, None, proportion(natural_credit(smallest)), record)]
    for eps in spec["eps"]:
        at = samples[samples["eps"] == eps]
        if spec["attack"]:
            rows.append(_row(base, "attack", spec["attack"], spec["norm"], eps, _attacked(record, at), record))
        if spec["certifier"]:
            score = proportion(credit(at, at["radius"] > eps))
            rows.append(_row(base, "certificate", spec["certifier"], spec["norm"], eps, score, record))
    return rows


def table_rows(records: Sequence[Record]) -> list[Row]:
    """The rows of several runs, each natural and certificate row once."""
    rows: dict[tuple[Any, ...], Row] = {}
    for record in records:
        for row in rows_of(record):
            key = (row.metric, row.data, row.kind, row.method, row.norm, row.eps, row.n)
            rows.setdefault(key, row)
    order = {"natural": 0, "attack": 1, "certificate": 2}
    metrics = list(dict.fromkeys((row.metric, row.data) for row in rows.values()))
    return sorted(
        rows.values(),
        key=lambda r: (metrics.index((r.metric, r.data)), order[r.kind], r.norm or "", r.method or "", r.eps or 0),
    )


def _attacked(record: Record, samples: pd.DataFrame) -> Estimate:
    if record.facts.get("unit") == "distance":
        return mean_estimate(samples["d_self"].to_numpy())
    return proportion(credit(samples, samples["robust"]))


def _row(
    base: dict[str, Any],
    kind: Kind,
    method: str | None,
    norm: str | None,
    eps: float | None,
    estimate: Estimate,
    record: Record,
) -> Row:
    distance = kind == "attack" and record.facts.get("unit") == "distance"
    scale = 1 if distance else 100
    sound = {"natural": None, "attack": None, "certificate": record.facts.get("sound")}[kind]
    return Row(
        **base,
        kind=kind,
        method=method,
        norm=norm,
        eps=eps,
        n=estimate.n,
        score=scale * estimate.value,
        low=scale * estimate.low,
        high=scale * estimate.high,
        unit="distance" if distance else "percent",
        sound=sound,
        seconds=record.facts.get("seconds"),
        parts=_parts(record.facts.get("parts", ())) if kind == "attack" else "",
        note=record.facts.get("note", ""),
    )


def _parts(parts: Sequence[Mapping[str, Any]]) -> str:
    """`apgd-ce: starts 3, steps 100; fab: ...`: a table says what ran, with all its numbers."""
    words = [
        f"{part['part']}: " + ", ".join(f"{key} {value}" for key, value in part.items() if key != "part")
        for part in parts
    ]
    return "; ".join(words)
