"""LipSim: cosine distance of a 1-Lipschitz embedding (arXiv:2310.18274), our network and weights."""

import copy
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from torch import Tensor, nn

from perceptbench.core.card import About
from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import CosineLipschitzMetric, metric
from perceptbench.metrics.lipsim.checkpoint import load_network
from perceptbench.metrics.lipsim.network import frozen
from perceptbench.metrics.lipsim.resize import resize
from perceptbench.metrics.spaces.cosine import Lifted, Raw
from perceptbench.metrics.spaces.geometry import lift as lift_embedding


class FrozenLipSim(CosineLipschitzMetric):
    """Any frozen 1-Lipschitz network for square images of one side, as a metric.

    Lifted, its embedding is (g, 1): another metric, whose answers can differ from the raw one's.
    """

    def __init__(self, net: nn.Module, side: int, lift: bool = False) -> None:
        self.net = net
        self.side = side
        self.lift = lift
        self.space = Lifted() if lift else Raw()
        self._double: FrozenLipSim | None = None

    def embed(self, x: Images) -> Embeddings:
        """g(x), or (g(x), 1). Images of another size are resized, and g divided by what that costs: L stays 1."""
        resized, gain = resize(x, self.side)
        g = self.net(resized) / gain
        return lift_embedding(g) if self.lift else g

    def double(self) -> "FrozenLipSim":
        if self._double is None:
            self._double = FrozenLipSim(copy.deepcopy(self.net).double(), self.side, self.lift)
        return self._double

    def to(self, device: str) -> "FrozenLipSim":
        self.net.to(device)
        self._double = None
        return self

    def weights(self) -> Iterable[Tensor]:
        return self.net.state_dict().values()


@metric(
    "lipsim",
    source="arXiv:2310.18274; network and weights: this repository, docs/lipsim.md",
    about=About(year=2023, weights_licence="Apache-2.0 (docs/lipsim.md)", side=224, parameters=3.51, gmac=0.234),
)
def lipsim(file: str = "", lift: bool = False) -> FrozenLipSim:
    """Provably robust: cosine of a 1-Lipschitz embedding. `lipsim:FILE` takes weights of your own.

    Args:
        file: weights written by `bench train lipsim`; ours without it.
        lift: compare (g, 1) in place of g, so that the normalised embedding is 1-Lipschitz too.
    """
    if file:
        net = load_network(Path(file))
    else:
        with resources.as_file(resources.files("perceptbench.metrics") / "weights" / "lipsim.safetensors") as path:
            net = load_network(path)
    return FrozenLipSim(frozen(net, f"the weights {file or 'of lipsim'}"), net.config.size, lift)
