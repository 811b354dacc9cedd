"""What a metric's weights are: the hash that enters the identity of a run, and that of what is cached."""

import hashlib

from metrics.base import Metric


def weights_sha256(metric: Metric) -> str:
    """Over the tensors a metric computes with: shapes, types and values."""
    digest = hashlib.sha256()
    for tensor in metric.weights():
        array = tensor.detach().cpu().contiguous()
        digest.update(f"{tuple(array.shape)} {array.dtype}".encode())
        digest.update(array.numpy().tobytes())
    return digest.hexdigest()
