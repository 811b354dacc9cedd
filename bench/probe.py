"""Is a stored run still what this machine would compute? A few of its samples are answered anew.

The id of a run covers code and weights that can be read. It cannot see everything: weights in a C extension, a package
edited in place, a file that a metric reads when it is called. So whenever stored samples are to be used, the clean
answers and the radii of some of them are computed again (docs/records.md).
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from perceptbench.bench.evaluate import clean_answers
from perceptbench.bench.plan import Plan
from perceptbench.tasks.base import Sample, State

SAMPLES = 8
"""Of a stored run that are computed again."""
DRAWS, SPREADS = 8, 6.0
"""Of a metric that draws at random: so many draws, and a stored number may be so many standard deviations away."""
RELATIVE, OF_LARGEST = 1e-3, 1e-4
"""A stored number may differ by a thousandth of itself and a ten-thousandth of the largest in its column, which is more
than kinds of CPUs and GPUs differ in float32."""


def difference(plan: Plan, stored: pd.DataFrame, state: State) -> str:
    """What differs first from today's answers on some samples, as the end of a sentence; '' where nothing does.

    Args:
        plan: the run as it would be computed today.
        stored: its samples as they are stored.
        state: what its task computed on clean data.
    """
    chosen = spread(list(dict.fromkeys(stored["id"])), plan.spec.id, SAMPLES)
    known = {entry.id: entry for entry in plan.source.entries}
    if lost := [name for name in chosen if name not in known]:
        return f"the data has no sample {lost[0]!r}"
    return next(differences(plan, stored, state, [known[name] for name in chosen]), "")


def differences(plan: Plan, stored: pd.DataFrame, state: State, entries: Sequence[Sample]) -> Iterator[str]:
    """Each stored number of some samples that is not today's, in words.

    Of a metric that draws anew at each call, the mean of several draws is compared, within a multiple of their spread.
    A radius that holds by chance is not compared.
    """
    if not entries:
        return
    first = stored.drop_duplicates("id").set_index("id")
    draws = [answers(plan, entries, state) for _ in range(DRAWS if plan.metric.stochastic else 1)]
    for column in _numbers(draws[0]):
        drawn = np.stack([draw[column].to_numpy(dtype=float) for draw in draws])
        today = pd.Series(drawn.mean(0), index=draws[0].index)
        spread_of_draws = SPREADS * (drawn.std(0, ddof=1) if len(draws) > 1 else 0.0)
        for name in _other(first[column], today, spread_of_draws) if column in first else ():
            was, now = float(first[column].loc[name]), float(today.loc[name])
            yield f"{column} of {name!r} was {was:.6g} and is {now:.6g} today"


def _numbers(today: pd.DataFrame) -> list[str]:
    """Columns to compare. A yes or no and a name follow from numbers, and may turn where two are nearly equal."""
    compared = [name for name in today.columns if is_numeric_dtype(today[name])]
    return [name for name in compared if today[name].dtype != bool] or compared


def answers(plan: Plan, entries: Sequence[Sample], state: State) -> pd.DataFrame:
    """Clean columns and, where it is a proof, the radius of some samples by their id, as this machine computes them."""
    certain = plan.certifier is not None and plan.certifier.confidence == 1
    batch = plan.source.batch(entries).to(plan.request.where)
    return clean_answers(plan, batch, state, proved=certain).set_index("id")


def spread(ids: list[str], run: str, count: int) -> list[str]:
    """Some ids, others in each run."""
    return sorted(ids, key=lambda name: hashlib.sha256(f"{run} {name}".encode()).hexdigest())[:count]


def _other(stored: pd.Series, today: pd.Series, more: np.ndarray | float) -> list[str]:
    """The ids of the samples whose value is another one."""
    every, now = (values.to_numpy(dtype=float) for values in (stored, today))
    largest = np.abs(every[np.isfinite(every)]).max(initial=0.0)
    before = stored.loc[today.index].to_numpy(dtype=float)
    allowed = RELATIVE * np.abs(before) + OF_LARGEST * largest + more
    same = (np.abs(now - before) <= allowed) | (now == before) | (np.isnan(now) & np.isnan(before))
    return [str(name) for name in today.index[~same]]
