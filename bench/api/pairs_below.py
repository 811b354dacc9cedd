"""All pairs of images of a folder that are at most so far apart: `bench retrieve --below`."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from perceptbench.bench.api.arguments import number_of, path_of
from perceptbench.bench.api.metric import MetricModule, evaluated
from perceptbench.bench.api.metric import metric as metric_of
from perceptbench.core.device import Device
from perceptbench.core.errors import UserError, warn
from perceptbench.core.files import write_atomically
from perceptbench.metrics.base import EmbeddingMetric, Metric
from perceptbench.metrics.embedded_once import checked_key, embedded_once
from perceptbench.metrics.search.look import Searched
from perceptbench.metrics.search.searched_embeddings import SearchedEmbeddings
from perceptbench.metrics.search.searched_images import SearchedImages
from perceptbench.metrics.usable import unusable
from perceptbench.triplets.gallery import GalleryImages, gallery

COLUMNS = ("id", "a", "b", "same", "distance")
_PAIRS = 2**22
"""Pairs that are looked at together: what bounds the memory."""
_FEW = 8
"""Images that are compared with all others at once, for a metric without an embedding."""


def pairs_below(metric: Any, images: str | Path, tau: float, to: str | Path, *, device: str = "auto") -> int:
    """Write every pair of images of a folder that are at most tau apart into a table, and say how many these are.

    Columns are id, a, b, same and distance. `same` is blank: whoever looks at the pairs fills in 1 or 0, and the table
    is data for `pairs:FILE.csv`. Its paths are relative to the folder of the table where the images lie below it, else
    to the folder of images, with a notice. Equal files are one image. Images that the metric does not answer for (PDQ:
    quality below 50) are in no pair, with a notice. Memory is bounded for metrics with an embedding.

    Args:
        metric: what `pb.metric` takes. It is moved to the device.
        images: the folder; subfolders are read too.
        tau: the largest distance that counts.
        to: the table, NAME.csv, written whole or not at all.

    Raises UserError for a tau that is no finite number, and for images that cannot be read.

    Example:
        >>> pb.pairs_below("lipsim", "photos/", 0.1, "pairs.csv")
    """
    made, limit = metric_of(metric), number_of(tau, "tau")
    table, folder = path_of(to, "to"), path_of(images, "images")
    if limit != limit or limit in (float("inf"), float("-inf")):
        raise UserError(f"tau wants a finite distance, got {limit}; take one that bench distance prints")
    if table.suffix != ".csv":
        raise UserError(f"--to wants a name ending in .csv, got {table}")
    found, where = gallery(str(folder)).gallery, Device(device).resolve()
    names = _names(found, folder, table)
    made.to(where)
    written = 0

    def write(part: Path) -> None:
        nonlocal written
        with part.open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(COLUMNS)
            for a, b, distance in _pairs(made.inner, found, limit, where, _answered(made, found, where)):
                written += 1
                rows.writerow((f"pair{written}", names[a], names[b], "", f"{distance:.9g}"))

    with evaluated(made, frozen=True):
        write_atomically(table, write)
    return written


def _names(found: GalleryImages, folder: Path, table: Path) -> list[str]:
    home, near = folder.resolve(), table.resolve().parent
    if home.is_relative_to(near):
        return [path.relative_to(near).as_posix() for path in found.paths]
    warn(f"paths in {table.name} are relative to {folder}: put the table there to read it by pairs:{table.name}")
    return [path.relative_to(home).as_posix() for path in found.paths]


def _answered(made: MetricModule, found: GalleryImages, device: str) -> Bool[Tensor, " g"]:
    """The images that the metric answers for, with a notice of how many others there are."""
    answered = torch.ones(len(found), dtype=torch.bool, device=device)
    if left := unusable(made.inner, len(found), found.read, device):
        answered[left] = False
        warn(f"{made.name} does not answer for {len(left)} images, {found.names[left[0]]!r} among them: in no pair")
    return answered


@torch.no_grad()
def _pairs(
    metric: Metric, found: GalleryImages, tau: float, device: str, answered: Bool[Tensor, " g"]
) -> Iterator[tuple[int, int, float]]:
    """(a, b, distance) with a before b in the gallery, a block of images at a time; of images that are answered for."""
    count = len(found)
    searched: Searched = SearchedImages(metric, found.read, count)
    step = _FEW
    if isinstance(metric, EmbeddingMetric):
        key = checked_key(metric, found, device)
        searched = SearchedEmbeddings(metric, embedded_once(metric, found, key, device).array)
        step = max(1, _PAIRS // count)
    later = torch.arange(count, device=device)
    for start in range(0, count, step):
        rows = torch.arange(start, min(start + step, count), device=device)
        if isinstance(searched, SearchedEmbeddings):
            represented = searched.take(rows, torch.zeros(0, device=device))
        else:
            represented = metric.represent(found.read(rows.tolist()).to(device))
        allowed = (later > rows[:, None]) & answered & answered[rows, None]
        row, at, distances = searched.look(represented).within(allowed, tau)
        yield from zip((row + start).tolist(), at.tolist(), distances.tolist(), strict=True)
