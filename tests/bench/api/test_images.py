"""What is taken for an image, and what is refused with which advice."""

import numpy as np
import pytest
import torch
from PIL import Image

from perceptbench.bench.api.images import MAX_SIDE, taken, taken_together
from perceptbench.core.errors import UserError
from perceptbench.triplets.images import read_image


def pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(pixels(40, 50)).save(path)
    return path


def test_channels_may_stand_first_or_last_and_bytes_become_shares_of_255():
    last = pixels(5, 7)
    expected = torch.from_numpy(last).permute(2, 0, 1).float() / 255
    for given in (last, last.transpose(2, 0, 1), torch.from_numpy(last), np.flip(last, 1)[:, ::-1]):
        images, single = taken(given)
        assert single
        assert images.dtype == torch.float32
        torch.testing.assert_close(images, expected[None], rtol=0, atol=0)
    images, single = taken(np.stack([last.transpose(2, 0, 1)] * 2))
    assert not single
    torch.testing.assert_close(images, torch.stack([expected] * 2), rtol=0, atol=0)


def test_where_both_ends_are_three_channels_come_first():
    given = torch.rand(3, 5, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(taken(given).images, given[None], rtol=0, atol=0)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_any_width_are_computed_in_float32(kind):
    assert taken(torch.full((3, 4, 4), 0.5, dtype=kind)).images.dtype == torch.float32


def test_a_path_and_a_pil_image_are_those_of_a_data_set(file):
    expected = read_image(file, "a")[None]
    for given in (file, str(file), Image.open(file), Image.open(file).convert("RGBA")):
        images, single = taken(given)
        assert single
        torch.testing.assert_close(images, expected, rtol=0, atol=0)


def test_a_list_is_a_batch(file):
    images, single = taken([file, torch.zeros(3, 224, 224), pixels(224, 224)])
    assert images.shape == (3, 3, 224, 224)
    assert not single


def test_gradients_flow_into_tensors():
    x = torch.full((4, 5, 3), 0.5, dtype=torch.float64, requires_grad=True)
    taken(x).images.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


Z = torch.zeros(3, 4, 4)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Z.int(), "got int32; for values of 0 to 255 convert to uint8"),
        (Z.bool(), "got bool; give floats"),
        (Z + 200.0, "got 200 to 200; divide by 255"),
        (Z + 1.001, "clip them to [0, 1]"),
        (Z - 2.1, "undo their normalisation"),
        (Z + torch.nan, "remove what is not a number"),
        (Z[0], "repeat a grey image three times"),
        (Z[:1], "repeat a grey image three times"),
        (torch.zeros(4, 4, 5), "leave out the alpha channel"),
        (torch.zeros(2, 5, 5, 3), "permute(0, 3, 1, 2)"),
        (torch.zeros(2, 5, 5, 5), "give RGB images"),
        (torch.zeros(0, 3, 5, 5), "got (0, 3, 5, 5)"),
        (torch.zeros(3, 0, 5), "expected sides of 1"),
        (torch.zeros(3, 1, MAX_SIDE + 1), "give smaller images"),
        (torch.zeros(1).expand(400, 3, 512, 512), "or fewer at once"),
        (np.array(["a"]), "got an array of <U1"),
        (np.zeros((3, 4, 4), np.complex64), "got an array of complex64"),
        (7, "a path, or a list of these, got int"),
        ([], "got an empty list"),
        ([Z[None].expand(2, -1, -1, -1)], "got a batch in it"),
        ([Z, torch.zeros(3, 5, 5)], "got 4 x 4, 5 x 5; resize them"),
        ("no.png", "expected a file at no.png, found none"),
        (Image.new("I", (4, 4)), "got mode I; convert the image"),
    ],
)
def test_what_is_refused_says_what_to_do(given, words):
    with pytest.raises(UserError) as caught:
        taken(given, "left")
    assert str(caught.value).startswith("left")
    assert words in str(caught.value)


def test_one_image_is_repeated_for_a_batch_and_nothing_else_is():
    (a, b), single = taken_together(a=Z, b=torch.zeros(4, 3, 4, 4))
    assert a.shape == b.shape == (4, 3, 4, 4)
    assert not single
    assert taken_together(a=Z, b=Z)[1]
    with pytest.raises(UserError, match="got 2 in a, 4 in b"):
        taken_together(a=torch.zeros(2, 3, 4, 4), b=torch.zeros(4, 3, 4, 4))
    with pytest.raises(UserError, match="got 4 x 4 in a, 5 x 4 in b"):
        taken_together(a=Z, b=torch.zeros(3, 5, 4))
