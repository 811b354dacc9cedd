"""`timm:NAME`: any backbone of timm as a metric, by the cosine of what it gives its classifier."""

import re
from typing import Any

from torch import nn

from perceptbench.core.errors import UserError
from perceptbench.core.fetch.weights import Weights, resolve
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
        net = _build(name, resolve(_weights(name, config)).as_posix() if pretrained else "")
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


def _build(name: str, file: str) -> nn.Module:
    import timm

    overlay = {"file": file, "custom_load": False} if file else None
    with forked_rng(0):
        try:
            return timm.create_model(name, pretrained=bool(file), pretrained_cfg_overlay=overlay)
        except (RuntimeError, KeyError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"{file or name}: timm cannot make {name} of it ({reason})") from error
