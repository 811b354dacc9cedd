"""What layers keep from their norm for rounding their weights: enough where rounding is worst, and no less."""

from functools import reduce

import pytest
import torch
from oracles import KINDS, disturbed
from torch import Tensor, nn

from perceptbench.core.noise import forked_rng
from perceptbench.metrics.lipsim.layers.kept_for_rounding import SLACK, kept, rounding_share
from perceptbench.metrics.lipsim.layers.maps import MAPS, cayley
from perceptbench.metrics.lipsim.layers.maxmin import MaxMinConv
from perceptbench.metrics.lipsim.layers.orthonormal import at_most
from perceptbench.metrics.lipsim.layers.patch_layer import PatchSLL
from perceptbench.metrics.lipsim.layers.sll import SLLConv, SLLLinear
from perceptbench.testing.samples import generator

REGULAR = torch.ones(4, 4, dtype=torch.float64) - 2 * torch.eye(4, dtype=torch.float64)
"""A Hadamard matrix all of whose rows have the same sum."""


def hadamard(power: int) -> Tensor:
    """Entries of +-1, orthogonal rows, and row sums of 2**power: order 4**power."""
    return reduce(torch.kron, [REGULAR] * power)


def badly_rounded(signs: Tensor) -> Tensor:
    """Entries +-1 but for half a unit in the last place of float32, such that rounding moves all of them upwards."""
    half, little = 2.0**-24, 2.0**-30
    return signs * (1 + half) + little * signs.abs()


def norm(kernel: Tensor, frequencies: int = 8) -> float:
    """The largest singular value of a convolution (o, i, k, k) over a grid of frequencies: from below."""
    spectrum = torch.fft.fft2(kernel.double(), s=(frequencies, frequencies))
    return float(torch.linalg.svdvals(spectrum.permute(2, 3, 0, 1)).max())


def paraunitary(power: int) -> Tensor:
    """A kernel (n, n, 5, 5), n = 16 * 4**power, that keeps every norm up to a factor, all of its 4 x 4 taps +-1."""
    vectors = hadamard(2)
    taps = [torch.kron(torch.outer(vectors[t], vectors[t]), hadamard(power)) for t in range(16)]
    kernel = torch.zeros(*taps[0].shape, 5, 5, dtype=torch.float64)
    for t, tap in enumerate(taps):
        kernel[:, :, t // 4, t % 4] = tap
    return kernel


def tempered(layer: nn.Module) -> nn.Module:
    """In float32, with weights q of its rows between e^-9 and e^9: larger ones have no finite exponential."""
    with torch.no_grad():
        layer.log_q.clamp_(-9, 9)  # type: ignore[union-attr, operator]
    return layer.float()


def test_the_share_is_what_the_worst_matrix_gains() -> None:
    """All singular values of this one are equal, and what rounding adds is a multiple of a pair of their vectors."""
    matrix = badly_rounded(hadamard(5))
    gained = torch.linalg.matrix_norm(matrix.float().double(), 2) / torch.linalg.matrix_norm(matrix, 2) - 1
    assert float(gained) == pytest.approx(rounding_share(1024), rel=0.05)


def test_the_side_of_a_kernel_counts() -> None:
    """What this convolution gains is more than the share of a matrix of as many rows, and than half of SLACK."""
    kernel = badly_rounded(paraunitary(2))
    error = kernel.float().double() - kernel
    ratio = norm(error) / norm(kernel)
    assert rounding_share(256) < SLACK / 2 < ratio <= rounding_share(256, 5)
    assert ratio == pytest.approx(rounding_share(256, 4), rel=0.05)
    assert kept(kernel) >= 2 * ratio


@pytest.mark.parametrize("inner", [5, 128, 512, 4096])
def test_more_is_kept_than_rounding_may_add(inner: int) -> None:
    """For k x k kernels 2^-24 k sqrt(inner) of the norm, twice that of its square; the paper's widths keep SLACK."""
    for kernel, k in ((torch.empty(inner, 1, 3, 3), 3), (torch.empty(inner, 1), 1)):
        assert kept(kernel) >= 2 * 2**-24 * k * inner**0.5
    assert (kept(torch.empty(inner, 8820)) == SLACK) == (inner <= 1024)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 3, 5])
def test_wide_convolutions_stay_below_their_norm_once_rounded(k: int, kind: str) -> None:
    with forked_rng(0):
        made = tempered(disturbed(SLLConv(8, 600, k), kind))
    weight = made.frozen().weight  # type: ignore[operator, union-attr]
    assert norm(weight.contiguous()) <= 2**0.5


@pytest.mark.parametrize("kind", KINDS)
def test_wide_matrices_stay_below_their_norm_once_rounded(kind: str) -> None:
    with forked_rng(0):
        dense, window = tempered(disturbed(SLLLinear(700, 650), kind)), disturbed(PatchSLL(700, 650, 1, False), kind)
    for layer in (dense, window.float()):
        weight = layer.frozen().weight.double()  # type: ignore[operator, union-attr]
        assert float(torch.linalg.matrix_norm(weight, 2)) <= 2**0.5


@pytest.mark.parametrize("kind", [*KINDS, "huge"])
@pytest.mark.parametrize("family", MAPS)
def test_wide_maps_stay_below_1_once_rounded(family: str, kind: str) -> None:
    """Also with weights as large as half precision holds, where solving for a Cayley transform is far off."""
    with forked_rng(0):
        made = disturbed(MAPS[family](1, 64, 3), "random" if kind == "huge" else kind)
    if kind == "huge":
        with torch.no_grad():
            for p in made.parameters():
                p.copy_((p * 1e5).clamp(-65504, 65504))
    assert norm(made.float().given().kernel[0]) <= 1  # type: ignore[operator]


def test_a_cayley_transform_of_huge_weights_lengthens_nothing() -> None:
    """Z has one singular value of 1e13 here, so that solving with 1 + Z is off by a part in ten thousand."""
    free = torch.cat([torch.zeros(48, 48), torch.full((48, 48), 65504.0)])[None].double()
    assert float(torch.linalg.matrix_norm(cayley(free), 2)) <= 1 + 1e-12


def test_a_matrix_is_divided_by_what_it_exceeds_its_bound_by() -> None:
    matrix = at_most(badly_rounded(hadamard(5)), 1.0).float().double()
    assert 1 - 2 * kept(matrix) <= float(torch.linalg.matrix_norm(matrix, 2)) <= 1


@pytest.mark.parametrize("family", ["sll", *MAPS])
def test_float32_answers_as_float64_does_on_hard_images(family: str) -> None:
    """Constant, alternating and extreme images, through a wide layer: off by some units in the last place of them."""
    with forked_rng(0):
        made = SLLConv(16, 512) if family == "sll" else MaxMinConv(MAPS[family](1, 16, 3), 16)
    layer = disturbed(made, "random").float().frozen()  # type: ignore[operator]
    board = (torch.arange(12)[:, None] + torch.arange(12)) % 2
    images = [torch.ones(12, 12), board, 1e-6 * board, torch.randn(12, 12, generator=generator(2)).sign()]
    x = torch.stack([image.expand(16, 12, 12).float() for image in images])
    with torch.no_grad():
        answered, exact = layer(x).double(), layer.double()(x.double())
    off = (answered - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    assert float(off.max()) < 64 * 2**-24
