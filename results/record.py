"""What a run leaves behind: its resolved spec, where it ran, and one line a sample and eps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from perceptbench.core.spec import question
from perceptbench.core.threat import lp_unit

SCHEMA = 3
"""Of record.json. Schema 1 had no `task` and no `threat`: goal and norm said what they were. Schema 3 has a seal, the
column `content`, and fingerprints by part."""
SEALED_SINCE = 3
"""The first schema whose records have a seal (seal.py)."""

COMMON = {
    "id": "string",
    "group": "string",
    "eps": "float64",
    "robust": "bool",
    "size": "float64",
    "broken_by": "string",
    "radius": "float64",
    "forwards": "float64",
    "backwards": "float64",
    "content": "string",
}
"""Columns that samples.parquet has for every task, with their dtypes.

`id` names the sample, `group` the subset of the data it is from; `robust` = the answer was right and no attack broke
it at this eps or a smaller one; `size` = measured size of the change kept, in the unit of eps; `broken_by` = the part
of the attack that broke it; `radius` = certified radius in the unit of eps, 0 where none, infinite where no change
breaks the answer; `forwards`, `backwards` = passes of this sample up to this eps; `content` = digest of images and
answer, so that one sample is known in several runs whatever its id, '' before schema 3.
"""

VISIBLE = {
    "change_l2": "float64",
    "change_linf": "float64",
    "change_ssim": "float64",
    "change_lpips": "float64",
    "change_lipsim": "float64",
}
"""Columns, behind those of the task, of how visible the change of an attacked sample is; older runs have none of them.

