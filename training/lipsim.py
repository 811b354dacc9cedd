"""Train LipSim from photographs: data in, one weights file and its record out."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from core.errors import UserError
from core.files import weights_target, write_atomically
from core.spec import Ref
from metrics.base import EmbeddingMetric, metric
from metrics.lipschitz.checkpoint import save_network
from metrics.lipschitz.network import LipSimNet, untrained
from training.bank import Bank, load_bank
from training.batches import nearest
from training.config import TrainConfig
from training.loop import Fit
from training.stages import distil_loss, finetune_loss, validate_order
from training.teacher import teacher_embeddings
from training.triplet_pool import TripletPool
from triplets.base import TripletSource, checked_source, triplets
from triplets.construct import construct

_HELD_OUT = 20
_VALIDATION = 192


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What to learn from.

    Args:
        images: a folder or tar file of photographs.
        teacher: an embedding metric of the registry.
        data: triplets to fine-tune on; without any, some are constructed from the photographs.
    """

    images: Path
    teacher: str
    data: tuple[str, ...] = ()
    limit: int | None = None


def train_lipsim(sources: Sources, config: TrainConfig, to: Path, command: str) -> Path:
    """Train, resuming from `<to>.checkpoint` where there is one, and write `to` and `<to>.json`.

    One photograph in twenty is held out. Their scores are taken twenty times a stage, and the
    weights of the highest certified one are those that are written.
    Raises UserError for bad input, before anything is computed.
    """
    weights_target(to)
    started = time.monotonic()
    teacher = metric.build(Ref.parse(sources.teacher))
    if not isinstance(teacher, EmbeddingMetric):
        raise UserError(f"--teacher wants a metric with embeddings, such as effnet-lite0, got {sources.teacher}")
    labelled = [triplets.build(Ref.parse(text)) for text in sources.data]
    bank = load_bank(sources.images, config.network.size, sources.limit)
    embeddings = teacher_embeddings(teacher, sources.teacher, bank)
    learn, held = _split(bank, embeddings)
    net = untrained(config.network, config.seed)
    validate = _validator(*held, config)
    before = validate(net)
    learnt_from = [bank.sha256, sources.teacher, *(source.sha256 for source in labelled)]
    fit = Fit(net, config, to.with_name(to.name + ".checkpoint"), f"{config} {learnt_from}")
    fit.resume()
    order = distil_loss(*learn, nearest(learn[1][:, 0], config.neighbours), config)
    fit.run("distil", config.distil, order, validate)
    if config.finetune.steps:
        chosen = labelled or [_constructed(learn[0], config)]
        pools = [TripletPool.of(source, config.pool, config.network.size) for source in chosen]
        fit.run("finetune", config.finetune, finetune_loss(pools, order, config), validate)
    net.load_state_dict(fit.best)
    save_network(net, to)
    record = {
        "schema": 1,
        "command": command,
        "config": asdict(config),
        "images": {"path": sources.images.name, "n": len(bank), "sha256": bank.sha256, "held_out": len(held[0])},
        "teacher": sources.teacher,
        "data": [{"name": source.name, "n": len(source), "sha256": source.sha256} for source in labelled],
        "untrained": before,
        "curve": fit.curve,
        "chosen": fit.chosen,
        "parameters": sum(p.numel() for p in net.parameters()),
        "torch": torch.__version__,
        "seconds_of_last_session": round(time.monotonic() - started, 1),
    }
    text = json.dumps(record, indent=1)
    write_atomically(to.with_suffix(".json"), lambda part: part.write_text(text + "\n"))
    fit.checkpoint.unlink(missing_ok=True)
    return to


def _split(bank: Bank, embeddings: Tensor) -> tuple[tuple[Bank, Tensor], tuple[Bank, Tensor]]:
    """Every twentieth photograph is held out, whatever the seed."""
    if len(bank) < 2 * _HELD_OUT:
        raise UserError(f"expected at least {2 * _HELD_OUT} photographs to learn from, got {len(bank)}")
    held = torch.arange(len(bank)) % _HELD_OUT == 0
    parts = []
    for mask in (~held, held):
        names = tuple(name for name, kept in zip(bank.names, mask.tolist(), strict=True) if kept)
        parts.append((Bank(bank.images[mask], names, bank.sha256), embeddings[mask]))
    return parts[0], parts[1]


def _validator(bank: Bank, teacher: Tensor, config: TrainConfig):  # type: ignore[no-untyped-def]
    """Scores of the held-out photographs, a fixed random part of them."""
    generator = torch.Generator().manual_seed(config.seed)
    index = torch.randperm(len(bank), generator=generator)[:_VALIDATION]

    def validate(net: LipSimNet) -> dict[str, float]:
        return validate_order(net, bank, index, teacher, config.batch)

    return validate


def _constructed(bank: Bank, config: TrainConfig) -> TripletSource:
    """Triplets made from the photographs themselves, of known order by construction."""
    photos = bank.images.permute(0, 2, 3, 1).numpy()
    entries = construct(list(photos), bank.names, per_family=config.pool, seed=config.seed)
    return checked_source("constructed", entries, bank.sha256)
