"""Benign edits: each keeps the size, depends on its draws alone, and goes further the stronger it is."""

import io

import numpy as np
import pytest
import torchvision.transforms.v2.functional as v2
from PIL import Image, ImageFilter
from torchvision.transforms import InterpolationMode

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.triplets.constructed.named_draws import NamedDraws
from perceptbench.triplets.edits.base import Chosen, chosen, edit, edited
from perceptbench.triplets.photos import LazyPhotos

NAMES = edit.names()
DRAWS = NamedDraws("a pair")


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """64 x 64 pixels of a photograph."""
    return np.asarray(Image.fromarray(LazyPhotos(["coffee.jpg"])[0]).resize((64, 64)))


def test_the_edits_are_those_of_the_documentation() -> None:
    assert NAMES == [
        "blur", "border", "brightness", "caption", "contrast", "crop", "flip", "gamma", "jpeg", "noise", "overlay",
        "resize", "rotate", "screenshot", "shift", "shift-px", "webp",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_keeps_the_size_and_the_photograph(name: str, photograph: np.ndarray) -> None:
    before, made = photograph.copy(), edit.build(Ref(name))
    assert len(made.strengths) == 3
    for strength in (*made.strengths, *made.range):
        found = edited(photograph, name, strength, DRAWS)
        assert (found.shape, found.dtype) == (photograph.shape, np.uint8)
        assert np.array_equal(found, edited(photograph, name, strength, DRAWS))
        assert made.range[0] <= strength <= made.range[1]
    assert np.array_equal(photograph, before)
    assert not np.array_equal(edited(photograph, name, made.strengths[1], DRAWS), photograph)
    for side in (1, 3):
        assert edited(photograph[:side, :side], name, made.strengths[-1], DRAWS).shape == (side, side, 3)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"flip"}))
def test_a_stronger_edit_goes_further(name: str, photograph: np.ndarray) -> None:
    def moved(strength: float) -> float:
        found = [edited(photograph, name, strength, NamedDraws(f"{i}")) for i in range(4)]
        return float(np.mean([np.abs(one - photograph.astype(float)).mean() for one in found]))

    sizes = [moved(strength) for strength in edit.build(Ref(name)).strengths]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


@pytest.mark.parametrize("name", ["crop", "shift", "rotate", "brightness", "contrast", "gamma", "noise", "border"])
def test_draws_vary_between_pairs(name: str, photograph: np.ndarray) -> None:
    strength = edit.build(Ref(name)).strengths[1]
    found = {edited(photograph, name, strength, NamedDraws(f"{i}")).tobytes() for i in range(8)}
    assert len(found) > 1


def test_edits_whose_result_is_known(photograph: np.ndarray) -> None:
    assert np.array_equal(edited(photograph, "flip", 1, DRAWS), photograph[:, ::-1])
    assert np.array_equal(edited(photograph, "flip", 2, DRAWS), photograph[::-1])
    assert np.array_equal(edited(photograph, "flip", 3, DRAWS), photograph[::-1, ::-1])
    grey = np.full((20, 20, 3), 100, dtype=np.uint8)
    assert set(np.unique(edited(grey, "brightness", 10, DRAWS))) <= {90, 110}
    assert np.unique(edited(grey, "contrast", 50, DRAWS)).tolist() == [100]
    assert set(np.unique(edited(grey, "gamma", 2, DRAWS))) <= {
        round(255 * (100 / 255) ** 2),
        round(255 * (100 / 255) ** 0.5),
    }
    assert np.std(edited(np.full((64, 64, 3), 128, dtype=np.uint8), "noise", 15, DRAWS)) == pytest.approx(15, rel=0.03)
    covered = edited(np.full((200, 200, 3), 100, dtype=np.uint8), "overlay", 50, DRAWS)
    assert (covered != 100).any(2).mean() == pytest.approx(np.pi / 16, abs=0.01)
    framed = edited(grey, "border", 10, DRAWS)
    assert np.unique(framed[2:-2, 2:-2]).tolist() == [100]
    assert len(np.unique(framed[[0, 1, -1, -2]].reshape(-1, 3), axis=0)) == 1
    moved = edited(np.arange(20, dtype=np.uint8)[:, None, None].repeat(20, 1).repeat(3, 2), "shift", 10, DRAWS)
    assert moved[:, 0, 0].tolist() in ([0, 0, *range(18)], [*range(2, 20), 19, 19])
    moved = edited(np.arange(20, dtype=np.uint8)[:, None, None].repeat(20, 1).repeat(3, 2), "shift-px", 1, DRAWS)
    assert moved[:, 0, 0].tolist() in ([0, *range(19)], [*range(1, 20), 19])


