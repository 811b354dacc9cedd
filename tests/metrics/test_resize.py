"""The gain of resizing is an operator norm: never exceeded, and attained."""

import pytest
import torch
import torch.nn.functional as F

from perceptbench.metrics.lipsim.resize import resize, resize_gain
from perceptbench.testing.samples import random_images

SHAPES = [(16, 16, 8), (8, 8, 16), (9, 14, 12), (30, 7, 10), (12, 20, 12)]


@pytest.mark.parametrize(("height", "width", "side"), SHAPES)
def test_gain_is_attained_and_not_exceeded(height: int, width: int, side: int) -> None:
    x = random_images(1, height, width, seed=1).double().requires_grad_()
    for _ in range(200):
        resized, gain = resize(x, side)
        (back,) = torch.autograd.grad((resized * resized.detach()).sum(), x)
        assert resized.norm() <= gain * x.norm() * (1 + 1e-12)
        x = (back / back.norm()).detach().requires_grad_()
    assert resize(x, side)[0].norm().item() == pytest.approx(resize_gain(height, width, side), rel=1e-5)
    assert gain == resize_gain(height, width, side)


def test_nothing_to_do_costs_nothing() -> None:
    x = random_images(2, 12)
    same, gain = resize(x, 12)
    assert same is x
    assert gain == 1.0


def test_it_is_the_usual_antialiased_interpolation() -> None:
    x = random_images(1, 20, 30)
    assert torch.equal(resize(x, 8)[0], F.interpolate(x, (8, 8), mode="bilinear", antialias=True))
