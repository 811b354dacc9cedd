"""The record beside the weights: every argument, hash, version and curve of a run."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from perceptbench.core.files import write_atomically

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "safetensors")


def write_record(weights: Path, what: Mapping[str, Any], device: torch.device) -> None:
    """Write `<weights>.json`: what a run says of itself, and what can be read off the machine and the file."""
    record = {
        "schema": 2,
        **what,
        "weights": {"file": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }
    text = json.dumps(record, indent=1, default=str)
    write_atomically(weights.with_suffix(".json"), lambda part: part.write_text(text + "\n"))
