"""LipSim weights on disk: parameters in half precision, the network's shape in the header."""

from pathlib import Path

import torch
from safetensors.torch import save as safetensors_bytes

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.tensor_files import compared, safetensors_header, sized, tensors_of
from perceptbench.core.files import is_file, write_atomically
from perceptbench.metrics.fill import fill, shapes_of
from perceptbench.metrics.lipsim.layer_cost import refuse_costly
from perceptbench.metrics.lipsim.network import LipSimNet, blank
from perceptbench.metrics.lipsim.shape import LipSimConfig

_MAX_BYTES = 1 << 30


def save_network(net: LipSimNet, path: Path) -> None:
    """Write the parameters as float16; the scales of the layers are derived from them on loading."""
    tensors = {name: t.detach().to("cpu", torch.float16).contiguous() for name, t in net.state_dict().items()}
    header = {"format": "perceptbench.lipsim.1", "config": net.config.to_json()}
    write_atomically(path, lambda part: part.write_bytes(safetensors_bytes(tensors, header)))


def load_network(path: Path) -> LipSimNet:
    """Read a file of `save_network`.

    Half precision costs no soundness: the network *is* the one with the rounded parameters, and
    its scales are computed from those. Raises UserError when it is missing, damaged or another's.
    """
    if not is_file(path):
        raise UserError(f"expected lipsim weights at {path}, found no file; train some: bench train lipsim")
    header, shapes = safetensors_header(sized(path, _MAX_BYTES))
    if header.get("format") != "perceptbench.lipsim.1":
        raise UserError(f"{path}: expected lipsim weights, got format {(header.get('format') or '')[:80] or None!r}")
    config = LipSimConfig.from_json(header.get("config", ""))
    refuse_costly(config, str(path))
    net = blank(config)
    # Before any tensor is read: a file of a few bytes may describe a network of any size.
    compared(shapes, shapes_of(net.state_dict()), f"{path}: the tensors do not fit the network its header describes")
    return fill(net, tensors_of(path, ".safetensors", str(path)), f"the weights {path}")
