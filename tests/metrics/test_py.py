"""A metric of a user's own file."""

import sys
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

class Power:
    def __init__(self, p=1, name="a"):
        self.p, self.name = p, name

    def forward(self, x, y):
        return (x - y).abs().pow(self.p).mean((1, 2, 3))

def distance(x, y, p=1):
    return (x - y).abs().pow(p).mean((1, 2, 3))

def made(p=1):
    return Power(p)

ready = Power(3)
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
    [
        ("Absent", "it has: Mean, Colour, .*Power, distance, made$"),
        ("Neither", "so it is no metric"),
        ("Needs", r"Needs\(\) cannot be made: TypeError.*something"),
    ],
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


@pytest.mark.parametrize(
    ("typed", "power"),
    [
        ("Power", 1), ("Power(p=2)", 2), ("Power(p=2,name='b, c')", 2), ("distance", 1), ("distance(p=3)", 3),
        ("made(p=2)", 2), ("ready", 3),
    ],
)  # fmt: skip
def test_a_class_with_forward_a_function_and_an_object_are_metrics(file: Path, typed: str, power: int) -> None:
    x, y = random_images(3, 8, seed=1), random_images(3, 8, seed=2)
    made = metric.build(Ref.parse(f"py:{file}:{typed}"))
    torch.testing.assert_close(made(x, y), (x - y).abs().pow(power).mean((1, 2, 3)))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("ready(p=2)", "is an object and takes no arguments; leave p out"),
        ("Power(q=2)", r"Power\(q=2\) cannot be made: TypeError"),
        ("Power(target=2)", "got 'target' twice"),
    ],
)
def test_arguments_that_nothing_takes_are_refused(file: Path, typed: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        metric.build(Ref.parse(f"py:{file}:{typed}"))


def package(root: Path, factor: int) -> Path:
    """A metric in a package called `metrics`, which imports its parts in every way that Python knows."""
    (root / "metrics").mkdir(parents=True)
    (root / "metrics" / "__init__.py").touch()
    (root / "metrics" / "constant.py").write_text(f"FACTOR = {factor}\n")
    (root / f"beside_{root.name}.py").write_text("ONE = 1\n")
    (root / "metrics" / "own.py").write_text(
        f"import beside_{root.name}\nfrom .constant import FACTOR\nfrom metrics import constant\n\n"
        "def distance(x, y):\n    from metrics.constant import FACTOR as late\n"
        f"    assert FACTOR == constant.FACTOR == late and beside_{root.name}.ONE\n"
        "    return FACTOR * (x - y).abs().mean((1, 2, 3))\n"
    )
    return root / "metrics" / "own.py"


@pytest.fixture
def imports_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test imports is unknown to the next one."""
    monkeypatch.setattr("sys.path", list(sys.path))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("metrics", "constant")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("imports_forgotten")
def test_a_file_of_a_package_called_metrics_imports_its_parts(tmp_path: Path) -> None:
    made = metric.build(Ref("py", f"{package(tmp_path / 'a', 2)}:distance"))
    x, y = random_images(3, 8, seed=1), random_images(3, 8, seed=2)
    torch.testing.assert_close(made(x, y), 2 * (x - y).abs().mean((1, 2, 3)))
    with pytest.raises(UserError, match=r"imports metrics, which lies beside it, and another metrics is loaded from"):
        metric.build(Ref("py", f"{package(tmp_path / 'b', 3)}:distance"))


@pytest.mark.usefixtures("imports_forgotten")
def test_a_file_imports_its_neighbour_and_never_that_of_another_folder(tmp_path: Path) -> None:
    for name, value in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "constant.py").write_text(f"VALUE = {value}\n")
        (tmp_path / name / "own.py").write_text(
            "from constant import VALUE\n\ndef distance(x, y):\n    return VALUE * (x - y).abs().mean((1, 2, 3))\n"
        )
    before = list(sys.path)
    x, y = random_images(3, 8, seed=1), random_images(3, 8, seed=2)
    made = metric.build(Ref("py", f"{tmp_path / 'one' / 'own.py'}:distance"))
    torch.testing.assert_close(made(x, y), (x - y).abs().mean((1, 2, 3)))
    assert sys.path[: len(before)] == before
    with pytest.raises(UserError, match=r"imports constant.*one.constant\.py; rename yours, or give each metric a"):
        metric.build(Ref("py", f"{tmp_path / 'two' / 'own.py'}:distance"))
