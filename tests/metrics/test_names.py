"""The names people type: each makes a metric here, or says in one sentence what is missing and where to get it."""

import pytest

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric

# Published, so scripts outside use them; a change needs a line in CHANGELOG.
NAMES = [
    "psnr",
    "ssim",
    "ms-ssim",
    "fsim",
    "lpips",
    "lpips-vgg",
    "lpips-squeeze",
    "dists",
    "st-lpips",
    "e-lpips",
    "r-lpips",
    "clip-b16",
    "clip-b32",
    "clip-l14",
    "openclip-b16",
    "openclip-b32",
    "openclip-l14",
    "dino-s8",
    "dino-s16",
    "dino-b8",
    "dino-b16",
    "dinov2-s14",
    "mae-b16",
    "effnet-lite0",
    "effnet-lite2",
    "mobilenetv2",
    "vit-tiny",
    "ensemble-cosine",
    "dreamsim",
    "dreamsim-dino",
    "dreamsim-clip",
    "dreamsim-openclip",
    "r-clip",
    "lipsim",
    "lipsim-paper",
    "l2",
    "pdq",
    "phash",
    "dhash",
    "ahash",
]


def test_no_other_names_but_the_bridges() -> None:
    assert set(metric.names()) == {*NAMES, "timm", "pyiqa", "py"}


@pytest.mark.parametrize("name", [*NAMES, "timm:vit_small_patch16_224", "pyiqa:lpips"])
def test_a_name_makes_a_metric_or_says_what_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERCEPTBENCH_OFFLINE", "1")
    card = metric.card(name.partition(":")[0])
    try:
        metric.build(Ref.parse(name))
    except UserError as error:
        sentence = str(error)
        assert "\n" not in sentence
        assert "https://" in sentence or "pip install" in sentence or "checkpoint" in sentence
        assert card.absent or card.missing or ":" in name
    else:
        assert not card.absent
        assert not card.missing
