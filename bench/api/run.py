"""Metrics through attacks, with certificates wherever a metric admits one: what `bench run` and `bench certify` do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perceptbench.bench.api.arguments import path_of
from perceptbench.bench.api.data import TripletData
from perceptbench.bench.api.data import data as data_of
from perceptbench.bench.api.keywords import request_of, with_options
from perceptbench.bench.api.metric import MetricModule, evaluated
from perceptbench.bench.api.metric import metric as metric_of
from perceptbench.bench.api.runs import Runs
from perceptbench.bench.engines.base import engine as engines
from perceptbench.bench.planner import make_plans
from perceptbench.bench.progress import samples_progress
from perceptbench.bench.request import batch_size as batch_size_of
from perceptbench.bench.runner import run_plans
from perceptbench.core.ref import Ref
from perceptbench.results.memory_store import MemoryStore
from perceptbench.results.store import RunStore, Store


@with_options()
def run(
    metrics: Any,
    attack: str | Sequence[str] | None = None,
    eps: Any = None,
    data: Any = "photos",
    *,
    runs: str | Path | None = None,
    engine: str = "local",
    batch_size: int | str = "auto",
    progress: bool | None = None,
    **options: Any,
) -> Runs:
    """Scores of metrics before and after attacks, and what is proved: one run for each metric, data set and attack.

    Args:
        metrics: one or a list of what `pb.metric` takes. They are moved to the device.
        attack: one name or several, `"l2-aa"`, `"l2-pgd(steps=50)"`; None for certificates alone.
        eps: one budget or several: 0.5, [0.5, 1, 2], "36/255".
        data: one or a list: a name, or what `pb.data` makes of triplets of yours.
        runs: the folder that runs are kept in and answered from, as by the command; None keeps them in memory, and
            nothing is written. What is stored is never served for other weights, data or code; where that cannot be
            told of a metric of yours, it is computed anew.
        engine: where it is computed.
        batch_size: samples at once; it changes no result.
        progress: whether bars are shown, on standard error; None shows them on a terminal and in a notebook.
        options: every option of `bench run` by its name, such as limit, certifier, task, threat, goal, move, seed.

    Returns:
        The runs, in the order of metrics, data and attacks: `.frame()`, `.samples()`, `.plot()`.

    Raises UserError for anything wrong, before the first image is embedded; UnsoundError, with the counter-example,
    where an attack succeeds inside a radius that was called sound.

    Example:
        >>> run = pb.run([pb.metric("lipsim"), Mine()], attack="l2-aa", eps=[0.5, 1, 2], limit=64)
        >>> run.frame()
    """
    size, bars = batch_size_of(batch_size), samples_progress(progress)
    made = engines.build(Ref.parse(engine))
    named = [one if isinstance(one, str) else metric_of(one) for one in _several(metrics)]
    ours = [one for one in named if isinstance(one, MetricModule)]
    request = request_of(
        "run",
        metric=[one if isinstance(one, str) else one.held() for one in named],
        data=[one if isinstance(one, str) else data_of(one).held() for one in _several_sets(data)],
        attack=attack,
        eps=() if eps is None else eps,
        **options,
    )
    store: Store = MemoryStore() if runs is None else RunStore(path_of(runs, "runs"))
    with evaluated(*ours, frozen=True):
        records = run_plans(make_plans(request), store, size, request.save_images, engine=made, bars=bars)
    return Runs(tuple(records))


def _several(given: Any) -> list[Any]:
    """One or several. A module is one, also where it can be iterated over."""
    return list(given) if isinstance(given, list | tuple) else [given]


def _several_sets(given: Any) -> list[Any]:
    """One or several data sets: a list of triplets is one."""
    items = _several(given)
    return items if all(isinstance(one, str | TripletData) for one in items) else [given]
