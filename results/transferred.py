"""Images found on one metric and judged by another: what share of the answers that the other had right is lost."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from perceptbench.core.spec import canonical_json
from perceptbench.results.record import Record
from perceptbench.results.references import references
from perceptbench.results.rows import options_of
from perceptbench.results.statistics.estimates import Estimate, score


class Question(NamedTuple):
    """What must be equal for two runs to stand in one matrix."""

    data: str
    threat: str
    eps: float
    n: int
    how: str
    """Everything else: how images were searched, options, seed, the part of the data."""


class Matrix(NamedTuple):
    """Which metric loses what share to images that were found on which others."""

    question: Question
    sources: tuple[str, ...]
    """As typed; several names with + between them are one source."""
    targets: tuple[str, ...]
    lost: dict[tuple[str, str], Estimate]
    """By source and target; n is the number of answers that the target had right."""
    records: tuple[Record, ...]


def is_transferred(record: Record) -> bool:
    """Whether the attack of a run was found on other metrics."""
    return bool(record.facts.get("followed"))


def search_of(record: Record) -> dict[str, Any]:
    """The arguments of the attack but for the metrics that it followed."""
    arguments = record.spec.get("arguments", {}).get("attack", {})
    return {key: one for key, one in arguments.items() if key != "source"}


def source_of(record: Record) -> str:
    """The metrics that an attack followed, as typed."""
    return "+".join(record.facts["followed"])


def matrices(records: Sequence[Record]) -> list[Matrix]:
    """One for each question that at least two pairs of metrics answer; of the same pair the first run counts."""
    cells: dict[Question, dict[tuple[str, str], Record]] = {}
    for record in filter(is_transferred, records):
        for eps in record.spec["eps"]:
            pair = source_of(record), str(record.spec["metric"])
            cells.setdefault(_question(record, eps), {}).setdefault(pair, record)
    return [_matrix(question, found) for question, found in sorted(cells.items()) if len(found) > 1]


def lost_share(record: Record, eps: float) -> Estimate | None:
    """Of the samples that the metric of a run had right, the share that it loses at an eps; None where it had none.

    The 95 % interval draws whole references.
    """
    samples = record.samples[record.samples["eps"] == eps]
    right = samples[samples["correct"]]
    if len(right) == 0:
        return None
    return score((~right["robust"]).to_numpy(dtype=float), references(record, right["id"]).tolist())


def _question(record: Record, eps: float) -> Question:
    spec = record.spec
    how: dict[str, Any] = {
        "arguments": search_of(record),
        "options": options_of(record),
        "asked": {key: spec.get(key) for key in ("seed", "limit", "restarts", "goal")},
    }
    return Question(spec["data"], record.threat, eps, int(record.samples["id"].nunique()), canonical_json(how))


def _matrix(question: Question, found: dict[tuple[str, str], Record]) -> Matrix:
    lost = {pair: lost_share(record, question.eps) for pair, record in found.items()}
    mean = {
        target: np.mean([one.value for (_, to), one in lost.items() if to == target and one] or [0.0])
        for _, target in found
    }
    # From the one that loses most to the one that loses least, in both directions.
    targets = sorted(mean, key=lambda name: (-mean[name], name))
    sources = sorted({source for source, _ in found}, key=lambda name: (_place(targets, name), name))
    known = {pair: one for pair, one in lost.items() if one is not None}
    return Matrix(question, tuple(sources), tuple(targets), known, tuple(found.values()))


def _place(targets: Sequence[str], source: str) -> int:
    """Sources in the order of targets, so that a metric judges its own images on the diagonal; others behind."""
    return targets.index(source) if source in targets else len(targets)
