"""What an object from outside this project holds, however deep: in attributes, lists, tuples, dicts and plain helpers.

A metric of a user's file may keep its networks and tensors anywhere. All of them are put into evaluation mode, frozen,
moved to the device, and counted as its weights.
"""

from collections.abc import Callable, Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

from torch import Tensor, nn


def modules_in(thing: Any) -> list[nn.Module]:
    """The networks, each once; not the parts of one."""
    return [one for one in _reached(thing) if isinstance(one, nn.Module)]


def tensors_in(thing: Any) -> list[Tensor]:
    """The tensors: of networks all of their state, elsewhere each that is found."""
    found: list[Tensor] = []
    for one in _reached(thing):
        if isinstance(one, nn.Module):
            found += one.state_dict().values()
        elif isinstance(one, Tensor):
            found.append(one)
    return found


def settled(thing: Any) -> None:
    """Put every network into evaluation mode, and freeze it and every tensor that can be."""
    for one in _reached(thing):
        if isinstance(one, nn.Module):
            one.eval().requires_grad_(False)
        elif isinstance(one, Tensor) and one.is_leaf:
            one.requires_grad_(False)


def move(thing: Any, device: str) -> None:
    """Move every network and tensor to a device, in place."""
    for one in _reached(thing):
        if isinstance(one, nn.Module):
            one.to(device)
    _replace_tensors(thing, lambda tensor: tensor.to(device), set())


def _reached(thing: Any) -> Iterator[Any]:
    """Networks, tensors and all that leads to them, each once. What is inside a network is left to it."""
    seen: dict[int, Any] = {}
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        yield one
        if not isinstance(one, nn.Module | Tensor):
            waiting += _parts(one)
        elif isinstance(one, nn.Module):
            waiting += _plain_parts(one)


_REGISTERED = ("_parameters", "_buffers", "_modules")
"""Where a network keeps what torch knows of."""


def _plain_parts(network: nn.Module) -> list[Any]:
    """What a network holds that torch does not know of: lists of networks, helpers, plain tensors."""
    own = [value for name, value in vars(network).items() if name not in _REGISTERED]
    return own + [part for module in network.children() for part in _plain_parts(module)]


def _parts(one: Any) -> list[Any]:
    if isinstance(one, dict):
        return list(one.values())
    if isinstance(one, list | tuple | set | frozenset):
        return list(one)
    if isinstance(one, FunctionType):
        return [cell.cell_contents for cell in one.__closure__ or ()]
    if isinstance(one, MethodType):
        return [one.__self__]
    if isinstance(one, partial):
        return [one.func, *one.args, *one.keywords.values()]
    # These lead to everything else in the process.
    if isinstance(one, type | ModuleType):
        return []
    held = [*getattr(one, "__dict__", {}).values(), *_class_values(type(one))]
    return held + [getattr(one, name) for name in slots_of(type(one)) if hasattr(one, name)]


def _class_values(kind: type) -> list[Any]:
    """Networks, tensors and containers that a user's class holds itself."""
    own = [base for base in kind.__mro__ if base.__module__.partition(".")[0] not in _NOT_YOURS]
    values = [value for base in own for value in vars(base).values()]
    return [value for value in values if isinstance(value, nn.Module | Tensor | list | tuple | dict)]


_NOT_YOURS = ("builtins", "torch", "perceptbench", "abc", "typing", "collections")


def slots_of(kind: type) -> list[str]:
    """The names of attributes that objects of a class keep outside a dictionary."""
    found = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    names = [name for one in found for name in ((one,) if isinstance(one, str) else one)]
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _replace_tensors(thing: Any, change: Callable[[Tensor], Tensor], seen: set[int]) -> Any:
    """The same thing with every plain tensor changed: in place, where it can hold another one."""
    if isinstance(thing, Tensor):
        return change(thing)
    if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType):
        return thing
    seen.add(id(thing))
    if type(thing) is tuple:
        parts = tuple(_replace_tensors(part, change, seen) for part in thing)
        return thing if all(one is other for one, other in zip(parts, thing, strict=True)) else parts
    if isinstance(thing, list):
        thing[:] = [_replace_tensors(part, change, seen) for part in thing]
    elif isinstance(thing, dict):
        thing.update({key: _replace_tensors(part, change, seen) for key, part in thing.items()})
    elif hasattr(thing, "__dict__"):
        own = _REGISTERED if isinstance(thing, nn.Module) else ()
        for name, value in list(vars(thing).items()):
            if name not in own and (changed := _replace_tensors(value, change, seen)) is not value:
                # A frozen dataclass refuses setattr, and a network has its own.
                (setattr if isinstance(thing, nn.Module) else object.__setattr__)(thing, name, changed)
        for module in thing.children() if isinstance(thing, nn.Module) else ():
            _replace_tensors(module, change, seen)
    return thing
