"""ViT-Ti/16 against timm's own network, and against a count on genuine triplets."""

from pathlib import Path

import pytest
import timm
import torch
from checkpoints import assert_same_distances, photo_pairs, randomise, weights_folder
from safetensors.torch import save_file
from torch.nn.functional import cosine_similarity
from torch.utils.flop_counter import FlopCounterMode

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.vit_tiny import ViTTiny
from perceptbench.testing.samples import random_images
from perceptbench.triplets.base import triplets

NAME = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
SHARED = Path(__file__).parents[2].parent / "shared"
WEIGHTS, NIGHTS = SHARED / "weights", SHARED / "data" / "nights_dev"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return weights_folder(tmp_path, monkeypatch)


@pytest.mark.skipif(
    not (WEIGHTS.is_dir() and NIGHTS.is_dir()), reason="no real weights or triplets beside this checkout"
)
def test_answers_on_genuine_triplets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Counted with timm's program on the 44 development triplets of NIGHTS with six votes or more: 88.6 %."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PERCEPTBENCH_WEIGHTS", str(WEIGHTS))
    source = triplets.build(Ref("nights", str(NIGHTS)))
    assert len(source) == 44
    subject, right = metric.build(Ref("vit-tiny")), 0
    for start in range(0, 44, 11):
        batch = source.batch(source.entries[start : start + 11])
        with torch.no_grad():
            d0, d1 = subject.prepare(batch.left, batch.right).distances(batch.reference)
        right += int((batch.sign * (d0 - d1) > 0).sum())
    assert right == 39


def test_equals_what_timms_classifier_takes(folder: Path) -> None:
    """The features before the logits of timm's whole network, from a checkpoint with its classifier."""
    with forked_rng(0):
        net = randomise(timm.create_model(NAME, pretrained=False))
    save_file(net.state_dict(), folder / f"{NAME}.safetensors")
    config = timm.get_pretrained_cfg(NAME)
    assert (config.mean, config.std, config.input_size) == ((0.5,) * 3, (0.5,) * 3, (3, 224, 224))
    subject, (x, y) = ViTTiny(), photo_pairs()
    with torch.no_grad():
        a, b = (net.forward_head(net.forward_features(2 * z - 1), pre_logits=True) for z in (x, y))  # type: ignore[operator]
        torch.testing.assert_close(subject.embed(x), a, rtol=1e-5, atol=1e-5)
        assert_same_distances(subject(x, y), 1 - cosine_similarity(a, b))


def test_the_shorter_file_name_and_a_file_without_the_classifier_do_too(folder: Path) -> None:
    with forked_rng(0):
        net = randomise(timm.create_model(NAME, pretrained=False, num_classes=0))
    save_file(net.state_dict(), folder / "vit_tiny_patch16_224.safetensors")
    assert ViTTiny().embed(random_images(1, 32, seed=1)).shape == (1, 192)


def test_the_card_states_timms_file_and_the_size_of_what_runs() -> None:
    about = metric.card("vit-tiny").about
    assert about is not None
    (weights,) = about.weights
    assert (
        weights.url
        == f"https://huggingface.co/{timm.get_pretrained_cfg(NAME).hf_hub_id}/resolve/main/model.safetensors"
    )
    with torch.device("meta"):
        net = timm.create_model(NAME, pretrained=False, num_classes=0)
    assert about.parameters == pytest.approx(sum(p.numel() for p in net.parameters()) / 1e6, rel=1e-3)
    with FlopCounterMode(display=False) as flops:
        net(torch.empty(1, 3, 224, 224, device="meta"))
    assert about.gmac == pytest.approx(flops.get_total_flops() / 2e9, rel=1e-3)


def test_the_weights_of_another_network_are_refused(folder: Path) -> None:
    with forked_rng(0):
        net = timm.create_model("vit_small_patch16_224", pretrained=False, num_classes=0)
    save_file(net.state_dict(), folder / f"{NAME}.safetensors")
    with pytest.raises(UserError, match=r"expected the weights of a vision transformer \(12 blocks of width 192"):
        ViTTiny()
