"""LipSim weights on disk: parameters in half precision, the network's shape in the header."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically
from perceptbench.metrics.lipsim.network import LipSimNet, untrained
from perceptbench.metrics.lipsim.shape import LipSimConfig

_MAX_BYTES = 1 << 30


def save_network(net: LipSimNet, path: Path) -> None:
    """Write the parameters as float16; the scales of the layers are derived from them on loading."""
    tensors = {name: t.detach().to("cpu", torch.float16).contiguous() for name, t in net.state_dict().items()}
    header = {"format": "perceptbench.lipsim.1", "config": net.config.to_json()}
    write_atomically(path, lambda part: save_file(tensors, part, header))


def load_network(path: Path) -> LipSimNet:
    """Read a file of `save_network`.

    Half precision costs no soundness: the network *is* the one with the rounded parameters, and
    its scales are computed from those. Raises UserError when it is missing, damaged or another's.
    """
    if not path.is_file():
        raise UserError(f"expected lipsim weights at {path}, found no file; train some: bench train lipsim")
    if path.stat().st_size > _MAX_BYTES:
        raise UserError(f"{path}: expected weights of at most 1 GiB, got {path.stat().st_size} bytes")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a safetensors file ({error}); train or copy it again") from error
    if header.get("format") != "perceptbench.lipsim.1":
        raise UserError(f"{path}: expected lipsim weights, got format {header.get('format')!r}")
    net = untrained(LipSimConfig.from_json(header.get("config", "")), seed=0)
    wanted = {name: tuple(t.shape) for name, t in net.state_dict().items()}
    if {name: tuple(t.shape) for name, t in tensors.items()} != wanted:
        raise UserError(f"{path}: the tensors do not fit the network its header describes")
    if not all(bool(t.isfinite().all()) for t in tensors.values()):
        raise UserError(f"{path}: the weights hold values that are not finite")
    net.load_state_dict(tensors)
    return net
