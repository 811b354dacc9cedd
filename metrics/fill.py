"""Weights into a network: what a file holds is compared with the network before any of it is used."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from torch import Tensor, nn

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.tensor_files import Shapes, compared

N = TypeVar("N", bound=nn.Module)


def shapes_of(tensors: Mapping[str, Tensor]) -> Shapes:
    """The shapes of tensors by name."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def fill(net: N, state: Mapping[str, Tensor], what: str) -> N:
    """A network made on the meta device, with these tensors for its own.

    `what` names the weights in messages: "the weights of NET in FILE".

    Raises UserError, with one difference, where names or shapes are not exactly those of the network, and for a tensor
    that is not finite or not of the kind of numbers that the network has there.
    """
    wanted = net.state_dict()
    compared(shapes_of(state), shapes_of(wanted), f"expected {what}, got others")
    for name, tensor in state.items():
        if tensor.is_floating_point() != wanted[name].is_floating_point():
            kinds = f"{tensor.dtype} in place of {wanted[name].dtype}".replace("torch.", "")
            raise UserError(f"expected {what}, got others: {name} is {kinds}")
    refuse_infinite(state.items(), what)
    net.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in state.items()}, assign=True)
    return net


def refuse_infinite(named: Iterable[tuple[str, Tensor]], what: str) -> None:
    """Raises UserError for a value that is not finite, naming its tensor."""
    for name, tensor in named:
        if not tensor.is_meta and not bool(tensor.isfinite().all()):
            raise UserError(f"{what} hold values that are not finite, in {name}; train or copy the file again")
