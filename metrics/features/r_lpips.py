"""R-LPIPS: LPIPS on AlexNet, trained adversarially (Ghazanfari et al., 2023, arXiv:2307.15157)."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from perceptbench.core.card import About
from perceptbench.core.fetch.weights import Weights, read, resolve
from perceptbench.metrics.base import metric
from perceptbench.metrics.features.lpips import LPIPS
from perceptbench.metrics.features.lpips_heads import read_heads
from perceptbench.metrics.features.lpips_net import NETS, LPIPSNet
from perceptbench.metrics.features.trunks import fitted_trunk

WEIGHTS = Weights(
    file="r_lpips_alex.pth",
    url="https://github.com/SaraGhazanfari/R-LPIPS",
    by_hand="take a checkpoint of the authors, or train one with their program",
)


def from_package_layout(state: Mapping[str, Tensor], where: str) -> LPIPSNet:
    """The network of a state dict of `lpips.LPIPS(net="alex")`.

    It has the trunk under `net.sliceK.<key of torchvision's features>` and the heads under
    `linK.model.1.weight`; the same heads under `lins.`, and the constants of the scaling layer, are not read.
    Raises UserError, naming `where` it comes from, where tensors are missing or of another shape.
    """
    trunk = {
        key.split(".", 2)[2]: tensor
        for key, tensor in state.items()
        if key.startswith("net.slice") and key.count(".") > 2
    }
    alex = NETS["alex"]
    return LPIPSNet(alex, fitted_trunk(alex.torchvision, trunk, where), read_heads(state, alex.channels, where))


@metric(
    "r-lpips",
    source="arXiv:2307.15157; weights: github SaraGhazanfari/R-LPIPS",
    about=About(year=2023, weights=(WEIGHTS,), weights_licence="none stated", parameters=2.471, gmac=0.656),
)
def r_lpips(file: str = "") -> LPIPS:
    """LPIPS on AlexNet, trained adversarially: `r-lpips:FILE.pth` loads an authors' checkpoint.

    Args:
        file: the authors' .pth, a state dict of the package's LPIPS; without it, r_lpips_alex.pth among the weights.
    """
    path = Path(file) if file else resolve(WEIGHTS)
    return LPIPS(from_package_layout(read(path), str(path)), "r-lpips")
