"""From words to runs: check everything a user typed before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attacks.base import Attack, Ensemble, attack
from attacks.objectives import with_embedding
from bench.fingerprints import code_sha256, library_versions, weights_sha256
from certifiers.base import Certifier, certifier
from core.errors import UserError
from core.spec import Norm, Ref, RunSpec, Scalar, split_list
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
        """The registered name of the attack, '' without one."""
        return self.spec.attack.name if self.spec.attack else ""

    @property
    def sound(self) -> bool | None:
        """Whether the certificates of this run are promises; None where there are none."""
        if self.certifier is None or not isinstance(self.metric, LipschitzMetric):
            return None
        return self.certifier.sound(self.metric)


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


def _methods(request: Request, built: Metric) -> list[tuple[Ref | None, Ref | None]]:
    attacks, certifiers = _refs(request.attacks), _refs(request.certifiers)
    provable = isinstance(built, LipschitzMetric)
    if attacks:
        rider = certifiers[0] if certifiers and provable else None
        return [(ref, rider) for ref in attacks]
    if not provable:
        raise UserError(
            f"{type(built).__name__} has no embedding with a known Lipschitz constant, so nothing can be proved of it; "
            "try --metric lipsim, l2 or psnr"
        )
    return [(None, ref) for ref in certifiers]


def _plan(
    request: Request, metric_ref: Ref, built: Metric, data_ref: Ref, source: TripletSource,
    attack_ref: Ref | None, certifier_ref: Ref | None,
) -> Plan:  # fmt: skip
    made_attack = attack.build(attack_ref) if attack_ref else None
    made_certifier = certifier.build(certifier_ref) if certifier_ref else None
    norm: Norm = made_attack.norm if made_attack else "l2"
    if made_attack and made_attack.goal == "embedding":
        with_embedding(built)
        # Nothing is flipped, so there is no answer to certify beside it.
        certifier_ref, made_certifier = None, None
    source = source.limited(request.limit)
    if made_attack and made_attack.goal == "embedding" and len(source) < 2:
        raise UserError(f"{attack_ref} gives a mean distance, whose interval needs two triplets or more, got one")
    if isinstance(built, LipschitzMetric) and made_certifier:
        made_certifier.sound(built)  # refuses a metric of a geometry it does not know
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
        arguments={
            "metric": _without_files(metric.resolve(metric_ref)),
            "data": _without_files(triplets.resolve(data_ref)),
            "attack": attack.resolve(attack_ref) if attack_ref else {},
            "certifier": certifier.resolve(certifier_ref) if certifier_ref else {},
        },
        fingerprints={
            "weights": weights_sha256(built),
            "data": source.sha256,
            "code": code_sha256(*components),
            "libraries": library_versions(),
        },
    )
    return Plan(spec, built, source, made_attack, made_certifier)


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
