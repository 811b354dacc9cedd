"""`timm:NAME`: any backbone of timm as a metric, by the cosine of what it gives its classifier."""

import re
from typing import Any

from torch import nn

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.weights import Weights, read, resolve
from perceptbench.core.noise import forked_rng
from perceptbench.core.tensors import Embeddings, Images
from perceptbench.metrics.base import metric
from perceptbench.metrics.embeddings.vision import Scale, VisionMetric


@metric("timm", source="timm (pytorch-image-models); papers and licences of the weights: timm's pages", needs=("timm",))
class TimmMetric(VisionMetric):
    """Cosine distance of a timm backbone's features: pooled, or its class token, as its classifier takes them.

    Side, interpolation and normalisation are those timm states for the weights; images are taken whole (timm's
    own transforms would crop them).
    """

    def __init__(self, name: str, pretrained: bool = True) -> None:
        """Args:
        name: as timm writes it, with a tag for the weights or without: `vit_small_patch16_224.dino`.
        pretrained: whether to take its weights, else random ones of a fixed seed.
        """
        from timm.data.config import resolve_data_config

        config = _config(name)
        net = _build(name, config, _weights(name, config) if pretrained else None)
        data = resolve_data_config(model=net)
        channels, height, width = data["input_size"]
        if channels != 3 or height != width:
            raise UserError(f"expected a network for square RGB images, {name} takes {data['input_size']}")
        super().__init__(net, Scale(data["mean"], data["std"]), width, data["interpolation"])

    def embed(self, x: Images) -> Embeddings:
        features = self.net.forward_features(self.prepared(x))  # type: ignore[operator]
        return self.net.forward_head(features, pre_logits=True).flatten(1)  # type: ignore[operator, no-any-return]


def _config(name: str) -> Any:
    """What timm knows of the weights of a name. Raises UserError for a name that timm does not have."""
    import difflib

    import timm

    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UserError(f"timm {timm.__version__} has no network {name!r}{hint}")
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UserError(f"timm {timm.__version__} has no weights {name!r}: {error}") from error


def _weights(name: str, config: Any) -> Weights:
    """The file behind a name: safetensors of the Hugging Face hub, else what its authors offer."""
    if config is not None and config.hf_hub_id:
        # OpenAI's are kept as whole models, text tower and all; timm takes the images' part.
        file = "open_clip_model.safetensors" if config.tag == "openai" else "model.safetensors"
        own = f"{config.hf_hub_id.rpartition('/')[2]}.safetensors"
        return Weights(file=own, url=f"https://huggingface.co/{config.hf_hub_id}/resolve/main/{file}")
    if config is not None and config.url and not config.custom_load:
        file = config.url.rpartition("/")[2]
        stated = re.search(r"-([0-9a-f]{8,64})\.", file)
        return Weights(file=file, url=config.url, sha256=stated[1] if stated else "")
    raise UserError(f"timm has no weights for {name}; write timm:{name}(pretrained=false) for random ones")


def _build(name: str, config: Any, weights: Weights | None) -> nn.Module:
    import timm

    path = resolve(weights) if weights else None
    # timm takes tensors that were read and checked here; of a file it would believe more.
    overlay = {"state_dict": read(path), "custom_load": False} if path else None
    with forked_rng(0):
        try:
            return timm.create_model(
                name, pretrained=path is not None, pretrained_cfg_overlay=overlay, **_activation(name, config)
            )
        except (RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"{path or name}: timm cannot make {name} of it ({reason})") from error


def _activation(name: str, config: Any) -> dict[str, Any]:
    """x sigmoid(1.702 x) for weights that were trained with it, which timm only says in a note.

    Raises UserError for a note on activations in a network where this program does not know how to follow it.
    """
    notes = " ".join(getattr(config, "notes", None) or ())
    if "quickgelu" not in notes.lower() or "quickgelu" in name:
        return {}
    if not name.startswith("vit_"):
        raise UserError(
            f"timm says of {name}: {notes}; name that variant, as only transformers called vit_ are changed"
        )
    return {"act_layer": "quick_gelu"}
