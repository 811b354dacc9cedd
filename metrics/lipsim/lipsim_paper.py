"""The network of the LipSim paper, exactly, and the loader for its authors' checkpoints.

Zero-pad channels 3 -> 45; 20 SLL convolutions 3 x 3 with inner width 5; two 4 x 4 sum-pools over 4
(224 -> 56 -> 14); flatten to 8820; 7 SLL linear layers with inner width 1024; the first 512, 768 or
1792 coordinates. 63.3 M parameters, 4.2 GMAC an image at 224 x 224 (docs/protocol.md).
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from perceptbench.core.card import About
from perceptbench.core.errors import UserError
from perceptbench.core.fetch.tensor_files import sized
from perceptbench.core.fetch.weights import Weights, locate, read, resolve
from perceptbench.core.files import is_file
from perceptbench.core.noise import forked_rng
from perceptbench.metrics.base import metric
from perceptbench.metrics.fill import fill
from perceptbench.metrics.lipsim.layers.kept_for_rounding import kept
from perceptbench.metrics.lipsim.layers.sll import SLLConv, SLLLinear
from perceptbench.metrics.lipsim.lipsim import FrozenLipSim
from perceptbench.metrics.lipsim.network import frozen

SIDE = 224
_CHANNELS, _CONVS, _CONV_INNER = 45, 20, 5
_FEATURES, _LINEARS, _LINEAR_INNER = 45 * 14 * 14, 7, 1024
_COORDINATES = (1792, 768, 512)
_POOL = 4
_MAX_BYTES = 4 << 30
_CONV_NAMES = (("weight", "kernel"), ("bias", "bias"), ("log_q", "q"))
_LINEAR_NAMES = (("weight", "weight"), ("bias", "bias"), ("log_q", "q"))


class AuthorsConv(SLLConv):
    """The convolution as the authors' code has it: q and 1/q meet as equals and cancel.

    Its scale is 1 / sum_j |W^T W|_ij, AOL-like and still 1-Lipschitz; q has no effect.
    """

    def scaled(self) -> tuple[Tensor, Tensor]:
        rows = self.gram_rows(torch.ones_like(self.log_q)) * (1 + kept(self.weight))
        root = (2 / rows.clamp_min(torch.finfo(rows.dtype).tiny)).sqrt()
        return self.weight * root[:, None, None, None], self.bias * root


class PaperNet(nn.Module):
    """Images (n, 3, 224, 224) in [0, 1] to the first `coordinates` of the last layer."""

    def __init__(self, coordinates: int, conv: type[SLLConv] = SLLConv) -> None:
        super().__init__()
        self.coordinates = coordinates
        self.convs = nn.Sequential(*(conv(_CHANNELS, _CONV_INNER) for _ in range(_CONVS)))
        self.linear = nn.Sequential(*(SLLLinear(_FEATURES, _LINEAR_INNER) for _ in range(_LINEARS)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.convs(F.pad(x, (0, 0, 0, 0, 0, _CHANNELS - 3)))
        # Two sums over 4 x 4, each divided by 4.
        x = F.avg_pool2d(x, _POOL**2) * _POOL**2
        return self.linear(x.flatten(1))[:, : self.coordinates]


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict of an authors' .pth, without its prefixes; no code is unpickled.

    Raises UserError when it is missing, too large, or not such a file.
    """
    if not is_file(path):
        raise UserError(f"expected the authors' checkpoint at {path}, found no file")
    return read(sized(path, _MAX_BYTES))


def translate(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """From the authors' names and shapes to those of PaperNet.

    Theirs: `convs.I.{kernel,bias,q}`, `linear.I.{weight,bias,q}` with a Flatten at index 0, the same
    tensors once more under `base.`, and q already a logarithm. Raises UserError for a missing one.
    """
    names: dict[str, str] = {}
    for i in range(_CONVS):
        names |= {f"convs.{i}.{ours}": f"convs.{i}.{theirs}" for ours, theirs in _CONV_NAMES}
    for i in range(_LINEARS):
        names |= {f"linear.{i}.{ours}": f"linear.{i + 1}.{theirs}" for ours, theirs in _LINEAR_NAMES}
    missing = sorted(set(names.values()) - set(state))
    if missing:
        raise UserError(f"expected the layers of the paper's network, missing {missing[0]} and {len(missing) - 1} more")
    biases = {ours: state[theirs].flatten() for ours, theirs in names.items() if ours.endswith("bias")}
    return {ours: state[theirs] for ours, theirs in names.items()} | biases


CHECKPOINT = Weights(
    file="lipsim-paper.pth",
    url="https://github.com/SaraGhazanfari/lipsim",
    by_hand="take a checkpoint that their README links",
)


@metric(
    "lipsim-paper",
    source="arXiv:2310.18274; weights: github SaraGhazanfari/lipsim",
    licence="MIT (code)",
    about=About(
        year=2023,
        weights=(CHECKPOINT,),
        side=SIDE,
        parameters=63.27,
        gmac=4.19,
        nights=(86.62, "LipSim, table 4: ensemble, pretrained"),
    ),
)
def lipsim_paper(
    file: str = "", coordinates: int = 1792, faithful: bool = True, untrained_seed: int = -1, lift: bool = False
) -> FrozenLipSim:
    """The paper's network; `lipsim-paper:FILE.pth` loads an authors' checkpoint.

    Args:
        file: the authors' .pth; without one, lipsim-paper.pth of $PERCEPTBENCH_WEIGHTS, if it is there.
        coordinates: 1792 (DreamSim ensemble), 768 (DINO) or 512 (CLIP, OpenCLIP) as teacher.
        faithful: scale convolutions as the authors' code does; otherwise as the formula says.
        untrained_seed: random weights from this seed in place of a file, for speed measurements.
        lift: compare (g, 1) in place of g, as the authors' later code does.
    """
    if coordinates not in _COORDINATES:
        raise UserError(f"lipsim-paper(coordinates=...) wants one of {_COORDINATES}, got {coordinates}")
    conv = AuthorsConv if faithful else SLLConv
    if not file and untrained_seed < 0 and locate(CHECKPOINT):
        file = str(resolve(CHECKPOINT))
    if not file and untrained_seed < 0:
        raise UserError(
            "lipsim-paper needs the authors' checkpoint, lipsim-paper:FILE.pth (their repository links it), "
            "or lipsim-paper(untrained_seed=0) for random weights"
        )
    if file:
        net = _from_checkpoint(Path(file), coordinates, conv)
    else:
        with forked_rng(untrained_seed):
            net = PaperNet(coordinates, conv)
    return FrozenLipSim(frozen(net, f"the weights {file or 'of lipsim-paper'}"), SIDE, lift)


def _from_checkpoint(path: Path, coordinates: int, conv: type[SLLConv]) -> PaperNet:
    state = translate(read_checkpoint(path))
    with torch.device("meta"):  # nothing is drawn for what is replaced at once
        net = PaperNet(coordinates, conv)
    return fill(net, state, f"the weights of the paper's network in {path}")
