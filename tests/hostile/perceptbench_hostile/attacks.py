"""Attacks, each wrong in one way."""

import os
import sys
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from perceptbench.attacks.base import attack
from perceptbench.attacks.pgd import L2PGD


@dataclass(frozen=True)
class Hostile(L2PGD):
    """PGD, before it is spoilt."""

    def __call__(self, objective: Any, x: Tensor, *words: Any) -> Any:
        return self.spoilt(super().__call__(objective, x, *words), x)

    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        """What is given in place of the images."""
        raise NotImplementedError


@attack("hostile-none", source="this example")
@dataclass(frozen=True)
class GivesNone(Hostile):
    """Nothing."""

    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        return None


class GivesNumpy(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        return found.numpy()


class GivesSparse(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        return found.to_sparse()


class GivesNaN(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        return found * float("nan")


class GivesOneImage(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        return found[:1]


class GivesDouble(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        return found.double()


class WritesIntoImages(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        x.mul_(0.5)
        return found


class Prints(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        print("found")
        return found


class Forks(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        os.fork()
        return found


class Hangs(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        time.sleep(10**6)


class DrawsGlobally(Hostile):
    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        np.random.rand()  # noqa: NPY002
        return found


class Remembers(Hostile):
    """The next image is what was found last."""

    last: ClassVar[list[Tensor]] = []

    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        self.last.append(found)
        return torch.lerp(found, x, 0.5 if len(self.last) % 2 else 0.0)


@attack("hostile-raises", source="this example")
@dataclass(frozen=True)
class Raises(Hostile):
    """Divides by zero."""

    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        return 1 / 0


@attack("hostile-exits", source="this example")
@dataclass(frozen=True)
class Exits(Hostile):
    """Leaves."""

    def spoilt(self, found: Tensor, x: Tensor) -> Any:
        sys.exit("enough")
