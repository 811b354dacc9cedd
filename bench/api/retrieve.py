"""Search in a folder of images, before and after an attack, and what is proved of it: `bench retrieve`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from perceptbench.bench.api.arguments import path_of
from perceptbench.bench.api.run import run
from perceptbench.bench.api.runs import Runs
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref, Scalar
from perceptbench.results.record import Record
from perceptbench.results.tasks.retrieval import tops_of


def retrieve(
    metrics: Any,
    images: str | Path,
    attack: str | Sequence[str] | None = None,
    eps: Any = None,
    *,
    queries: str | Path | None = None,
    labels: str | Path | None = None,
    top: int | str | Iterable[int] = (1,),
    short_list: int = 0,
    rival: str | None = None,
    **options: Any,
) -> Runs:
    """Is the right image still among the first k? One run for each metric, attack and k.

    With labels the score is recall@k: some image with the label of the query is among the first k. Without, it is the
    share of queries whose clean first match stays among the first k, which is no recall. A query's own file is left
    out of the gallery by its content, and ties count against.

    Args:
        metrics: one or a list of what `pb.metric` takes.
        images: the folder that is searched, the gallery; subfolders are read too.
        attack: one name or several: `"l2-mse"` moves the embedding, as the paper does; any other one is after the place
            of the match. None for certificates alone.
        eps: one budget or several.
        queries: a folder of queries; without it every image of the gallery is one.
        labels: a table with the columns file and label (docs/retrieval.md).
        top: one k or several.
        short_list: a metric without an embedding is attacked beside this many nearest images alone; what is judged is
            still the whole gallery.
        rival: with goal="pull", the image that shall enter the first k; one in the middle without it.
        options: of `pb.run`, such as goal, limit, certifier, runs, save_images, seed.

    Returns:
        The runs. Columns of `.samples()`: rank, d_target, average_precision, ... (docs/retrieval.md).

    Raises UserError for anything wrong, before the first image is embedded.

    Example:
        >>> pb.retrieve("lipsim", "photos/", "l2-mse", eps=2, top=[1, 5], limit=32).frame()
    """
    if strange := {"task", "data"} & set(options):
        raise UserError(f"pb.retrieve has no option {min(strange)}; for other tasks and data use pb.run")
    folders = {"queries": queries, "labels": labels}
    named: tuple[tuple[str, Scalar], ...] = tuple(
        (name, str(path_of(path, name))) for name, path in folders.items() if path is not None
    )
    data = str(Ref("gallery", str(path_of(images, "images")), named))
    given: dict[str, Scalar] = {"short_list": short_list, "rival": rival}
    asked = tuple((name, value) for name, value in given.items() if value)
    records: list[Record] = []
    for k in tops_of(top):
        task = str(Ref("retrieval", None, (("top", k), *asked)))
        records += run(metrics, attack, eps, data, task=task, **options).records
    return Runs(tuple(records))
