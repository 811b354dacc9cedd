"""The families beside SLL, the learnt scaling and the stem: norms at most 1, whatever the parameters; files too."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from oracles import KINDS, disturbed, steepest_slope
from scipy.fft import dctn

from perceptbench.core.errors import UserError
from perceptbench.core.noise import forked_rng
from perceptbench.metrics.lipsim.checkpoint import load_network, save_network
from perceptbench.metrics.lipsim.layers.maps import MAPS, Map, cayley, gram_rows
from perceptbench.metrics.lipsim.layers.maxmin import MaxMinConv, MaxMinDense, max_min
from perceptbench.metrics.lipsim.layers.scaling import Scaling
from perceptbench.metrics.lipsim.layers.spectrum import Spectrum, dct_matrix
from perceptbench.metrics.lipsim.layers.stem import Stem
from perceptbench.metrics.lipsim.network import freeze, untrained
from perceptbench.metrics.lipsim.shape import FAMILIES, NETWORKS, LipSimConfig
from perceptbench.testing.samples import generator, random_images

SMALL = LipSimConfig(size=16, stem=2, depths=(1, 2), inners=(6, 5), linears=2, linear_inner=8)
SIZES = [(6, 6), (3, 9), (5, 1), (1, 1)]


def kernel_of(family: str, blocks: int, side: int, k: int, kind: str) -> Map:
    with forked_rng(1):
        return disturbed(MAPS[family](blocks, side, k), kind)  # type: ignore[return-value]


def test_a_shape_may_name_every_family_that_there_are_layers_of() -> None:
    """shape.py lists them by hand, since it is read without torch."""
    assert set(FAMILIES) == {"sll", "window", *MAPS}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", MAPS)
def test_convolutions_are_1_lipschitz_at_every_size_and_frozen_is_the_same_map(family: str, kind: str) -> None:
    layer = MaxMinConv(kernel_of(family, 1, 6, 3, kind), 6).double()
    with torch.no_grad():
        layer.bias.normal_(generator=generator(3))
    frozen = layer.frozen()
    for size in SIZES:
        x = torch.randn(4, 6, *size, generator=generator(1), dtype=torch.float64)
        with torch.no_grad():
            torch.testing.assert_close(frozen(x), layer(x), rtol=1e-12, atol=1e-12)
        assert steepest_slope(frozen, x) <= 1
    assert not list(frozen.parameters())
    assert len(list(layer.parameters())) > 1


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", MAPS)
def test_dense_layers_are_1_lipschitz(family: str, kind: str, strided: bool) -> None:
    frozen = MaxMinDense(kernel_of(family, 3, 4, 1, kind), 12, strided).double().frozen()
    x = torch.randn(4, 12, generator=generator(1), dtype=torch.float64)
    assert steepest_slope(frozen, x) <= 1


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("family", MAPS)
def test_a_family_starts_as_the_identity(family: str, k: int) -> None:
    """Less the share kept for rounding; a layer that does more than it should would pass no other test here."""
    kernel = kernel_of(family, 1, 6, k, "start").forward().detach()
    identity = F.pad(torch.eye(6, dtype=torch.float64)[None, ..., None, None], (k // 2,) * 4)
    torch.testing.assert_close(kernel, identity, rtol=0, atol=2e-6)


def test_cayley_convolutions_keep_every_norm_but_at_the_border() -> None:
    """An isometry of the infinite grid: an image far from the border keeps its length."""
    kernel = kernel_of("cayley", 1, 6, 3, "random").forward().detach()
    x = torch.zeros(2, 6, 7, 7, dtype=torch.float64)
    x[:, :, 1:-1, 1:-1] = torch.randn(2, 6, 5, 5, generator=generator(2), dtype=torch.float64)
    torch.testing.assert_close(F.conv2d(x, kernel[0], padding=1).norm(), x.norm(), rtol=2e-6, atol=0)
    assert kernel[0, :, :, 0, 0].norm() > 0.1


@pytest.mark.parametrize("height", [4, 6])
def test_cayley_transforms_have_orthonormal_columns(height: int) -> None:
    q = cayley(torch.randn(3, height, 4, generator=generator(1), dtype=torch.float64))
    assert q.shape == (3, height, 4)
    torch.testing.assert_close(q.mT @ q, torch.eye(4, dtype=torch.float64).expand(3, 4, 4))


def test_row_sums_are_those_of_the_operator_written_out() -> None:
    """A pixel in the middle of a large image meets all overlaps of the kernel with itself."""
    kernel = torch.randn(1, 3, 3, 3, 3, generator=generator(1), dtype=torch.float64)
    x = torch.eye(3 * 81, dtype=torch.float64).view(-1, 3, 9, 9)
    matrix = F.conv2d(x, kernel[0], padding=1).flatten(1).T
    rows = (matrix.T @ matrix).abs().sum(1).view(3, 9, 9)[:, 4, 4]
    torch.testing.assert_close(gram_rows(kernel)[0], rows)
    dense = torch.randn(2, 4, 4, 1, 1, generator=generator(2), dtype=torch.float64)
    for block, found in zip(dense[..., 0, 0], gram_rows(dense), strict=True):
        torch.testing.assert_close(found, (block.T @ block).abs().sum(1))


def test_aol_and_liresnet_reach_their_bound_where_it_is_tight() -> None:
    """Of a single nonnegative row or a multiple of the identity the row sums are the norm."""
    aol, residual = kernel_of("aol", 1, 4, 1, "start"), kernel_of("liresnet", 1, 4, 1, "start")
    with torch.no_grad():
        aol.weight.copy_(torch.ones_like(aol.weight))
        residual.weight.copy_(6 * torch.eye(4)[None, ..., None, None])
    for made in (aol, residual):
        assert torch.linalg.matrix_norm(made()[0, :, :, 0, 0].detach(), 2) == pytest.approx(1, abs=2e-6)


def test_dense_blocks_hold_neighbours_or_strides() -> None:
    """Block b acts on features 4 b to 4 b + 3, or on b, b + 3, b + 6, b + 9."""
    kernel = kernel_of("aol", 3, 4, 1, "random")
    blocks = kernel()[..., 0, 0].detach()
    near = torch.block_diag(*blocks)
    order = torch.arange(12).view(3, 4).T.flatten()
    x = torch.randn(2, 12, generator=generator(2), dtype=torch.float64)
    for strided, matrix in ((False, near), (True, near[order][:, order])):
        layer = MaxMinDense(kernel, 12, strided).double()
        with torch.no_grad():
            layer.bias += 1
            torch.testing.assert_close(layer.linear(x, kernel()), x @ matrix.T + 1)


def test_max_min_sorts_pairs_and_keeps_gradients() -> None:
    x = torch.tensor([[1.0, 5.0, 3.0, 2.0]], requires_grad=True)
    y = max_min(x)
    assert y.tolist() == [[3.0, 5.0, 1.0, 2.0]]
    upper = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert torch.autograd.grad(y, x, upper)[0].norm() == upper.norm()


def test_scaling_is_at_most_1_and_starts_there() -> None:
    layer = Scaling(5)
    x = torch.randn(2, 5, 3, 3, generator=generator(1))
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.log.copy_(torch.tensor([50.0, -3.0, 49.0, 0.5, 50.0]))
    s = layer.frozen().s
    assert s.tolist() == pytest.approx([1, 0, 1 / torch.e, 0, 1], abs=1e-6)
    assert torch.equal(layer(x), x * s[:, None, None])
    assert torch.equal(layer.frozen()(x[:, :, 0, 0]), x[:, :, 0, 0] * s)
    layer(x).square().sum().backward()
    assert layer.log.grad is not None
    assert layer.log.grad.isfinite().all()


def test_the_basis_is_scipys_dct_and_orthonormal() -> None:
    matrix = dct_matrix(4)
    block = torch.randn(4, 4, generator=generator(1), dtype=torch.float64)
    wanted = torch.from_numpy(dctn(block.numpy(), norm="ortho"))
    torch.testing.assert_close((matrix @ block.flatten()).view(4, 4), wanted)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(16, dtype=torch.float64))


def test_the_stem_pools_turns_and_pads_without_gain() -> None:
    """A grey image has only the first frequency of each colour, of its full length but for rounding."""
    stem = Stem(4, 2, True, 60)
    assert stem.dct is not None
    for side in (2, 8, 16):
        rounded = Stem(side, 1, True, 3 * side**2).dct
        assert rounded is not None
        assert torch.linalg.matrix_norm(rounded.double().flatten(1), 2) <= 1
    grey = torch.full((1, 3, 16, 16), 0.75)
    y = stem(grey)
    assert y.shape == (1, 60, 2, 2)
    assert (y[:, [0, 16, 32]] != 0).all()
    assert y.square().sum() == pytest.approx(y[:, [0, 16, 32]].square().sum().item())
    assert y.norm() == pytest.approx((grey - 0.5).norm().item(), rel=1e-5)
    assert y.norm() <= (grey - 0.5).norm()
    plain = Stem(4, 1, False, 48)(random_images(1, 8))
    assert torch.equal(plain, F.pixel_unshuffle(random_images(1, 8) - 0.5, 4))


@pytest.mark.parametrize("tokens", [True, False])
def test_the_spectrum_is_scipys_dct_of_every_channel_and_no_longer(tokens: bool) -> None:
    x = torch.randn(2, 7, 7, 3, generator=generator(1))
    wanted = torch.from_numpy(dctn(x.numpy(), axes=(1, 2), norm="ortho"))
    turned = Spectrum(7, tokens)(x if tokens else x.permute(0, 3, 1, 2))
    torch.testing.assert_close(turned if tokens else turned.permute(0, 2, 3, 1), wanted, rtol=1e-5, atol=1e-5)
    for side in (2, 7, 14):
        assert torch.linalg.matrix_norm(Spectrum(side, tokens).matrix.double(), 2) <= 1


CHANGES: dict[str, dict[str, object]] = {
    "aol": {"family": "aol"},
    "cayley": {"family": "cayley"},
    "liresnet": {"family": "liresnet"},
    "scaled": {"scaled": True},
    "dct": {"basis": "dct"},
    "pooled and padded": {"pre_pool": 2, "depths": (1,), "inners": (4,), "width": 14},
    "window": {"family": "window", "stem": 4, "depths": (3, 2), "inners": (8, 12), "widths": (12, 20), "scaled": True},
    "spectrum": {"spectrum": True, "scaled": True},
    "window, spectrum": {
        "family": "window",
        "stem": 4,
        "depths": (2, 1),
        "inners": (8, 12),
        "widths": (12, 20),
        "scaled": True,
        "spectrum": True,
        "folds": 1,
        "linears": 0,
    },
    "all": {"family": "aol", "scaled": True, "basis": "dct", "width": 16},
}


def changed(which: str) -> LipSimConfig:
    return replace(SMALL, **CHANGES[which])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["start", "random"])
@pytest.mark.parametrize("which", CHANGES)
def test_networks_are_1_lipschitz_in_float32_and_frozen_is_the_same_map(which: str, kind: str) -> None:
    """Weights folded in float64 and rounded to float32 stay within the bound, as they stand."""
    net = disturbed(untrained(changed(which), 3), kind, seed=4).float()
    x = random_images(3, 16, seed=5)
    with torch.no_grad():
        before = net(x)
    frozen = freeze(net)
    assert not list(frozen.parameters())
    torch.testing.assert_close(frozen(x), before, rtol=1e-4, atol=1e-4)
    assert before.shape == (3, changed(which).features)
    assert steepest_slope(frozen.double(), x.double()) <= 1


@pytest.mark.parametrize("which", CHANGES)
def test_files_keep_networks_1_lipschitz(which: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    net = disturbed(untrained(changed(which), 3), "random", seed=6).float()
    save_network(net, path)  # type: ignore[arg-type]
    loaded = load_network(path)
    assert loaded.config == changed(which)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, net.state_dict()[name].half().float())
    x = random_images(3, 16, seed=1)
    with torch.no_grad():
        torch.testing.assert_close(loaded(x), net(x), rtol=0, atol=2e-2)
    assert steepest_slope(freeze(loaded).double(), x.double()) <= 1


@pytest.mark.parametrize("which", CHANGES)
def test_every_parameter_is_learnt_from(which: str) -> None:
    net = untrained(changed(which), 3)
    disturbed(net, "random").float()
    net(random_images(2, 16)).square().sum().backward()
    for name, p in net.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert (p.grad != 0).any(), name


def test_a_map_of_nothing_has_a_gradient() -> None:
    for family in ("aol", "liresnet"):
        made = kernel_of(family, 1, 4, 3, "start")
        with torch.no_grad():
            made.weight.zero_()
        if family == "liresnet":
            with torch.no_grad():
                made.weight[0, :, :, 1, 1] = -torch.eye(4)
        made().sum().backward()
        assert made.weight.grad.isfinite().all()


def test_headers_of_before_the_families_still_load() -> None:
    values = {"size": 16, "stem": 2, "depths": [1, 2], "inners": [6, 5], "linears": 2, "linear_inner": 8}
    assert LipSimConfig.from_json(json.dumps(values)) == SMALL


@pytest.mark.parametrize(
    "change",
    [
        {"family": "conv"},
        {"family": 3},
        {"basis": "fourier"},
        {"scaled": 1},
        {"spectrum": 1},
        {"spectrum": True, "folds": 1},
        {"family": "window", "widths": (6, 6), "folds": 1},
        {"family": "window", "widths": (6, 6), "spectrum": True, "folds": -1},
        {"width": 11},
        {"pre_pool": 0},
        {"pre_pool": 3},
        {"width": 13, "linear_inner": 4, "family": "aol"},
        {"linear_inner": 7, "family": "cayley"},
        {"linear_inner": 0, "family": "aol"},
        {"widths": (12, 12)},
        {"family": "window"},
        {"family": "window", "widths": (12,)},
        {"family": "window", "widths": (12, 0)},
        {"family": "window", "widths": (13, 12)},
        {"family": "window", "widths": (6, 25)},
        {"family": "window", "widths": (5, 12)},
        {"family": "window", "widths": (6, 6), "linear_inner": 97},
        {"family": "window", "widths": (6, 6), "basis": "dct"},
        {"family": "window", "widths": (6, 6), "pre_pool": 2},
        {"depths": (), "inners": ()},
    ],
)
def test_shapes_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(UserError):
        untrained(replace(SMALL, **change), 0)  # type: ignore[arg-type]


def test_named_networks_are_shapes_that_fit_and_differ() -> None:
    assert NETWORKS["sll"] == LipSimConfig()
    assert len({config.checked() for config in NETWORKS.values()}) == len(NETWORKS)


def test_all_families_have_the_features_of_the_default_network() -> None:
    for family in ("sll", *MAPS):
        assert LipSimConfig(family=family).checked().features == 9408
