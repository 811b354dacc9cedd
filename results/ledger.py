"""One ledger of evidence: the smallest change known to break each sample, and what is proved of it today.

Rows of one attack show what that attack found. The *worst case* joins: a sample counts as broken where any run broke
it. Tables of bounds, the leaderboard, curves, areas and bars are views of the worst cases made here, so they agree.

Runs share evidence of a sample where all of this is equal: the metric with its weights and arguments, the content of
the sample, the task with what it fitted, the threat, the goal, who moves with which budgets, and how it was judged.
The code of the attack and of the certifier may differ: a change that breaks a sample breaks it whoever found it.

A flip counts at every eps of at least its measured size. So a run judges its own changes: attacks/running/judge.py
compares the same size, in float64, with eps. Hence a flip found at a large eps counts at a smaller one that holds it.

A proof counts by the newest code of its certifier alone: what an older, faulty one proved must not stay.
`--protocol paper` stands outside: its runs neither give evidence nor take any.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.spec import canonical_json, typed_metric
from perceptbench.results.evidence import clean_rows, flips_of, sample_names
from perceptbench.results.record import Record, part
from perceptbench.results.rows import attack_name
from perceptbench.results.sample_checks import CLEAN
from perceptbench.results.tasks.base import installed, scores_of
from perceptbench.results.worst_case import WorstCase

_ROUNDING = 1e-3
"""Clean numbers of one metric on two machines differ by less."""

_Question = tuple[object, ...]


class Ledger:
    """The evidence of some runs. Raises UserError where an attack broke a sample inside a radius that is proved."""

    def __init__(self, records: Iterable[Record]) -> None:
        asked: dict[_Question, list[Record]] = defaultdict(list)
        ordered = sorted(records, key=lambda record: (str(record.provenance.get("time", "")), record.run), reverse=True)
        for record in ordered:
            if _gives_evidence(record):
                asked[_question(record)].append(record)
        todays = _todays(ordered)
        groups = [group for runs in asked.values() for group in _agreeing(runs)]
        self.disagreeing = sorted(run.run for runs in asked.values() for group in _agreeing(runs)[1:] for run in group)
        """Runs whose clean answers are not those of a newer run that should be of the same metric."""
        self.outdated = sorted(
            run.run for runs in asked.values() for run in runs if _proves(run) and not _current(run, todays)
        )
        """Runs whose proofs do not count, since a newer run of their certifier has other code."""
        self.cases = tuple(case for runs in groups for case in _cases(runs, todays))
        """One for each question and set of samples; newest runs first."""


def _gives_evidence(record: Record) -> bool:
    if record.status != "done" or not installed(record.task) or scores_of(record.task).endless:
        return False
    return record.spec.get("protocol", "ours") == "ours"


def _question(record: Record) -> _Question:
    """What must be equal for runs to share the evidence of a sample."""
    spec, task = record.spec, scores_of(record.task)
    name = Ref.parse(typed_metric(spec)).name if "metric" in spec.get("arguments", {}) else spec["metric"]
    return (
        name,
        part(record, "metric"),
        canonical_json(spec.get("arguments", {}).get("metric", {})),
        record.task,
        canonical_json(record.facts.get("state", {})),
        record.threat,
        spec.get("goal", task.goals[0]),
        spec.get("move", task.moves[0]),
        spec.get("eps_left"),
        spec.get("eps_right"),
        spec.get("quantize"),
        part(record, "evaluator"),
    )


def _agreeing(runs: Sequence[Record]) -> list[list[Record]]:
    """Runs in groups of the same clean answers, the newest group first.

    A metric may change where no fingerprint sees it, or draw anew at each call. Then runs do not share evidence.
    """
    groups: list[tuple[pd.DataFrame, list[Record]]] = []
    for run in runs:
        answers = (
            clean_rows(run.samples).assign(name=sample_names(run).to_numpy()).drop_duplicates("name").set_index("name")
        )
        group = next((group for lead, group in groups if _agree(lead, answers)), None)
        if group is None:
            groups.append((answers, [run]))
        else:
            group.append(run)
    return [group for _, group in groups]


def _agree(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two runs give their common samples the same clean numbers, up to rounding."""
    both = one.index.intersection(other.index)
    shared = [name for name in CLEAN if name != "radius" and name in one and name in other]
    for column in (name for name in shared if one[name].dtype.kind in "fi"):
        first, second = (frame.loc[both, column].to_numpy(dtype=float) for frame in (one, other))
        scale = np.abs(first[np.isfinite(first)]).max(initial=0.0)
        if not np.isclose(first, second, rtol=_ROUNDING, atol=_ROUNDING * scale, equal_nan=True).all():
            return False
    return True


