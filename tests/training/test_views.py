"""Fixed views follow from their names, and jitter from its seed."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from perceptbench.core.noise import forked_rng
from perceptbench.training.lipsim.data import views as views_module
from perceptbench.training.lipsim.data.views import FixedViews, jittered, to_bytes, to_floats


def ramp(width: int, height: int) -> Image.Image:
    """Red tells the column, green the row, both from 0 to 255; blue is one tone."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 0 * x + 77], -1).round().astype(np.uint8))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_the_first_two_views_are_the_middle_and_its_mirror_image():
    photo, views = ramp(300, 200), FixedViews(size=200)
    middle = pixels(views(photo, "a", 0))
    assert np.array_equal(middle, pixels(photo)[:, 50:250])
    assert np.array_equal(pixels(views(photo, "a", 1)), middle[:, ::-1])
    assert pixels(FixedViews(size=64)(photo, "a", 0)).shape == (64, 64, 3)


def test_a_view_follows_from_name_and_number():
    photo = ramp(300, 200)
    first = pixels(FixedViews(size=32, count=8)(photo, "a", 4))
    assert np.array_equal(first, pixels(FixedViews(size=32, count=5)(photo, "a", 4)))
    for name, number in (("b", 4), ("a", 5)):
        assert not np.array_equal(first, pixels(FixedViews(32, 8)(photo, name, number)))


@pytest.fixture
def plain_colours(monkeypatch):
    """Crops keep the photograph's colours."""
    monkeypatch.setattr(views_module, "_CROP_COLOURS", lambda image: image)


def test_seven_crops_in_ten_have_other_colours_and_the_first_two_views_never(request):
    photo, views = ramp(60, 40), FixedViews(size=16, count=102)
    shown = [pixels(views(photo, "a", number)) for number in range(102)]
    request.getfixturevalue("plain_colours")
    plain = [pixels(views(photo, "a", number)) for number in range(102)]
    changed = [not np.array_equal(one, other) for one, other in zip(shown, plain, strict=True)]
    assert not any(changed[:2])
    assert 55 < sum(changed[2:]) < 85


@pytest.mark.parametrize("shape", [(300, 200), (200, 200), (900, 60), (5, 7)])
def test_crops_stay_within_the_photograph_and_have_the_area_and_shape_they_may(shape, plain_colours):
    photo, views = ramp(*shape), FixedViews(size=40, count=80)
    mirrored, areas, ratios = [], [], []
    for number in range(2, 80):
        view = pixels(views(photo, "a", number))
        # The tones at the borders tell where the crop lies; outside the photograph Pillow would paint black.
        assert (view[..., 2] == 77).all()
        left, right = view[:, :3, 0].mean(), view[:, -3:, 0].mean()
        mirrored.append(left > right)
        wide, high = (
            abs(right - left) / 255 * shape[0],
            abs(view[-3:, :, 1].mean() - view[:3, :, 1].mean()) / 255 * shape[1],
        )
        areas.append(wide * high / (shape[0] * shape[1]))
        ratios.append(wide / high)
    assert 20 < sum(mirrored) < 58
    if shape == (300, 200):
        assert min(areas) > 0.19
        assert max(areas) > 0.7
        assert 0.7 < min(ratios) < 0.85
        assert 1.2 < max(ratios) < 1.43


def test_bytes_and_floats_are_the_pixels():
    image = ramp(16, 16)
    x = to_floats(to_bytes([image, image]))
    assert x.shape == (2, 3, 16, 16)
    assert x.dtype == torch.float32
    assert torch.equal((x[1] * 255).round().byte(), torch.from_numpy(np.array(image)).permute(2, 0, 1))


def test_jitter_is_torchvisions_for_its_share_and_a_function_of_the_seed():
    image = ramp(24, 24)
    seeds = range(60)
    changed = [not np.array_equal(pixels(jittered(image, 0.5, s)), pixels(image)) for s in seeds]
    assert 18 < sum(changed) < 42
    assert not any(jittered(image, 0, s) is not image for s in seeds)
    assert all(jittered(image, 1, s) is not image for s in seeds)
    assert all(np.array_equal(pixels(jittered(image, 0.5, s)), pixels(jittered(image, 0.5, s))) for s in seeds)
    # The paper's transform on floats, drawn alike, differs by the rounding to bytes alone.
    reference = v2.Compose([v2.ColorJitter(0.4, 0.4, 0.2, 0.1), v2.RandomGrayscale(0.2)])
    x = to_floats(to_bytes([image]))[0]
    for seed in range(12):
        with forked_rng(seed):
            torch.rand(())
            expected = reference(x).permute(1, 2, 0).numpy() * 255
        assert np.abs(pixels(jittered(image, 1, seed)) - expected).mean() < 4
