"""CLIP and OpenCLIP against open_clip, on small random networks in its layout."""

from pathlib import Path

import pytest
import torch
from checkpoints import assert_same_distances, photo_pairs, randomise, weights_folder
from safetensors.torch import save_file
from torch.nn.functional import cosine_similarity, normalize

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings import clip
from perceptbench.metrics.embeddings.open_clip import image_tower
from perceptbench.metrics.embeddings.vision import CLIP, VisionMetric, resized
from perceptbench.metrics.embeddings.vit import ViT
from perceptbench.testing.samples import random_images

open_clip = pytest.importorskip("open_clip")

# The name of the network at open_clip, and where the metric's module keeps its sizes.
NAMES = {
    "clip-b16": ("ViT-B-16-quickgelu", "_B16"),
    "clip-b32": ("ViT-B-32-quickgelu", "_B32"),
    "clip-l14": ("ViT-L-14-quickgelu", "_L14"),
    "openclip-b16": ("ViT-B-16", "_B16"),
    "openclip-b32": ("ViT-B-32", "_B32"),
    "openclip-l14": ("ViT-L-14", "_L14"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return weights_folder(tmp_path, monkeypatch)


def small(name: str, **vision: object) -> torch.nn.Module:
    """open_clip's network of a name with random weights, two blocks of width 128 and a small text tower."""
    config = open_clip.get_model_config(name)
    sizes = {"layers": 2, "width": 128, "head_width": 64}
    text = {"context_length": 8, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1}
    quick_gelu = config.get("quick_gelu", False)
    with forked_rng(0):
        made = open_clip.model.CLIP(48, {**config["vision_cfg"], **sizes, **vision}, text, quick_gelu=quick_gelu)
    return randomise(made)


def theirs(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Embeddings as open_clip gives them: its own normalisation, its own feature."""
    mean, std = (
        torch.tensor(values)[:, None, None] for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    with torch.no_grad():
        return net.encode_image((x - mean) / std)  # type: ignore[operator, no-any-return]


@pytest.mark.parametrize("name", NAMES)
def test_equals_open_clip(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, sizes = NAMES[name]
    net = small(original)
    patch = getattr(clip, sizes).patch
    monkeypatch.setattr(clip, sizes, ViT(patch, 128, 2))
    (weights,) = metric.card(name).about.weights  # type: ignore[union-attr]
    save_file(net.state_dict(), folder / weights.file)
    subject, (x, y) = metric.build(Ref(name)), (z[::3] for z in photo_pairs())
    with torch.no_grad():
        ours, got = subject(x, y), subject.embed(x)  # type: ignore[attr-defined]
    a, b = theirs(net, x), theirs(net, y)
    torch.testing.assert_close(got, a, rtol=1e-5, atol=1e-5)
    assert_same_distances(ours, 1 - cosine_similarity(normalize(a), normalize(b)))


def test_another_network_is_refused(folder: Path) -> None:
    (weights,) = metric.card("clip-b32").about.weights  # type: ignore[union-attr]
    save_file(small("ViT-B-32").state_dict(), folder / weights.file)
    with pytest.raises(UserError, match=r"expected a vision transformer \(12 blocks of width 768.*got .*2 blocks"):
        metric.build(Ref("clip-b32"))


def test_absent_weights_are_named(folder: Path) -> None:
    with pytest.raises(UserError, match=r"vit_large_patch14_clip_224\.openai.*huggingface\.co/timm/.*openai/resolve"):
        metric.build(Ref("clip-l14"))


def test_tower_alone_and_tensors_of_something_else() -> None:
    net = small("ViT-B-32", image_size=64)
    whole, side = image_tower(net.state_dict())
    alone, _ = image_tower(net.visual.state_dict())  # type: ignore[union-attr]
    x = random_images(1, 64)
    with torch.no_grad():
        assert torch.equal(whole(x), alone(x))
    assert side == 64
    with pytest.raises(UserError, match=r"open_clip's layout, got another"):
        image_tower({"features.0.weight": torch.zeros(3)})
    lacking = {name: t for name, t in net.state_dict().items() if name != "visual.ln_post.bias"}
    with pytest.raises(UserError, match=r"norm\.bias is missing in place of \(128,\)"):
        image_tower(lacking)
    with pytest.raises(UserError, match="multiple of 64 and at most 1024, got 1280"):
        ViT(14, 1280, 32)


def test_a_batch_equals_its_items_at_any_size_with_gradients() -> None:
    net, side = image_tower(small("ViT-B-32", image_size=64).state_dict(), quick_gelu=True)
    subject = VisionMetric(net, CLIP, side)
    x, y = random_images(3, 40, 50, seed=1).requires_grad_(), random_images(3, 40, 50, seed=2)
    together = subject(x, y)
    alone = torch.cat([subject(x[i : i + 1], y[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
    (gradient,) = torch.autograd.grad(together.sum(), x)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1).norm(dim=1) > 0).all()
    assert all(not p.requires_grad for p in subject.net.parameters())
    assert all(isinstance(t, torch.Tensor) for t in subject.weights())


def test_resizing_is_pillows() -> None:
    """On photographs; Pillow rounds to 8 bits, and cuts back what overshoots, after each of its two passes."""
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor, to_pil_image

    x = (255 * photo_pairs()[0][:2, :, :200]).round() / 255
    for side in (64, 301):
        got = resized(x, side)
        pillow = (to_pil_image(image).resize((side, side), Image.Resampling.BICUBIC) for image in x)
        wanted = torch.stack([pil_to_tensor(image) for image in pillow]) / 255
        assert (got - wanted).abs().max() < 6 / 255
        assert (got - wanted).abs().mean() < 0.4 / 255
        assert 0 <= got.min() <= got.max() <= 1
    assert resized(x[..., :64, :64], 64).equal(x[..., :64, :64])
