"""The state of a run on disk: a resumed run gives the same weights."""

import math
from pathlib import Path
from typing import Any

import torch

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.tensor_files import sized, unpickled
from perceptbench.core.files import write_atomically

_KINDS = {
    "net": dict, "average": dict, "optimiser": dict, "done": dict, "curve": list, "best": dict, "chosen": dict,
    "before": dict, "seconds": float,
}  # fmt: skip


def save_checkpoint(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Write tensors, numbers and names; `identity` says what the run learns from, and how."""
    write_atomically(path, lambda part: _save({**state, "identity": identity}, part))


def _save(state: dict[str, Any], path: Path) -> None:
    # Through a stream of Python, whose errors say what the system said; torch's own do not.
    with path.open("wb") as stream:
        torch.save(state, stream)


def read_checkpoint(path: Path, identity: str, device: torch.device) -> dict[str, Any] | None:
    """The state, or None where there is no file. Raises UserError if it is damaged or of another run."""
    if not path.is_file():
        return None
    state = unpickled(sized(path), str(path), device)
    found = state.get("identity") if isinstance(state, dict) else None
    if not isinstance(found, str) or found != identity:
        raise UserError(f"{path} is of a run with other arguments; delete it or name another --to")
    wrong = [name for name, kind in _KINDS.items() if not isinstance(state.get(name), kind)]
    if wrong or not math.isfinite(state["seconds"]):
        raise UserError(f"{path} is damaged (its {(wrong or ['seconds'])[0]}); delete it to start over")
    return state
