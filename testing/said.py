"""How a contract says what is wrong: one sentence that names what to mend, then the numbers."""

import torch
from torch import Tensor


def close(got: Tensor, expected: Tensor, sentence: str, *, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Fails with the sentence where two tensors differ by more than these tolerances; NaN equals NaN."""
    torch.testing.assert_close(
        got, expected, rtol=rtol, atol=atol, equal_nan=True, msg=lambda numbers: f"{sentence}\n{numbers}"
    )


def finite(got: Tensor, sentence: str) -> None:
    """Fails with the sentence where a tensor holds NaN or infinity."""
    assert bool(got.isfinite().all()), sentence
