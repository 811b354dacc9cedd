"""From what a user asked for to runs that can start."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import cast

from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.running.sweep import parts_of
from perceptbench.bench.checks import check, chosen_aim, chosen_attack, chosen_certifier
from perceptbench.bench.fingerprints import code_sha256, library_versions
from perceptbench.bench.request import Request, refs
from perceptbench.certifiers.base import Certifier, certifier
from perceptbench.core.errors import UserError
from perceptbench.core.spec import Norm, Ref, RunSpec, Scalar
from perceptbench.core.threat import Move, Threat
from perceptbench.metrics.base import LipschitzMetric, Metric, metric
from perceptbench.metrics.identity import weights_sha256
from perceptbench.triplets.base import TripletSource, triplets


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, ready to start: its spec and the components the spec names."""

    spec: RunSpec
    metric: Metric
    source: TripletSource
    attack: Attack | Ensemble | None
    certifier: Certifier | None

    @property
    def attack_name(self) -> str:
        """The attack without its arguments, '' where there is none."""
        ref = self.spec.attack
        return "" if ref is None else f"{ref.name}:{ref.target}" if ref.target else ref.name

    @property
    def sound(self) -> bool | None:
        """Whether the certificates of this run are promises; None where there are none."""
        return None if self.certifier is None else self.certifier.sound(self.metric)

    @property
    def threat(self) -> Threat:
        """Which images may move, and within what."""
        spec = self.spec
        return Threat(cast(Move, spec.move), spec.norm, spec.eps_left, spec.eps_right)

    @property
    def parts(self) -> Sequence[tuple[str, Attack, int]]:
        """(name, attack, starts) of what runs; nothing without an attack."""
        return parts_of(self.attack, self.attack_name, self.spec.restarts) if self.attack else ()

    @property
    def literal(self) -> bool:
        """Whether the image an attack returns is the result, for better or worse (`--protocol paper`)."""
        return getattr(self.attack, "literal", False)


def make_plans(request: Request) -> list[Plan]:
    """One plan a run. Raises UserError for anything wrong, before the first image is embedded.

    With attacks, the first certifier rides along in each attack's run wherever the metric admits
    it; without, each certifier is a run of its own.
    """
    check(request)
    sources = [(ref, triplets.build(ref)) for ref in refs(request.data)]
    plans = []
    for metric_ref in refs(request.metrics):
        built = metric.build(metric_ref).to(request.where)
        for data_ref, source in sources:
            for attack_ref, certifier_ref in _methods(request, built):
                plans.append(_plan(request, metric_ref, built, data_ref, source, attack_ref, certifier_ref))
    return plans


def _methods(request: Request, built: Metric) -> list[tuple[Ref | None, Ref | None]]:
    attacks, certifiers = refs(request.attacks), refs(request.certifiers)
    if not attacks:
        return [(None, ref) for ref in certifiers]
    rider = certifiers[0] if certifiers else None
    # The default rides along wherever a metric admits it; what was asked for by name is refused aloud.
    if rider == Ref("margin") and not isinstance(built, LipschitzMetric):
        rider = None
    return [(ref, rider) for ref in attacks]


def _plan(
    request: Request, metric_ref: Ref, built: Metric, data_ref: Ref, source: TripletSource,
    attack_ref: Ref | None, certifier_ref: Ref | None,
) -> Plan:  # fmt: skip
    made = chosen_attack(request, attack_ref) if attack_ref else None
    norm: Norm = made.norm if made else "l2"
    source = source.limited(request.limit)
    aim = chosen_aim(request, made, attack_ref, built, source)
    if aim != "flip":
        # Nothing is flipped, so there is no answer to certify beside it.
        if certifier_ref not in (None, Ref("margin")):
            raise UserError(f"--goal {aim} flips no answer, so {certifier_ref} has nothing to certify; leave it out")
        certifier_ref = None
    proof = chosen_certifier(request, certifier_ref, built, norm) if certifier_ref else None
    spec = RunSpec(
        metric=metric_ref,
        data=data_ref,
        attack=attack_ref,
        certifier=certifier_ref,
        norm=norm,
        eps=request.eps,
        goal=aim,
        **request.options(),
        arguments={
            "metric": _without_files(metric.resolve(metric_ref)),
            "data": _without_files(triplets.resolve(data_ref)),
            "attack": _arguments(request, attack_ref, made),
            "certifier": certifier.resolve(certifier_ref) if certifier_ref else {},
        },
        fingerprints={
            "weights": weights_sha256(built),
            "data": source.sha256,
            "code": code_sha256(*built.code(), *(c for c in (made, proof) if c is not None)),
            "libraries": library_versions(*(attack.card(attack_ref.name).needs if attack_ref else ())),
        },
    )
    return Plan(spec, built, source, made, proof)


def arguments_of(made: object) -> dict[str, Scalar]:
    """The arguments of a component: the fields of its dataclass."""
    return {f.name: getattr(made, f.name) for f in fields(made)} if is_dataclass(made) else {}


def _arguments(request: Request, ref: Ref | None, made: Attack | Ensemble | None) -> dict[str, Scalar]:
    """What runs, every default filled in: under the paper's protocol not what is registered by that name."""
    if ref is None or made is None:
        return {}
    return arguments_of(made) if request.protocol == "paper" else attack.resolve(ref)


def _without_files(arguments: dict[str, Scalar]) -> dict[str, Scalar]:
    """Where a file lies decides nothing, what is in it does: keep only what follows the path."""
    kept = {}
    for key, value in arguments.items():
        if isinstance(value, str):
            path, mark, rest = value.partition("@" if "@" in value else ":")
            if path and Path(path).exists():
                value = f"(file){mark}{rest}"
        kept[key] = value
    return kept
