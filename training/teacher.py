"""The teacher's embeddings of a bank of images, mirrored ones included, computed once."""

import hashlib
import os
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.files import write_atomically
from metrics.base import EmbeddingMetric
from training.bank import Bank

_BATCH = 32


def cache_folder() -> Path:
    """Where caches live: PERCEPTBENCH_CACHE, else the user's cache folder."""
    base = os.environ.get("PERCEPTBENCH_CACHE")
    return Path(base) if base else Path.home() / ".cache" / "perceptbench"


def teacher_embeddings(metric: EmbeddingMetric, name: str, bank: Bank) -> Tensor:
    """Unit embeddings (n, 2, d) of every image and of its mirror image, from the cache or computed.

    The cache is keyed by the content of the images and the teacher's weights.
    """
    digest = hashlib.sha256(f"{name} {bank.sha256} {bank.images.shape}".encode())
    for tensor in metric.weights():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    path = cache_folder() / "teacher" / f"{digest.hexdigest()[:24]}.safetensors"
    if path.is_file():
        return load_file(path)["embeddings"]
    rows = []
    with torch.inference_mode():
        for start in track(range(0, len(bank), _BATCH), description=f"teacher {name}"):
            x = bank.floats(torch.arange(start, min(start + _BATCH, len(bank))))
            pair = [F.normalize(metric.embed(view), dim=1) for view in (x, x.flip(3))]
            rows.append(torch.stack(pair, 1))
    embeddings = torch.cat(rows).contiguous()
    write_atomically(path, lambda part: save_file({"embeddings": embeddings}, part))
    return embeddings
