"""What a sample is, whatever its id: a digest of its images and answer, by which runs know that they saw the same."""

import hashlib
from dataclasses import fields

from torch import Tensor

from perceptbench.tasks.base import Batch


def contents(batch: Batch) -> list[str]:
    """16 hex digits for each sample of a batch, which is a dataclass; ids do not matter.

    They are the start of a SHA-256 over the row of every field that is a tensor: name, dtype, shape and values. So they
    depend on no other sample of the batch, and on no device.
    """
    named = {field.name: getattr(batch, field.name) for field in fields(batch)}  # type: ignore[arg-type]
    tensors = {name: value.detach().cpu().contiguous() for name, value in named.items() if isinstance(value, Tensor)}
    digests = [hashlib.sha256() for _ in batch.ids]
    for name, tensor in tensors.items():
        said = f"{name} {tensor.dtype} {tuple(tensor.shape[1:])}".encode()
        for digest, row in zip(digests, tensor.numpy(), strict=True):
            digest.update(said + b"\0" + row.tobytes())
    return [digest.hexdigest()[:16] for digest in digests]
