"""Saved images: they come back as they were, and a file is not believed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from sealing import edit_record

from perceptbench.core.errors import UserError
from perceptbench.results.record import SCHEMA
from perceptbench.results.saved_images import MAX_SIDE, SavedTriplet, save, saved, saved_numbers, seal_images
from perceptbench.results.store import RunStore

RUN = "0123456789ab"


def triplet(name: str = "a", moved: str = "reference", eps: tuple[float, ...] = (0.5, 1.0)) -> SavedTriplet:
    random = np.random.default_rng(sum(map(ord, name)))
    reference, left, right = random.random((3, 3, 5, 7), dtype=np.float32)
    return SavedTriplet(name, eps, reference, left, right, random.random((len(eps), 3, 5, 7), dtype=np.float32), moved)


def test_images_come_back_bit_for_bit_in_the_order_of_the_run(tmp_path) -> None:
    compared = replace(triplet("c"), near=triplet("d").left, near_distance=0.25)
    wanted = {2: compared, 0: triplet("a/../b", moved="left"), 10: triplet("z", eps=(36 / 255,))}
    for number, one in wanted.items():
        save(tmp_path / RUN, number, one)
    found = list(saved(tmp_path, RUN))
    assert saved_numbers(tmp_path / RUN) == {0, 2, 10}
    for one, other in zip(found, (wanted[0], wanted[2], wanted[10]), strict=True):
        assert (one.id, one.eps, one.moved) == (other.id, other.eps, other.moved)
        for name in ("reference", "left", "right", "adversarial"):
            assert getattr(one, name).dtype == np.float32
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (found[0].near, found[0].near_distance, found[1].near_distance) == (None, None, 0.25)
    np.testing.assert_array_equal(found[1].near, compared.near)
    np.testing.assert_array_equal(found[0].original, wanted[0].left)
    np.testing.assert_array_equal(found[1].original, wanted[2].reference)


def test_a_run_without_images_has_none(tmp_path) -> None:
    assert list(saved(tmp_path, RUN)) == []
    assert saved_numbers(tmp_path / RUN) == set()


def _file(folder: Path, *, words: dict[str, str] | None = None, **changed: np.ndarray | None) -> None:
    arrays = {name: np.full((3, 4, 4), 0.5, np.float32) for name in ("reference", "left", "right")}
    arrays["adversarial"] = np.full((1, 3, 4, 4), 0.5, np.float32)
    kept = {name: array for name, array in (arrays | changed).items() if array is not None}
    (folder / "images").mkdir(parents=True, exist_ok=True)
    metadata = {"id": "a", "eps": "[1.0]", "moved": "reference"} | (words or {})
    save_file(kept, folder / "images" / "0000.safetensors", metadata=metadata)


WIDE = np.zeros((3, 1, MAX_SIDE + 1), np.float32)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"left": None}, "it should hold reference, left, right and adversarial"),
        ({"extra": np.zeros(1, np.float32)}, "it holds adversarial, extra,"),
        ({"left": np.full((3, 4, 4), 0.5)}, "float32"),
        ({"left": np.full((3, 4, 4), 1.5, np.float32)}, r"lie in \[0, 1\]"),
        ({"left": np.full((3, 4, 4), np.nan, np.float32)}, r"lie in \[0, 1\]"),
        ({"left": np.zeros((3, 4, 5), np.float32)}, "one shape"),
        ({"adversarial": np.zeros((2, 3, 4, 4), np.float32)}, "adversarial should be"),
        ({"reference": WIDE, "left": WIDE, "right": WIDE, "adversarial": WIDE[None]}, "sides up to 1024"),
        ({"words": {"eps": "[true]"}}, "a list of numbers"),
        ({"words": {"eps": "["}}, "damaged"),
        ({"words": {"eps": "[" * 100000}}, "damaged"),
        ({"words": {"eps": json.dumps([1.0] * 100)}}, "1 to 64 eps"),
        ({"near": np.zeros((3, 4, 4), np.float32)}, "near and its distance"),
        ({"words": {"near_distance": "1.5"}}, "near and its distance"),
        ({"near": np.zeros((3, 4, 5), np.float32), "words": {"near_distance": "1.5"}}, "one shape"),
        ({"words": {"moved": "folder"}}, "moved should be one of reference, left, right"),
    ],
)
def test_a_file_of_another_content_is_refused_in_one_sentence(tmp_path, changed, why) -> None:
    _file(tmp_path / RUN)
    assert len(list(saved(tmp_path, RUN))) == 1, "the file without the fault is fine"
    _file(tmp_path / RUN, **changed)
    with pytest.raises(UserError, match=why) as caught:
        list(saved(tmp_path, RUN))
    assert "0000.safetensors is damaged" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_arrays_are_refused(tmp_path, monkeypatch) -> None:
    path = save(tmp_path / RUN, 0, triplet())
    whole = path.read_bytes()
    for content in (b"", b"\x80\x04.", whole[:-1], (2**40).to_bytes(8, "little") + whole[8:]):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is damaged"):
            list(saved(tmp_path, RUN))
    path.write_bytes(whole)
    monkeypatch.setattr("perceptbench.results.saved_images._MAX_BYTES", len(whole) - 1)
    with pytest.raises(UserError, match="larger than"):
        list(saved(tmp_path, RUN))


def test_what_would_be_refused_is_not_written(tmp_path) -> None:
    with pytest.raises(ValueError, match="at most 10000 triplets"):
        save(tmp_path / RUN, 10_000, triplet())
    with pytest.raises(ValueError, match="adversarial should be"):
        save(tmp_path / RUN, 0, triplet(eps=()))
    assert not (tmp_path / RUN).exists()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path) -> None:
    (tmp_path / RUN).write_text("")
    with pytest.raises(UserError, match="leave --save-images out"):
        save(tmp_path / RUN, 0, triplet())


def _finished(root: Path, tiny, images: int, schema: int = SCHEMA) -> Path:
    """The folder of a run that was finished after its first images were saved."""
    with RunStore(root).writer(RUN) as writer:
        for number in range(images):
            save(root / RUN, number, triplet(str(number)))
        writer.finish(tiny(schema=schema))
    return root / RUN


def test_images_before_and_after_the_end_of_a_run_are_sealed(tmp_path, tiny) -> None:
    folder = _finished(tmp_path, tiny, images=1)
    before = RunStore(tmp_path).get(RUN)
    seal_images(folder, [save(folder, 3, triplet("late"))])
    after = RunStore(tmp_path).get(RUN)
    assert before.header() == after.header()
    assert saved_numbers(folder) == {0, 3}
    assert [one.id for one in saved(tmp_path, RUN)] == ["0", "late"]
    for name in ("0000", "0003"):
        path = folder / "images" / f"{name}.safetensors"
        data = path.read_bytes()
        path.write_bytes(data[:-4] + np.float32(0.5).tobytes())
        with pytest.raises(UserError, match=rf"{name}.safetensors is damaged: its content is not what was written"):
            list(saved(tmp_path, RUN))
        assert RunStore(tmp_path).get(RUN) is not None, "a picture decides no number"
        path.write_bytes(data)


def test_an_image_whose_process_was_stopped_before_the_seal_is_as_if_it_were_not_there(tmp_path, tiny) -> None:
    folder = _finished(tmp_path, tiny, images=1)
    save(folder, 1, triplet("half"))
    assert saved_numbers(folder) == {0}
    assert [one.id for one in saved(tmp_path, RUN)] == ["0"]
    seal_images(folder, [save(folder, 1, triplet("again"))])
    assert [one.id for one in saved(tmp_path, RUN)] == ["0", "again"]


def test_images_of_an_older_run_are_read_as_they_are(tmp_path, tiny) -> None:
    folder = _finished(tmp_path, tiny, images=1, schema=2)
    text = (folder / "record.json").read_text()
    seal_images(folder, [save(folder, 1, triplet("late"))])
    assert (folder / "record.json").read_text() == text
    assert [one.id for one in saved(tmp_path, RUN)] == ["0", "late"]


def test_a_damaged_record_gets_no_new_seal(tmp_path, tiny) -> None:
    folder = _finished(tmp_path, tiny, images=0)
    edit_record(folder, lambda header: header["facts"].update(seconds=2.5), seal=False)
    with pytest.raises(UserError, match=r"record\.json is damaged"):
        seal_images(folder, [save(folder, 0, triplet("late"))])
