"""What the id of a run knows of a component: its arguments with every default, and a hash of all else that decides."""

from dataclasses import fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from perceptbench.attacks.adaptive import Adaptive
from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.followed import FollowsOthers
from perceptbench.attacks.threats.base import ThreatSet
from perceptbench.attacks.threats.sent import Sent
from perceptbench.bench.fingerprints import data_sha256, metric_sha256, part_sha256
from perceptbench.bench.memory_sha256 import memory_sha256
from perceptbench.bench.request import Request
from perceptbench.certifiers.base import Certifier, certifier
from perceptbench.core.errors import warn
from perceptbench.core.files import is_file, is_there
from perceptbench.core.ref import Ref, Scalar
from perceptbench.core.registry import Registry
from perceptbench.metrics.base import Metric, metric
from perceptbench.metrics.bridges.user_file import module_of_file
from perceptbench.tasks.base import Source
from perceptbench.triplets.base import triplets


def arguments_of(made: object) -> dict[str, Scalar]:
    """The arguments of a component: the fields of its dataclass, and of the components in them."""
    found: dict[str, Scalar] = {}
    for field in fields(made) if is_dataclass(made) else ():
        value = getattr(made, field.name)
        found |= arguments_of(value) if is_dataclass(value) else {field.name: value}
    return found


def attack_arguments(request: Request, ref: Ref | None, made: Attack | Ensemble | None) -> dict[str, Scalar]:
    """The arguments of the attack with every default. `--protocol paper` runs another attack under that name."""
    if ref is None or made is None:
        return {}
    return arguments_of(made) if request.protocol == "paper" else attack.resolve(ref)


def resolved_arguments(request: Request, registry: Registry[Any], ref: Ref | None) -> dict[str, Scalar]:
    """The arguments of a registered component with every default; nothing for one that exists in this process alone.

    The content of a file decides numbers and its path does not. The fingerprints have the content of metrics and data,
    so of their paths only the text after it is kept; for other components the SHA-256 of the file takes its place.
    """
    if ref is None or (registry in (metric, triplets) and request.is_alone(ref)):
        return {}
    kept = {}
    for key, value in registry.resolve(ref).items():
        if isinstance(value, str):
            path, mark, rest = value.partition("@" if "@" in value else ":")
            if registry in (metric, triplets) and path and is_there(Path(path)):
                value = f"(file){mark}{rest}"
            elif registry not in (metric, triplets) and value and is_file(Path(value)):
                value = f"(file) {sha256(Path(value).read_bytes()).hexdigest()}"
        kept[key] = value
    return kept


def sha256_of_metric(request: Request, ref: Ref, built: Metric) -> str:
    """Of what decides a metric besides its weights. Warns where a metric of yours holds what cannot be read."""
    alone, file = request.is_alone(ref), ref.name == "py" and ref.target is not None
    ours = all(type(part).__module__.startswith("perceptbench.") for part in built.code())
    held = memory_sha256(built) if alone or file or not ours else None
    if held is not None and held.unreadable:
        warn(
            f"{ref} holds what cannot be read: {', '.join(held.unreadable)}; it is computed anew each time, and "
            "nothing is answered from the store"
        )
    modules = () if alone else home(metric, ref)
    if file and ref.target is not None:
        # Its factory may give a metric of ours that it changed.
        modules = (*modules, module_of_file(Path(ref.target.rpartition(":")[0])))
    return metric_sha256(*built.code(), held=held, modules=modules)


def sha256_of_data(request: Request, ref: Ref, source: Source) -> str:
    """Of the code that reads a data set; its samples have a hash of their own."""
    loads = [getattr(entry, "load", None) for entry in source.entries[:1]]
    modules = () if request.is_alone(ref) else home(triplets, ref)
    return data_sha256([load for load in loads if load], source, modules)


def sha256_of_methods(
    made: Attack | Ensemble | None, attack_ref: Ref | None, proof: Certifier | None, certifier_ref: Ref | None
) -> dict[str, str]:
    """Of the code of attack and certifier, where there are any."""
    found = {}
    if made is not None and attack_ref is not None:
        needs = attack.card(attack_ref.name).needs
        chosen = made.members() if isinstance(made, Adaptive) else ()
        inner = (made.climber(),) if isinstance(made, FollowsOthers) else chosen
        found["attack"] = part_sha256(made, *inner, modules=(*home(attack, attack_ref), *needs))
    if proof is not None and certifier_ref is not None:
        found["certifier"] = part_sha256(proof, modules=home(certifier, certifier_ref))
    return found


def sha256_of_channels(within: ThreatSet) -> dict[str, str]:
    """Of the code of the channels that images are sent through, where there are any."""
    return {"through": part_sha256(*within.chain.channels)} if isinstance(within, Sent) else {}


def home(registry: Registry[Any], ref: Ref) -> tuple[str, ...]:
    """The module of a registered factory, which may choose what is built."""
    return (registry.factory(ref.name).__module__,)
