"""What a teacher has seen is embedded once: whole, resumed and never mistaken for another's."""

import pickle
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.training.lipsim.data import neighbours as nearest
from perceptbench.training.lipsim.data import teacher as module
from perceptbench.training.lipsim.data.neighbours import neighbours
from perceptbench.training.lipsim.data.photographs import load_photographs
from perceptbench.training.lipsim.data.teacher import teacher_embeddings
from perceptbench.training.lipsim.data.views import FixedViews, to_bytes, to_floats


@pytest.fixture
def photographs(album):
    return load_photographs([album])


VIEWS = FixedViews(size=16, count=3)


def test_every_view_is_embedded_as_the_student_sees_it(make_items, mosaic):
    items = make_items()
    found = items.embeddings.array
    assert found.shape == (30, 3, 12)
    assert found.dtype == np.float16
    x = to_floats(to_bytes([items.image(i) for i in range(len(items))]))
    expected = F.normalize(mosaic().embed(x), dim=1)
    assert torch.allclose(torch.from_numpy(np.array(found)).flatten(0, 1).float(), expected, atol=0.01)
    unit = items.unit([7, 3])
    assert torch.allclose(unit, expected[[7, 3]], atol=0.01)
    assert torch.allclose(unit.norm(dim=1), torch.ones(2))
    assert torch.allclose(items.similarities([7, 3]), expected[[7, 3]] @ expected[[7, 3]].T, atol=0.01)


def test_the_teacher_is_shown_exactly_the_pixels_of_the_items(make_items, photographs, mosaic, monkeypatch):
    shown = []
    monkeypatch.setattr(
        module,
        "_embed",
        lambda teacher, images: shown.append(images) or F.normalize(images.float().mean((2, 3)), dim=1),
    )
    items = make_items()
    assert torch.equal(torch.cat(shown), to_bytes([items.image(i) for i in range(len(items))]))


def test_a_computation_that_was_interrupted_goes_on_to_the_same_numbers(photographs, mosaic, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 6)
    whole = np.array(teacher_embeddings(mosaic(), "mosaic", photographs, VIEWS).array)
    monkeypatch.setattr(module, "_SHARD", 18)
    monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path / "other"))
    teacher, embed = mosaic(), module._embed

    def stop(teacher, images):
        if teacher.seen >= 40:
            raise KeyboardInterrupt
        return embed(teacher, images)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_embed", stop)
        with pytest.raises(KeyboardInterrupt):
            teacher_embeddings(teacher, "mosaic", photographs, VIEWS)
    assert teacher.seen == 42
    resumed = teacher_embeddings(teacher, "mosaic", photographs, VIEWS)
    assert teacher.seen == 42 + 90 - 36  # two shards of 18 images were done
    assert np.array_equal(resumed.array, whole)
    assert [file.name for file in resumed.path.parent.glob("*.npy")] == ["embeddings.npy"]
    teacher_embeddings(teacher, "mosaic", photographs, VIEWS)
    assert teacher.seen == 42 + 90 - 36


def test_decoding_in_other_processes_gives_the_same(photographs, mosaic, tmp_path, monkeypatch):
    one = np.array(teacher_embeddings(mosaic(), "mosaic", photographs, VIEWS).array)
    monkeypatch.setenv("PERCEPTBENCH_CACHE", str(tmp_path / "other"))
    assert np.array_equal(teacher_embeddings(mosaic(), "mosaic", photographs, VIEWS, workers=1).array, one)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_photograph_is_refused_with_its_name(album, tmp_path, mosaic, workers):
    folder = tmp_path / "album"
    shutil.copytree(album, folder)
    (folder / "class1" / "13.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"^class1/13\.png: expected a whole JPEG") as refused:
        teacher_embeddings(mosaic(), "mosaic", load_photographs([folder]), VIEWS, workers=workers)
    assert "Traceback" not in str(refused.value)


def test_whatever_decides_the_embeddings_decides_which_are_used(photographs, mosaic, monkeypatch):
    def place(teacher=None, name="mosaic", photographs=photographs, views=VIEWS):
        return teacher_embeddings(teacher or mosaic(), name, photographs, views).path

    first = place()
    others = [
        place(teacher=mosaic(2.0)),
        place(name="another"),
        place(photographs=photographs.select(range(29))),
        place(views=FixedViews(size=16, count=2)),
        place(views=FixedViews(size=15, count=3)),
    ]
    monkeypatch.setattr(module, "RECIPE", -1)
    others.append(place())
    assert len({first, *others}) == 7


def test_a_teacher_of_your_own_is_another_once_its_file_is_edited(photographs, tmp_path):
    file, paths = tmp_path / "mine.py", set()
    for power in (1, 2, 1):
        file.write_text(f"class Mine:\n    def embed(self, x):\n        return x.mean((2, 3)) ** {power}\n")
        name = f"py:{file}:Mine"
        paths.add(teacher_embeddings(metric.build(Ref.parse(name)), name, photographs, VIEWS).path)
    assert len(paths) == 2


def test_a_damaged_cache_and_a_faulty_teacher_are_refused(photographs, mosaic):
    path = teacher_embeddings(mosaic(), "mosaic", photographs, VIEWS).path
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r"embeddings\.npy is damaged"):
        teacher_embeddings(mosaic(), "mosaic", photographs, VIEWS).array  # noqa: B018 - opened when first read
    with pytest.raises(UserError, match="teacher mosaic gives embeddings that are not finite"):
        teacher_embeddings(mosaic(float("nan")), "mosaic", photographs, VIEWS)


def test_neighbours_are_those_of_brute_force(make_items, monkeypatch):
    items = make_items(count=3)
    monkeypatch.setattr(nearest, "_QUERIES", 17)
    monkeypatch.setattr(nearest, "_CANDIDATES", 12)
    found = neighbours(items, 7).array
    assert found.shape == (90, 7)
    similar = items.similarities(range(90)).numpy()
    for item in range(90):
        best = []
        for photo in range(30):
            views = [v for v in range(3 * photo, 3 * photo + 3) if v != item]
            best.append(max(views, key=lambda v: similar[item, v]))
        expected = sorted(best, key=lambda v: -similar[item, v])[:7]
        assert np.allclose(similar[item, found[item]], similar[item, expected], atol=1e-6)
        assert item not in found[item]
        assert len({v // 3 for v in found[item]}) == 7


def test_neighbours_are_kept_for_these_photographs_alone(make_items, monkeypatch):
    items = make_items()
    learn, _ = items.split(3)
    kept = neighbours(learn, 5)
    assert kept.array.max() < len(learn)
    assert neighbours(items, 5).path != kept.path != neighbours(learn, 6).path
    monkeypatch.setattr(nearest, "_of_block", lambda *args: pytest.fail("computed again"))
    assert np.array_equal(neighbours(learn, 5).array, kept.array)
    assert np.array_equal(pickle.loads(pickle.dumps(kept)).array, kept.array)


def test_there_are_no_more_neighbours_than_photographs(make_items):
    one, several = make_items(count=1, limit=8), make_items(count=2, limit=8)
    assert neighbours(one, 50).array.shape == (8, 7)
    assert neighbours(several, 50).array.shape == (16, 8)
    own = neighbours(one, 50).array == np.arange(8)[:, None]
    assert not own.any()
