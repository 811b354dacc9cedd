"""The numbers that new ones are compared with: runs of a small matrix with the outcome of every sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from perceptbench.core.errors import UserError
from perceptbench.results.evidence import counted
from perceptbench.results.gate.sample_outcome import SampleOutcome
from perceptbench.results.record import Record, task_of, threat_of
from perceptbench.results.tasks.base import Gated, Measure, scores_of

SCHEMA = 2
"""Schema 1 had no margins, radii and machines, and only tasks whose outcomes stand or fall."""
TOLERANCE = 2.0
ALPHA = 0.05
AUDIT_IMAGES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineRun:
    """One run of the matrix.

    Args:
        spec: that of record.json, with task and threat also where schema 1 said them otherwise.
        outcomes: by the id of the sample.
        machine: on which it was computed, as far as that decides how sums are rounded; empty where not known.
        confidence: of its certificates: 1 for a proof, less where they are drawn at random; None without.
        natural, attacked: what the values of the outcomes are.
        references, others: the reference image of each sample that shares it with others, and the image that each
            pair is compared with. Not in the file: the run that is compared is on the same data.
    """

    run: str
    spec: Mapping[str, Any]
    outcomes: Mapping[str, SampleOutcome]
    machine: Mapping[str, Any] = field(default_factory=dict)
    confidence: float | None = None
    natural: Measure = "stands"
    attacked: Measure = "stands"
    references: Mapping[str, str] = field(default_factory=dict, compare=False)
    others: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def scores(self) -> dict[str, list[float]]:
        """For people who read the file: percent that stand, or mean distances; natural, certified, attacked by eps."""
        every = list(self.outcomes.values())
        columns: dict[str, tuple[Measure, list[tuple[float, ...]]]] = {
            "natural": (self.natural, [(one.natural,) for one in every]),
            "certified": ("stands", [one.certified for one in every if one.certified]),
            "attacked": (self.attacked, [one.attacked for one in every if one.attacked]),
        }
        return {
            name: [_score(values, measure) for values in zip(*column, strict=True)]
            for name, (measure, column) in columns.items()
            if column
        }


def _score(values: Sequence[float], measure: Measure) -> float:
    mean = sum(values) / len(values)
    return round(100 * mean, 2) if measure == "stands" else float(f"{mean:.6g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """A matrix, how it came to be, and what counts as a drop.

    Args:
        updated: day of the last update, ISO 8601.
        reason: why it was updated, in the words of who did.
        runs: the matrix.
        tolerance: a drop of at most this many points, or percent of a mean distance, fails no test.
        alpha: probability at most that a comparison of the matrix fails by chance.
        audit_images: of how many references the search of an audit starts.
        schema: of the file it was read from.
    """

    updated: str
    reason: str
    runs: tuple[BaselineRun, ...]
    tolerance: float = TOLERANCE
    alpha: float = ALPHA
    audit_images: int = AUDIT_IMAGES
    schema: int = SCHEMA


def metric_part(fingerprints: Mapping[str, str]) -> tuple[str, ...]:
    """What decides a metric: its weights, and its code with the packages behind it; in older runs the weights alone."""
    return tuple(fingerprints[key] for key in ("weights", "metric") if key in fingerprints)


def machine_of(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Processor, threads and versions of a run; empty where a record does not say its processor."""
    keys = ("cpu", "device", "threads", "versions")
    return {key: provenance[key] for key in keys} if all(key in provenance for key in keys) else {}


def completed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec with task and threat: two specs compare by the same keys, whatever their schema."""
    return {**spec, "task": task_of(spec), "threat": threat_of(spec)}


def of_records(records: Sequence[Record]) -> tuple[BaselineRun, ...]:
    """The runs of a new matrix. Raises UserError where there is none."""
    if not records:
        raise UserError("found no finished run to make a baseline of; first: bench run ... --runs DIR, then --runs DIR")
    return tuple(run_of(record) for record in records)


def run_of(record: Record) -> BaselineRun:
    """What a baseline keeps of a record. Raises UserError for one whose task does not say what is compared."""
    gated = scores_of(record.task).gated(record)
    if gated is None:
        raise UserError(
            f"the run {record.run} ({record.spec['metric']}) is of the task {record.task}, which does not say what a "
            "baseline should compare (Scores.gated); leave it out of the matrix"
        )
    return BaselineRun(
        run=record.run,
        spec=completed(record.spec) | {"task": record.task},
        outcomes=_outcomes(record, gated),
        machine=machine_of(record.provenance),
        confidence=record.facts.get("confidence") if record.spec["certifier"] else None,
        natural=gated.natural_measure,
        attacked=gated.attacked_measure,
        references=record.facts.get("references", {}),
        others=record.facts.get("others", {}),
    )


def _outcomes(record: Record, gated: Gated) -> dict[str, SampleOutcome]:
    """By id, in the order of the first eps, of the samples that count. Numbers are rounded as the file has them."""
    samples, spec = record.samples, record.spec
    nothing = pd.Series(float("nan"), index=samples.index)
    frame = pd.DataFrame({
        "id": samples["id"], "eps": samples["eps"], "radius": samples["radius"].astype(float),
        "natural": gated.natural.astype(float), "attacked": gated.attacked.astype(float),
        "certified": (samples["radius"] > samples["eps"]).astype(float),
        "margin": nothing if gated.natural_margin is None else gated.natural_margin,
    })  # fmt: skip
    found = {}
    frame = frame.loc[counted(samples).index]
    for name, mine in frame.sort_values("eps", kind="stable").groupby("id", sort=False):
        first = mine.iloc[0]
        whole = SampleOutcome(
            float(first["natural"]),
            tuple(mine["certified"]) if spec["certifier"] else None,
            tuple(mine["attacked"]) if spec["attack"] else None,
            None if pd.isna(first["margin"]) else float(first["margin"]),
            float(first["radius"]) if spec["certifier"] else None,
        )
        measures = gated.natural_measure, gated.attacked_measure
        found[str(name)] = SampleOutcome.parse(whole.word(*measures), *measures)
    return found
