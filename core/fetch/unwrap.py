"""Checkpoints unwrapped: of the dictionaries around the tensors, and of the prefixes that training put before names."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from perceptbench.core.errors import UserError

WRAPPERS = (
    "state_dict", "model_state_dict", "model_state", "model", "network", "net", "params", "params_ema", "ema",
    "model_ema", "ema_state_dict", "state_dict_ema",
)  # fmt: skip
"""Keys under which programs keep the tensors of a network, beside those of an optimiser and much else."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DataParallel, torch.compile and Lightning put before the names."""
_KINDS = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
)
_DEEPEST = 3


def unwrapped(found: object, where: str) -> dict[str, Tensor]:
    """The tensors of one network by name: dense, on the CPU, numbers of floating point in float32.

    Raises UserError, naming the file `where`, for anything else among them, for a view of more than is stored, and
    where the tensors of several networks are in the file.
    """
    named = _inner(found, where, _DEEPEST)
    tensors: dict[str, Tensor] = {}
    for key, tensor in named.items():
        if not isinstance(key, str) or not isinstance(tensor, Tensor):
            got = f"{type(tensor).__name__} under {str(key)[:80]!r}"
            raise UserError(f"{where}: expected a dictionary of tensors, possibly under 'state_dict', got {got}")
        name = _bare(key)
        if name in tensors:
            raise UserError(f"{where}: expected each name once, got two tensors {name[:80]}; save one network alone")
        tensors[name] = _dense(tensor, name, where)
    return tensors


def _inner(found: object, where: str, deeper: int) -> Mapping[Any, Any]:
    """The dictionary that holds the tensors themselves."""
    if not isinstance(found, Mapping):
        raise UserError(f"{where}: expected a dictionary of tensors, got {type(found).__name__}")
    inside = [key for key in WRAPPERS if isinstance(found.get(key), Mapping) and found[key]]
    if len(inside) > 1:
        raise UserError(f"{where}: expected one network, got {' and '.join(inside)}; save the one you mean alone")
    if inside and deeper:
        return _inner(found[inside[0]], where, deeper - 1)
    if not found:
        raise UserError(f"{where}: expected a dictionary of tensors, got an empty one")
    return found


def _bare(name: str) -> str:
    """A name without prefixes, in whatever order they stand."""
    while prefix := next((one for one in PREFIXES if name.startswith(one)), ""):
        name = name.removeprefix(prefix)
    return name


def _dense(tensor: Tensor, name: str, where: str) -> Tensor:
    """Itself in float32, or as whole numbers."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_nested or tensor.dtype not in _KINDS:
        kind = f"{tensor.dtype}, {tensor.layout}, on {tensor.device}".replace("torch.", "")
        raise UserError(f"{where}: expected plain numbers in {name[:80]}, got {kind}; save it dense and on the CPU")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise UserError(f"{where}: {name[:80]} shows more numbers than are stored; save a copy of it")
    tensor = tensor.detach()
    return tensor.float() if tensor.is_floating_point() else tensor
