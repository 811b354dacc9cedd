"""One call of somebody's metric or threat: what comes out is a tensor of the right kind, and what goes in is untouched.

Every class outside this project that derives from `Metric` or `ThreatSet` has its computing methods watched
(metrics/base.py, attacks/threats/base.py), and so has an object that only looks like a metric (bridges/py.py). A
watched call costs some microseconds.
"""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from perceptbench.core.errors import UserError
from perceptbench.core.others import contained, is_ours

SECONDS, SECONDS_AN_IMAGE = 60.0, 10.0
"""How long one call may take: so much, and so much more for each image."""
_DISTANCES, _VECTORS, _ANY = 1, 2, None
METRIC = {"__call__": _DISTANCES, "compare": _DISTANCES, "embed": _VECTORS, "points": _VECTORS, "represent": _ANY}
"""What the methods of a metric give: distances (n,), vectors (n, d), or any tensors with a row an image."""
THREAT = {"start": _ANY, "apply": _ANY, "project": _ANY, "measure": _DISTANCES, "shrink": _ANY}
"""What the methods of a threat give: thetas and images, which have a row an image, and sizes (n,)."""
_MAY_WRITE = ("project", "shrink")
"""Methods that may write into the theta that they are given."""
_REAL = (torch.float32, torch.float64)


def asked(name: str, function: Callable[..., Any], *given: Any, writes: bool = False) -> Any:
    """What somebody's code gives for images, or for what was computed of images.

    Args:
        name: as a sentence names it: "the metric Mine".
        writes: whether it may write into what it is given.

    Raises UserError where it raises anything, writes into what it is given, or does not come back within 60 seconds and
    10 more an image (in the main thread of a POSIX system).
    """
    tensors = [one for thing in given for one in _parts(thing) if isinstance(one, Tensor)]
    versions = _versions(tensors)
    rows = max((len(one) for one in tensors if one.ndim), default=1)
    with contained(f"{name} failed", surely=True, seconds=SECONDS + rows * SECONDS_AN_IMAGE):
        found = function(*given)
    if not writes and _versions(tensors) != versions:
        raise UserError(f"{name} writes into the images that it is given; clone them first")
    return found


def checked(name: str, found: Any, rank: int | None, *given: Any) -> Any:
    """The same. Raises UserError for anything but dense tensors of floats with a row an image.

    Args:
        rank: 1 for distances (n,), 2 for vectors (n, d), None for one tensor or a tuple of tensors.
        given: what they were computed of: it has as many rows, or a single one, which stands for all.
    """
    rows = {len(one) for thing in given for one in _parts(thing) if isinstance(one, Tensor) and one.ndim}
    wanted = {_DISTANCES: "(n,)", _VECTORS: "(n, d)", _ANY: "(n, ...)"}[rank].replace("n", str(max(rows, default=1)), 1)
    parts = _parts(found) if rank is _ANY else (found,)
    for one in parts:
        if not isinstance(one, Tensor):
            raise UserError(f"{name}: expected a tensor {wanted}, got {type(one).__name__}; give one")
        if one.layout != torch.strided or one.is_quantized or one.is_meta:
            kind = "without values" if one.is_meta else f"of layout {one.layout}"
            raise UserError(f"{name}: expected a dense tensor {wanted}, got one {kind}")
        if one.is_complex() or one.dtype is torch.bool:
            raise UserError(f"{name}: expected a tensor {wanted} of floats, got {one.dtype}")
        if not one.ndim or (rank is not None and one.ndim != rank) or (rows and len(one) != max(rows)):
            raise UserError(f"{name}: expected a tensor {wanted}, got {tuple(one.shape)}")
    if not parts:
        raise UserError(f"{name}: expected a tensor {wanted}, got nothing")
    return found


def watch(cls: type, kind: str, ranks: Mapping[str, int | None]) -> None:
    """Let every call of the methods that somebody's class computes with be watched. A class of ours stays as it is.

    Args:
        kind: what it is called in messages: "metric".
        ranks: the methods, and what each gives; see `checked`.
    """
    if is_ours(cls.__module__):
        return
    for method, rank in ranks.items():
        own = vars(cls).get(method)
        if isinstance(own, FunctionType):
            setattr(cls, method, _watched(own, kind, rank, writes=method in _MAY_WRITE))


def _watched(method: FunctionType, kind: str, rank: int | None, *, writes: bool) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *given: Any, **more: Any) -> Any:
        name = f"the {kind} {type(self).__name__}" + f".{method.__name__}" * (method.__name__ != "__call__")
        found = checked(name, asked(name, partial(method, self, **more), *given, writes=writes), rank, *given)
        if rank is not _ANY and found.dtype not in _REAL:
            raise UserError(f"{name}: expected float32, the type of its images, got {found.dtype}")
        return found

    return call


def _parts(thing: Any) -> tuple[Any, ...]:
    return thing if isinstance(thing, tuple) else (thing,)


def _versions(tensors: list[Tensor]) -> list[int]:
    """How often each was written into; tensors of torch.inference_mode do not know."""
    return [0 if one.is_inference() else one._version for one in tensors]
