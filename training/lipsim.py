"""Train LipSim from photographs: data in, one weights file and its record out."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import UserError
from core.files import weights_target
from core.spec import Ref
from metrics.base import EmbeddingMetric, metric
from metrics.lipschitz.checkpoint import save_network
from metrics.lipschitz.network import untrained
from training.bank import Bank, load_bank
from training.batch import Batches, Share
from training.config import Machine, Sources, TrainConfig
from training.loop import Fit
from training.old_batches import Mixed, OrderBatches, TripletBatches
from training.processes import start
from training.record import tensors_sha256, write_record
from training.stages import step_loss, validate_order
from training.teacher import teacher_embeddings
from training.triplet_pool import TripletPool
from triplets.base import TripletSource, checked_source, triplets
from triplets.construct import construct

_HELD_OUT = 20
_VALIDATION = 192


@dataclass(frozen=True, slots=True)
class Material:
    """What a run learns from and is judged on, read and embedded."""

    bank: Bank
    teacher_sha256: str
    learn: tuple[Bank, Tensor]
    held: tuple[Bank, Tensor]
    labelled: tuple[TripletSource, ...]

    @property
    def sha256(self) -> list[str]:
        """Of photographs, teacher and triplets."""
        return [self.bank.sha256, self.teacher_sha256, *(source.sha256 for source in self.labelled)]


def train_lipsim(sources: Sources, config: TrainConfig, machine: Machine, to: Path, command: str) -> Path | None:
    """Train, resuming from `<to>.checkpoint` where there is one, and write `to` and `<to>.json`.

    One photograph in twenty is held out. Their scores are taken twenty times a stage, and the
    weights of the highest certified one are those that are written.
    None in all processes but the first. Raises UserError for bad input, before anything is computed.
    """
    weights_target(to)
    _check(config, machine)
    material = gather(sources, config, machine)
    processes = start(machine)
    net = untrained(config.network, config.seed).to(processes.device)
    validate = _validator(*material.held, config)
    before = validate(net) if processes.first else {}
    checkpoint = to.with_name(to.name + ".checkpoint")
    fit = Fit(net, config, machine, processes, checkpoint, f"{config} {material.sha256}", validate)
    loss = step_loss(config, processes)
    if config.distil.steps:
        fit.run("distil", config.distil, _order("distil", material, config, processes.share), loss)
    if config.finetune.steps:
        fit.run("finetune", config.finetune, _mixed("finetune", material, config, processes.share), loss)
    if not processes.first:
        return None
    net.load_state_dict(fit.best)
    save_network(net, to)
    said = {"command": command, **_describe(sources, config, machine, material), "untrained": before}
    fitted = {"curve": fit.curve, "chosen": fit.chosen, "seconds": round(fit.elapsed, 1)}
    write_record(to, {**said, **fitted, "parameters": _size(net)}, processes.device)
    checkpoint.unlink(missing_ok=True)
    return to


def _check(config: TrainConfig, machine: Machine) -> None:
    config.checked()
    config.network.checked()
    if machine.world > 1 and config.batch % (3 * machine.world):
        raise UserError(
            f"--batch-size wants a multiple of {3 * machine.world}, so that {machine.world} processes see as many "
            f"images and triplets each, got {config.batch}"
        )


def gather(sources: Sources, config: TrainConfig, machine: Machine) -> Material:
    """Read photographs and triplets, and embed the photographs. Raises UserError for what cannot be used."""
    teacher = metric.build(Ref.parse(sources.teacher))
    if not isinstance(teacher, EmbeddingMetric):
        raise UserError(f"--teacher wants a metric with embeddings, such as effnet-lite0, got {sources.teacher}")
    labelled = tuple(triplets.build(Ref.parse(text)) for text in sources.data)
    bank = load_bank(sources.images[0], config.network.size, sources.limit)
    embeddings = teacher_embeddings(teacher, sources.teacher, bank)
    return Material(bank, tensors_sha256(teacher.weights()), *_split(bank, embeddings), labelled)


def _order(stage: str, material: Material, config: TrainConfig, share: Share) -> Batches:
    return OrderBatches(*material.learn, config, stage, share)


def _mixed(stage: str, material: Material, config: TrainConfig, share: Share) -> Batches:
    chosen = material.labelled or (_constructed(material.learn[0], config),)
    pools = [TripletPool.of(source, config.pool, config.network.size) for source in chosen]
    known = [TripletBatches(pool, config, f"{stage} {i}", share) for i, pool in enumerate(pools)]
    weights = [config.rehearse, *[(1 - config.rehearse) / len(known)] * len(known)]
    return Mixed([_order(stage, material, config, share), *known], weights, config, stage)


def _describe(sources: Sources, config: TrainConfig, machine: Machine, material: Material) -> dict[str, Any]:
    bank, held = material.bank, len(material.held[0])
    names = [path.name for path in sources.images]
    return {
        "config": asdict(config),
        "machine": asdict(machine),
        "images": {"paths": names, "n": len(bank), "limit": sources.limit, "held_out": held, "sha256": bank.sha256},
        "teacher": {"name": sources.teacher, "sha256": material.teacher_sha256},
        "data": [{"name": s.name, "n": len(s), "sha256": s.sha256} for s in material.labelled],
    }


def _size(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


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

    def validate(net: nn.Module) -> dict[str, float]:
        return validate_order(net, bank, index, teacher, config.batch)

    return validate


def _constructed(bank: Bank, config: TrainConfig) -> TripletSource:
    """Triplets made from the photographs themselves, of known order by construction."""
    photos = bank.images.permute(0, 2, 3, 1).numpy()
    entries = construct(list(photos), bank.names, per_family=config.pool, seed=config.seed)
    return checked_source("constructed", entries, bank.sha256)
