"""A plug-in for pytest: the triplets of the embedded photographs are rendered once a process.

Hundreds of tests read the first few of them, and cutting, resizing and blurring took a twentieth of the suite.
"""

from collections import OrderedDict
from functools import wraps
from typing import Any

from torch import Tensor

from perceptbench.triplets.constructed import construct
from perceptbench.triplets.photos import LazyPhotos

KEPT = 128
"""Triplets that are kept: about 230 MB."""
_kept: OrderedDict[tuple[Any, ...], tuple[Tensor, ...]] = OrderedDict()
_render = construct._render


@wraps(_render)
def _once(photos: Any, *words: Any) -> tuple[Tensor, ...]:
    if not isinstance(photos, LazyPhotos):
        return _render(photos, *words)
    found = _kept.pop(words, None) or _render(photos, *words)
    _kept[words] = found
    if len(_kept) > KEPT:
        _kept.popitem(last=False)
    # A test may write into what it is given.
    return tuple(image.clone() for image in found)


construct._render = _once  # type: ignore[assignment]
