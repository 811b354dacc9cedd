"""Names for the shapes of tensors that all layers use."""

from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Images: TypeAlias = Float[Tensor, "n 3 h w"]
"""RGB images in [0, 1]."""
PerImage: TypeAlias = Float[Tensor, " n"]
"""One number an image."""
Embeddings: TypeAlias = Float[Tensor, "n d"]
"""One vector an image."""
Mask: TypeAlias = Bool[Tensor, " n"]
"""One yes or no an image."""


def tensor_bytes(tensor: Tensor) -> bytes:
    """The values of a tensor of any type and layout, in order; equal for equal values on any device."""
    plain = tensor.detach()
    plain = plain.to_dense() if plain.layout != torch.strided else plain
    plain = plain.resolve_conj().resolve_neg().cpu().contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy().tobytes()
