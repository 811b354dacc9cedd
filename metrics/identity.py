"""What a metric is, in hashes: for the identity of a run, and for that of what is cached."""

import hashlib
import sys
from pathlib import Path

from perceptbench.core.tensors import tensor_bytes
from perceptbench.metrics.base import Metric


def weights_sha256(metric: Metric) -> str:
    """Over the tensors a metric computes with: shapes, types and values."""
    digest = hashlib.sha256()
    for tensor in metric.weights():
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()


def files_sha256(metric: Metric) -> str:
    """Over the files its classes stand in, so that a metric of your own (`py:`) is another one once it is edited."""
    digest = hashlib.sha256()
    for part in metric.code():
        file = getattr(sys.modules.get(type(part).__module__), "__file__", None)
        digest.update(Path(file).read_bytes() if file else b"")
    return digest.hexdigest()