def _proves(record: Record) -> bool:
    return bool(record.spec["certifier"] and record.facts.get("sound"))


def _certifier(record: Record) -> tuple[str, str]:
    """What has one code: a certifier, or in schemas 1 and 2, which state all code together, one of one metric."""
    by_part = "certifier" in record.spec.get("fingerprints", {})
    return Ref.parse(record.spec["certifier"]).name, "" if by_part else part(record, "metric")


def _todays(newest_first: Sequence[Record]) -> dict[tuple[str, str], str]:
    """The newest code of each certifier."""
    found: dict[tuple[str, str], str] = {}
    for record in newest_first:
        if _gives_evidence(record) and _proves(record):
            found.setdefault(_certifier(record), part(record, "certifier"))
    return found


def _current(record: Record, todays: Mapping[tuple[str, str], str]) -> bool:
    return todays[_certifier(record)] == part(record, "certifier")


def _cases(runs: Sequence[Record], todays: Mapping[tuple[str, str], str]) -> list[WorstCase]:
    """The worst cases of one question, a set of samples each."""
    names = {run.run: sample_names(run) for run in runs}
    flips = {run.run: flips_of(run) for run in runs if run.spec["attack"]}
    proofs = {
        run.run: clean_rows(run.samples).assign(name=names[run.run].to_numpy()).groupby("name")["radius"].max()
        for run in runs
        if _proves(run) and _current(run, todays)
    }
    _refuse_contradiction(runs, flips, proofs)
    sets: dict[tuple[object, ...], Record] = {}
    for run in runs:
        sets.setdefault((run.spec["data"], frozenset(names[run.run])), run)
    return [_case(newest, names[newest.run], runs, names, flips, proofs) for newest in sets.values()]


def _case(
    newest: Record, own: pd.Series, runs: Sequence[Record], names: Mapping[str, pd.Series],
    flips: Mapping[str, pd.Series], proofs: Mapping[str, pd.Series],
) -> WorstCase:  # fmt: skip
    wanted = set(own)
    whole = [run for run in runs if wanted <= set(names[run.run])]
    attacks: dict[str, list[Record]] = defaultdict(list)
    for run in whole:
        if run.run in flips:
            attacks[attack_name(run)].append(run)
    found: dict[str, list[pd.Series]] = defaultdict(list)
    for run in runs:
        if run.run in flips:
            found[attack_name(run)].append(_at(flips[run.run], own, np.inf))
    radii = [_at(proofs[run.run], own, 0.0) for run in runs if run.run in proofs]
    nothing = pd.Series(0.0, index=own.index)
    return WorstCase(
        newest,
        {name: pd.concat(sizes, axis=1).min(axis=1) for name, sizes in found.items()},
        attacks,
        pd.concat([nothing, *radii], axis=1).max(axis=1),
        [run for run in whole if run.run in proofs],
    )


def _at(values: pd.Series, own: pd.Series, otherwise: float) -> pd.Series:
    """Values by the name of a sample, for the ids of a run."""
    return pd.Series(values.reindex(own.to_numpy()).fillna(otherwise).to_numpy(), index=own.index)


def _refuse_contradiction(
    runs: Sequence[Record], flips: Mapping[str, pd.Series], proofs: Mapping[str, pd.Series]
) -> None:
    known = {run.run: run for run in runs}
    for broke, sizes in flips.items():
        for proved, radii in proofs.items():
            both = pd.concat([sizes, radii], axis=1, keys=["size", "radius"], join="inner")
            wrong = both[both["size"] < both["radius"]]
            if len(wrong):
                raise UserError(_contradiction(known[broke], known[proved], str(wrong.index[0]), wrong.iloc[0]))


def _contradiction(broke: Record, proved: Record, name: str, found: Any) -> str:
    names = sample_names(broke)
    sample = names.index[names == name][0]
    return (
        f"{broke.spec['metric']}: the run {broke.run} ({attack_name(broke)}) broke the sample {sample!r} by a change "
        f"of {broke.threat} {found['size']:.6g}, inside the radius {found['radius']:.6g} that the run {proved.run} "
        f"({proved.spec['certifier']}) calls proved; one of them is wrong, so there is no report: run both again"
    )
