"""The paper's network against a naive copy of its layers, small in all but its layout."""

import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.core.ref import Ref
from perceptbench.metrics.base import metric
from perceptbench.metrics.lipsim import lipsim_paper as module
from perceptbench.metrics.lipsim.layers.kept_for_rounding import SLACK
from perceptbench.testing.samples import generator, random_images

FEATURES, INNER, SIDE = 45 * 2 * 2, 6, 32


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """32 x 32 images and six hidden units instead of 224 x 224 and 1024: the same 27 layers."""
    monkeypatch.setattr(module, "_FEATURES", FEATURES)
    monkeypatch.setattr(module, "_LINEAR_INNER", INNER)
    monkeypatch.setattr(module, "SIDE", SIDE)
    monkeypatch.setattr(module, "_COORDINATES", (100, 180))


def authors_state(seed: int = 0) -> dict[str, Tensor]:
    """Their names and shapes; a Flatten stands at index 0 of `linear`."""
    draw, state = generator(seed), {}
    for i in range(20):
        state[f"model.convs.{i}.kernel"] = 0.2 * torch.randn(5, 45, 3, 3, generator=draw)
        state[f"model.convs.{i}.bias"] = 0.1 * torch.randn(1, 5, 1, 1, generator=draw)
        state[f"model.convs.{i}.q"] = torch.randn(5, generator=draw)
    for i in range(1, 8):
        state[f"model.linear.{i}.weight"] = 0.2 * torch.randn(INNER, FEATURES, generator=draw)
        state[f"model.linear.{i}.bias"] = 0.1 * torch.randn(INNER, generator=draw)
        state[f"model.linear.{i}.q"] = torch.randn(INNER, generator=draw)
    return state


def authors_file(path: Path, state: dict[str, Tensor]) -> Path:
    """As their training writes it: prefixed, and every tensor once more under `base.`"""
    doubled = {f"module.{key}": t for key, t in state.items()}
    doubled |= {f"module.{key.replace('model.', 'model.base.', 1)}": t for key, t in state.items()}
    torch.save({"model_state_dict": doubled, "epoch": 3}, path)
    return path


def naive(state: dict[str, Tensor], x: Tensor, *, cancels: bool) -> Tensor:
    """The authors' forward pass in float64, written from the description of their layers."""
    s = {key.removeprefix("model."): t.double() for key, t in state.items()}
    x = torch.cat([x.double(), torch.zeros(len(x), 42, SIDE, SIDE, dtype=torch.float64)], dim=1)
    for i in range(20):
        w, b, q = s[f"convs.{i}.kernel"], s[f"convs.{i}.bias"], s[f"convs.{i}.q"].exp()
        overlap = F.conv2d(w, w, padding=2).abs().sum((2, 3))
        # In their code both q and 1/q are indexed by i, so that they cancel.
        t = 1 / (overlap.sum(1) if cancels else overlap @ q / q) / (1 + SLACK)
        hidden = F.relu(F.conv2d(x, w, padding=1) + b) * t[:, None, None]
        x = x - 2 * F.conv_transpose2d(hidden, w, padding=1)
    for _ in range(2):
        x = F.avg_pool2d(x, 4) * 16 / 4
    x = x.flatten(1)
    for i in range(1, 8):
        w, b, q = s[f"linear.{i}.weight"], s[f"linear.{i}.bias"], s[f"linear.{i}.q"].exp()
        t = 1 / ((w @ w.T).abs() @ q / q)
        x = x - 2 * (F.relu(x @ w.T + b) * t) @ w
    return x


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("faithful", [True, False])
def test_an_authors_checkpoint_gives_their_numbers(tmp_path: Path, faithful: bool) -> None:
    state = authors_state()
    path = authors_file(tmp_path / "theirs.pth", state)
    args = (("coordinates", 100), ("faithful", faithful))
    made = metric.build(Ref("lipsim-paper", str(path), args))
    x = random_images(2, SIDE, seed=1)
    wanted = naive(state, x, cancels=faithful)
    got = made.embed(x).double()  # type: ignore[attr-defined]
    assert got.shape == (2, 100)
    torch.testing.assert_close(got, wanted[:, :100], rtol=1e-4, atol=1e-4)
    other = naive(state, x, cancels=not faithful)[:, :100]
    assert (got - other).abs().max() > 1e-2


