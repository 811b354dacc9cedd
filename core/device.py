"""The device to compute on: `--device auto|cpu|cuda`."""

from enum import StrEnum

from perceptbench.core.errors import UserError
from perceptbench.core.option import option


class Device(StrEnum):
    """What `--device` takes."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"

    def resolve(self) -> str:
        """cpu or cuda. Raises UserError where cuda was asked for and there is no GPU."""
        import torch

        available = torch.cuda.is_available()
        if self is Device.cuda and not available:
            raise UserError("--device cuda was asked for, but torch finds no CUDA device; use --device cpu")
        if self is Device.cpu or not available:
            return "cpu"
        # TensorFloat-32 has 10 bits of mantissa and float32 has 23: distances would be a thousand times less exact.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        return "cuda"


DEVICES = {one.value: one.value for one in Device}
DEVICE = option("Where to compute.", named=DEVICES)
"""The metadata of a field `device: str = "auto"`."""
