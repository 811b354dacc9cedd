"""Certifiers, each wrong in one way."""

import random
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import torch

from perceptbench.certifiers.base import Proof, certifier
from perceptbench.certifiers.margin import Margin


class Hostile(Margin):
    """The margin, before it is spoilt."""

    def prove(self, seen: Any, *words: Any) -> Any:
        return self.spoilt(super().prove(seen, *words), seen)

    def spoilt(self, proof: Proof, seen: Any) -> Any:
        """What is given in place of the proof."""
        raise NotImplementedError


class GivesNone(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        return None


class GivesNumpy(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        return replace(proof, radius=proof.radius.numpy())


@certifier("hostile-nan", source="this example")
@dataclass(frozen=True)
class GivesNaN(Hostile):
    """No number."""

    def spoilt(self, proof: Proof, seen: Any) -> Any:
        return replace(proof, radius=proof.radius * float("nan"))


class GivesOneRadius(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        return replace(proof, radius=proof.radius.mean())


class GivesFloat32(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        return replace(proof, radius=proof.radius.float())


class WritesIntoImages(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        seen.images["left"].mul_(0.5)
        return proof


class Prints(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        print("proved")
        return proof


class Hangs(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        time.sleep(10**6)


class DrawsGlobally(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        return replace(proof, error=proof.error + 0 * random.random())


class Remembers(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        type(self).calls = getattr(type(self), "calls", 0) + 1
        return replace(proof, radius=proof.radius / type(self).calls)


@certifier("hostile-raises", source="this example")
@dataclass(frozen=True)
class Raises(Hostile):
    """Asks for a row that is not there."""

    def spoilt(self, proof: Proof, seen: Any) -> Any:
        return torch.zeros(1)[5]


class Exits(Hostile):
    def spoilt(self, proof: Proof, seen: Any) -> Any:
        sys.exit(1)
