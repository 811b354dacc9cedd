"""A metric of a user's own file."""

from pathlib import Path

import pytest
import torch

from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import EmbeddingMetric, Metric, metric
from perceptbench.testing.samples import random_images

FILE = """
class Mean:
    def __call__(self, x, y):
        return (x - y).abs().mean((1, 2, 3))

class Colour:
    def embed(self, x):
        return x.mean((2, 3))

class Scalar:
    def __call__(self, x, y):
        return (x - y).abs().mean()

class Drawn:
    differentiable = False
    stochastic = True

    def __call__(self, x, y):
        return (x - y).round().abs().mean((1, 2, 3))

class Neither:
    pass

class Needs:
    def __init__(self, something): ...
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(FILE)
    return path


def test_both_kinds(file: Path) -> None:
    x, y = random_images(3, 8, seed=1), random_images(3, 8, seed=2)
    mean, colour = (metric.build(Ref("py", f"{file}:{name}")) for name in ("Mean", "Colour"))
    torch.testing.assert_close(mean(x, y), (x - y).abs().mean((1, 2, 3)))
    assert isinstance(colour, EmbeddingMetric)
    cosine = torch.nn.functional.cosine_similarity(x.mean((2, 3)), y.mean((2, 3)))
    torch.testing.assert_close(colour(x, y), 1 - cosine, rtol=0, atol=1e-6)
    for made in (mean, colour):
        assert isinstance(made, Metric)
        torch.testing.assert_close(made.prepare(y).distances(x)[0], made(x, y))
    # Nobody said that a call is symmetric; a cosine of embeddings is.
    assert (mean.symmetric, colour.symmetric) == (False, True)


def test_what_a_class_says_of_itself_is_kept(file: Path) -> None:
    for name, differentiable, stochastic in (("Mean", True, False), ("Colour", True, False), ("Drawn", False, True)):
        made = metric.build(Ref("py", f"{file}:{name}"))
        assert (made.differentiable, made.stochastic) == (differentiable, stochastic)


@pytest.mark.parametrize(
    ("name", "message"),
    [("Absent", "it has: Mean, Colour"), ("Neither", "so it is no metric"), ("Needs", "must work without arguments")],
)
def test_what_is_no_metric_is_refused(file: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        metric.build(Ref("py", f"{file}:{name}"))


def test_one_number_for_a_batch_is_refused(file: Path) -> None:
    made = metric.build(Ref("py", f"{file}:Scalar"))
    with pytest.raises(UserError, match=r"expected a tensor \(3,\), got \(\)"):
        made(random_images(3, 8), random_images(3, 8))


@pytest.mark.parametrize("target", ["", "none.py:A", "none.py", ":A"])
def test_a_target_that_is_no_file(target: str) -> None:
    with pytest.raises(UserError, match="with an existing file"):
        metric.build(Ref("py", target))


def test_a_file_that_does_not_import(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(UserError, match="does not import: ZeroDivisionError"):
        metric.build(Ref("py", f"{tmp_path / 'bad.py'}:A"))
