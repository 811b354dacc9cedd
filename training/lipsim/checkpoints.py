"""The state of a run on disk: a resumed run gives the same weights."""

from pathlib import Path
from typing import Any

import torch

from perceptbench.core.errors import UserError
from perceptbench.core.files import write_atomically


def save_checkpoint(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Write tensors, numbers and names; `identity` says what the run learns from, and how."""
    write_atomically(path, lambda part: torch.save({**state, "identity": identity}, part))


def read_checkpoint(path: Path, identity: str, device: torch.device) -> dict[str, Any] | None:
    """The state, or None where there is no file. Raises UserError if it is damaged or of another run."""
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for a damaged file
        raise UserError(f"{path} is damaged ({error}); delete it to start over") from error
    if not isinstance(state, dict) or state.get("identity") != identity:
        raise UserError(f"{path} is of a run with other arguments; delete it or name another --to")
    return state
