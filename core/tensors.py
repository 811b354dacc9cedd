"""Names for the shapes of tensors that all layers use."""

from typing import TypeAlias

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
