"""`pyiqa:NAME`, against a stand-in that has pyiqa's interface: `list_models`, `create_metric`, `lower_better`.

The package itself asks for some forty others, among them an older clip, so the tests do without it.
"""

import os
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import Metric, metric
from perceptbench.testing.samples import random_images

Score = Callable[[Tensor, Tensor], Tensor]


class Scorer(nn.Module):
    """What pyiqa's create_metric gives: a module, with its facts."""

    def __init__(self, score: Score, lower_better: bool) -> None:
        super().__init__()
        self.score, self.lower_better = score, lower_better
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, target: Tensor, ref: Tensor) -> Tensor:
        return self.weight * self.score(target, ref)


def far(x: Tensor, y: Tensor) -> Tensor:
    """Asymmetric, and as a column, as some of pyiqa's are."""
    return (x**2 - y).abs().mean((1, 2, 3))[:, None]


KINDS: dict[str, tuple[Score, bool, str]] = {
    "distance": (far, True, "FR"),
    "similarity": (lambda x, y: 3 - far(x, y)[:, 0].double(), False, "FR"),
    "offline": (far, True, "FR"),
    "one-image": (far, False, "NR"),
    "rounded": (lambda x, y: far(x.detach(), y.detach()), True, "FR"),
    "one-sided": (lambda x, y: far(x, y.detach()), True, "FR"),
    "mean": (lambda x, y: far(x, y).mean(), True, "FR"),
    "infinite": (lambda x, y: (x - x).sqrt().sum((1, 2, 3)) + far(x, y)[:, 0], True, "FR"),
}
seen: dict[str, object] = {}


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_metric(name: str, **options: object) -> Scorer:
        seen.update(options, forced=os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD"))
        torch.rand(1)  # it draws from the global generator
        if name == "offline":
            raise OSError("no network")
        return Scorer(*KINDS[name][:2])

    def list_models(metric_mode: str) -> list[str]:
        return [name for name, (_, _, mode) in KINDS.items() if mode == metric_mode]

    module = ModuleType("pyiqa")
    module.create_metric = create_metric  # type: ignore[attr-defined]
    module.list_models = list_models  # type: ignore[attr-defined]
    module.__spec__ = pytest.__spec__  # found, as an installed package is
    monkeypatch.setitem(sys.modules, "pyiqa", module)


def build(name: str) -> Metric:
    return metric.build(Ref("pyiqa", name))


def test_a_distance_is_itself_and_a_similarity_its_negative() -> None:
    x, y = random_images(3, 16, seed=1), random_images(3, 16, seed=2)
    distance = build("distance")
    assert torch.equal(distance(x, y), far(x, y)[:, 0])
    torch.testing.assert_close(build("similarity")(x, y), far(x, y)[:, 0] - 3)  # and float32, as images are
    assert not distance.symmetric
    assert [t.item() for t in distance.weights()] == [1]
    assert torch.equal(distance.to("cpu")(x, y), distance(x, y))
    (gradient,) = torch.autograd.grad(distance(x.requires_grad_(), y).sum(), x)
    assert (gradient != 0).all()


def test_asks_for_one_number_an_image_with_gradients_and_no_code_from_files() -> None:
    build("distance")
    assert seen == {"as_loss": True, "loss_reduction": "none", "device": "cpu", "forced": "1"}
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("offline", "pyiqa cannot make 'offline': OSError: no network"),
        ("absent", "expected a full-reference metric of pyiqa, got 'absent'; it has: distance, similarity"),
        ("one-image", "expected a full-reference metric of pyiqa, got 'one-image'"),
        ("rounded", "pyiqa's rounded is not differentiable, or fails"),
        ("one-sided", "one-sided has no gradient in both images"),
        ("infinite", "infinite has no gradient in both images"),
        ("mean", r"expected one number an image of pyiqa's mean, got \(1,\) for two"),
    ],
)
def test_what_is_refused(name: str, message: str) -> None:
    with torch.no_grad(), pytest.raises(UserError, match=message):
        build(name)


def test_its_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match="needs the Python package pyiqa"):
        build("distance")
