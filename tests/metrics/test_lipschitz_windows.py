"""The family `window`: orthonormal rows, windows that tile an image, layers that forget or mirror."""

import pytest
import torch
import torch.nn.functional as F
from oracles import KINDS, disturbed, steepest_slope

from perceptbench.core.noise import forked_rng
from perceptbench.metrics.lipsim.layers.orthonormal import at_most, orthonormal
from perceptbench.metrics.lipsim.layers.patch_layer import Merge, PatchSLL, fold, join, split
from perceptbench.metrics.lipsim.layers.patches import Patches, low_frequencies, patches
from perceptbench.metrics.lipsim.layers.stem import sum_pool
from perceptbench.metrics.lipsim.network import untrained
from perceptbench.metrics.lipsim.shape import LipSimConfig
from perceptbench.testing.samples import generator, random_images


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def layer_of(channels: int, inner: int, window: int, shifted: bool, kind: str) -> PatchSLL:
    with forked_rng(1):
        return disturbed(PatchSLL(channels, inner, window, shifted), kind)  # type: ignore[return-value]


def test_rows_become_orthonormal_and_span_what_they_did() -> None:
    free = normal(5, 9)
    made = orthonormal(free)
    torch.testing.assert_close(made @ made.T, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-4)
    onto = torch.linalg.pinv(free) @ free
    torch.testing.assert_close(made @ onto, made)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [torch.zeros(4, 6), torch.ones(4, 6), torch.eye(6)[[0, 0, 1, 2]]])
def test_dependent_rows_stay_finite_and_short(rows: torch.Tensor, dtype: torch.dtype) -> None:
    made = orthonormal(rows.to(dtype))
    assert made.isfinite().all()
    assert torch.linalg.matrix_norm(made.double(), 2) <= 1 + 1e-3


def test_what_is_too_long_is_shortened_and_what_is_not_stays() -> None:
    wide = 3 * orthonormal(normal(4, 6))
    rounded = at_most(wide, 2.0).float().double()
    assert 1.99 < torch.linalg.matrix_norm(rounded, 2) ** 2 <= 2
    assert torch.equal(at_most(wide / 10, 2.0), wide / 10)


@pytest.mark.parametrize("size", [(4, 6), (5, 3), (1, 1)])
@pytest.mark.parametrize("before", [0, 1])
def test_windows_tile_the_image(size: tuple[int, int], before: int) -> None:
    x = normal(2, *size, 3)
    windows = split(x, 2, before)
    assert windows.square().sum() == pytest.approx(x.square().sum().item())
    assert torch.equal(join(windows, 2, *size, before), x)
    if before:
        assert torch.equal(windows[:, 0, 0, :9], torch.zeros(2, 9, dtype=torch.float64))
        assert torch.equal(windows[:, 0, 0, 9:], x[:, 0, 0])
    else:
        assert torch.equal(windows[:, 0, 0, :3], x[:, 0, 0])


