"""The digest of a sample: the same for the same images and answer, another one for anything else."""

import hashlib
from dataclasses import replace

import pytest
import torch

from perceptbench.tasks.content import contents
from perceptbench.triplets.base import Triplets


def batch(n: int = 3) -> Triplets:
    images = torch.rand(3, n, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    share = torch.tensor([1.0, 0.0, 0.75])[:n]
    return Triplets(*images, label=(share > 0.5).float(), right_share=share, ids=("a", "b", "c")[:n])


def test_it_has_16_hex_digits_and_depends_on_no_other_sample_and_no_id() -> None:
    found = contents(batch())
    assert all(len(one) == 16 and set(one) <= set("0123456789abcdef") for one in found)
    assert len(set(found)) == 3
    assert contents(replace(batch().mapped(lambda tensor: tensor[:2]), ids=("a", "b"))) == found[:2]
    assert contents(replace(batch(), ids=("x", "y", "z"))) == found
    swapped = replace(batch().mapped(lambda tensor: tensor[[2, 0, 1]]), ids=("c", "a", "b"))
    assert contents(swapped) == [found[2], found[0], found[1]]


@pytest.mark.parametrize("name", ["reference", "left", "right", "label", "right_share"])
def test_the_smallest_change_of_one_value_is_another_sample(name: str) -> None:
    one = batch()
    tensor = getattr(one, name).clone()
    row = tensor[1].view(-1)
    row[-1] = torch.nextafter(row[-1], torch.tensor(2.0))
    before, after = contents(one), contents(replace(one, **{name: tensor}))
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_shape_dtype_and_place_count() -> None:
    one = batch()
    turned = one.redrawn(lambda x: x.reshape(len(x), 3, 5, 4))
    double = replace(one, label=one.label.double())
    exchanged = replace(one, left=one.right, right=one.left)
    found = {tuple(contents(other)) for other in (one, turned, double, exchanged)}
    assert len(found) == 4


def test_it_is_known_beforehand() -> None:
    """By the definition, with hashlib alone: another machine and another version must agree."""

    one = batch(1)
    digest = hashlib.sha256()
    for name in ("reference", "left", "right"):
        digest.update(f"{name} torch.float32 (3, 4, 5)".encode() + b"\0" + getattr(one, name)[0].numpy().tobytes())
    for name in ("label", "right_share"):
        digest.update(f"{name} torch.float32 ()".encode() + b"\0" + getattr(one, name)[0].numpy().tobytes())
    assert contents(one) == [digest.hexdigest()[:16]]