def test_strengths_are_in_the_unit_that_the_documentation_says(photograph: np.ndarray) -> None:
    """Each against Pillow, or against the formula of docs/data.md, at a strength that is no default."""
    image, smooth = Image.fromarray(photograph), Image.Resampling.BICUBIC

    def levels(name: str, strength: float) -> np.ndarray:
        return edited(photograph, name, strength, DRAWS).astype(float)

    half = image.resize((32, 32), smooth).resize((64, 64), smooth)
    assert np.array_equal(levels("resize", 50), np.asarray(half))
    turned = [np.asarray(image.rotate(angle, smooth)) for angle in (7, -7)]
    assert any(np.array_equal(levels("rotate", 7), one) for one in turned)
    assert np.array_equal(levels("blur", 3), np.asarray(image.filter(ImageFilter.GaussianBlur(3))))
    for name, kind, more in (("jpeg", "JPEG", {"subsampling": 2}), ("webp", "WEBP", {"method": 4})):
        stream = io.BytesIO()
        image.save(stream, kind, quality=40, **more)
        assert np.array_equal(levels(name, 40), np.asarray(Image.open(stream).convert("RGB")))
    tones = photograph.astype(float)
    for name, wanted in (
        ("brightness", [tones * 1.3, tones * 0.7]),
        ("contrast", [tones.mean() + gain * (tones - tones.mean()) for gain in (1.3, 0.7)]),
    ):
        near = [np.abs(levels(name, 30) - one.clip(0, 255)).max() for one in wanted]
        assert min(near) <= 0.5


def test_the_edits_that_torchvision_has_too_give_its_bytes() -> None:
    """Its v2 transforms, on a photograph."""
    x = LazyPhotos(["coffee.jpg"])[0]
    image, h, w = Image.fromarray(x), *x.shape[:2]
    smooth, half = InterpolationMode.BICUBIC, [round(h / 2), round(w / 2)]
    assert np.array_equal(edited(x, "flip", 1, DRAWS), np.asarray(v2.horizontal_flip(image)))
    assert np.array_equal(edited(x, "flip", 2, DRAWS), np.asarray(v2.vertical_flip(image)))
    small = v2.resize(image, half, smooth)
    assert np.array_equal(edited(x, "resize", 50, DRAWS), np.asarray(v2.resize(small, [h, w], smooth)))
    turned = [np.asarray(v2.rotate(image, angle, smooth)) for angle in (5, -5)]
    assert any(np.array_equal(edited(x, "rotate", 5, DRAWS), one) for one in turned)


def test_frames_take_the_share_that_was_asked() -> None:
    """Of a grey image 200 x 100: what is not grey any more, in rows and columns."""
    grey = np.full((200, 100, 3), 100, dtype=np.uint8)

    def kept(name: str, strength: float) -> tuple[int, int]:
        """Rows and columns that still show grey alone somewhere in their middle."""
        same = (edited(grey, name, strength, DRAWS) == 100).all(2)
        return int(same[:, 50].sum()), int(same[100].sum())

    assert kept("border", 10) == (160, 80)
    assert kept("caption", 20) == (160, 100)
    assert kept("screenshot", 30) == (140, 100)


def test_a_crop_enlarges_a_part_that_lies_inside(photograph: np.ndarray) -> None:
    """Of ramps from left to right and from above to below, 80 of 100 percent are left, at a place that is drawn."""
    ramp = np.zeros((100, 100, 3), dtype=np.uint8)
    ramp[:, :, 0], ramp[:, :, 1] = np.arange(100), np.arange(100)[:, None]
    starts = set()
    for i in range(8):
        found = edited(ramp, "crop", 20, NamedDraws(f"{i}")).astype(int)
        across, down = found[50, :, 0], found[:, 50, 1]
        for line in (across, down):
            assert line[-1] - line[0] == pytest.approx(79, abs=1)
            assert line[0] >= 0
        starts.add((int(across[0]), int(down[0])))
    assert len(starts) > 4


def test_a_sticker_lies_at_a_place_that_is_drawn(photograph: np.ndarray) -> None:
    grey = np.full((100, 100, 3), 100, dtype=np.uint8)
    places = set()
    for i in range(8):
        rows, columns = np.nonzero((edited(grey, "overlay", 20, NamedDraws(f"{i}")) != 100).any(2))
        assert np.ptp(rows) == pytest.approx(20, abs=1)
        assert np.ptp(columns) == pytest.approx(20, abs=1)
        places.add((int(rows.min()), int(columns.min())))
    assert len({left for _, left in places}) > 4
    assert len({top for top, _ in places}) > 4


def test_words_choose_edits_and_strengths() -> None:
    assert chosen(["jpeg:95,30", "crop"]) == [
        Chosen("jpeg", 95), Chosen("jpeg", 30), Chosen("crop", 5), Chosen("crop", 15), Chosen("crop", 30)
    ]  # fmt: skip
    assert len(chosen([])) == 3 * len([name for name in NAMES if name != "shift-px"])
    assert str(Chosen("gamma", 1.2)) == "gamma 1.2"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("jpg", "unknown edit 'jpg'; did you mean 'jpeg'"),
        ("jpeg:0", "wants strengths from 1 to 95, got 0"),
        ("jpeg:96", "wants strengths from 1 to 95, got 96"),
        ("jpeg:", "wants numbers behind the colon"),
        ("jpeg:3,x", "wants numbers behind the colon, as jpeg:1, got 'x'"),
        ("jpeg:1e1", "wants numbers behind the colon"),
        ("jpeg:30,30", "each edit and strength once, got jpeg 30 twice"),
        ("blur:" + ",".join(str(i / 10) for i in range(1, 30)), "at most 20 strengths, got 29"),
    ],
)
def test_a_wrong_word_is_refused(word: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        chosen([word])
