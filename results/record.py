"""What a run leaves behind: its resolved spec, where it ran, and one line a triplet and eps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

SCHEMA = 1

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
}
"""Columns of samples.parquet, in order. Distances smaller than zero mean nothing here: psnr is -dB.

`label` 1 = right preferred; `d0`, `d1` distances of the reference to left and right; `robust` =
correct and never flipped at this eps or a smaller one; `size` = measured norm of the perturbation
kept; `radius` = certified radius in the norm of the run, 0 where none; `norm_ref` = |g(reference)|,
NaN for a metric without embeddings; `forwards`, `backwards` = passes of this triplet up to this eps.
"""

Status = Literal["done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run. Aggregates are derived from `samples`, never stored in their place."""

    run: str
    spec: Mapping[str, Any]
    provenance: Mapping[str, Any]
    samples: pd.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was found on the way: unit, parts of the attack, soundness, ties, min |g|, seconds, and the reference
    image of each triplet that shares it with others."""
    status: Status = "done"
    schema: int = SCHEMA
    folder: Path | None = field(default=None, compare=False)
    """Where it was read from: saved images lie there. None for a record that is not from a store."""

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