@pytest.mark.usefixtures("small")
def test_a_bare_state_dict_loads_too_and_the_network_is_1_lipschitz(tmp_path: Path) -> None:
    state = authors_state(1)
    torch.save({key.removeprefix("model."): t for key, t in state.items()}, tmp_path / "bare.pth")
    made = module.lipsim_paper(str(tmp_path / "bare.pth"), coordinates=180).double()
    x = random_images(2, SIDE, seed=2).double()
    torch.testing.assert_close(made.embed(x), naive(state, x, cancels=True), rtol=1e-5, atol=1e-5)
    moved = x + 0.1 * torch.randn(x.shape, generator=generator(3), dtype=torch.float64)
    for _ in range(10):
        moved = moved.detach().requires_grad_()
        length = (moved - x).flatten(1).norm(dim=1)
        ratio = (made.embed(moved) - made.embed(x)).norm(dim=1) / length
        assert (ratio <= 1 + 1e-7).all()
        (gradient,) = torch.autograd.grad(ratio.sum(), moved)
        moved = moved + 0.3 * (length / gradient.flatten(1).norm(dim=1))[:, None, None, None] * gradient


def test_the_full_size_has_as_many_parameters_as_the_paper_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.init, "orthogonal_", lambda tensor: tensor)
    with torch.device("meta"):
        net = module.PaperNet(1792, module.AuthorsConv)
    count = sum(p.numel() for p in net.parameters())
    assert round(count / 1e6, 1) == 63.3
    assert (len(net.convs), len(net.linear)) == (20, 7)


@pytest.mark.usefixtures("small")
def test_random_weights_follow_their_seed() -> None:
    x = random_images(1, SIDE, seed=1)
    args = (("coordinates", 180),)
    one, same, other = (
        metric.build(Ref("lipsim-paper", None, (*args, ("untrained_seed", seed)))).embed(x)  # type: ignore[attr-defined]
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


class _Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.marker,)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    for i, content in enumerate([{"model_state_dict": _Hostile(marker)}, _Hostile(marker)]):
        torch.save(content, tmp_path / f"{i}.pth")
        with pytest.raises(UserError, match="would need code to be run"):
            module.read_checkpoint(tmp_path / f"{i}.pth")
    with (tmp_path / "plain.pth").open("wb") as stream:
        pickle.dump(_Hostile(marker), stream)
    with pytest.raises(UserError, match="would need code to be run"):
        module.read_checkpoint(tmp_path / "plain.pth")
    assert not marker.exists()


@pytest.mark.usefixtures("small")
def test_what_is_no_authors_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.pth"
    with pytest.raises(UserError, match="found no file"):
        module.lipsim_paper(str(path), coordinates=100)
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="would need code to be run"):
        module.lipsim_paper(str(path), coordinates=100)
    for content in ([1, 2], {"model_state_dict": [1]}, {"a": 3}):
        torch.save(content, path)
        with pytest.raises(UserError, match="expected a dictionary of tensors"):
            module.lipsim_paper(str(path), coordinates=100)
    state = authors_state()
    authors_file(path, {key: t for key, t in state.items() if "convs.7" not in key})
    with pytest.raises(UserError, match=r"missing convs\.7\.bias and 2 more"):
        module.lipsim_paper(str(path), coordinates=100)
    authors_file(path, {**state, "model.linear.3.weight": torch.zeros(2, 2)})
    with pytest.raises(UserError, match=r"linear\.2\.weight is \(2, 2\) in place of"):
        module.lipsim_paper(str(path), coordinates=100)


def test_without_a_file_it_says_what_to_do() -> None:
    with pytest.raises(UserError, match=r"lipsim-paper:FILE\.pth"):
        metric.build(Ref("lipsim-paper"))
    with pytest.raises(UserError, match="wants one of"):
        metric.build(Ref("lipsim-paper", "x.pth", (("coordinates", 77),)))


def test_a_kernel_of_zeros_does_nothing() -> None:
    with forked_rng(0):
        conv = module.AuthorsConv(45, 5)
    with torch.no_grad():
        conv.weight[0].zero_()
        x = random_images(1, 6)[:, :1].expand(1, 45, 6, 6)
        assert conv(x).isfinite().all()
