"""From samples to the rows of interface.md: natural, attacked and certified scores."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.statistics.estimates import Estimate, credit, mean_estimate, natural_credit, score

Kind = Literal["natural", "attack", "certificate"]

_ROUNDING = (("quantize", None),)
"""Rounded clean images are other images, so the natural score is another one too."""
_THREAT = (("move", "reference"), ("eps_left", None), ("eps_right", None), *_ROUNDING, ("protocol", "ours"))


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
    promise: str = ""
    """What a certificate means, in a phrase."""
    confidence: float | None = None
    """1 for a proof, less where a certificate may fail by chance; None for what is no certificate."""
    seconds: float | None = None
    run: str = ""
    parts: str = ""
    """What an attack was made of: parts with starts, steps and queries."""
    note: str = ""
    """What must be said with any score on this data."""
    threat: str = ""
    """Options that make it another question than a change of the reference: only equal ones compare.

    Of a natural row those that change the images before any attack.
    """

    @property
    def likely(self) -> bool:
        """Whether a certificate holds with a stated probability, for a smoothed form of the metric."""
        return self.confidence is not None and self.confidence < 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return asdict(self)


def rows_of(record: Record) -> list[Row]:
    """The rows of one run: natural first, then one attack and one certificate row an eps.

    A certified score counts the triplets whose radius exceeds eps: a proof up to eps needs R > eps.
    """
    spec, samples = record.spec, record.samples
    threat = threat_of(spec)
    base = {"metric": spec["metric"], "data": spec["data"], "run": record.run, "threat": _typed(spec, _ROUNDING)}
    smallest = samples[samples["eps"] == samples["eps"].min()] if spec["eps"] else samples
    rows = [_row(base, "natural", None, None, None, _natural(record, smallest), record)]
    base["threat"] = threat
    for eps in spec["eps"]:
        at = samples[samples["eps"] == eps]
        if spec["attack"]:
            method = _joined(spec["attack"], _chosen(spec), threat)
            rows.append(_row(base, "attack", method, spec["norm"], eps, _attacked(record, at), record))
        if certified := certificate_row(record, eps):
            rows.append(certified)
    return rows


def certificate_row(record: Record, eps: float) -> Row | None:
    """The certified score of a run at any eps, as a radius answers for all of them; None without a certifier."""
    spec, threat = record.spec, threat_of(record.spec)
    if not spec["certifier"]:
        return None
    once = record.samples.drop_duplicates("id")
    base = {"metric": spec["metric"], "data": spec["data"], "run": record.run, "threat": threat}
    proved = _score(record, once, credit(once, once["radius"] > eps))
    return _row(base, "certificate", _joined(spec["certifier"], threat), spec["norm"], eps, proved, record)


def curve_rows(record: Record, most: int = 60) -> list[Row]:
    """Attack rows at every size at which a triplet fell, for an attack that looks for the smallest flip.

    One run of such an attack answers at every eps up to the largest it was given; none for other attacks.
    """
    spec, samples = record.spec, record.samples
    if not record.facts.get("minimal") or threat_of(spec) or record.facts.get("unit") == "distance":
        return []
    last = samples[samples["eps"] == samples["eps"].max()]
    fell = last["correct"] & ~last["robust"]
    sizes = sorted(set(last.loc[fell, "size"]))
    chosen = sizes[:: max(1, -(-len(sizes) // most))]
    base = {"metric": spec["metric"], "data": spec["data"], "run": record.run}
    method = _joined(spec["attack"], _chosen(spec))
    kept = ((eps, credit(last, last["correct"] & ~(fell & (last["size"] <= eps)))) for eps in chosen)
    scores = ((eps, _score(record, last, values)) for eps, values in kept)
    return [_row(base, "attack", method, spec["norm"], eps, estimate, record) for eps, estimate in scores]


def threat_of(spec: Mapping[str, Any]) -> str:
    """The options, as typed, that change the question: who moves, which images count, what the paper asks.

    Empty for the usual threat, a change of the reference.
    """
    return _typed(spec, _THREAT)


def usual(record: Record) -> bool:
    """Whether a run asks the usual question: only the reference moves, images are as they are, protocol is ours."""
    return not threat_of(record.spec)


def _chosen(spec: Mapping[str, Any]) -> str:
    """The options, as typed, that change how an attack goes about it, or what it wants."""
    usual_goal = "push" if str(spec["attack"]).partition("(")[0].endswith("-mse") else "flip"
    return _typed(spec, (("goal", usual_goal), ("restarts", 1)))


def _typed(spec: Mapping[str, Any], usual: Sequence[tuple[str, object]]) -> str:
    """Those options of a run that are not the usual ones, as typed."""
    words = (f"--{key.replace('_', '-')} {spec[key]}" for key, value in usual if spec.get(key, value) != value)
    return " ".join(words)


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


def table_rows(records: Sequence[Record]) -> list[Row]:
    """The rows of several runs, each natural and certificate row once."""
    rows: dict[tuple[Any, ...], Row] = {}
    for record in records:
        # Rounded clean images are other images, and another seed is another draw.
        setting = record.spec.get("quantize"), record.spec.get("seed")
        for row in rows_of(record):
            key = (row.metric, row.data, row.kind, row.method, row.norm, row.eps, row.n, row.unit)
            key += setting[:1] if row.kind == "natural" else setting
            rows.setdefault(key, row)
    order = {"natural": 0, "attack": 1, "certificate": 2}
    metrics = list(dict.fromkeys((row.metric, row.data) for row in rows.values()))
    return sorted(
        rows.values(),
        key=lambda r: (metrics.index((r.metric, r.data)), order[r.kind], r.norm or "", r.method or "", r.eps or 0),
    )


def _natural(record: Record, samples: pd.DataFrame) -> Estimate:
    """The 2AFC score; where no one was asked, the mean distance of the different images."""
    if record.facts.get("answers", True):
        return _score(record, samples, natural_credit(samples))
    return mean_estimate(samples["d0"].to_numpy())


def _score(record: Record, samples: pd.DataFrame, values: np.ndarray) -> Estimate:
    return score(values, references(record, samples["id"]).tolist())


def _attacked(record: Record, samples: pd.DataFrame) -> Estimate:
    if record.facts.get("unit") != "distance":
        return _score(record, samples, credit(samples, samples["robust"]))
    if record.spec.get("goal") == "pull":
        return mean_estimate(samples["d0_adv"].where(samples["label"] == 1, samples["d1_adv"]).to_numpy())
    return mean_estimate(samples["d_self"].to_numpy())


def _row(
    base: dict[str, Any],
    kind: Kind,
    method: str | None,
    norm: str | None,
    eps: float | None,
    estimate: Estimate,
    record: Record,
) -> Row:
    distance = record.facts.get("unit") == "distance" and (kind == "attack" or not record.facts.get("answers", True))
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
        confidence=record.facts.get("confidence") if kind == "certificate" else None,
        promise=record.facts.get("promise", "") if kind == "certificate" else "",
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
