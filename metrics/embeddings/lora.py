"""Low-rank adapters (LoRA, Hu et al., arXiv:2106.09685) in PEFT's layout, merged into the weights they adapt."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from perceptbench.core.errors import UserError

_UNSUPPORTED = ("use_rslora", "use_dora", "fan_in_fan_out", "rank_pattern", "alpha_pattern", "modules_to_save")
_NAME = re.compile(r"(.+)\.lora_([AB])\.weight")


@dataclass(frozen=True, slots=True)
class Adapter:
    """W + scale B A for each adapted weight W.

    Args:
        scale: alpha / r.
        pairs: A (r, inputs) and B (outputs, r) by the name of the layer.
    """

    scale: float
    pairs: dict[str, tuple[Tensor, Tensor]]

    @classmethod
    def read(cls, config: bytes, tensors: Mapping[str, Tensor]) -> "Adapter":
        """From an `adapter_config.json` and the tensors beside it.

        Raises UserError where it is no plain LoRA, or not whole.
        """
        try:
            given = json.loads(config)
            scale = float(given["lora_alpha"] / given["r"])
            if not math.isfinite(scale) or not isinstance(given, dict):
                raise ValueError(f"a scale of {scale}")
        except (ValueError, TypeError, KeyError, ZeroDivisionError, OverflowError, RecursionError) as error:
            raise UserError(
                f"expected adapter_config.json with numbers lora_alpha and r, got another ({error})"
            ) from error
        for key in _UNSUPPORTED:
            if given.get(key):
                raise UserError(f"expected a plain LoRA adapter, got one with {key}")
        matrices: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            found = _NAME.fullmatch(name.removeprefix("base_model.model."))
            if found is None:
                raise UserError(f"expected tensors lora_A and lora_B in an adapter, got {name}")
            matrices.setdefault(found[1], {})[found[2]] = tensor
        if not all(pair.keys() == {"A", "B"} for pair in matrices.values()):
            raise UserError("expected lora_A and lora_B for every layer of an adapter, one is missing")
        if not all(p["A"].dim() == p["B"].dim() == 2 and len(p["A"]) == p["B"].shape[1] for p in matrices.values()):
            raise UserError("expected matrices lora_A (r, inputs) and lora_B (outputs, r) in an adapter, got others")
        return cls(scale, {name: (pair["A"], pair["B"]) for name, pair in matrices.items()})

    def under(self, prefix: str) -> "Adapter":
        """That of the layers under a prefix, which their names lose."""
        pairs = {name.removeprefix(prefix): pair for name, pair in self.pairs.items() if name.startswith(prefix)}
        return Adapter(self.scale, pairs)

    def merged(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of a network with what was learned added.

        Raises UserError where the network has no such layer, or one of another shape.
        """
        merged = dict(state)
        for layer, (a, b) in self.pairs.items():
            name, shape = f"{layer}.weight", (b.shape[0], a.shape[1])
            if name not in merged or merged[name].shape != shape:
                raise UserError(f"the adapter is for another network: this one has no {name} of shape {shape}")
            merged[name] = merged[name] + self.scale * (b @ a)
        return merged
