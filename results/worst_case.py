"""The worst case: what all attacks together left of a metric, how a report shows it, and what is proved beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from perceptbench.results.evidence import clean_rows, right_before
from perceptbench.results.record import Record
from perceptbench.results.rows import Row, rows_of

WORST = "worst case"
"""The attack of a record that joins several."""


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
        return clean_rows(self.newest.samples)

    @cached_property
    def _right(self) -> np.ndarray:
        return right_before(self.newest.samples).reindex(self._clean["id"]).to_numpy(dtype=bool)

    @cached_property
    def _nothing(self) -> pd.Series:
        return pd.Series(np.inf, index=self._clean["id"].to_numpy())


def lacking(met: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    """The attacks that other metrics met and a metric did not, for each metric that lacks one: its score flatters."""
    every = frozenset[str]().union(*met.values())
    return {metric: sorted(every - own) for metric, own in met.items() if every - own}


def _asked(record: Record, eps: float) -> bool:
    return eps in record.spec["eps"] or (bool(record.facts.get("minimal")) and eps <= max(record.spec["eps"]))
