"""The table of who broke what counts right answers only, and names what l2-aa left standing."""

import pandas as pd
import pytest

from benchmarks.strength import OTHERS, OURS, compare
from perceptbench.core.errors import UserError
from perceptbench.results.record import Record


def record(fell: str, ids: str = "abcd", wrong: str = "d") -> Record:
    """A run over triplets of one letter each: those in `fell` were broken at eps 1, none at 0.5."""
    rows = [
        {"id": i, "eps": eps, "correct": i not in wrong, "robust": i not in wrong and not (eps == 1.0 and i in fell)}
        for eps in (0.5, 1.0)
        for i in ids
    ]
    spec = {"metric": "m", "data": "photos"}
    return Record(run="0" * 12, spec=spec, provenance={}, samples=pd.DataFrame(rows))


def test_what_another_broke_and_l2_aa_did_not_is_named() -> None:
    records = {OURS: record("a"), OTHERS[0]: record("a"), OTHERS[1]: record("ab"), OTHERS[2]: record("")}
    at_half, at_one = compare(records, {"a": 0.9, "b": 2.0, "c": 1.0, "d": 0.0}, (0.5, 1.0))
    assert at_half == "| m | photos | 0.5 | 3 | 0 | 0 | 0 | 0 | 0 | 0 |"
    assert at_one == "| m | photos | 1 | 3 | 1 | 1 | 2 | 0 | 2 | 2 b c |"


def test_runs_about_different_triplets_are_refused() -> None:
    with pytest.raises(UserError, match="different triplets"):
        compare({OURS: record("a"), OTHERS[0]: record("a", ids="abc")}, None, (1.0,))
