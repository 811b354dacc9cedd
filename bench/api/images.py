"""What is taken for an image: tensors, arrays, PIL images, paths, and lists of them."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from perceptbench.bench.api.arguments import path_of
from perceptbench.core.errors import UserError, warn
from perceptbench.core.tensors import Images
from perceptbench.triplets.images import at_side, decode, read_bytes, said_by, to_tensor
from perceptbench.triplets.shown import Shown, shown

MAX_SIDE = 4096
"""Largest side of an array, in pixels."""
MAX_VALUES = 2**28
"""Most values of one argument: 1 GiB in float32."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
KINDS = "a tensor, an array, a PIL image, a path, or a list of these"


class Taken(NamedTuple):
    """Images (n, 3, h, w) in [0, 1], float32; `single` where one image was given and not a batch."""

    images: Images
    single: bool


def taken(given: Any, where: str = "image") -> Taken:
    """Images from whatever a user has.

    Shapes are (3, h, w), (h, w, 3) and (n, 3, h, w); where both of the first two fit, as in (3, h, 3), the channels
    come first. Values are uint8, or floats in [0, 1]; gradients flow through floats. Paths and PIL images are brought
    to 224 x 224 as those of every data set; tensors and arrays keep their size.

    Args:
        given: one image, a batch, or a list of images of one size.
        where: opens the sentence of an error.

    Raises UserError, with what to do, for anything else.
    """
    if isinstance(given, list | tuple):
        return Taken(_listed(given, where), False)
    if isinstance(given, str | os.PathLike):
        path = path_of(given, where)
        return Taken(_told(decode(read_bytes(path, where), path, where), f"{where}, {path}")[None], True)
    if isinstance(given, Image.Image):
        return Taken(_told(opened(given, where), where)[None], True)
    if isinstance(given, np.ndarray):
        given = _from_array(given, where)
    if not isinstance(given, Tensor):
        raise UserError(f"{where}: expected {KINDS}, got {type(given).__name__}")
    _refuse_no_pixels(given, where)
    shaped = _shaped(given, where)
    return Taken(_valued(shaped if shaped.ndim == 4 else shaped[None], where), shaped.ndim == 3)


def taken_together(**given: Any) -> tuple[list[Images], bool]:
    """Several arguments whose images belong together, each repeated to the longest; and whether each was one image.

    Raises UserError as `taken` does, and for batches of different length or images of different size.
    """
    found = {name: taken(value, name) for name, value in given.items()}
    count = max(len(one.images) for one in found.values())
    lengths = {name: len(one.images) for name, one in found.items()}
    if any(length not in (1, count) for length in lengths.values()):
        words = ", ".join(f"{length} in {name}" for name, length in lengths.items())
        raise UserError(f"expected as many images everywhere, or one, got {words}; leave some out")
    sizes = {name: tuple(one.images.shape[-2:]) for name, one in found.items()}
    if len(set(sizes.values())) > 1:
        words = ", ".join(f"{h} x {w} in {name}" for name, (h, w) in sizes.items())
        raise UserError(f"expected images of one size, got {words}; paths and PIL images come as 224 x 224: resize")
    images = [one.images.expand(count, -1, -1, -1) for one in found.values()]
    return images, all(one.single for one in found.values())


def opened(image: Image.Image, where: str) -> Shown:
    """A PIL image as a person sees it; the rules are those for files. Raises UserError for one that is refused."""
    try:
        return shown(image, where)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # Pillow reads the pixels of a file only now, and ends by whatever it meets.
        raise UserError(
            f"{where}: expected a whole image, got one that Pillow cannot read ({said_by(error)})"
        ) from None


def _told(image: Shown, where: str) -> Tensor:
    """(3, SIDE, SIDE) in [0, 1]. Says what was converted."""
    if image.converted:
        warn(f"{where}: converted to what a person sees: {', '.join(image.converted)} (docs/data.md)")
    return to_tensor(np.asarray(at_side(image.image)))


