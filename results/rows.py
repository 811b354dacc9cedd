"""Rows of interface.md: natural, attacked and certified scores of a run. What is scored and how is the task's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from perceptbench.core.errors import UserError
from perceptbench.results.evidence import counted
from perceptbench.results.flags import RaisedFlag, raised
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.statistics.estimates import Estimate, mean_estimate, score
from perceptbench.results.tasks.base import scores_of, task_name

Kind = Literal["natural", "attack", "certificate"]
Unit = Literal["percent", "distance"]
Better = Literal["larger", "smaller"]

_ROUNDING = (("quantize", None),)
"""Images that are rounded or sent through a channel are others, so the natural score is another one too."""
_QUESTION = (("eps_left", None), ("eps_right", None), *_ROUNDING, ("protocol", "ours"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table. Scores in percent with a 95 % interval, or a mean distance by `unit`."""

    metric: str
    data: str
    kind: Kind
    method: str | None
    norm: str | None
    """Of the ball that the threat is; None for a natural row, and for a threat that is no lp ball."""
    eps: float | None
    n: int
    score: float
    low: float
    high: float
    unit: Unit = "percent"
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
    options: str = ""
    """Options, as typed, that change the question: rows compare only where these are equal.

    Of a natural row those that change the images before any attack.
    """
    task: str = "preference"
    """What was asked of the metric, as typed. The 2AFC score of a drift run is a row of the task preference."""
    threat: str | None = None
    """What may change, as typed; None for a natural row."""
    eps_unit: str | None = None
    """What eps is measured in, in a phrase; None for a natural row."""
    flags: tuple[RaisedFlag, ...] = ()
    """What was seen that speaks against this number (docs/flags.md)."""
    measure: str = ""
    """What the score is, where a task has several: `TPR`, `evasion rate`; '' for the one score of a task."""
    better: Better = "larger"
    """Which scores are better for the metric."""
    left_out: int = 0
    """Samples of the run that are in no score of it, as the metric does not answer for their images."""

    @property
    def likely(self) -> bool:
        """Whether a certificate holds with a stated probability, for a smoothed form of the metric."""
        return self.confidence is not None and self.confidence < 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return asdict(self) | {"flags": [asdict(one) for one in self.flags]}


class Measured(NamedTuple):
    """A score of some samples: a share in [0, 1] that rows give in percent, or a mean distance."""

    estimate: Estimate
    unit: Unit
    measure: str = ""
    better: Better = "larger"


ScoreSamples: TypeAlias = Callable[[pd.DataFrame], Measured | None]
"""Scores samples of one eps, one row a sample; None where they hold nothing to score."""
ScoreProofs: TypeAlias = Callable[[pd.DataFrame, float], Measured | None]
"""Scores what is proved at an eps of samples, one row a sample; None where they hold nothing to score."""


def shares(record: Record, samples: pd.DataFrame, credits: np.ndarray) -> Measured:
    """The mean of what each sample earns, in [0, 1], with an interval that draws whole references."""
    return Measured(score(credits, references(record, samples["id"]).tolist()), "percent")


def mean_distance(record: Record, samples: pd.DataFrame, distances: pd.Series) -> Measured:
    """The mean of distances with an interval over references. Raises UserError where all share one reference."""
    clusters = references(record, samples["id"]).tolist()
    if len(set(clusters)) < 2:
        raise UserError(
            f"the run {record.run} has distances of one reference image alone, whose mean has no interval; "
            "delete it, and run it on more images"
        )
    return Measured(mean_estimate(distances.to_numpy(), clusters), "distance")


def rows_of(record: Record) -> list[Row]:
    """The rows of one run, as its task scores it. Raises UserError for a task that is not installed."""
    return scores_of(record.task).rows(record)


def score_rows(
    record: Record,
    *,
    natural: ScoreSamples,
    attacked: ScoreSamples,
    certified: ScoreProofs | None = None,
    also: Sequence[ScoreSamples] = (),
) -> list[Row]:
    """The rows of a run of any task: natural first, then one attack and one certificate row an eps.

    Args:
        natural: scores clean samples.
        attacked: scores samples after the attack.
        certified: scores what the radii of samples prove; None for a task that proves nothing.
        also: further scores of clean samples, each with a `measure` of its own.
    """
    spec, samples = record.spec, counted(record.samples)
    if len(samples) == 0:
        raise UserError(
            f"{spec['metric']} answers for no sample of {spec['data']}, so there is no score; give other images"
        )
    clean = samples[samples["eps"] == samples["eps"].min()] if spec["eps"] else samples
    clean_scores = (scored(clean) for scored in (natural, *also))
    rows = [_row(record, "natural", None, None, one) for one in clean_scores if one is not None]
    for eps in spec["eps"]:
        if spec["attack"] and (left := attacked(samples[samples["eps"] == eps])) is not None:
            rows.append(attack_row(record, eps, left))
        if certified and (row := certificate_row(record, eps, certified)):
            rows.append(row)
    return rows


def attack_row(record: Record, eps: float, measured: Measured) -> Row:
    """What the attack of a run left at an eps."""
    return _row(record, "attack", attack_name(record), eps, measured)


def attack_name(record: Record) -> str:
    """The attack of a run as rows name it: as typed, with the options that change it."""
    return _joined(record.spec["attack"], _approach(record), options_of(record))


