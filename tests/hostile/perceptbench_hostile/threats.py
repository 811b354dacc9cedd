"""Sets of changes, each wrong in one way."""

import sys
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from perceptbench.attacks.threats.base import ThreatSet, threat


class Hostile(ThreatSet):
    """All pixels become brighter or darker by theta (n, 1), before that is spoilt."""

    unit: ClassVar[str] = "grey levels of 1"

    def start(self, x: Tensor, eps: float, noise: Any) -> Any:
        theta = x.new_zeros(len(x), 1)
        return theta if noise is None else eps * (2 * noise.uniform(theta) - 1)

    def apply(self, x: Tensor, theta: Tensor) -> Any:
        return self.spoilt((x + theta[:, :, None, None]).clamp(0, 1), x)

    def project(self, theta: Tensor, x: Tensor, eps: float) -> Any:
        return theta.clamp_(-eps, eps)

    def measure(self, x: Tensor, theta: Tensor) -> Any:
        return theta[:, 0].double().abs()

    def shrink(self, theta: Tensor, x: Tensor, share: Tensor) -> Any:
        return theta * share[:, None]

    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        """What is given in place of the changed images."""
        raise NotImplementedError


class GivesNone(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        return None


class GivesNumpy(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        return changed.detach().numpy()


class GivesSparse(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        return changed.to_sparse()


class GivesNaN(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        return torch.where(changed == x, changed, float("nan"))


class GivesGrey(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        return changed.mean(1, keepdim=True) if bool((changed != x).any()) else changed


class GivesDouble(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        return changed.double() if bool((changed != x).any()) else changed


class WritesIntoImages(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        x.mul_(0.5)
        return changed


class Prints(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        print("changed")
        return changed


class Hangs(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        time.sleep(10**6)


class DrawsGlobally(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        return changed + 0 * torch.rand(())


class Remembers(Hostile):
    calls: ClassVar[list[int]] = []

    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        self.calls.append(1)
        return torch.lerp(changed, x, 1 / len(self.calls))


@threat("hostile-raises", source="this example")
@dataclass(frozen=True)
class Raises(Hostile):
    """Has no such attribute."""

    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        return changed.no_such_attribute


class Exits(Hostile):
    def spoilt(self, changed: Tensor, x: Tensor) -> Any:
        sys.exit()
