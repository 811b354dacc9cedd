"""The embeddings of a gallery, computed once and kept by content: images, metric and its code name the folder.

They are mapped into memory, so a gallery may be larger than memory, and every process that has the key reads the same.
"""

import hashlib
import shutil
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from filelock import FileLock
from rich.console import Console
from rich.progress import track

from perceptbench.core.errors import UserError, warn
from perceptbench.core.source_code import closure
from perceptbench.core.stored import Stored, cache_folder, join, store
from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import EmbeddingMetric, LipschitzMetric
from perceptbench.metrics.identity import weights_sha256

_BATCH = 16
"""Images that pass through the metric at once."""
_PART = 1024
"""Images a file while they are computed: what an interruption may lose."""
_PROBED = 4
"""Images of a kept gallery that are embedded again before it is used."""
_RELATIVE = 1e-3
"""Of its length an embedding may differ: more than kinds of CPUs and GPUs differ in float32."""


@runtime_checkable
class Album(Protocol):
    """Images that are read when they are asked for."""

    def __len__(self) -> int: ...

    @property
    def sha256(self) -> str:
        """Over the content of all images, in order."""
        ...

    def read(self, rows: Iterable[int]) -> Images:
        """Some images (m, 3, h, w)."""
        ...


def key_of(metric: EmbeddingMetric, album: Album) -> str:
    """24 hex digits of what decides the embeddings: images, weights, code, and the plain settings of the metric."""
    classes = [base for part in metric.code() for base in type(part).__mro__]
    # A metric that was defined in a notebook has no file that could be read.
    files = [base.__module__ for base in classes if getattr(sys.modules.get(base.__module__), "__file__", None)]
    known = (album.sha256, len(album), weights_sha256(metric), closure(files).sha256, _settings(metric))
    return hashlib.sha256(repr(known).encode()).hexdigest()[:24]


def checked_key(metric: EmbeddingMetric, album: Album, device: str) -> str:
    """The key of embeddings that are there, computed where they are not, and are today's on a few images.

    The key cannot know what no file says, such as code in a notebook. Embeddings that differ are computed anew.
    """
    key = key_of(metric, album)
    kept = embedded_once(metric, album, key, device).array
    rows = sorted({round(i * (len(album) - 1) / (_PROBED - 1)) for i in range(_PROBED)})
    today = _embedded(metric, album, rows, device, exact=False)
    same = kept.shape == (len(album), today.shape[1]) and np.all(
        np.linalg.norm(kept[rows] - today, axis=1) <= _RELATIVE * np.linalg.norm(today, axis=1)
    )
    if not same:
        warn(f"the kept embeddings {key} are not what the metric gives today; they are computed anew")
        shutil.rmtree(_folder(key), ignore_errors=True)
        embedded_once(metric, album, key, device)
    return key


def embedded_once(metric: EmbeddingMetric, album: Album, key: str, device: str, *, exact: bool = False) -> Stored:
    """The embeddings (g, d) of a gallery in float32, from the cache or computed; what was interrupted goes on.

    Args:
        key: `key_of(metric, album)`.
        device: where the metric is.
        exact: by `metric.double()`, in float64: what proofs read.

    Raises UserError where an embedding is not finite, and as the album does.
    """
    folder = _folder(key)
    whole = Stored(folder / ("float64.npy" if exact else "float32.npy"))
    if whole.path.is_file():
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    # Several processes may ask for the same: one computes, the others wait.
    with FileLock(folder / ".lock"):
        if not whole.path.is_file():
            parts = [range(i, min(i + _PART, len(album))) for i in range(0, len(album), _PART)]
            paths = [folder / f"{whole.path.stem}-{part.start:09d}.npy" for part in parts]
            compute = partial(_embedded, metric, album, device=device, exact=exact)
            err = Console(stderr=True)
            todo = [one for one in zip(parts, paths, strict=True) if not one[1].is_file()]
            for part, path in track(todo, "embedding the gallery", console=err, disable=not err.is_terminal):
                store(path, compute(part))
            join(paths, whole.path)
    return whole


def _folder(key: str) -> Path:
    return cache_folder() / "galleries" / key


@torch.no_grad()
def _embedded(metric: EmbeddingMetric, album: Album, rows: Iterable[int], device: str, *, exact: bool) -> np.ndarray:
    """(m, d) of some images."""
    every, found = list(rows), []
    for i in range(0, len(every), _BATCH):
        x = album.read(every[i : i + _BATCH]).to(device)
        found.append(_exactly(metric, x) if exact else metric.embed(x).float())
    whole = torch.cat(found)
    if not bool(whole.isfinite().all()):
        raise UserError(
            "the metric gives an embedding that is not finite for an image of the gallery; correct it first"
        )
    return whole.cpu().numpy()


def _exactly(metric: EmbeddingMetric, x: Images) -> Embeddings:
    if not isinstance(metric, LipschitzMetric):
        made = type(metric).__name__
        raise UserError(f"expected a metric with a Lipschitz constant, got {made}; use lipsim, l2 or psnr")
    return metric.double().embed(x.double())


def _settings(metric: EmbeddingMetric) -> list[object]:
    """Numbers, words and the kinds of other parts that the metric holds, such as `lift=True`."""
    plain = (str, int, float, bool, type(None))
    return [
        (type(part).__qualname__, name, value if isinstance(value, plain) else type(value).__qualname__)
        for part in metric.code()
        for name, value in sorted(getattr(part, "__dict__", {}).items())
        # A copy in float64 that was made meanwhile changes nothing.
        if name != "_double"
    ]
