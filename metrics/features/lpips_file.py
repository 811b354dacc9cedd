"""LPIPS on disk: the weights of the channels and, where it was tuned, the trunk; the net in the header."""

import json
from pathlib import Path

from safetensors.torch import save as safetensors_bytes

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.tensor_files import Shapes, safetensors_header, sized, tensors_of
from perceptbench.core.files import is_file, write_atomically
from perceptbench.metrics.features.lpips_heads import checked_head
from perceptbench.metrics.features.lpips_net import NETS, ImageNetNet, LPIPSNet
from perceptbench.metrics.features.trunks import fitted_trunk

FORMAT = "perceptbench.lpips.1"
_MAX_BYTES = 1 << 30
_TRUNK = "net."


def save_lpips(net: LPIPSNet, path: Path, *, tuned: bool, record: dict[str, str] | None = None) -> None:
    """Write the heads as `linK`, and the trunk as `net.<key of torchvision's features>` if it was tuned.

    `record` joins the header: how the file came to be.
    """
    tensors = {f"lin{k}": w for k, w in enumerate(net.heads)}
    if tuned:
        tensors |= {_TRUNK + key: t for key, t in net.trunk.state_dict().items()}
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    header = {**(record or {}), "format": FORMAT, "config": json.dumps({"net": net.net.name})}
    write_atomically(path, lambda part: part.write_bytes(safetensors_bytes(tensors, header)))


def load_lpips(path: Path) -> LPIPSNet:
    """Read a file of `save_lpips`; a trunk that is not in it is ImageNet's.

    Raises UserError when it is missing, damaged or another's, or when the trunk cannot be had.
    """
    if not is_file(path):
        raise UserError(f"expected lpips weights at {path}, found no file; train some: bench train lpips")
    header, shapes = safetensors_header(sized(path, _MAX_BYTES))
    if header.get("format") != FORMAT:
        raise UserError(f"{path}: expected lpips weights, got format {(header.get('format') or '')[:80] or None!r}")
    net = _net(header.get("config", ""), path)
    wanted: Shapes = {f"lin{k}": (count,) for k, count in enumerate(net.channels)}
    if {name: shape for name, shape in shapes.items() if not name.startswith(_TRUNK)} != wanted:
        raise UserError(f"{path}: expected the weights {', '.join(wanted)} of LPIPS on {net.name}, got other tensors")
    tensors = tensors_of(path, ".safetensors", str(path))
    trunk = {key.removeprefix(_TRUNK): t for key, t in tensors.items() if key.startswith(_TRUNK)}
    made = fitted_trunk(net.torchvision, trunk, str(path)) if trunk else net.pretrained()
    return LPIPSNet(net, made, [checked_head(tensors[key], key, str(path)) for key in wanted])


def _net(config: str, path: Path) -> ImageNetNet:
    try:
        name = json.loads(config)["net"]
    except (ValueError, KeyError, TypeError, RecursionError):
        name = None
    if not isinstance(name, str) or name not in NETS:
        raise UserError(f"{path}: expected one of {', '.join(NETS)} as net in the header, got {config!r}")
    return NETS[name]
