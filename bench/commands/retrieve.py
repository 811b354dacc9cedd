"""`bench retrieve`: what is nearest in a folder of images, under attack and with proof; or which pairs of it match."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perceptbench.bench.commands.options import command
from perceptbench.bench.commands.shared import SEED, Execution
from perceptbench.core.device import DEVICE
from perceptbench.core.errors import UserError
from perceptbench.core.option import option
from perceptbench.core.ref import parse_eps
from perceptbench.core.spec import ATTACK
from perceptbench.results.tasks.retrieval import MOST_TOP, tops_of

if TYPE_CHECKING:
    from perceptbench.bench.api.runs import Runs

_LIST = "Pairs that match"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveRequest:
    """A gallery, queries, and what is asked of them: places in a search under attack, or all pairs that match."""

    metric: Sequence[str] = field(metadata=option("Metrics; repeat, or give a comma list."))
    images: Path = field(metadata=option("The folder that is searched; subfolders are read too."))
    queries: Path | None = field(
        default=None, metadata=option("A folder of queries; without it every image of the gallery is one.")
    )
    labels: Path | None = field(
        default=None, metadata=option("A table with the columns file and label: what has the query's label is right.")
    )
    eps: tuple[float, ...] = field(default=(), metadata=option("Budgets: 2.0, 36/255, or 0.5,1,2,3.", parse=parse_eps))
    top: tuple[int, ...] = field(default=(1,), metadata=option("The first k matches count: 1,5.", parse=tops_of))
    certifier: str = field(default="margin", metadata=option("margin, another one of embeddings, or none."))
    limit: int | None = field(default=None, metadata=option("Only this many queries (a fixed shuffle)."))
    seed: int = field(default=0, metadata=SEED)
    device: str = field(default="auto", metadata=DEVICE)
    attack: Sequence[str] = field(
        default=(), metadata=option("Attacks; l2-mse moves the embedding as the paper does.", section=ATTACK)
    )
    threat: str | None = field(
        default=None, metadata=option("The set of changes; default: that of the attack's norm.", section=ATTACK)
    )
    goal: str = field(
        default="push",
        metadata=option("push the match out of the first k, or pull a rival into them.", section=ATTACK),
    )
    rival: str | None = field(
        default=None, metadata=option("With --goal pull: that image; default: one in the middle.", section=ATTACK)
    )
    short_list: int = field(
        default=0,
        metadata=option(
            "Attack a metric without an embedding beside so many nearest images; 0 for all.",
            section=ATTACK, min=0, max=MOST_TOP,
        ),
    )  # fmt: skip
    skip_certified: bool = field(default=True, metadata=option("Do not attack what is proved safe.", section=ATTACK))
    save_images: int = field(
        default=0, metadata=option("Keep the images of the first N queries, for sheets.", section=ATTACK)
    )
    below: float | None = field(
        default=None,
        metadata=option("List all pairs that are at most this far apart, and search nothing.", section=_LIST),
    )
    to: Path | None = field(default=None, metadata=option("The table of these pairs, NAME.csv.", section=_LIST))


@command()
def retrieve(request: RetrieveRequest, execution: Execution) -> None:
    """Search a folder of images, before and after an attack and with proof; or list its pairs that match."""
    if (request.below is None) != (request.to is None):
        raise UserError("--below and --to go together: --below 0.1 --to pairs.csv lists the pairs that match")
    if request.below is not None and request.to is not None:
        _list_pairs(request, request.below, request.to, execution)
        return
    if not request.eps:
        raise UserError("name at least one budget: --eps 2.0; or list pairs by --below 0.1 --to pairs.csv")
    _print(_searched(request, execution), execution)


def _list_pairs(request: RetrieveRequest, below: float, to: Path, execution: Execution) -> None:
    from perceptbench.bench.answers import answer
    from perceptbench.bench.api.pairs_below import pairs_below
    from perceptbench.core.plain_json import json_line
    from perceptbench.core.printable import printable
    from perceptbench.core.ref import split_list

    names = split_list(request.metric)
    given = {"--queries": request.queries, "--labels": request.labels, "--attack": request.attack, "--eps": request.eps}
    if strange := [name for name, value in given.items() if value]:
        raise UserError(f"--below lists the pairs of --images by one --metric, got {strange[0]}; leave it out")
    if len(names) != 1:
        raise UserError(f"--below lists the pairs of one --metric, got {len(names)}; name one")
    count = pairs_below(names[0], request.images, below, to, device=request.device)
    if execution.json:
        answer(json_line({"metric": printable(names[0]), "below": below, "pairs": count, "to": printable(str(to))}))
        return
    answer(f"{printable(names[0])}: {count} pairs at most {below:g} apart, in {printable(str(to))}")


def _searched(request: RetrieveRequest, execution: Execution) -> "Runs":
    from rich.console import Console

    from perceptbench.bench.api.retrieve import retrieve as search
    from perceptbench.core.ref import split_list

    options: dict[str, Any] = {
        name: getattr(request, name)
        for name in ("queries", "labels", "top", "short_list", "rival", "goal", "limit", "seed", "device",
                     "skip_certified", "save_images", "certifier", "threat")
    }  # fmt: skip
    try:
        return search(
            split_list(request.metric), request.images, list(request.attack) or None, list(request.eps), **options,
            runs=execution.runs, batch_size=execution.batch_size, progress=True,
        )  # fmt: skip
    except KeyboardInterrupt:
        Console(stderr=True, markup=False).print("stopped; the same command goes on from here")
        raise


def _print(found: "Runs", execution: Execution) -> None:
    from perceptbench.bench.answers import answer
    from perceptbench.bench.output import console, footnotes, print_tables, proved_sizes
    from perceptbench.core.plain_json import json_line
    from perceptbench.results.rows import table_rows
    from perceptbench.results.tasks.retrieval import mean_average_precision

    rows = table_rows(found.records)
    precision = [(one, measured.estimate) for one in found if (measured := mean_average_precision(one)) is not None]
    if execution.json:
        kept = ("metric", "data", "task")
        means = [
            {**{name: one.spec[name] for name in kept}, "run": one.run, "n": mean.n,
             "score": 100 * mean.value, "low": 100 * mean.low, "high": 100 * mean.high}
            for one, mean in precision
        ]  # fmt: skip
        answer(json_line({"schema": 1, "rows": [row.to_dict() for row in rows], "mean_average_precision": means}))
        return
    out = console()
    print_tables(rows, out)
    said = {
        f"{one.spec['metric']}: mAP {100 * mean.value:.1f} [{100 * mean.low:.1f}, {100 * mean.high:.1f}] %, "
        f"clean, n = {mean.n}": None
        for one, mean in precision
    }
    for sentence in (*said, *proved_sizes(found.records), *footnotes(rows)):
        out.print(sentence)
    out.print(f"Next: bench report --runs {execution.runs} --to report, for tables and every method's details.")
