"""Train LipSim from photographs: data in, one weights file and its record out."""

from dataclasses import asdict, replace
from pathlib import Path

from perceptbench.core.errors import UserError
from perceptbench.core.files import weights_target
from perceptbench.metrics.lipsim.checkpoint import save_network
from perceptbench.metrics.lipsim.network import untrained
from perceptbench.training.lipsim.config import Machine, Sources, TrainConfig
from perceptbench.training.lipsim.data.material import Material, gather
from perceptbench.training.lipsim.loop import Fit
from perceptbench.training.lipsim.processes import Processes, start
from perceptbench.training.lipsim.stages import scores, step_loss
from perceptbench.training.training_record import write_record


def train_lipsim(sources: Sources, config: TrainConfig, machine: Machine, to: Path, command: str) -> Path | None:
    """Train, resuming from `<to>.checkpoint` where there is one, and write `to` and `<to>.json`.

    About one photograph in `config.held_out` is held out. Their scores are taken twenty times a stage, and
    the weights of the highest certified one are those that are written.
    None in all processes but the first. Raises UserError for bad input, before anything is computed.
    """
    weights_target(to)
    machine = replace(machine, device=machine.where)
    _check(config, machine)
    material = gather(sources, config, machine)
    processes = start(machine)
    fit = _fitted(material, config, machine, processes, to.with_name(to.name + ".checkpoint"))
    if not processes.first:
        return None
    net = fit.net
    net.load_state_dict(fit.best)
    save_network(net, to)
    arguments = {"sources": asdict(sources), "config": asdict(config), "machine": asdict(machine)}
    fitted = {"untrained": fit.before, "curve": fit.curve, "chosen": fit.chosen, "seconds": round(fit.elapsed, 1)}
    size = {"parameters": sum(p.numel() for p in net.parameters())}
    write_record(to, {"command": command, **arguments, **material.described(), **fitted, **size}, processes.device)
    fit.checkpoint.unlink(missing_ok=True)
    return to


def _check(config: TrainConfig, machine: Machine) -> None:
    config.checked()
    config.network.checked()
    if machine.world > 1 and config.batch % (3 * machine.world):
        raise UserError(
            f"--batch-size wants a multiple of {3 * machine.world}, so that {machine.world} processes see as many "
            f"images and triplets each, got {config.batch}"
        )


def _fitted(material: Material, config: TrainConfig, machine: Machine, processes: Processes, checkpoint: Path) -> Fit:
    """Both stages."""
    fit = Fit(
        untrained(config.network, config.seed),
        config,
        machine,
        processes,
        checkpoint,
        f"{config} {material.sha256}",
        lambda net: scores(net, material.held),
    )
    loss = step_loss(config, processes)
    if config.distil.steps:
        fit.run("distil", config.distil, material.ordered("distil", processes.share), loss)
    if config.finetune.steps:
        fit.run("finetune", config.finetune, material.mixed("finetune", processes.share), loss)
    return fit
