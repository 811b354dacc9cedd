"""R-CLIP against open_clip, on small random networks in its layout."""

from functools import partial
from pathlib import Path

import pytest
import torch
from checkpoints import assert_same_distances, photo_pairs, randomise, weights_folder
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cosine_similarity

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.r_clip import RClip

open_clip = pytest.importorskip("open_clip")
TEXT = {"context_length": 8, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return weights_folder(tmp_path, monkeypatch)


@pytest.fixture
def convnext(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """open_clip's convnext_base_w as it builds it, with fewer and narrower blocks."""
    timm = open_clip.timm_model.timm
    smaller = partial(timm.create_model, depths=(1, 1, 2, 1), dims=(16, 32, 48, 64))
    monkeypatch.setattr(timm, "create_model", smaller)
    config = open_clip.get_model_config("convnext_base_w")
    with forked_rng(0):
        made = open_clip.model.CLIP(config["embed_dim"], config["vision_cfg"], TEXT)
    monkeypatch.undo()
    return randomise(made)


def compare(subject: object, net: nn.Module) -> None:
    assert isinstance(subject, RClip)
    x, y = photo_pairs()
    mean, std = (
        torch.tensor(values)[:, None, None] for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    with torch.no_grad():
        a, b = (net.encode_image((z - mean) / std) for z in (x, y))  # type: ignore[operator]
        torch.testing.assert_close(subject.embed(x), a, rtol=1e-5, atol=1e-5)
        assert_same_distances(subject(x, y), 1 - cosine_similarity(a, b))


def test_default_equals_open_clip(convnext: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = weights_folder(tmp_path, monkeypatch)
    (weights,) = metric.card("r-clip").about.weights  # type: ignore[union-attr]
    save_file(convnext.state_dict(), folder / weights.file)
    compare(metric.build(Ref("r-clip")), convnext)


@pytest.mark.parametrize("quick_gelu", [False, True])
def test_a_transformer_in_a_file(quick_gelu: bool, tmp_path: Path) -> None:
    """As the authors' own links have it: the state dict of the image tower alone, by torch.save."""
    vision = {"image_size": 224, "layers": 2, "width": 128, "patch_size": 32}
    with forked_rng(0):
        net = randomise(open_clip.model.CLIP(48, vision, TEXT, quick_gelu=quick_gelu))
    torch.save(net.visual.state_dict(), tmp_path / "tower.pt")  # type: ignore[union-attr]
    args = (("quick_gelu", True),) if quick_gelu else ()
    compare(metric.build(Ref("r-clip", str(tmp_path / "tower.pt"), args)), net)


def test_what_is_no_such_file(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UserError, match=r"TeCoA4-convnext_base_w.*huggingface\.co/chs20/"):
        metric.build(Ref("r-clip"))
    with pytest.raises(UserError, match=r"nowhere\.pt, found no file"):
        metric.build(Ref("r-clip", str(tmp_path / "nowhere.pt")))
    save_file({"visual.trunk.stem.0.weight": torch.zeros(3)}, tmp_path / "part.safetensors")
    with pytest.raises(UserError, match=r"in open_clip's layout, got another"):
        metric.build(Ref("r-clip", str(tmp_path / "part.safetensors")))
