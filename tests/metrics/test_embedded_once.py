"""Galleries are embedded once, kept by content, and never served for another metric."""

import numpy as np
import pytest
from galleries import near_grey, searched

from perceptbench.core.errors import Notice, UserError
from perceptbench.metrics import embedded_once as module
from perceptbench.metrics.classical.pixel import PixelL2
from perceptbench.metrics.embedded_once import checked_key, embedded_once, key_of
from perceptbench.testing.known_metrics import LiftedProjection, ProjectionCosine


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path))
    return tmp_path


class Counting(PixelL2):
    """Counts the images that it embeds; `hidden` decides numbers, and no hash can see it."""

    seen = 0
    hidden = 1.0

    def embed(self, x):
        type(self).seen += len(x)
        return type(self).hidden * x.flatten(1)


@pytest.fixture
def counting():
    Counting.seen, Counting.hidden = 0, 1.0
    return Counting()


def gallery(n=7, seed=0):
    return searched(near_grey(n, seed=seed), near_grey(1)).gallery


def test_a_gallery_is_embedded_once_and_probed_afterwards(counting):
    images = gallery()
    key = checked_key(counting, images, "cpu")
    kept = embedded_once(counting, images, key, "cpu").array
    assert isinstance(kept, np.memmap)
    assert kept.dtype == np.float32
    assert np.array_equal(kept, images.held.flatten(1).numpy())
    before = Counting.seen
    assert checked_key(counting, gallery(), "cpu") == key
    assert Counting.seen - before == 4, "a few images are looked at again, and no more"


def test_parts_that_are_there_are_not_computed_again(counting, monkeypatch, cache):
    monkeypatch.setattr(module, "_PART", 2)
    images, key = gallery(), key_of(counting, gallery())
    folder = cache / "galleries" / key
    folder.mkdir(parents=True)
    for start in (0, 2):
        np.save(folder / f"float32-{start:09d}.npy", images.held[start : start + 2].flatten(1).numpy())
    kept = embedded_once(counting, images, key, "cpu").array
    assert Counting.seen == 3
    assert np.array_equal(kept, images.held.flatten(1).numpy())
    assert {path.name for path in folder.iterdir()} == {".lock", "float32.npy"}


def test_a_metric_that_answers_otherwise_is_embedded_anew(counting):
    images = gallery()
    checked_key(counting, images, "cpu")
    Counting.hidden = 1.5
    with pytest.warns(Notice, match="computed anew"):
        key = checked_key(counting, images, "cpu")
    kept = embedded_once(counting, images, key, "cpu").array
    assert np.allclose(kept, 1.5 * images.held.flatten(1).numpy())


def test_other_weights_settings_images_or_their_order_have_another_key():
    images = gallery()
    known = {
        key_of(ProjectionCosine(192), images), key_of(ProjectionCosine(192, seed=1), images),
        key_of(ProjectionCosine(192, scale=2.0), images), key_of(LiftedProjection(192), images),
        key_of(ProjectionCosine(192), gallery(seed=1)), key_of(ProjectionCosine(192), gallery(6)),
    }  # fmt: skip
    assert len(known) == 6
    assert key_of(ProjectionCosine(192), gallery()) in known


def test_proofs_read_float64():
    metric, images = ProjectionCosine(192), gallery()
    kept = embedded_once(metric, images, key_of(metric, images), "cpu", exact=True).array
    assert kept.dtype == np.float64
    assert np.allclose(kept, metric.embed(images.held.double()).numpy(), rtol=1e-14, atol=0)


def test_an_embedding_that_is_not_finite_is_refused_and_nothing_is_kept(counting, cache):
    Counting.hidden = float("nan")
    with pytest.raises(UserError, match="not finite"):
        embedded_once(counting, gallery(), "key", "cpu")
    assert not list((cache / "galleries" / "key").glob("*.npy"))