@pytest.mark.parametrize(("s", "kept"), [(1.0, 0.0), (2.0, -1.0)])
def test_a_unit_forgets_at_1_and_mirrors_at_2(s: float, kept: float) -> None:
    """Along the direction it detects; the other half of the line, and all else, is left as it was."""
    a = torch.tensor([[s**0.5, 0.0]])
    x = torch.tensor([[3.0, 5.0], [-3.0, 5.0]])
    torch.testing.assert_close(fold(x, a, torch.zeros(1)), torch.tensor([[3 * kept, 5.0], [-3.0, 5.0]]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("window", [1, 2])
def test_layers_are_1_lipschitz_and_frozen_is_the_same_map(window: int, shifted: bool, kind: str) -> None:
    layer = layer_of(4, 3, window, shifted, kind)
    frozen = layer.frozen()
    assert not list(frozen.parameters())
    for size in ((4, 4), (3, 5), (1, 1)):
        x = normal(3, *size, 4, seed=1)
        with torch.no_grad():
            torch.testing.assert_close(frozen(x), layer(x), rtol=1e-4, atol=1e-4)
        # Where no unit acts the layer is the identity, and the estimate itself is rounded.
        assert steepest_slope(frozen, x) <= 1 + 1e-12


def test_a_window_sees_its_own_tokens_and_a_shifted_one_those_across_the_border() -> None:
    x = torch.zeros(1, 4, 4, 2, dtype=torch.float64)
    moved = x.clone()
    moved[0, 1, 1] = 1
    for shifted, rows in ((False, [0, 1]), (True, [1, 2])):
        layer = layer_of(2, 8, 2, shifted, "random")
        with torch.no_grad():
            layer.bias.fill_(1)
            changed = (layer(moved) - layer(x)).abs().sum(3)[0] > 0
        assert changed.any(1).nonzero().flatten().tolist() == rows
        assert changed.any(0).nonzero().flatten().tolist() == rows


def test_merging_starts_as_the_sum_pool_and_then_keeps_details() -> None:
    x = normal(2, 4, 6, 3).float()
    pooled = sum_pool(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    merged = Merge(3, 7)(x)
    torch.testing.assert_close(merged[..., :3], pooled, rtol=1e-4, atol=1e-4)
    across = (x[:, ::2, ::2] - x[:, ::2, 1::2] + x[:, 1::2, ::2] - x[:, 1::2, 1::2]) / 2
    torch.testing.assert_close(merged[..., 3:6], across, rtol=1e-4, atol=1e-4)
    assert Merge(3, 2)(x).shape == (2, 2, 3, 2)


def test_all_of_a_window_merged_is_an_isometry() -> None:
    x = normal(2, 4, 6, 3)
    made = disturbed(Merge(3, 12), "random").frozen()
    torch.testing.assert_close(made(x).norm(), x.norm(), rtol=1e-4, atol=0)
    assert made(x).norm() <= x.norm()


def test_patches_start_as_low_frequencies_grey_first() -> None:
    rows = low_frequencies(4, 20)
    torch.testing.assert_close(rows @ rows.T, torch.eye(20, dtype=torch.float64))
    torch.testing.assert_close(rows[0], torch.full((48,), 48**-0.5, dtype=torch.float64))
    # Sums of frequencies 0 to 5 hold 1, 2, 3, 4, 3, 2 patterns of brightness; colour comes in at 1 (mean) and 3.
    bright = (rows.view(20, 3, 16) == rows.view(20, 3, 16)[:, :1]).all(2).all(1)
    assert bright.tolist() == [True] * 3 + [False] * 2 + [True] * 7 + [False] * 4 + [True] * 4
    whole = low_frequencies(4, 48)
    torch.testing.assert_close(whole @ whole.T, torch.eye(48, dtype=torch.float64))
    # A chequered board is above what 20 rows keep, wide stripes are not.
    board = torch.tensor([1.0, -1, 1, -1]).outer(torch.tensor([1.0, -1, 1, -1])).repeat(3, 1, 1).flatten().double()
    stripes = torch.tensor([1.0, 1, -1, -1]).repeat(3, 4, 1).flatten().double()
    assert (rows @ board).norm() < 0.6 * board.norm()
    assert (rows @ stripes).norm() > 0.9 * stripes.norm()


def test_patches_are_those_of_an_unfold_and_grey_is_zero() -> None:
    x = random_images(2, 8)
    wanted = F.unfold(x - 0.5, 4, stride=4).transpose(1, 2).view(2, 2, 2, 48)
    assert torch.equal(patches(x, 4), wanted)
    stem = Patches(4, 10)
    assert torch.equal(stem(torch.full((1, 3, 8, 8), 0.5)), torch.zeros(1, 2, 2, 10))
    frozen = stem.frozen()
    torch.testing.assert_close(frozen(x), stem(x), rtol=1e-4, atol=1e-5)
    assert torch.linalg.matrix_norm(frozen.weight.double(), 2) <= 1


def test_features_count_what_the_last_stage_leaves() -> None:
    config = LipSimConfig(family="window", stem=16, widths=(32, 48), depths=(1, 1), inners=(32, 48), linear_inner=8)
    assert config.checked().features == 48 * 7 * 7


def test_layers_of_a_stage_take_turns() -> None:
    """A pixel alone, shifted windows, windows, and again."""
    config = LipSimConfig(family="window", stem=16, widths=(8,), depths=(5,), inners=(8,), linear_inner=8)
    layers = [layer for layer in untrained(config, 0).stages[0] if isinstance(layer, PatchSLL)]
    assert [(layer.window, layer.shifted) for layer in layers] == [
        (1, False), (2, True), (2, False), (1, False), (2, True),
    ]  # fmt: skip