def _listed(given: Sequence[Any], where: str) -> Images:
    if not given:
        raise UserError(f"{where}: expected at least one image, got an empty list")
    # Asked before they are looked into: a list may contain itself.
    if any(isinstance(one, list | tuple) for one in given):
        raise UserError(f"{where}: expected a list of single images, got a list in it; give one list")
    parts = [taken(one, f"{where}, number {number}") for number, one in enumerate(given)]
    if not all(part.single for part in parts):
        raise UserError(f"{where}: expected a list of single images, got a batch in it; join batches by torch.cat")
    sizes = sorted({tuple(part.images.shape[-2:]) for part in parts})
    if len(sizes) > 1:
        words = ", ".join(f"{h} x {w}" for h, w in sizes)
        raise UserError(f"{where}: expected images of one size in a list, got {words}; resize them")
    return _bounded(torch.cat([part.images for part in parts]), where)


def _from_array(given: np.ndarray, where: str) -> Tensor:
    """A copy, as torch wants memory that may be written to, strides that are not negative and the machine's order."""
    if isinstance(given, np.ma.MaskedArray):
        raise UserError(f"{where}: expected an array without a mask, got a masked one; fill it: x.filled(0)")
    try:
        if given.dtype.kind not in "uifb":
            raise TypeError
        return torch.from_numpy(np.array(given, dtype=given.dtype.newbyteorder("=")))
    except TypeError:  # torch has no long double.
        raise UserError(f"{where}: expected {KINDS}, got an array of {given.dtype}") from None


def _refuse_no_pixels(x: Tensor, where: str) -> None:
    """Raises UserError for a tensor that has no memory with a number for each value."""
    kinds = (
        (x.device.type == "meta", "one on the device meta, which has no values"),
        (x.is_nested or x.layout != torch.strided, "a sparse or nested one; x.to_dense() makes it dense"),
        (x.is_quantized, "a quantized one; give x.dequantize()"),
        (torch.masked.is_masked_tensor(x), "a masked one; fill it: x.to_tensor(0)"),
    )
    if said := next((words for fits, words in kinds if fits), ""):
        raise UserError(f"{where}: expected a dense tensor, got {said}")


def _shaped(x: Tensor, where: str) -> Tensor:
    """(3, h, w) or (n, 3, h, w)."""
    shape = tuple(x.shape)
    if x.ndim == 3 and 3 in (shape[0], shape[2]):
        return _bounded(x if shape[0] == 3 else x.permute(2, 0, 1), where)
    if x.ndim == 4 and shape[1] == 3 and len(x):
        return _bounded(x, where)
    fixes = (
        (x.ndim == 2, "repeat a grey image three times: torch.stack([x] * 3)"),
        (x.ndim == 3 and 1 in (shape[0], shape[-1]), "repeat a grey image three times"),
        (x.ndim == 3 and 4 in (shape[0], shape[-1]), "leave out the alpha channel"),
        (x.ndim == 4 and shape[-1] == 3, "put the channels second: torch.as_tensor(x).permute(0, 3, 1, 2)"),
        (True, "give RGB images"),
    )
    fix = next(words for fits, words in fixes if fits)
    raise UserError(f"{where}: expected the shape (3, h, w), (h, w, 3) or (n, 3, h, w), got {shape}; {fix}")


def _bounded(x: Tensor, where: str) -> Tensor:
    if not 1 <= min(x.shape[-2:]) <= max(x.shape[-2:]) <= MAX_SIDE or x.numel() > MAX_VALUES:
        raise UserError(
            f"{where}: expected sides of 1 to {MAX_SIDE} pixels and at most {MAX_VALUES} values, got "
            f"{tuple(x.shape)}; give smaller images, or fewer at once"
        )
    return x


def _valued(x: Tensor, where: str) -> Images:
    """float32 in [0, 1]."""
    if x.dtype == torch.uint8:
        return x.float() / 255
    if x.dtype not in FLOATS:
        name = str(x.dtype).removeprefix("torch.")
        other = x.dtype == torch.bool or x.is_floating_point() or x.is_complex()
        fix = "give floats" if other else "for values of 0 to 255 convert to uint8"
        raise UserError(f"{where}: expected uint8, or floats in [0, 1], got {name}; {fix}")
    low, high = (float(end) for end in x.detach().aminmax())
    if not (low >= 0 and high <= 1):
        raise UserError(f"{where}: expected floats in [0, 1], got {low:.6g} to {high:.6g}; {_repair(low, high)}")
    return x.float()


def _repair(low: float, high: float) -> str:
    if low != low or high != high:
        return "remove what is not a number"
    if low >= 0 and 2 < high <= 255:
        return "divide by 255"
    if low >= -0.01 and high <= 1.01:
        return "clip them to [0, 1]"
    return "undo their normalisation"