The norms of the change over all pixels and channels, and SSIM, LPIPS and lipsim between the clean and the attacked
image: lipsim where the weights of LPIPS are not at hand. Missing where nothing attacked, and where an image is too
small. Of images that move together, norms of the changes as one vector and means of the others.
"""

COLUMNS = {
    "id": "string",
    "group": "string",
    "eps": "float64",
    "label": "int8",
    "right_share": "float64",
    "d0": "float64",
    "d1": "float64",
    "correct": "bool",
    "d0_adv": "float64",
    "d1_adv": "float64",
    "d_self": "float64",
    "robust": "bool",
    "size": "float64",
    "broken_by": "string",
    "radius": "float64",
    "norm_ref": "float64",
    "forwards": "float64",
    "backwards": "float64",
    "content": "string",
}
"""Columns of the tasks on triplets, in the order in which schema 1 wrote them."""

OF_QUERIES = {"queries": "float64"}
"""Columns that a run has beside those of its task, where no part of its attack needs a gradient and the attacked image
is searched itself: `queries` = passes of this sample up to the first success within eps, missing where none is."""

Status = Literal["done", "failed"]


def columns_of(own: Mapping[str, str]) -> dict[str, str]:
    """Every column of samples.parquet of a task with its dtype, in the order of the file.

    `own` are the columns that the task has beside COMMON. Those of triplets keep the order of COLUMNS, so that files
    of both schemas look the same; other tasks have COMMON first.
    """
    columns = {**COMMON, **own}
    return dict(COLUMNS) if columns == COLUMNS else columns


def written_columns(own: Mapping[str, str]) -> dict[str, str]:
    """Every column of samples.parquet that a run of today writes, in the order of the file; see `columns_of`."""
    return columns_of(own) | VISIBLE


def task_of(spec: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> str:
    """The task of a run as typed, with its arguments. In schema 1 the goal tells which of two it was."""
    if "task" in spec:
        return str(spec["task"])
    moved = spec.get("goal") in ("push", "pull") or (facts or {}).get("unit") == "distance"
    return "drift" if moved else "preference"


def threat_of(spec: Mapping[str, Any]) -> str:
    """The threat of a run as typed, with its arguments. In schema 1 it was the norm."""
    return str(spec.get("threat", spec["norm"]))


_KINDS = {"metric": ("weights", "metric"), "data": ("samples", "data")}
"""Parts that have two fingerprints."""


def part(record: "Record", name: str) -> str:
    """The fingerprint of one part of a run: `metric`, `data`, `attack`, `certifier`, `task`, `threat` or `evaluator`.

    That of the metric has its weights too, and that of the data the samples. Runs of schemas 1 and 2 have one
    fingerprint for all code, which stands for each part there. '' where a run has no such part.
    """
    prints = record.spec.get("fingerprints", {})
    by_part = "metric" in prints
    if name == "metric" and not by_part:
        return " ".join(prints[kind] for kind in ("weights", "code", "libraries", "memory") if kind in prints)
    kinds = _KINDS.get(name, (name,)) if by_part else (name if name in prints else "code",)
    return " ".join(str(prints[kind]) for kind in kinds if kind in prints)


def contents(record: "Record") -> dict[str, str]:
    """What each sample is, by id: its content, or in runs of schemas 1 and 2 the whole data set and its id."""
    first = record.samples.drop_duplicates("id")
    data = part(record, "data") or record.spec["data"]
    names = zip(first["id"], first["content"], strict=True)
    return {str(name): str(content) or f"{data} {name}" for name, content in names}


def same_samples(one: "Record", other: "Record") -> bool:
    """Whether the samples that two runs have in common are the same ones: images and answers, not only ids."""
    first, second = contents(one), contents(other)
    return all(first[name] == second[name] for name in first.keys() & second.keys())


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run. Aggregates are derived from `samples`, never stored in their place."""

    run: str
    spec: Mapping[str, Any]
    provenance: Mapping[str, Any]
    samples: pd.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was found on the way: unit, parts of the attack, soundness, ties, min |g|, seconds, the
    reference image of each triplet that shares it with others, and `state`, what the task fitted on clean data."""
    status: Status = "done"
    schema: int = SCHEMA
    folder: Path | None = field(default=None, compare=False)
    """Where it was read from: saved images lie there. None for a record that is not from a store."""

    @property
    def task(self) -> str:
        """What was asked of the metric, as typed: `preference`, `matching(tau=0.3)`."""
        return task_of(self.spec, self.facts)

    @property
    def threat(self) -> str:
        """What may change, as typed: `l2`, `shift(step=2)`."""
        return threat_of(self.spec)

    @property
    def sealed(self) -> bool:
        """Whether digests of what was written stand in its record.json: schemas 1 and 2 had none."""
        return self.schema >= SEALED_SINCE

    @property
    def norm(self) -> str | None:
        """The norm that eps is measured in; None for a threat that is no lp ball."""
        return self.threat if self.threat == self.spec["norm"] else None

    @property
    def eps_unit(self) -> str:
        """What eps is measured in, in a phrase."""
        return str(self.spec.get("eps_unit") or lp_unit(self.threat))

    def header(self) -> dict[str, Any]:
        """Everything but the samples, for record.json."""
        return {
            "schema": self.schema,
            "run": self.run,
            "status": self.status,
            "spec": dict(self.spec),
            "provenance": dict(self.provenance),
            "facts": dict(self.facts),
        }


def answers(stored: Mapping[str, Any], asked: Mapping[str, Any], question_asked: str) -> bool:
    """Whether a stored run answers a request: the same question, with every eps asked for in its list.

    Args:
        stored: the spec of the run.
        asked: the spec of the request.
        question_asked: `question(asked)`.
    """
    if stored.get("metric") != asked["metric"] or not set(asked["eps"]) <= set(stored["eps"]):
        return False
    return question(stored) == question_asked


def narrowed(record: Record, eps: Sequence[float]) -> Record:
    """A run as if only some eps of its list had been asked for. Its id stays, since its list decided the numbers."""
    if list(eps) == list(record.spec["eps"]):
        return record
    samples = record.samples[record.samples["eps"].isin(list(eps))].reset_index(drop=True)
    last = samples[samples["eps"] == max(eps)]
    passes = {kind: float(last[kind].sum()) for kind in ("forwards", "backwards")}
    return replace(record, spec={**record.spec, "eps": list(eps)}, samples=samples, facts={**record.facts, **passes})
