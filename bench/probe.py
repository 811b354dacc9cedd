"""Is a stored run still what this machine would compute? A few of its samples are answered anew.

The id of a run covers code and weights that can be read. It cannot see everything: weights in a C extension, a package
edited in place, a file that a metric reads when it is called. So whenever stored samples are to be used, the clean
answers and the radii of some of them are computed again (docs/records.md).
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from perceptbench.bench.evaluate import clean_answers
from perceptbench.bench.plan import Plan
from perceptbench.tasks.base import State

SAMPLES = 8
"""Of a stored run that are computed again."""
RELATIVE, OF_LARGEST = 1e-3, 1e-4
"""A stored number may differ by a thousandth of itself and a ten-thousandth of the largest in its column, which is more
than kinds of CPUs and GPUs differ in float32."""


def difference(plan: Plan, stored: pd.DataFrame, state: State, count: int = SAMPLES) -> str:
    """What differs from today's answers, as the end of a sentence; '' where nothing does.

    Args:
        plan: the run as it would be computed today.
        stored: its samples as they are stored.
        state: what its task computed on clean data.
        count: so many samples are computed again.

    A metric that draws anew at each call has no answer to compare, and a radius that holds by chance is not compared.
    """
    if plan.metric.stochastic or not len(stored):
        return ""
    first = stored.drop_duplicates("id").set_index("id")
    chosen = _spread(list(first.index), plan.spec.id, count)
    known = {entry.id: entry for entry in plan.source.entries}
    if lost := [name for name in chosen if name not in known]:
        return f"the data has no sample {lost[0]!r}"
    today = answers(plan, [known[name] for name in chosen], state)
    for column in _numbers(today):
        if column in first and (name := _first_difference(first[column], today[column])) is not None:
            was, now = float(first[column].loc[name]), float(today[column].loc[name])
            return f"{column} of {name!r} was {was:.6g} and is {now:.6g} today"
    return ""


def _numbers(today: pd.DataFrame) -> list[str]:
    """Columns to compare. A yes or no follows from numbers, and may turn where two of them are nearly equal."""
    numbers = [name for name in today.columns if today[name].dtype != bool]
    return numbers or list(today.columns)


def answers(plan: Plan, entries: Sequence[Any], state: State) -> pd.DataFrame:
    """Clean columns and, where it is a proof, the radius of some samples by their id, as this machine computes them."""
    certain = plan.certifier is not None and plan.certifier.confidence == 1
    batch = plan.source.batch(entries).to(plan.request.where)
    return clean_answers(plan, batch, state, proved=certain).set_index("id")


def _spread(ids: list[str], run: str, count: int) -> list[str]:
    """Some ids, others in each run."""
    return sorted(ids, key=lambda name: hashlib.sha256(f"{run} {name}".encode()).hexdigest())[:count]


def _first_difference(stored: pd.Series, today: pd.Series) -> str | None:
    """The id of the first sample whose value is another one."""
    before = stored.loc[today.index].to_numpy(dtype=float)
    now = today.to_numpy(dtype=float)
    scale = np.abs(stored.to_numpy(dtype=float)[np.isfinite(stored.to_numpy(dtype=float))])
    absolute = OF_LARGEST * scale.max(initial=0.0)
    same = np.isclose(now, before, rtol=RELATIVE, atol=absolute, equal_nan=True)
    return None if same.all() else str(today.index[int(np.argmin(same))])
