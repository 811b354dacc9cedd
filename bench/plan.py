"""From words to runs: check everything a user typed before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import cast

from attacks.base import Attack, Ensemble, attack
from attacks.literal import literal
from attacks.objectives import with_embedding
from attacks.runner import parts_of
from attacks.task import AIMS, Aim
from bench.fingerprints import code_sha256, library_versions, weights_sha256
from certifiers.base import Certifier, certifier
from core.errors import UserError
from core.spec import Norm, Ref, RunSpec, Scalar, split_list
from core.threat import MOVES, Move, Threat
from metrics.base import LipschitzMetric, Metric, metric
from triplets.base import TripletSource, triplets


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a user asked for; the runs are the product of metrics, data sets and methods."""

    metrics: Sequence[str]
    data: Sequence[str]
    attacks: Sequence[str]
    certifiers: Sequence[str]
    eps: tuple[float, ...]
    limit: int | None = None
    seed: int = 0
    skip_certified: bool = True
    device: str = "cpu"
    goal: str | None = None
    move: str = "reference"
    eps_left: float | None = None
    eps_right: float | None = None
    restarts: int = 1
    quantize: str | None = None
    protocol: str = "ours"


def make_plans(request: Request) -> list[Plan]:
    """One plan a run. Raises UserError for anything wrong, before the first image is embedded.

    With attacks, the first certifier rides along in each attack's run wherever the metric admits
    it; without, each certifier is a run of its own.
    """
    _check(request)
    sources = [(ref, triplets.build(ref)) for ref in _refs(request.data)]
    plans = []
    for metric_ref in _refs(request.metrics):
        built = metric.build(metric_ref).to(request.device)
        for data_ref, source in sources:
            for attack_ref, certifier_ref in _methods(request, built):
                plans.append(_plan(request, metric_ref, built, data_ref, source, attack_ref, certifier_ref))
    return plans


def _refs(texts: Sequence[str]) -> list[Ref]:
    return [Ref.parse(text) for text in split_list(texts)]


def _check(request: Request) -> None:
    if not split_list(request.metrics):
        raise UserError("name at least one metric: --metric lipsim; see: bench list metrics")
    if not request.eps:
        raise UserError("name at least one budget: --eps 2.0, or --eps 36/255,72/255")
    if request.limit is not None and request.limit < 1:
        raise UserError(f"--limit wants at least 1, got {request.limit}")
    for ref in _refs(request.attacks):
        attack.resolve(ref)
    for ref in _refs(request.certifiers):
        certifier.resolve(ref)
    if request.attacks and len(_refs(request.certifiers)) > 1:
        raise UserError("bench run takes one --certifier; for several, use bench certify")
    for option, value, known in (
        ("--goal", request.goal, AIMS), ("--move", request.move, MOVES),
        ("--quantize", request.quantize, ("8bit",)), ("--protocol", request.protocol, ("ours", "paper")),
    ):  # fmt: skip
        if value is not None and value not in known:
            raise UserError(f"{option} wants one of {', '.join(known)}, got {value!r}")
    if request.restarts < 1:
        raise UserError(f"--restarts wants at least 1, got {request.restarts}")
    Threat(cast(Move, request.move), "l2", request.eps_left, request.eps_right)
    if request.protocol == "paper" and (request.move, request.restarts, request.quantize) != ("reference", 1, None):
        raise UserError(
            "--protocol paper moves the reference, from one start, and rounds nothing; leave the others out"
        )