def certificate_row(record: Record, eps: float, certified: ScoreProofs) -> Row | None:
    """What the certificates of a run prove at any eps, also one it was not run at; None without a certifier.

    None, too, where no radius under a threat that is no lp ball reaches eps: its bound is too wide there, which says
    nothing of the metric, and tables say "no proof".
    """
    if not record.spec["certifier"] or not reaches(record, eps):
        return None
    method = _joined(record.spec["certifier"], options_of(record))
    proved = certified(counted(record.samples).drop_duplicates("id"), eps)
    return None if proved is None else _row(record, "certificate", method, eps, proved)


def reaches(record: Record, eps: float) -> bool:
    """Whether certificates of this run say anything at an eps: those of lp balls always do."""
    return record.norm is not None or bool((record.samples["radius"] > eps).any())


def options_of(record: Record) -> str:
    """The options, as typed, that change the question: who moves, which images count, what the paper asks.

    Empty for the default question of a task, such as a change of the reference.
    """
    spec = record.spec
    moved = (("move", scores_of(record.task).moves[0]),)
    return _typed(spec, (*moved, *_QUESTION))


def default_question(record: Record) -> bool:
    """Whether only the image moves that moves by default, images are as they are, and the protocol is ours."""
    return not options_of(record)


def _approach(record: Record) -> str:
    """The options, as typed, that change how an attack goes about it, or what it wants."""
    return _typed(record.spec, (("goal", _default_goal(record)), ("restarts", 1)))


def _default_goal(record: Record) -> str:
    """What an attack wants where nobody says it: those on embeddings push, others flip, or do what the task asks."""
    task = task_name(record.task)
    if task in ("preference", "drift"):
        return "push" if str(record.spec["attack"]).partition("(")[0].endswith("-mse") else "flip"
    return scores_of(task).goals[0]


def _typed(spec: Mapping[str, Any], defaults: Sequence[tuple[str, object]]) -> str:
    """Those options of a run that differ from their defaults, as typed."""
    return " ".join(typed_option(key, spec[key]) for key, value in defaults if spec.get(key, value) != value)


def typed_option(key: str, value: object) -> str:
    """An option of a run as it is typed. What is kept as `quantize` is 8bit or the channels of `--through`."""
    name = "through" if key == "quantize" and value != "8bit" else key.replace("_", "-")
    return f"--{name} {value}"


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


def table_rows(records: Sequence[Record]) -> list[Row]:
    """The rows of several runs, each natural and certificate row once."""
    rows: dict[tuple[Any, ...], Row] = {}
    for record in records:
        # Rounded clean images are other images, and another seed is another draw.
        setting = record.spec.get("quantize"), record.spec.get("seed")
        for row in rows_of(record):
            key = (row.metric, row.data, row.task, row.kind, row.method, row.threat, row.eps, row.n, row.unit,
                   row.measure)  # fmt: skip
            key += setting[:1] if row.kind == "natural" else setting
            rows.setdefault(key, row)
    order = {"natural": 0, "attack": 1, "certificate": 2}
    metrics = list(dict.fromkeys((row.metric, row.data) for row in rows.values()))
    return sorted(
        rows.values(),
        key=lambda r: (metrics.index((r.metric, r.data)), order[r.kind], r.threat or "", r.method or "", r.eps or 0),
    )


def _row(record: Record, kind: Kind, method: str | None, eps: float | None, measured: Measured) -> Row:
    facts, (estimate, unit, measure, better) = record.facts, measured
    scale = 100 if unit == "percent" else 1
    natural, proved = kind == "natural", kind == "certificate"
    return Row(
        metric=record.spec["metric"],
        data=record.spec["data"],
        kind=kind,
        method=method,
        norm=None if natural else record.norm,
        eps=eps,
        n=estimate.n,
        score=scale * estimate.value,
        low=scale * estimate.low,
        high=scale * estimate.high,
        unit=unit,
        sound=facts.get("sound") if proved else None,
        promise=facts.get("promise", "") if proved else "",
        confidence=facts.get("confidence") if proved else None,
        seconds=facts.get("seconds"),
        run=record.run,
        parts=_parts(facts) if kind == "attack" else "",
        note=facts.get("note", ""),
        options=_typed(record.spec, _ROUNDING) if natural else options_of(record),
        task=record.task,
        threat=None if natural else record.threat,
        eps_unit=None if natural else record.eps_unit,
        flags=raised(facts, kind),
        measure=measure,
        better=better,
        left_out=left_out(record),
    )


def left_out(record: Record) -> int:
    """How many samples of a run are in no score of it."""
    samples, kept = record.samples, counted(record.samples)
    return 0 if kept is samples else int(samples["id"].nunique() - kept["id"].nunique())


def _parts(facts: Mapping[str, Any]) -> str:
    """`apgd-ce: starts 3, steps 100; fab: ...`: a table says what ran, with all its numbers, and what could not run."""
    parts, left_out = facts.get("parts", ()), facts.get("parts_left_out", ())
    words = [
        f"{part['part']}: " + ", ".join(f"{key} {value}" for key, value in part.items() if key != "part")
        for part in parts
    ]
    draws = facts.get("draws", {})
    if {"gradient", "verdict"} <= set(draws):
        words.append(
            f"each gradient the mean of {draws['gradient']} draws, each answer the majority of {draws['verdict']}"
        )
    if left_out:
        words.append(f"without {', '.join(left_out)}, which need the gradient that this metric does not have")
    return "; ".join(words)
