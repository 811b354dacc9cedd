"""Where the weights that ship stand, which were trained longer: from the committed reference run."""

from functools import cache
from pathlib import Path

import numpy as np

from perceptbench.core.ref import Ref
from perceptbench.results.rows import Row, rows_of
from perceptbench.results.store import RunStore

RUNS = Path(__file__).parents[2] / "results/reference"


def shipped(data: str, eps: float, runs: Path = RUNS) -> tuple[float, float] | None:
    """Natural and certified score of lipsim at eps in percent; None where the run holds none."""
    mine = [row for row in _rows(runs) if Ref.parse(row.data).name == data]
    natural = [row.score for row in mine if row.kind == "natural"]
    proved = [row.score for row in mine if row.kind == "certificate" and np.isclose(row.eps or 0.0, eps)]
    return (natural[0], proved[0]) if natural and proved else None


@cache
def _rows(runs: Path) -> tuple[Row, ...]:
    records = RunStore(runs).select() if runs.is_dir() else []
    found = (row for record in records if record.spec["metric"] == "lipsim" for row in rows_of(record))
    return tuple(row for row in found if row.norm in (None, "l2"))
