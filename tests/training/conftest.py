"""A few photographs, and a teacher whose answers can be worked out."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from perceptbench.metrics.base import EmbeddingMetric
from perceptbench.training.lipsim.data.items import Items, all_items
from perceptbench.training.lipsim.data.photographs import load_photographs
from perceptbench.training.lipsim.data.teacher import teacher_embeddings
from perceptbench.training.lipsim.data.views import FixedViews


class Mosaic(EmbeddingMetric):
    """The colours of 2 x 2 fields, about mid-grey, times a weight; counts the images it has seen."""

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = torch.tensor([weight, 0.5])
        self.seen = 0

    def embed(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        fields = F.adaptive_avg_pool2d(x - 0.5, 2).flatten(1)
        return fields * torch.cat([self.weight[0].expand(6), self.weight[1].expand(6)])

    def weights(self) -> Iterable[Tensor]:
        return [self.weight]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of smooth random colours, 40 x 32, in three subfolders."""
    folder = tmp_path_factory.mktemp("album")
    rng = np.random.default_rng(0)
    for i in range(30):
        small = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        file = folder / f"class{i % 3}" / f"{i:02d}.png"
        file.parent.mkdir(exist_ok=True)
        small.resize((40, 32), Image.Resampling.BICUBIC).save(file)
    return folder


@pytest.fixture
def make_items(album: Path) -> Callable[..., Items]:
    """Items of the album by number of views, at 16 pixels."""

    def make(count: int = 3, limit: int | None = None) -> Items:
        photographs, views = load_photographs([album], limit), FixedViews(size=16, count=count)
        return all_items(photographs, views, teacher_embeddings(Mosaic(), "mosaic", photographs, views))

    return make


@pytest.fixture
def mosaic() -> type[Mosaic]:
    return Mosaic
