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
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.spec import canonical_json
from perceptbench.results.record import Record, part
from perceptbench.results.record_checks import CLEAN
from perceptbench.results.rows import Row, attack_name, rows_of
from perceptbench.results.tasks.base import installed, scores_of

WORST = "worst case"
"""The attack of a record that joins several."""

_ROUNDING = 1e-3
"""Clean numbers of one metric on two machines differ by less."""

_Question = tuple[object, ...]


@dataclass(frozen=True)
class WorstCase:
    """What all attacks together left of a metric on one set of samples, and what is proved of it."""

    newest: Record
    """The newest run on just these samples, whose clean answers are taken."""
    flips: Mapping[str, pd.Series]
    """By attack, as rows name it: the smallest size that broke each sample, infinite where none did."""
    runs: Mapping[str, Sequence[Record]]
    """By attack: its runs on all of these samples, and perhaps more."""
    proofs: pd.Series
    """The largest radius that is proved of each sample; 0 where none is."""
    certificates: Sequence[Record]
    """The runs behind the proofs."""

    @property
    def metric(self) -> str:
        """As typed."""
        return str(self.newest.spec["metric"])

    @property
    def data(self) -> str:
        """As typed."""
        return str(self.newest.spec["data"])

    @property
    def threat(self) -> str:
        """As typed."""
        return self.newest.threat

    @property
    def several(self) -> bool:
        """Whether more than one attack is behind it."""
        return len(self.flips) > 1

    @property
    def minimal(self) -> bool:
        """Whether one of its attacks looked for the smallest change."""
        return any(run.facts.get("minimal") for runs in self.runs.values() for run in runs)

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self._clean)

    def met(self, eps: float) -> frozenset[str]:
        """The attacks that were run at an eps: asked for it, or looking for the smallest change up to a larger one."""
        return frozenset(name for name, runs in self.runs.items() if any(_asked(run, eps) for run in runs))

    @cached_property
    def budgets(self) -> tuple[float, ...]:
        """Every eps at which an attack or a certificate was asked for."""
        runs = (*(run for same in self.runs.values() for run in same), *self.certificates)
        return tuple(sorted({eps for run in runs for eps in run.spec["eps"]}))

    @cached_property
    def smallest(self) -> pd.Series:
        """The smallest size that broke each sample, by id; infinite where none did."""
        found = pd.concat([self._nothing, *self.flips.values()], axis=1)
        return found.min(axis=1)

    def flip_sizes(self, most: int = 60) -> list[float]:
        """Some of the sizes at which samples were broken, where an attack looked for the smallest one."""
        ends = [max(run.spec["eps"]) for runs in self.runs.values() for run in runs if run.facts.get("minimal")]
        sizes = sorted({size for size in self.smallest if size <= max(ends, default=0.0)})
        return sizes[:: max(1, -(-len(sizes) // most))]

    def left(self, *eps: float) -> Record:
        """The samples at some eps as the worst case leaves them, in the form of a run."""
        frames = [
            self._clean.assign(
                eps=at,
                robust=self._right & ~(smallest <= at),
                size=np.where(smallest <= at, smallest, 0.0),
                broken_by="",
                radius=self.proofs.to_numpy(),
            )
            for smallest in (self.smallest.to_numpy(),)
            for at in eps
        ]
        names = [name for name in self.runs if any(self.met(at) for at in eps)]
        certifiers = dict.fromkeys(str(run.spec["certifier"]) for run in self.certificates)
        one = self.runs[names[0]][0] if len(names) == 1 else self.newest
        spec = {
            **self.newest.spec,
            "attack": one.spec["attack"] if len(names) == 1 else WORST if names else None,
            "restarts": one.spec.get("restarts", 1) if len(names) == 1 else 1,
            "certifier": ", ".join(certifiers) or None,
            "eps": list(eps),
        }
        proved = (
            {key: self.certificates[0].facts.get(key) for key in ("sound", "promise", "confidence")}
            if certifiers
            else {}
        )
        facts = {**one.facts, "parts": [], "minimal": False, "flags": self._flags(names), **proved}
        samples = pd.concat(frames, ignore_index=True).astype(self.newest.samples.dtypes.to_dict())
        return replace(self.newest, spec=spec, facts=facts, samples=samples)

    def rows(self, eps: float) -> tuple[Row, Row | None, Row | None]:
        """The natural row, and at an eps the row of the worst case and that of the proof; None where there is none."""
        attacked = proved = None
        natural, *others = rows_of(self.left(eps))
        for row in others:
            if row.kind == "attack" and self.met(eps):
                attacked = replace(row, method=self.by(eps))
            if row.kind == "certificate":
                proved = row
        return natural, attacked, proved

    def by(self, eps: float) -> str:
        """The attacks; where there are several, behind each how many samples it broke, and how many no other broke.

        One that was run at other eps or on fewer samples is named where it broke some that no other broke.
        """
        broke = {name: (sizes <= eps).to_numpy() & self._right for name, sizes in self.flips.items()}
        once = np.sum(list(broke.values()), axis=0) == 1
        counts = {name: (int(lost.sum()), int((lost & once).sum())) for name, lost in broke.items()}
        named = [name for name, (_, alone) in counts.items() if name in self.met(eps) or alone]
        if len(named) == 1:
            return named[0]
        named.sort(key=lambda name: (-counts[name][0], name))
        return ", ".join(f"{name} {counts[name][0]} ({counts[name][1]})" for name in named)

    def _flags(self, names: Sequence[str]) -> list[Any]:
        """What was seen against any of the attacks, or against the metric: the number is theirs together."""
        runs = [run for name in names for run in self.runs[name]] or [self.newest]
        found = {one["flag"]: one for run in runs for one in run.facts.get("flags", ())}
        return list(found.values())

    @cached_property
    def _clean(self) -> pd.DataFrame:
        return _first(self.newest.samples)

    @cached_property
    def _right(self) -> np.ndarray:
        return _right(self.newest.samples).reindex(self._clean["id"]).to_numpy(dtype=bool)

    @cached_property
    def _nothing(self) -> pd.Series:
        return pd.Series(np.inf, index=self._clean["id"].to_numpy())


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


def lacking(met: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    """The attacks that other metrics met and a metric did not, for each metric that lacks one: its score flatters."""
    every = frozenset[str]().union(*met.values())
    return {metric: sorted(every - own) for metric, own in met.items() if every - own}


def _gives_evidence(record: Record) -> bool:
    if record.status != "done" or not installed(record.task) or scores_of(record.task).endless:
        return False
    return record.spec.get("protocol", "ours") == "ours"


def _question(record: Record) -> _Question:
    """What must be equal for runs to share the evidence of a sample."""
    spec, task = record.spec, scores_of(record.task)
    name = Ref.parse(spec["metric"]).name if "metric" in spec.get("arguments", {}) else spec["metric"]
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
        answers = _first(run.samples).assign(name=_names(run).to_numpy()).drop_duplicates("name").set_index("name")
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


def _asked(record: Record, eps: float) -> bool:
    return eps in record.spec["eps"] or (bool(record.facts.get("minimal")) and eps <= max(record.spec["eps"]))


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
    names = {run.run: _names(run) for run in runs}
    flips = {run.run: _flips(run) for run in runs if run.spec["attack"]}
    proofs = {
        run.run: _first(run.samples).assign(name=names[run.run].to_numpy()).groupby("name")["radius"].max()
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


def _names(record: Record) -> pd.Series:
    """What identifies each sample, by id: its content, or in older runs the data and its id."""
    first = _first(record.samples)
    data = part(record, "data") or record.spec["data"]
    names = [content or f"{data} {name}" for name, content in zip(first["id"], first["content"], strict=True)]
    return pd.Series(names, index=first["id"].to_numpy())


def _first(samples: pd.DataFrame) -> pd.DataFrame:
    """One row a sample: that of the smallest eps."""
    return samples.sort_values("eps", kind="stable").drop_duplicates("id").reset_index(drop=True)


def _right(samples: pd.DataFrame) -> pd.Series:
    """Whether the answer was right before any attack, by id: it stood at some eps, or something broke it."""
    held = samples["correct"] if "correct" in samples else samples["robust"] | (samples["broken_by"] != "")
    return held.groupby(samples["id"]).any()


def _flips(record: Record) -> pd.Series:
    """The size of the change that broke each sample, by name: at the first eps where one did."""
    samples = record.samples
    lost = _first(samples[~samples["robust"]])
    lost = lost[_right(samples).reindex(lost["id"]).to_numpy(dtype=bool)]
    return lost.assign(name=_names(record).reindex(lost["id"]).to_numpy()).groupby("name")["size"].min()


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
    names = _names(broke)
    sample = names.index[names == name][0]
    return (
        f"{broke.spec['metric']}: the run {broke.run} ({attack_name(broke)}) broke the sample {sample!r} by a change "
        f"of {broke.threat} {found['size']:.6g}, inside the radius {found['radius']:.6g} that the run {proved.run} "
        f"({proved.spec['certifier']}) calls proved; one of them is wrong, so there is no report: run both again"
    )
