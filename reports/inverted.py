"""What an inversion found, as sheets and a table: x beside z by metric, and how like x z is to other metrics."""

import io
from collections.abc import Sequence
from csv import DictWriter
from dataclasses import dataclass

import numpy as np

from perceptbench.reports.base import Document, Picture, Sheet, Table
from perceptbench.reports.cell import Cell, Number, Value
from perceptbench.results.statistics.estimates import mean_estimate

LINES = 8
"""Images on a sheet; the others lie beside it."""
NOTHING = "grey"
ANOTHER = "another image"
RESIDUAL_NOTE = (
    "Residual: how far z still is from x to the metric that was inverted, as a share of how far grey is; an embedding "
    "by its Euclidean distance, features by the distance of the metric. The other columns are distances from x to z by "
    "metrics that were not inverted, smaller where z is more like x; a metric does not judge its own inverse. Grey and "
    "another of the images stand below, to read them by. Brackets: 95 % interval of the mean."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImage:
    """One image found.

    Args:
        image: the number of x.
        pixels: z as (h, w, 3), uint8.
        likeness: the distance from x by each judge.
    """

    image: int
    metric: str
    start: str
    pixels: np.ndarray
    residual: float
    likeness: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverted:
    """All that was found, and what it is read by.

    Args:
        names: of the images.
        originals: x as (h, w, 3), uint8.
        judges: metrics that compare z with x.
        by: for NOTHING and ANOTHER, the distance of x from it, a list an image by judge.
        opening: what must be known of the search, in sentences.
    """

    names: Sequence[str]
    originals: Sequence[np.ndarray]
    found: Sequence[FoundImage]
    judges: Sequence[str]
    by: dict[str, dict[str, list[float]]]
    opening: Sequence[str]


def document(inverted: Inverted) -> Document:
    """A sheet for each start, and the table."""
    starts = dict.fromkeys(one.start for one in inverted.found)
    sheets = [_sheet(inverted, start) for start in starts]
    return Document("Inversion: images from what metrics keep", tuple(inverted.opening), (*sheets, table(inverted)), ())


def _sheet(inverted: Inverted, start: str) -> Sheet:
    found = {(one.image, one.metric): one for one in inverted.found if one.start == start}
    metrics = list(dict.fromkeys(metric for _, metric in found))
    shown = range(min(len(inverted.names), LINES))
    rows = tuple(
        (
            Picture(inverted.originals[i], inverted.names[i][:60]),
            *(Picture(found[i, metric].pixels, _caption(found[i, metric])) for metric in metrics),
        )
        for i in shown
    )
    some = f"The first {len(shown)} of {len(inverted.names)} images. " if len(shown) < len(inverted.names) else ""
    notes = (f"{some}Below each: the residual, and the distance from x by metrics that were not inverted.",)
    return Sheet(f"From {start}", f"from_{start}", ("x", *metrics), rows, notes, "image")


def _caption(one: FoundImage) -> str:
    words = (f"{judge} {value:.3g}" for judge, value in one.likeness.items() if judge != one.metric)
    return "; ".join((f"residual {one.residual:.2g}", *words))


def table(inverted: Inverted) -> Table:
    """A line a start and metric: mean residual, and mean distance from x by each judge that is another metric."""
    lines: dict[tuple[str, str], list[FoundImage]] = {}
    for one in inverted.found:
        lines.setdefault((one.start, one.metric), []).append(one)
    rows: list[tuple[Value, ...]] = [
        (
            start, metric, len(same), _mean([one.residual for one in same]),
            *(_mean([o.likeness[judge] for o in same]) if judge != metric else None for judge in inverted.judges),
        )
        for (start, metric), same in lines.items()
    ]  # fmt: skip
    below: list[tuple[Value, ...]] = [
        ("", name, len(inverted.names), None, *(_mean(values[judge]) for judge in inverted.judges))
        for name, values in inverted.by.items()
    ]
    return Table(
        title="How like x what was found is",
        columns=("start", "metric", "n", "residual", *(f"{judge} to x" for judge in inverted.judges)),
        rows=(*rows, *below),
        notes=(RESIDUAL_NOTE,),
        name="inversion",
        rules=(len(rows),),
    )


def _mean(values: Sequence[float]) -> Cell | Number:
    """The mean with its interval; one number alone has none."""
    if len(values) < 2:
        return Number(values[0], ".4g")
    mean = mean_estimate(np.asarray(values))
    return Cell(mean.value, mean.low, mean.high, mean.n, "distance")


def lines_csv(inverted: Inverted) -> str:
    """One line an image found: image, metric, start, residual, and the distance by each judge, in full precision."""
    text = io.StringIO()
    writer = DictWriter(text, ("image", "metric", "start", "residual", *inverted.judges), lineterminator="\n")
    writer.writeheader()
    for one in inverted.found:
        name = inverted.names[one.image]
        writer.writerow(
            {"image": name, "metric": one.metric, "start": one.start, "residual": one.residual, **one.likeness}
        )
    return text.getvalue()
