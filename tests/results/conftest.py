"""A record small enough to score by hand."""

from collections.abc import Callable

import pandas as pd
import pytest

from perceptbench.results.record import COLUMNS, SCHEMA, Record

MakeRecord = Callable[..., Record]

RUN = "0123456789ab"


@pytest.fixture
def tiny() -> MakeRecord:
    """Four triplets at eps 1 and 2: unbroken, broken at 2, a tie of the metric, people divided 0.2.

    Columns can be replaced by name: a list of eight values, eps 1 first. In schema 1 no task and threat are said.
    """

    def make(
        run: str = RUN,
        time: str = "2026-01-01T00:00:00+00:00",
        spec: dict[str, object] | None = None,
        facts: dict[str, object] | None = None,
        schema: int = SCHEMA,
        **columns: object,
    ) -> Record:
        frame = pd.DataFrame(
            {
                "id": ["a", "b", "c", "d"] * 2, "group": "", "eps": [1.0] * 4 + [2.0] * 4,
                "label": [1, 1, 1, 0] * 2, "right_share": [1, 1, 1, 0.2] * 2,
                "d0": [0.5, 0.5, 0.5, 0.1] * 2, "d1": [0.1, 0.1, 0.5, 0.5] * 2,
                "correct": [True, True, False, True] * 2,
                "d0_adv": 0.5, "d1_adv": 0.5, "d_self": [0.1, 0.2, 0.3, 0.4] * 2,
                "robust": [True, True, False, True, True, False, False, False],
                "size": 1.0, "broken_by": ["", "", "", "", "", "fab", "", "fab"],
                "radius": [2.0, 1.0, 0.0, 1.5] * 2, "norm_ref": float("nan"), "forwards": 3, "backwards": 3,
                "content": [f"{i:016x}" for i in range(4)] * 2,
            }
        ).assign(**columns)  # fmt: skip
        base = {"metric": "m", "data": "photos", "attack": "l2-aa", "certifier": "margin", "norm": "l2"}
        asked = {**base, "eps": [1.0, 2.0], "seed": 0, **(spec or {})}
        if schema > 1:
            moved = asked.get("goal") in ("push", "pull") or (facts or {}).get("unit") == "distance"
            asked = {"task": "drift" if moved else "preference", "threat": asked["norm"], **asked}
        return Record(
            run=run,
            schema=schema,
            spec=asked,
            provenance={"time": time},
            samples=frame[list(COLUMNS)].astype(COLUMNS),
            facts={"unit": "percent", "sound": True, "seconds": 1.5, **(facts or {})},
        )

    return make
