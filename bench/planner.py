"""From a request to runs that can start."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from perceptbench.attacks.adaptive import Adaptive, Situation
from perceptbench.attacks.base import Attack, Ensemble
from perceptbench.attacks.followed import FollowsOthers
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.bench.checks import check, declared
from perceptbench.bench.choices import (
    attack_on,
    check_climbed,
    check_fit,
    check_followed,
    chosen_attack,
    chosen_certifier,
    chosen_channels,
    chosen_task,
    chosen_threat,
)
from perceptbench.bench.component_identity import (
    attack_arguments,
    home,
    resolved_arguments,
    sha256_of_channels,
    sha256_of_data,
    sha256_of_methods,
    sha256_of_metric,
)
from perceptbench.bench.fingerprints import evaluator_sha256, joined_sha256, part_sha256
from perceptbench.bench.flags.first_look import gives_gradient
from perceptbench.bench.plan import Plan
from perceptbench.bench.request import Held, Request, refs
from perceptbench.certifiers.base import certifier
from perceptbench.core.errors import UserError, noted, warn
from perceptbench.core.others import contained, is_ours
from perceptbench.core.ref import Norm, Ref
from perceptbench.core.registry import Registry
from perceptbench.core.spec import RunSpec, canonical_json
from perceptbench.metrics.base import LipschitzMetric, Metric, metric
from perceptbench.metrics.identity import weights_sha256
from perceptbench.results.saved_images import KINDS
from perceptbench.tasks.base import Source, Task, task
from perceptbench.tasks.drawn import DrawnTask
from perceptbench.triplets.base import conversions, said_of_conversions, triplets


@contained()
def make_plans(request: Request) -> list[Plan]:
    """One plan for each run. Raises UserError for anything wrong, before the first image is embedded.

    With attacks, the run of each attack also has the first certifier where the metric admits it. Without attacks, each
    certifier is a run of its own.
    """
    check(request)
    sources = [(ref, _source(ref, made)) for ref, made in _built(_data(request), triplets)]
    for data_ref, source in sources:
        _say_converted(data_ref, source.limited(request.limit))
    plans: list[Plan] = []
    others: dict[Ref, tuple[Metric, str]] = {}
    for metric_ref, made in _built(request.metrics, metric):
        built = made.to(request.where)
        gradient = built.differentiable
        if metric_ref.name == "py" or request.is_alone(metric_ref) or not is_ours(type(built).__module__):
            with noted(f"raised by the metric {metric_ref}"):
                gradient = gives_gradient(built, request.where)
        for data_ref, source in sources:
            for attack_ref, certifier_ref in _methods(request, built):
                plan = _plan(request, metric_ref, built, data_ref, source, attack_ref, certifier_ref, others)
                plans.append(_as_far_as_possible(plan, gradient))
    return plans


def _data(request: Request) -> list[str | Held]:
    """The data that were asked for, named with what `--edit` says. Raises UserError for data that take none."""
    if not request.edit:
        return list(request.data)
    named: list[str | Held] = []
    for one in request.data:
        for ref in _refs(one):
            if isinstance(one, Held) or "edits" not in triplets.resolve(ref):
                raise UserError(f"--edit chooses the edits of --data copies, and {ref} has none; leave it out")
            if "edits" in dict(ref.args):
                raise UserError(f"got edits twice, in {ref} and by --edit; leave one of them out")
            named.append(str(Ref(ref.name, ref.target, (*ref.args, ("edits", " ".join(request.edit))))))
    return named


def _source(ref: Ref, made: Any) -> Source:
    """Raises UserError for anything but a data set."""
    if not is_ours(type(made).__module__) and not isinstance(made, Source):
        raise UserError(
            f"the data set {ref} cannot be used: expected the members of a Source, got {type(made).__name__}"
        )
    return made  # type: ignore[no-any-return]


def _say_converted(ref: Ref, source: Source) -> None:
    """Say which images are not read as they are stored."""
    if found := conversions(source.entries):
        warn(f"{ref}: images were converted to what a person sees: {said_of_conversions(found)} (docs/data.md)")


def _as_far_as_possible(plan: Plan, gradient: bool) -> Plan:
    """The plan with the parts of its attack that can run. Raises UserError where none can."""
    if plan.attack is None or plan.spec.attack is None:
        return replace(plan, gradient=gradient)
    if isinstance(plan.attack, Adaptive):
        chosen = plan.attack.on(_situation(plan, gradient))
        return replace(plan, attack=chosen, gradient=gradient, left_out=chosen.left_out())
    usable, left_out = attack_on(plan.attack, plan.spec.attack, gradient, plan.surrogate)
    return replace(plan, attack=usable, gradient=gradient, left_out=left_out)


def _situation(plan: Plan, gradient: bool) -> Situation:
    """What is known of a run before its metric is looked at."""
    name = plan.spec.threat.name
    norm: Norm | None = "l2" if name == "l2" else "linf" if name == "linf" else None
    return Situation(norm, gradient, plan.surrogate, plan.task.endless)


def _built(named: Sequence[str | Held], registry: Registry[Any]) -> Iterator[tuple[Ref, Any]]:
    """Components by name, and those that were handed over. Raises UserError for one of these with a name of another."""
    asked = [(ref, one if isinstance(one, Held) else None) for one in named for ref in _refs(one)]
    shown = [ref.shown for ref in {ref for ref, _ in asked}]
    if twice := sorted({name for name in shown if shown.count(name) > 1}):
        raise UserError(f"got two {registry.word} of the name {twice[0]}; give each its own")
    for ref, held in asked:
        if held is None:
            yield ref, registry.build(ref)
            continue
        if not held.registered and held.name in registry.names():
            raise UserError(f"{held.name} is the name of a registered {registry.kind}; give yours another by name=")
        if [other for other, _ in asked].count(ref) > 1:
            raise UserError(f"got two {registry.word} of the name {ref}; give each its own by name=")
        yield ref, held.made


def _refs(one: str | Held) -> list[Ref]:
    return [one.ref] if isinstance(one, Held) else refs([one])


def _methods(request: Request, built: Metric) -> list[tuple[Ref | None, Ref | None]]:
    attacks, certifiers = refs(request.attacks), refs(request.certifiers)
    if request.task and not declared(Ref.parse(request.task).name).attacked:
        # With an attack, check_fit refuses.
        return [(ref, None) for ref in attacks] or [(None, None)]
    if not attacks:
        return [(None, ref) for ref in certifiers]
    beside = certifiers[0] if certifiers else None
    # The default is left out where a metric does not admit it; any other one is refused later, with the reason.
    if beside == Ref("margin") and not isinstance(built, LipschitzMetric):
        beside = None
    return [(ref, beside) for ref in attacks]


def _plan(
    request: Request, metric_ref: Ref, built: Metric, data_ref: Ref, source: Source,
    attack_ref: Ref | None, certifier_ref: Ref | None, others: dict[Ref, tuple[Metric, str]],
) -> Plan:  # fmt: skip
    """One plan. `others` has what is known of the metrics that attacks follow, and gets what is new."""
    made = chosen_attack(request, attack_ref) if attack_ref else None
    threat_ref, within = chosen_threat(request, made, attack_ref)
    task_ref, goal = chosen_task(request, made, attack_ref, source)
    question = task.build(task_ref)
    check_fit(request, question, goal, made, attack_ref, built)
    source = source if question.fitted_apart else source.limited(request.limit)
    followed = _followed(request, question, made, attack_ref, within, others)
    if any(one.stochastic for one in (built, *(one for one, _ in followed))):
        question = DrawnTask(question)
    question.admit(source)
    answered = question.answered(source)
    answered, kept = within.split(answered.limited(request.limit) if question.fitted_apart else answered)
    if request.save_images and source.kind not in KINDS:
        raise UserError(f"--save-images keeps images of triplets, and {source.name} has {source.kind}; leave it out")
    proof = chosen_certifier(request, certifier_ref, question, goal, threat_ref, within, built)
    if made is None and proof is None and question.attacked:
        raise UserError(f"nothing can be proved of --task {task_ref} under --threat {threat_ref}; use bench run")
    named = {
        "metric": (metric, metric_ref),
        "data": (triplets, data_ref),
        "task": (task, task_ref),
        "threat": (threat, threat_ref),
        "certifier": (certifier, certifier_ref if proof else None),
    }
    spec = RunSpec(
        metric=metric_ref,
        data=data_ref,
        task=task_ref,
        threat=threat_ref,
        attack=attack_ref,
        certifier=certifier_ref if proof else None,
        norm=within.proof,
        eps_unit=within.unit,
        eps=request.eps,
        goal=goal,
        **{**request.options(), "quantize": chosen_channels(request)},
        arguments={
            "attack": attack_arguments(request, attack_ref, made),
            **{kind: resolved_arguments(request, registry, ref) for kind, (registry, ref) in named.items()},  # type: ignore[arg-type]
        },
        fingerprints={
            "weights": weights_sha256(built),
            "metric": sha256_of_metric(request, metric_ref, built),
            "samples": source.sha256,
            "data": sha256_of_data(request, data_ref, source),
            "task": part_sha256(question, modules=home(task, task_ref)),
            "threat": part_sha256(within, modules=home(threat, threat_ref)),
            "evaluator": evaluator_sha256(),
            **sha256_of_channels(within),
            **sha256_of_methods(made, attack_ref, proof, certifier_ref),
            **({"followed": joined_sha256(one for _, one in followed)} if followed else {}),
        },
    )
    alone = replace(
        request, metrics=_one(request.metrics, metric_ref), data=_one(request.data, data_ref), edit=(),
        attacks=[str(attack_ref)] if attack_ref else [], certifiers=[str(certifier_ref)] if proof else [],
        task=str(task_ref), threat=str(threat_ref), goal=goal, declared={}, save_images=0,
    )  # fmt: skip
    return Plan(
        spec, question, within, built, answered, source, kept, made, proof, alone,
        followed=tuple(one for one, _ in followed),
    )  # fmt: skip


def _followed(
    request: Request, question: Task[Any], made: Attack | Ensemble | None, ref: Ref | None, within: ThreatSet,
    others: dict[Ref, tuple[Metric, str]],
) -> list[tuple[Metric, str]]:  # fmt: skip
    """The metrics whose goals an attack climbs, each with the hash of all that decides it; each is made once."""
    if not isinstance(made, FollowsOthers):
        return []
    check_followed(question, ref, within)
    found = []
    for name in made.followed():
        other = Ref.parse(name)
        if other not in others:
            built = metric.build(other).to(request.where)
            said = canonical_json(resolved_arguments(request, metric, other))
            own = joined_sha256((other.name, said, weights_sha256(built), sha256_of_metric(request, other, built)))
            others[other] = built, own
        check_climbed(made.climber(), name, others[other][0])
        found.append(others[other])
    return found


def _one(named: Sequence[str | Held], ref: Ref) -> list[str | Held]:
    """The component of that name, as it was given."""
    return [one for one in named if isinstance(one, Held) and one.ref == ref] or [str(ref)]
