"""Metrics, each wrong in one way."""

import os
import sys
import time
from typing import Any

import torch
from torch import Tensor

from perceptbench.metrics.base import Metric, metric


class Hostile(Metric):
    """Mean squared error, before it is spoilt."""

    def __call__(self, x: Tensor, y: Tensor) -> Any:
        return self.spoilt((x - y).square().mean((1, 2, 3)), x)

    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        """What is given in place of the distances."""
        raise NotImplementedError


class GivesNone(Hostile):
    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        return None


class GivesNumpy(Hostile):
    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        return d.detach().numpy()


class GivesSparse(Hostile):
    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        return d.to_sparse()


@metric("hostile-nan", source="this example")
class GivesNaN(Hostile):
    """No number."""

    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        return d * float("nan")


class GivesOneNumber(Hostile):
    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        return d.mean()


class GivesHalf(Hostile):
    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        return d.half()


@metric("hostile-writes", source="this example")
class WritesIntoImages(Hostile):
    """Writes where torch does not count it."""

    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        x.data.mul_(0.5)
        return d


class WritesOpenly(Hostile):
    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        with torch.no_grad():
            x.mul_(0.5)
        return d


@metric("hostile-prints", source="this example")
class Prints(Hostile):
    """Prints, and lets a program print."""

    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        print("mean", float(d.detach().mean()))
        os.write(1, b"written to descriptor 1\n")
        return d


@metric("hostile-forks", source="this example")
class Forks(Hostile):
    """Goes on in two processes."""

    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        os.fork()
        return d


class Hangs(Hostile):
    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        while True:
            try:
                time.sleep(1)
            except Exception:  # not even by an exception
                continue


class DrawsGlobally(Hostile):
    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        return d + 0 * torch.rand(())


class Remembers(Hostile):
    """Adds what it has seen."""

    seen = 0.0

    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        self.seen += 1.0
        return d * (1 + self.seen)


class OfTheBatch(Hostile):
    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        return d / d.sum()


@metric("hostile-raises", source="this example")
class Raises(Hostile):
    """Has no key."""

    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        raise KeyError("no key today")


@metric("hostile-exits", source="this example")
class Exits(Hostile):
    """Leaves."""

    def spoilt(self, d: Tensor, x: Tensor) -> Any:
        sys.exit(0)


class FailsWhenMade(Hostile):
    def __init__(self) -> None:
        raise OSError("no weights")


@metric("hostile-no-metric", source="this example")
def no_metric() -> Any:
    """Gives a text."""
    return "a metric"
