"""Small random networks in the layouts of the originals, and real photographs to run them on."""

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from perceptbench.core.ref import Ref
from perceptbench.testing.samples import generator
from perceptbench.triplets.base import triplets


@cache
def photo_pairs() -> tuple[Tensor, Tensor]:
    """Ten pairs of different photographs at 224 x 224: the references of the built-in triplets, two by two."""
    source = triplets.build(Ref("photos"))
    batch = source.batch(source.entries)
    photos = torch.stack([x for i, x in enumerate(batch.reference) if not any(x.equal(y) for y in batch.reference[:i])])
    return photos[:10], photos[10:20]


def randomise(net: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of a size that keeps signals and differences alive through all layers; nothing is zero or one."""
    draw = generator(seed)
    with torch.no_grad():
        for name, p in net.named_parameters():
            noise = torch.randn(p.shape, generator=draw)
            if p.ndim >= 2 and "embed" not in name.rpartition(".")[2] and "token" not in name:
                p.copy_(1.5 * noise / p[0].numel() ** 0.5)
            else:
                p.copy_(1 + 0.2 * noise if p.ndim == 1 and name.endswith("weight") else 0.2 * noise)
    return net.eval()


def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty $PERCEPTBENCH_WEIGHTS; no cache of this machine is looked into, and nothing is fetched."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(folder))
    monkeypatch.setenv("PERCEPTBENCH_OFFLINE", "1")
    monkeypatch.setattr("perceptbench.core.fetch.hashes.store", lambda: tmp_path / "hashes.json")
    for name in ("XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return folder


def assert_same_distances(ours: Tensor, theirs: Tensor) -> None:
    """Equal to 1e-5 of themselves (and to what float32 leaves of 1 - cos), and of sizes that mean something."""
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=3e-7)
    assert theirs.min() > 0.02
    assert theirs.std() > 0.01
