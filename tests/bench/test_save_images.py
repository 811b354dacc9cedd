"""`bench run --save-images N`: the images behind the numbers, and no other numbers for them."""

import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.results.saved_images import saved
from perceptbench.triplets.base import triplets

WORDS = ("run", "--metric", "l2", "--attack", "l2-apgd-ce(steps=10)", "--eps", "1,4", "--no-skip-certified")


def images_of(runs):
    """(run id, saved triplets) of the only run in a folder."""
    (record,) = runs.glob("*/record.json")
    return record.parent.name, list(saved(runs, record.parent.name))


def samples_of(runs):
    (path,) = runs.glob("*/samples.parquet")
    return pd.read_parquet(path)


@pytest.fixture(scope="module")
def with_images(bench, data, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    bench(*WORDS, "--data", data, "--runs", runs, "--save-images", 3, "--batch-size", 2)
    return runs


def test_the_images_are_those_that_were_judged(with_images, data) -> None:
    """Norms and distances of pixel l2, computed again from the files."""
    source = triplets.build(Ref.parse(data))
    batch = source.batch(source.entries)
    _, found = images_of(with_images)
    rows = samples_of(with_images).set_index(["id", "eps"])
    assert [one.id for one in found] == list(source.ids[:3])
    for i, one in enumerate(found):
        assert one.eps == (1.0, 4.0)
        for name in ("reference", "left", "right"):
            np.testing.assert_array_equal(getattr(one, name), getattr(batch, name)[i].numpy())
        for eps, image in zip(one.eps, one.adversarial.astype(np.float64), strict=True):
            row = rows.loc[(one.id, eps)]
            assert np.linalg.norm(image - one.reference) == pytest.approx(row["size"], abs=1e-5)
            assert np.linalg.norm(image - one.left) == pytest.approx(row["d0_adv"], rel=1e-4)
            assert np.linalg.norm(image - one.right) == pytest.approx(row["d1_adv"], rel=1e-4)
        moved = rows.loc[(one.id, 4.0), "d_self"]
        others = torch.cat((batch.reference, batch.left, batch.right)).double() - torch.from_numpy(one.reference)
        distances = others.flatten(1).norm(dim=1).numpy()
        nearest = min((d for d in distances if d > 0), key=lambda d: abs(d - moved))
        assert one.near_distance == pytest.approx(nearest, rel=1e-3)
        assert np.linalg.norm(one.near.astype(np.float64) - one.reference) == pytest.approx(nearest, rel=1e-3)
    assert (rows["size"] > 0).any(), "nothing was attacked"


def test_no_number_depends_on_it(bench, with_images, data, tmp_path) -> None:
    bench(*WORDS, "--data", data, "--runs", tmp_path, "--batch-size", 2)
    run, found = images_of(tmp_path)
    assert (run, found) == (images_of(with_images)[0], [])
    pd.testing.assert_frame_equal(samples_of(tmp_path), samples_of(with_images))


def test_a_finished_run_gets_just_the_images_that_it_lacks(bench, with_images, data, tmp_path, monkeypatch) -> None:
    from perceptbench.bench.engines import local as runner

    runs = tmp_path / "runs"
    shutil.copytree(with_images, runs)
    run, before = images_of(runs)
    (runs / run / "images" / "0001.safetensors").unlink()
    record, samples = runs / run / "record.json", runs / run / "samples.parquet"
    header, kept = json.loads(record.read_text()), samples.read_bytes()
    asked: list[str] = []

    def noted(plan, batch, *rest):
        asked.extend(batch.ids)
        return evaluate(plan, batch, *rest)

    evaluate = runner.evaluate
    monkeypatch.setattr(runner, "evaluate", noted)
    bench(*WORDS, "--data", data, "--runs", runs, "--save-images", 4)
    _, after = images_of(runs)
    assert asked == [before[1].id, after[3].id]
    sealed = json.loads(record.read_text())
    assert samples.read_bytes() == kept
    assert sorted(sealed["seal"]["images"]) == [f"images/{number:04d}.safetensors" for number in range(4)]
    assert {**sealed, "seal": None} == {**header, "seal": None}
    for one, other in zip(before, after[:3], strict=True):
        np.testing.assert_allclose(one.adversarial, other.adversarial, atol=1e-5)
    asked.clear()
    bench(*WORDS, "--data", data, "--runs", runs, "--save-images", 2)
    assert asked == []


def test_a_run_that_was_stopped_goes_on_and_has_every_image(bench, with_images, data, tmp_path, monkeypatch) -> None:
    from perceptbench.bench.engines import local as runner

    words = (*WORDS, "--data", data, "--runs", tmp_path, "--batch-size", 2)
    evaluate, calls = runner.evaluate, itertools.count(1)

    def stopped(*words):
        if next(calls) == 3:
            raise RuntimeError
        return evaluate(*words)

    monkeypatch.setattr(runner, "evaluate", stopped)
    with pytest.raises(UserError, match="RuntimeError"):
        # The first process was not asked for images, so they are made for finished triplets too.
        bench(*words)
    monkeypatch.setattr(runner, "evaluate", evaluate)
    bench(*words, "--save-images", 5)
    _, found = images_of(tmp_path)
    assert len(found) == 5
    for one, other in zip(images_of(with_images)[1], found, strict=False):
        np.testing.assert_allclose(one.adversarial, other.adversarial, atol=1e-5)


def test_the_image_that_moves_is_the_one_kept(bench, data, tmp_path) -> None:
    bench("run", "--metric", "l2", "--attack", "l2-pgd(steps=5)", "--eps", "4", "--move", "left", "--data", data,
          "--runs", tmp_path, "--limit", 2, "--save-images", 9, "--no-skip-certified")  # fmt: skip
    _, found = images_of(tmp_path)
    rows = samples_of(tmp_path).set_index("id")
    assert len(found) == 2
    for one in found:
        assert one.moved == "left"
        size = np.linalg.norm(one.adversarial[0].astype(np.float64) - one.original)
        assert size == pytest.approx(rows.loc[one.id, "size"], abs=1e-5)
    assert (rows["size"] > 0).any()


def test_rounded_images_are_kept_as_they_were_judged(bench, data, tmp_path) -> None:
    bench("run", "--metric", "l2", "--attack", "l2-pgd(steps=5)", "--eps", "4", "--quantize", "8bit", "--data", data,
          "--runs", tmp_path, "--limit", 2, "--save-images", 2, "--no-skip-certified")  # fmt: skip
    for one in images_of(tmp_path)[1]:
        for image in (one.reference, one.left, one.right, one.adversarial):
            np.testing.assert_allclose(image * 255, np.round(image * 255), atol=1e-4)
