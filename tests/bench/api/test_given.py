"""What the functions refuse in one sentence, and that images come back as they were given."""

import os

import numpy as np
import pytest
import torch

import perceptbench as pb
from perceptbench.bench.api.images import taken
from perceptbench.core.errors import UserError

Z = torch.full((3, 8, 8), 0.5)
SIDE = 24
WRITES = "changes the images that it is given; clone them first"


def by_data(x, y):
    found = (x - y).flatten(1).norm(dim=1)
    if x.shape[-1] == SIDE:  # The first look at a metric has other images.
        x.data.zero_()
    return found


def by_numpy(x, y):
    found = (x - y).flatten(1).norm(dim=1)
    if y.shape[-1] == SIDE:
        y.detach().numpy()[...] *= 0.5
    return found


def triplet():
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("writes", [by_data, by_numpy])
@pytest.mark.parametrize(
    "asked",
    [
        lambda m, x, y, z: pb.distance(m, x, y),
        lambda m, x, y, z: pb.metric(m)(x, y),
        lambda m, x, y, z: pb.attack(m, x, y, z, "l2-pgd(steps=2)", eps=0.1, label=1),
        lambda m, x, y, z: pb.attack(m, x, y, z, "l2-pgd(steps=2)", eps=0.1),
    ],
)
def test_a_metric_that_writes_unseen_is_refused_and_the_images_stay(asked, writes):
    images = triplet()
    before = images.clone()
    with pytest.raises(UserError, match=f"metric {writes.__name__} {WRITES}"):
        asked(writes, *images)
    assert torch.equal(images, before)


def test_gradients_flow_through_the_copies():
    x = Z.clone().requires_grad_()
    pb.metric("l2")(x, Z + 0.25).backward()
    assert x.grad is not None
    assert x.grad.norm() == pytest.approx(1)


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", ">f2"])
def test_bytes_in_another_order_are_the_same_numbers(dtype):
    array = np.arange(192).reshape(3, 8, 8) / 256
    assert np.array_equal(taken(array.astype(dtype)).images[0], array)


class Bytes(os.PathLike):
    def __fspath__(self):
        return b"no.png"


def itself():
    endless: list = [Z]
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.ma.masked_array(Z.numpy(), mask=True), "without a mask"),
        (np.zeros((3, 8, 8), ">u2"), "got uint16"),
        (np.zeros((3, 8, 8), np.longdouble), "got an array of float128"),
        (Z.to_sparse(), "sparse"),
        (Z.to("meta"), "device meta"),
        (Z.to(torch.float8_e4m3fn), "got float8_e4m3fn; give floats"),
        (Z.to(torch.complex64), "got complex64; give floats"),
        (itself(), "got a list in it"),
        (Bytes(), "expected a file at no.png"),
        (os.fsdecode(b"caf\xe9.png"), "expected a file at caf\\xe9.png"),
        ("a" * 5000, "left wants"),
        ("a" * 300, "left wants"),
        ("a\0b", "left wants"),
        ("", "left wants a path, got an empty one"),
    ],
)
def test_what_is_no_image_is_one_sentence(given, words):
    with pytest.raises(UserError, match=r"^left") as caught:
        taken(given, "left")
    assert words in str(caught.value)


@pytest.mark.filterwarnings("ignore:torch.quantize")
def test_a_quantized_tensor_is_one_sentence():
    with pytest.raises(UserError, match="left: expected a dense tensor, got a quantized one"):
        taken(torch.quantize_per_tensor(Z, 0.1, 0, torch.quint8), "left")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pb.distance("l2", Z, Z, tau="0.5"), "^tau wants a number, got '0.5'"),
        (lambda: pb.distance("l2", Z, Z, tau=10**400), "^tau wants a number that fits"),
        (lambda: pb.distance("l2", Z, Z, eps=10**5000), "^eps wants a number that fits"),
        (lambda: pb.attack("l2", Z, Z, Z, label="x"), "^label: expected 1 .* got 'x'"),
        (lambda: pb.certify("l2", Z, Z, Z, label=10**5000), "^label: expected 1 .* got one int"),
        (lambda: pb.attack("l2", Z, Z, Z, eps=10**5000), "^eps wants a shorter value"),
        (lambda: pb.run("l2", runs=5), "^runs wants a path, got int"),
        (lambda: pb.run("l2", runs="a\0"), "^runs wants"),
        (lambda: pb.run("l2", runs=""), "^runs wants a path, got an empty one"),
        (
            lambda: pb.run("l2", data="csv:" + "x" * 300, attack="l2-pgd", eps=1),
            r"^x+: expected a file at x+, found none",
        ),
        (lambda: pb.load(5), "^runs wants a path, got int"),
        (lambda: pb.load(""), "^runs wants a path, got an empty one"),
        (lambda: pb.load("x" * 300), "^runs wants a path of at most"),
        (lambda: pb.verify(5), "^run wants a path, got int"),
        (lambda: pb.report(5), "^expected runs, .* got int"),
        (lambda: pb.data([(Bytes(), 5, 5)], folder=5), "^folder wants a path, got int"),
    ],
)
def test_arguments_of_another_kind_are_one_sentence(call, words):
    with pytest.raises(UserError, match=words):
        call()
