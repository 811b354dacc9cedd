"""SLL layers and networks are 1-Lipschitz, whatever their parameters; files keep that."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.autograd.functional import jvp, vjp

from perceptbench.core.errors import UserError
from perceptbench.metrics.lipsim.checkpoint import load_network, save_network
from perceptbench.metrics.lipsim.layers.kept_for_rounding import SLACK
from perceptbench.metrics.lipsim.layers.sll import (
    SLL,
    SLLConv,
    SLLLinear,
    gram_rows_conv,
    gram_rows_linear,
    sll_scale,
)
from perceptbench.metrics.lipsim.layers.stem import sum_pool, unshuffle
from perceptbench.metrics.lipsim.lipsim import lipsim
from perceptbench.metrics.lipsim.network import LipSimNet, freeze, untrained
from perceptbench.metrics.lipsim.shape import LipSimConfig
from perceptbench.testing.samples import generator, random_images

SMALL = LipSimConfig(size=16, stem=2, depths=(1, 2), inners=(6, 5), linears=2, linear_inner=7)
KINDS = {
    "default": (0.0, 1.0, 0.0),
    "random": (0.5, 1.0, 0.0),
    "badly scaled q": (0.5, 1.0, 6.0),
    "large weights": (0.5, 1e3, 1.0),
    "tiny weights": (0.5, 1e-3, 1.0),
}


def disturb(module: nn.Module, kind: str, seed: int = 0) -> nn.Module:
    """Random parameters of this kind, in float64."""
    spread, factor, q = KINDS[kind]
    draw = generator(seed)
    module.double()
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=draw, dtype=torch.float64)
            if name.endswith("log_q"):
                p.copy_(q * noise)
            elif name.endswith("bias"):
                p.copy_(0.3 * spread * factor * noise)
            else:
                p.copy_(factor * (p + spread * noise))
    return module


def layer(which: str, seed: int = 0) -> SLL:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return {
            "linear": lambda: SLLLinear(12, 7),
            "wide linear": lambda: SLLLinear(6, 20),
            "conv": lambda: SLLConv(4, 6),
            "wide conv": lambda: SLLConv(2, 9),
            "conv 5x5": lambda: SLLConv(3, 4, kernel=5),
        }[which]()


SHAPES = {
    "linear": [(12,)],
    "wide linear": [(6,)],
    "conv": [(4, 6, 6), (4, 3, 9), (4, 1, 1)],
    "wide conv": [(2, 6, 6)],
    "conv 5x5": [(3, 7, 7), (3, 2, 2)],
}


def steepest_slope(f, x: Tensor, steps: int = 25) -> float:  # type: ignore[no-untyped-def]
    """The largest singular value of the Jacobian at any of the points x, from below."""
    v = torch.randn(x.shape, generator=generator(7), dtype=x.dtype)
    for _ in range(steps):
        v = v / v.flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1))
        forward = jvp(f, x, v)[1]
        v = vjp(f, x, forward)[1]
    return float(forward.flatten(1).norm(dim=1).max())


def farthest_ratio(f, x: Tensor, steps: int = 15) -> float:  # type: ignore[no-untyped-def]
    """The largest |f(y) - f(x)| / |y - x| met on an ascent over pairs."""
    y = x + torch.randn(x.shape, generator=generator(8), dtype=x.dtype)
    best = 0.0
    for _ in range(steps):
        x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
        length = (x - y).flatten(1).norm(dim=1)
        ratio = (f(x) - f(y)).flatten(1).norm(dim=1) / length
        best = max(best, float(ratio.detach().max()))
        for_x, for_y = torch.autograd.grad(ratio.sum(), (x, y))
        scale = (0.3 * length / (for_x.flatten(1).norm(dim=1) + 1e-30)).view(-1, *[1] * (x.dim() - 1))
        x, y = x + scale * for_x, y + scale * for_y
    return best


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", SHAPES)
def test_a_layer_is_1_lipschitz_and_frozen_is_the_same_map(which: str, kind: str) -> None:
    made = disturb(layer(which), kind)
    frozen = made.frozen()
    assert made.weight.dtype == torch.float64
    for shape in SHAPES[which]:
        x = KINDS[kind][1] * torch.randn(10, *shape, generator=generator(1), dtype=torch.float64)
        with torch.no_grad():
            torch.testing.assert_close(frozen(x), made(x), rtol=1e-10, atol=1e-10)
        assert steepest_slope(frozen, x) <= 1 + 1e-9
        assert farthest_ratio(frozen, x) <= 1 + 1e-9


@pytest.mark.parametrize("kind", ["default", "random", "badly scaled q"])
@pytest.mark.parametrize("which", SHAPES)
def test_a_layer_bends_as_far_as_it_may(which: str, kind: str) -> None:
    """A scale half as large would be sound too: 2 W t W^T must reach 2 where the bound is tight."""
    made = disturb(layer(which), kind)
    weight = made.scaled()[0].detach()
    if weight.dim() > 2:
        weight = weight[:, :, weight.shape[-1] // 2, weight.shape[-1] // 2] if kind == "default" else None
    if weight is None:
        pytest.skip("the operator norm of a random convolution is below its bound")
    norm = torch.linalg.matrix_norm(weight, 2) ** 2
    rows = made.scaled()[0].shape[0]
    tight = kind == "default" and rows <= made.weight.shape[1]
    assert norm <= 2
    assert norm > (2 * (1 - 1e-5) if tight else 0.3)


@pytest.mark.parametrize("which", SHAPES)
def test_layers_follow_the_published_formula(which: str) -> None:
    """x - 2 W diag(t) relu(W^T x + b), t_i = 1 / sum_j |W^T W|_ij q_j / q_i, with the matrix written out.

    The scales are less by SLACK, which rounding to float32 may use up.
    """
    made = disturb(layer(which), "badly scaled q")
    shape = SHAPES[which][0]
    x = torch.randn(3, *shape, generator=generator(2), dtype=torch.float64)
    w, b, q = made.weight.detach(), made.bias.detach(), made.log_q.detach().exp()
    if w.dim() == 2:
        t = 1 / ((w @ w.T).abs() @ q / q) / (1 + SLACK)
        wanted = x - 2 * (F.relu(x @ w.T + b) * t) @ w
    else:
        k = w.shape[-1]
        gram = torch.zeros(len(w), len(w), dtype=torch.float64)
        for dy in range(-k + 1, k):
            for dx in range(-k + 1, k):
                one = w[:, :, max(dy, 0) : k + min(dy, 0), max(dx, 0) : k + min(dx, 0)]
                two = w[:, :, max(-dy, 0) : k + min(-dy, 0), max(-dx, 0) : k + min(-dx, 0)]
                gram += torch.einsum("icyx,jcyx->ij", one, two).abs()
        t = 1 / (gram @ q / q) / (1 + SLACK)
        hidden = F.relu(F.conv2d(x, w, b, padding=k // 2)) * t[:, None, None]
        wanted = x - 2 * F.conv_transpose2d(hidden, w, padding=k // 2)
    with torch.no_grad():
        torch.testing.assert_close(made(x), wanted, rtol=1e-10, atol=1e-10)


def test_scales_of_nothing_are_finite() -> None:
    assert sll_scale(torch.zeros(2), torch.ones(2), SLACK).isfinite().all()
    made = layer("conv")
    with torch.no_grad():
        made.weight.zero_()
        x = random_images(2, 6)[:, :1].expand(2, 4, 6, 6)
        assert torch.equal(made(x), x)


def test_row_sums_are_those_of_the_matrix() -> None:
    w, q = torch.randn(5, 8, generator=generator(1)), torch.rand(5, generator=generator(2))
    wanted = torch.stack([sum((w[i] @ w[j]).abs() * q[j] for j in range(5)) for i in range(5)])
    torch.testing.assert_close(gram_rows_linear(w, q), wanted)
    torch.testing.assert_close(gram_rows_conv(w[:, :, None, None], q), wanted)


def test_pooling_and_unshuffling_keep_norms() -> None:
    x = torch.randn(3, 4, 8, 8, generator=generator(3), dtype=torch.float64)
    unshuffled = F.pixel_unshuffle(x, 4)
    torch.testing.assert_close(unshuffled.flatten(1).norm(dim=1), x.flatten(1).norm(dim=1))
    for window in (2, 4):
        pooled = sum_pool(x, window)
        assert (pooled.flatten(1).norm(dim=1) <= x.flatten(1).norm(dim=1)).all()
        flat = pooled.repeat_interleave(window, 2).repeat_interleave(window, 3)
        torch.testing.assert_close(sum_pool(flat, window).flatten(1).norm(dim=1), flat.flatten(1).norm(dim=1))
        block = x[0, 0, :window, :window].sum() / window
        torch.testing.assert_close(pooled[0, 0, 0, 0], block)


def test_unshuffling_is_that_of_torch_and_gradients_lie_as_images_do() -> None:
    x = random_images(2, 8).requires_grad_()
    ours = unshuffle(x, 4)
    assert torch.equal(ours, F.pixel_unshuffle(x, 4))
    assert ours.is_contiguous(memory_format=torch.channels_last)
    upper = torch.rand(ours.shape, generator=generator(1)).contiguous(memory_format=torch.channels_last)
    (gradient,) = torch.autograd.grad(ours, x, upper)
    assert torch.equal(gradient, F.pixel_shuffle(upper, 4))
    assert gradient.is_contiguous()


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_network_is_1_lipschitz_and_frozen_is_the_same_map(kind: str) -> None:
    net = disturb(untrained(SMALL, 3), kind, seed=4)
    x = random_images(4, 16, seed=5).double()
    with torch.no_grad():
        before = net(x)
    frozen = freeze(net)
    assert not any(isinstance(m, SLL) for m in frozen.modules())
    assert not list(frozen.parameters())
    torch.testing.assert_close(frozen(x), before, rtol=1e-10, atol=1e-10 * float(before.abs().max()))
    assert before.shape == (4, SMALL.features)
    assert steepest_slope(frozen, x) <= 1 + 1e-9
    assert farthest_ratio(frozen, x, steps=8) <= 1 + 1e-9


def test_float32_weights_are_1_lipschitz_as_they_stand() -> None:
    """Rounding the folded weights costs less than the margin kept for it."""
    net = freeze(disturb(untrained(SMALL, 3), "random").float()).double()
    assert steepest_slope(net, random_images(4, 16, seed=5).double()) <= 1 + 1e-9


def test_untrained_networks_follow_their_seed() -> None:
    one, same, other = (untrained(SMALL, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "change",
    [{"size": 18}, {"stem": 0}, {"depths": (1,)}, {"linears": -1}, {"linear_inner": 10**6}, {"size": 16.0}],
)
def test_shapes_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(UserError):
        LipSimConfig(**{**{"size": 16, "stem": 2}, **change}).checked()  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"nothing": 1}', "3", '{"depths": 5}', '{"depths": "ab"}'])
def test_foreign_headers_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        LipSimConfig.from_json(text)


def test_header_round_trip() -> None:
    assert LipSimConfig.from_json(SMALL.to_json()) == SMALL


def _saved(path: Path) -> LipSimNet:
    net = untrained(SMALL, 3)
    with torch.no_grad():
        for p in net.parameters():
            p += 0.2 * torch.randn(p.shape, generator=generator(4))
    save_network(net, path)
    return net


def test_file_round_trip_in_half_precision_stays_1_lipschitz(tmp_path: Path) -> None:
    net, path = _saved(tmp_path / "a.safetensors"), tmp_path / "a.safetensors"
    loaded = load_network(path)
    assert loaded.config == SMALL
    assert path.stat().st_size < 2.2 * sum(p.numel() for p in net.parameters()) + 8000
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, net.state_dict()[name].half().float())
    x = random_images(3, 16, seed=1)
    with torch.no_grad():
        torch.testing.assert_close(loaded(x), net(x), rtol=0, atol=2e-2)
    assert steepest_slope(freeze(loaded.double()), x.double()) <= 1 + 1e-9
    made = lipsim(str(path))
    assert made.side == 16
    assert (made(x, random_images(3, 16, seed=2)) > 0).all()


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(UserError, match="found no file"):
        load_network(path)
    net = _saved(path)
    good = path.read_bytes()
    for damaged in (b"", b"hello", good[: len(good) // 2], good[:100], b"\xff" * 200):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="not a safetensors file"):
            load_network(path)
    tensors = {name: t.half() for name, t in net.state_dict().items()}
    header = {"format": "perceptbench.lipsim.1", "config": SMALL.to_json()}
    infinite = {**tensors, "head.0.weight": tensors["head.0.weight"] * torch.inf}
    short = {name: t for name, t in tensors.items() if name != "head.0.bias"}
    wrong = {**tensors, "head.0.bias": torch.zeros(3)}
    for content, meta, message in (
        (tensors, None, "got format None"),
        (tensors, {**header, "format": "other"}, "got format 'other'"),
        (tensors, {**header, "config": "?"}, "header of a lipsim weights file"),
        (short, header, "do not fit"),
        (wrong, header, "do not fit"),
        (infinite, header, "not finite"),
    ):
        save_file(content, path, meta)
        with pytest.raises(UserError, match=message):
            load_network(path)
