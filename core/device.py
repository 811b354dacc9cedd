"""Where to compute."""

from enum import StrEnum

from perceptbench.core.errors import UserError
from perceptbench.core.option import option


class Device(StrEnum):
    """What `--device` takes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"

    def resolve(self) -> str:
        """cpu or cuda. Raises UserError where there is no GPU and one was asked for."""
        import torch

        available = torch.cuda.is_available()
        if self is Device.cuda and not available:
            raise UserError("--device cuda was asked for, but torch finds no CUDA device; use --device cpu")
        if self is Device.cpu or not available:
            return "cpu"
        # TensorFloat-32 would blur distances a thousand times more than float32 does.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        return "cuda"


DEVICES = {one.value: one.value for one in Device}
DEVICE = option("Where to compute.", named=DEVICES)
"""The metadata of a field `device: str = "auto"`."""
