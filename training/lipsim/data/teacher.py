"""The teacher's embeddings of photographs at their fixed views, computed once."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from filelock import FileLock
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.utils.data import DataLoader

from perceptbench.core.errors import UserError
from perceptbench.core.stored import Stored, cache_folder, join, store
from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.metrics.identity import files_sha256, weights_sha256
from perceptbench.training.lipsim.data.photographs import Photographs
from perceptbench.training.lipsim.data.views import RECIPE, FixedViews, to_bytes, to_floats

_BATCH = 32
"""Images that pass through the teacher at once."""
_SHARD = 1024
"""Images a file while they are computed: what an interruption may lose."""
_PRECISION = "bfloat16 autocast, kept as float16"


def teacher_embeddings(
    teacher: EmbeddingMetric,
    name: str,
    photographs: Photographs,
    views: FixedViews,
    device: str = "cpu",
    workers: int = 0,
) -> Stored:
    """Unit embeddings (n, K, d) in float16 of every photograph at each of K views, from the cache or computed.

    The cache is keyed by photographs, views, and the teacher's weights and file; not by the device, whose rounding
    is small beside that of bfloat16. A computation that was interrupted goes on where it was.

    Args:
        teacher: moved to `device`.
        name: what the teacher is called, with its arguments.
        workers: processes that decode; 0 for this one.

    Raises UserError for a photograph that cannot be decoded, and where an embedding is not finite.
    """
    learnt = (name, weights_sha256(teacher), files_sha256(teacher), _PRECISION)
    parts = (photographs.sha256, RECIPE, views.size, views.count, *learnt)
    folder = cache_folder() / "teacher" / hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
    whole = Stored(folder / "embeddings.npy")
    folder.mkdir(parents=True, exist_ok=True)
    # Several processes of one run ask for the same: one computes, the others wait.
    with FileLock(folder / ".lock"):
        if not whole.path.is_file():
            shards = _shards(photographs, views, folder)
            _compute(teacher.to(device), name, AllViews(photographs, views), shards, device, workers)  # type: ignore[arg-type]
            join([shard.path for shard in shards], whole.path)
    return whole


@dataclass(frozen=True, slots=True)
class AllViews:
    """For a DataLoader: by some photographs' indices, all their views as bytes (n * K, 3, size, size).

    Where a photograph cannot be decoded, the error is handed back: raised in a worker, its sentence would
    come out under a traceback.
    """

    photographs: Photographs
    views: FixedViews

    def __getitem__(self, photos: range) -> Tensor | UserError:
        try:
            return to_bytes([image for i in photos for image in self._all_views(i)])
        except UserError as error:
            return error

    def _all_views(self, i: int) -> list[Image.Image]:
        photo = self.photographs.photo(i)
        return [self.views(photo, self.photographs.names[i], view) for view in range(self.views.count)]


@dataclass(frozen=True, slots=True)
class _Shard:
    path: Path
    batches: list[range]


def _shards(photographs: Photographs, views: FixedViews, folder: Path) -> list[_Shard]:
    """Every batch lies in one shard, so that what is resumed is rounded as what is not."""
    step = max(1, _BATCH // views.count)
    batches = [range(i, min(i + step, len(photographs))) for i in range(0, len(photographs), step)]
    each = max(1, _SHARD // (step * views.count))
    return [_Shard(folder / f"{i:07d}.npy", batches[i : i + each]) for i in range(0, len(batches), each)]


def _compute(
    teacher: EmbeddingMetric, name: str, images: AllViews, shards: list[_Shard], device: str, workers: int
) -> None:
    missing = [shard for shard in shards if not shard.path.is_file()]
    # A generator of its own: a DataLoader draws from the global one otherwise.
    loader: Iterator[Tensor | UserError] = iter(
        DataLoader(
            images,  # type: ignore[arg-type]
            batch_size=None,
            sampler=[batch for shard in missing for batch in shard.batches],
            num_workers=workers,
            generator=torch.Generator(),
        )
    )
    for shard in track(missing, f"teacher {name}", console=Console(stderr=True)):
        rows = [_embed(teacher, _sound(next(loader)).to(device)) for _ in shard.batches]
        unit = torch.cat(rows).unflatten(0, (-1, images.views.count))
        if not bool(unit.isfinite().all()):
            raise UserError(f"the teacher {name} gives embeddings that are not finite; take another one")
        store(shard.path, unit.half().cpu().numpy())


def _sound(images: Tensor | UserError) -> Tensor:
    if isinstance(images, UserError):
        raise images
    return images


@torch.inference_mode()
def _embed(teacher: EmbeddingMetric, images: Tensor) -> Tensor:
    with torch.autocast(images.device.type, torch.bfloat16):
        return F.normalize(teacher.embed(to_floats(images)).float(), dim=1)
