"""How visible attacked images are: the four numbers beside every size, and runs that do not have them."""

import numpy as np
import pandas as pd
import pytest
import torch
from originals import find_shared_weights

from perceptbench.bench import visible
from perceptbench.bench.visible import Visible
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.results.record import VISIBLE
from perceptbench.results.saved_images import saved
from perceptbench.testing.samples import random_images

WORDS = ("run", "--metric", "l2", "--attack", "l2-apgd-ce(steps=5)", "--limit", 4)


def test_an_unchanged_image_has_no_change_and_nothing_is_asked(monkeypatch) -> None:
    x = random_images(2, 32)
    watched = Visible(x)
    monkeypatch.setattr(Visible, "_compared", None)
    found = watched(x)
    assert set(found) == set(VISIBLE)
    assert [found[f"change_{name}"].tolist() for name in ("l2", "linf", "ssim")] == [[0, 0], [0, 0], [1, 1]]
    (learned,) = (name for name in ("lpips", "lipsim") if found[f"change_{name}"].tolist() == [0, 0])
    assert found[{"lpips": "change_lipsim", "lipsim": "change_lpips"}[learned]].isnan().all()


def test_the_numbers_are_those_of_the_metrics_at_the_changed_images_alone(monkeypatch) -> None:
    x = random_images(3, 40)
    changed = x.clone()
    changed[1] = (x[1] + 0.1 * random_images(1, 40, seed=1)[0]).clamp(0, 1)
    looked_at = []
    before = Visible._compared
    monkeypatch.setattr(Visible, "_compared", lambda self, a, b: looked_at.append(len(a)) or before(self, a, b))
    watched = Visible(x)
    first = {name: values.clone() for name, values in watched(changed).items()}
    delta = (changed[1].double() - x[1].double()).numpy()
    assert float(first["change_l2"][1]) == pytest.approx(np.linalg.norm(delta))
    assert float(first["change_linf"][1]) == pytest.approx(np.abs(delta).max())
    ssim = 1 - float(metric.build(Ref("ssim"))(changed[1:2], x[1:2]))
    assert float(first["change_ssim"][1]) == pytest.approx(ssim, abs=1e-6)
    assert first["change_l2"].tolist()[::2] == [0, 0]
    changed = changed.clone()
    changed[2] = 1 - x[2]
    again = watched(changed)
    assert float(again["change_l2"][1]) == float(first["change_l2"][1])
    assert float(again["change_ssim"][2]) < 0.1
    assert looked_at == [1, 1], "an image that stayed the same is not looked at again"


@pytest.mark.parametrize("here", [True, False])
def test_lipsim_stands_in_where_lpips_has_no_weights(monkeypatch, tmp_path, here) -> None:
    find_shared_weights(monkeypatch, tmp_path)
    if here and metric.card("lpips").absent:
        pytest.skip("the weights of LPIPS are not here")
    visible._learned.cache_clear()
    if not here:
        monkeypatch.setattr(visible, "_LEARNED", ("lipsim",))
    x, y = random_images(2, 64).split(1)
    found = Visible(x)(y)
    name, other = ("lpips", "lipsim") if here else ("lipsim", "lpips")
    assert float(found[f"change_{name}"]) == pytest.approx(float(metric.build(Ref(name))(y, x)), rel=1e-4)
    assert found[f"change_{other}"].isnan().all()
    visible._learned.cache_clear()


def test_an_image_that_is_too_small_has_missing_values() -> None:
    x, y = random_images(2, 8).split(1)
    found = Visible(x)(y)
    assert found["change_ssim"].isnan().all()
    assert float(found["change_l2"]) > 0


def test_images_that_move_together_are_told_apart() -> None:
    x, y = random_images(6, 40).split(3)
    stacked = [torch.cat(tuple(three), 1)[None] for three in (x, y)]
    together, apart = Visible(stacked[0], 3)(stacked[1]), Visible(x)(y)
    assert float(together["change_ssim"]) == pytest.approx(float(apart["change_ssim"].mean()), abs=1e-6)
    assert float(together["change_l2"]) == pytest.approx(float(apart["change_l2"].norm()))
    assert float(together["change_linf"]) == float(apart["change_linf"].max())


def test_a_run_keeps_them_for_every_attacked_sample(bench, data, tmp_path) -> None:
    bench(*WORDS, "--data", data, "--eps", "0.5,2", "--runs", tmp_path, "--no-skip-certified", "--save-images", 4)
    (path,) = tmp_path.glob("*/samples.parquet")
    samples = pd.read_parquet(path).set_index(["id", "eps"])
    assert list(samples.columns)[-len(VISIBLE) :] == list(VISIBLE)
    ssim = metric.build(Ref("ssim"))
    for one in saved(tmp_path, path.parent.name):
        for eps, image in zip(one.eps, one.adversarial, strict=True):
            row = samples.loc[(one.id, eps)]
            assert row["change_l2"] == pytest.approx(row["size"], abs=1e-9)
            pair = (torch.from_numpy(image)[None], torch.from_numpy(one.reference)[None])
            assert row["change_ssim"] == pytest.approx(1 - float(ssim(*pair)), abs=1e-5)


def test_where_nothing_attacks_they_are_missing(bench, data, tmp_path) -> None:
    bench("certify", "--metric", "l2", "--data", data, "--eps", "0.5", "--limit", 4, "--runs", tmp_path)
    (path,) = tmp_path.glob("*/samples.parquet")
    assert pd.read_parquet(path)[list(VISIBLE)].isna().all(axis=None)


def test_of_three_images_that_move_the_run_has_the_mean(bench, data, tmp_path) -> None:
    bench(*WORDS, "--data", data, "--eps", "6", "--move", "all", "--no-skip-certified", "--runs", tmp_path)
    (path,) = tmp_path.glob("*/samples.parquet")
    samples = pd.read_parquet(path)
    moved = samples[samples["size"] > 0]
    assert len(moved)
    assert np.allclose(moved["change_l2"], moved["size"])
    assert moved["change_ssim"].between(0, 1).all()
