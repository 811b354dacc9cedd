"""A task of another kind, registered for a test: pairs of images, under shifts that are no lp ball."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from perceptbench.results.record import Record, columns_of
from perceptbench.results.rows import Row, score_rows, shares
from perceptbench.results.tasks.base import Scores, scores

OWN = {"d": "float64", "below": "bool"}


@dataclass(frozen=True)
class PairScores(Scores):
    """Share of pairs whose distance is on the right side of tau."""

    name: ClassVar[str] = "made-up"
    goals: ClassVar[tuple[str, ...]] = ("evade", "collide")
    kinds: ClassVar[tuple[str, ...]] = ("pairs",)
    moves: ClassVar[tuple[str, ...]] = ("first",)
    columns: ClassVar[Mapping[str, str]] = OWN
    tau: float = 0.5

    def rows(self, record: Record) -> list[Row]:
        """Shares of pairs."""
        return score_rows(
            record,
            natural=lambda samples: shares(record, samples, samples["below"].to_numpy(dtype=float)),
            attacked=lambda samples: shares(record, samples, samples["robust"].to_numpy(dtype=float)),
            certified=lambda samples, eps: shares(record, samples, (samples["radius"] > eps).to_numpy(dtype=float)),
        )


@contextmanager
def registered() -> Iterator[None]:
    """The task is known inside the block."""
    scores("made-up", source="a test")(PairScores)
    try:
        yield
    finally:
        del scores._factories["made-up"], scores._cards["made-up"]


def pairs_record(run: str = "5" * 12, metric: str = "phash") -> Record:
    """Four pairs at shifts of 1 and 2 pixels: three right; three, then two withstand; two, then one are certified."""
    frame = pd.DataFrame(
        {
            "id": ["a", "b", "c", "d"] * 2, "group": "", "eps": [1.0] * 4 + [2.0] * 4,
            "robust": [True, True, True, False, True, True, False, False], "size": [1.0] * 4 + [2.0] * 4,
            "broken_by": "", "radius": [3.0, 2.0, 0.0, 0.0] * 2, "forwards": 5.0, "backwards": 0.0,
            "content": [f"{i:016x}" for i in range(4)] * 2,
            "d": [0.1, 0.2, 0.25, 0.9] * 2, "below": [True, True, True, False] * 2,
        }
    )  # fmt: skip
    columns = columns_of(OWN)
    return Record(
        run=run,
        spec={
            "metric": metric, "data": "pairs:few.csv", "attack": "grid", "certifier": "shifts", "norm": None,
            "eps": [1.0, 2.0], "task": "made-up(tau=0.3)", "threat": "shift(step=1)", "goal": "evade",
            "move": "first", "seed": 0, "eps_unit": "pixels",
        },
        provenance={"time": "2026-01-02T00:00:00+00:00"},
        samples=frame[list(columns)].astype(columns),
        facts={"unit": "percent", "state": {"tau": 0.3}, "sound": True, "seconds": 2.0},
    )  # fmt: skip
