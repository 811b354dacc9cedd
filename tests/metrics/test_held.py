"""Networks and tensors of a user's metric are found wherever they are, put into evaluation mode, and frozen."""

from functools import partial

import pytest
import torch
from torch import nn

from perceptbench.metrics.held import modules_in, settled, tensors_in


class Backbone:
    """A plain object that holds a network, as many projects wrap theirs."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net


def holders(net: nn.Module) -> dict[str, object]:
    """The same network in every place."""

    class OfClass:
        inside = net

    return {
        "attribute": Backbone(net),
        "list": Backbone([net]),
        "dict in a tuple": Backbone(({"a": net},)),
        "helper of a helper": Backbone(Backbone(net)),
        "closure": Backbone(lambda x: net(x)),
        "bound method": Backbone(net.forward),
        "partial": Backbone(partial(net, torch.zeros(1, 3, 4, 4))),
        "class": OfClass(),
        "plain list of a network": nn.ModuleDict({"a": _with_list(net)}),
    }


def _with_list(net: nn.Module) -> nn.Module:
    outer = nn.Module()
    outer.branches = [net]
    return outer


PLACES = list(holders(nn.Identity()))


@pytest.mark.parametrize("place", PLACES)
def test_a_network_is_found_frozen_and_evaluated_wherever_it_is(place: str) -> None:
    with torch.random.fork_rng():
        net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5))
    held = holders(net)[place]
    settled(held)
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    state = {tensor.data_ptr() for tensor in net.state_dict().values()}
    assert state <= {tensor.data_ptr() for tensor in tensors_in(held)}
    assert net in modules_in(held) or place == "plain list of a network"
    x = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net(x)[:2], net(x[:2])), "no sample depends on its batch"