def _methods(request: Request, built: Metric) -> list[tuple[Ref | None, Ref | None]]:
    attacks, certifiers = _refs(request.attacks), _refs(request.certifiers)
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
    made_attack = _attack(request, attack_ref) if attack_ref else None
    made_certifier = certifier.build(certifier_ref) if certifier_ref else None
    norm: Norm = made_attack.norm if made_attack else "l2"
    source = source.limited(request.limit)
    aim = _aim(request, made_attack, attack_ref, built, source)
    if aim != "flip":
        # Nothing is flipped, so there is no answer to certify beside it.
        if certifier_ref not in (None, Ref("margin")):
            raise UserError(f"--goal {aim} flips no answer, so {certifier_ref} has nothing to certify; leave it out")
        certifier_ref, made_certifier = None, None
    if made_certifier:
        # Both refuse what the method cannot answer for.
        made_certifier.sound(built)
        made_certifier.admit(Threat(cast(Move, request.move), norm, request.eps_left, request.eps_right))
    components = [*built.code(), *(c for c in (made_attack, made_certifier) if c is not None)]
    spec = RunSpec(
        metric=metric_ref,
        data=data_ref,
        attack=attack_ref,
        certifier=certifier_ref,
        norm=norm,
        eps=request.eps,
        seed=request.seed,
        limit=request.limit,
        skip_certified=request.skip_certified,
        goal=aim,
        move=request.move,
        eps_left=request.eps_left,
        eps_right=request.eps_right,
        restarts=request.restarts,
        quantize=request.quantize,
        protocol=request.protocol,
        arguments={
            "metric": _without_files(metric.resolve(metric_ref)),
            "data": _without_files(triplets.resolve(data_ref)),
            "attack": _arguments(request, attack_ref, made_attack),
            "certifier": certifier.resolve(certifier_ref) if certifier_ref else {},
        },
        fingerprints={
            "weights": weights_sha256(built),
            "data": source.sha256,
            "code": code_sha256(*components),
            "libraries": library_versions(*(attack.card(attack_ref.name).needs if attack_ref else ())),
        },
    )
    return Plan(spec, built, source, made_attack, made_certifier)


def _attack(request: Request, ref: Ref) -> Attack | Ensemble:
    """The attack of a name. Raises UserError where the protocol or the restarts do not go with it."""
    if request.protocol == "paper":
        if ref.args:
            raise UserError(f"--protocol paper has the paper's own numbers; write {ref.name}, got {ref}")
        return literal(ref.name)
    made = attack.build(ref)
    if request.restarts > 1 and isinstance(made, Ensemble):
        raise UserError(f"{ref.name} has starts of its own: write {ref.name}(starts={request.restarts})")
    if request.restarts > 1 and not getattr(made, "random", True):
        raise UserError(f"{ref.name} draws nothing at random, so all starts are one; leave --restarts out")
    return made


def arguments_of(made: object) -> dict[str, Scalar]:
    """The arguments of a component: the fields of its dataclass."""
    return {f.name: getattr(made, f.name) for f in fields(made)} if is_dataclass(made) else {}


def _arguments(request: Request, ref: Ref | None, made: Attack | Ensemble | None) -> dict[str, Scalar]:
    """What runs, every default filled in: under the paper's protocol not what is registered by that name."""
    if ref is None or made is None:
        return {}
    return arguments_of(made) if request.protocol == "paper" else attack.resolve(ref)


def _aim(
    request: Request, made: Attack | Ensemble | None, ref: Ref | None, built: Metric, source: TripletSource
) -> Aim:
    """What the attacker wants. Raises UserError where attack, data or moving images do not go with it."""
    by_embedding = made is not None and made.goal == "embedding"
    aim = cast(Aim, request.goal or ("push" if by_embedding else "flip"))
    if by_embedding:
        with_embedding(built)
        if aim == "flip":
            raise UserError(f"{ref} moves embeddings and flips no answer; use --goal push or pull, or another attack")
    if aim == "flip":
        if not source.answers:
            raise UserError(f"{source.name} has no triplets to answer; use bench run --goal push or --goal pull")
        return aim
    if request.move != "reference":
        raise UserError(f"--goal {aim} moves the reference, got --move {request.move}; leave --move out")
    if made is None or isinstance(made, Ensemble) or made.minimal or getattr(made, "flips_only", False):
        raise UserError(f"--goal {aim} has no boundary to look for, so {ref} cannot serve; use l2-pgd or l2-apgd-ce")
    if getattr(made, "literal", False) and (aim == "pull" or not by_embedding):
        raise UserError(f"--protocol paper has no {ref} for --goal {aim}; it has l2-mse for push")
    if len(source) < 2:
        raise UserError(f"--goal {aim} gives a mean distance, whose interval needs two images or more, got one")
    return aim


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
