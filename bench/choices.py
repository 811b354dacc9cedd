"""From names to components that fit together: attack, threat, task, certifier. Other combinations are refused."""

from typing import Any, cast

from perceptbench.attacks.adaptive import Adaptive
from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.literal import literal
from perceptbench.attacks.objectives import with_embedding
from perceptbench.attacks.running.sweep import parts_of, without_gradients
from perceptbench.attacks.threats.base import ThreatSet, threat
from perceptbench.attacks.threats.eight_bit import rounded
from perceptbench.attacks.threats.sent import Sent
from perceptbench.attacks.threats.stacked import separate
from perceptbench.attacks.through.base import chain, named
from perceptbench.bench.checks import declared, tasks
from perceptbench.bench.request import EIGHT_BIT, Request
from perceptbench.certifiers.base import Certifier, certifier
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.threat import Move, Threat
from perceptbench.metrics.base import Metric
from perceptbench.results.tasks.base import scores
from perceptbench.tasks.base import Source, Task


def chosen_attack(request: Request, ref: Ref) -> Attack | Ensemble:
    """The attack of a name. Raises UserError where the protocol or the restarts do not fit it."""
    if request.protocol == "paper":
        if ref.args:
            raise UserError(f"--protocol paper has the paper's own numbers; write {ref.name}, got {ref}")
        return literal(ref.name)
    made = attack.build(ref)
    if request.restarts > 1 and isinstance(made, Ensemble):
        raise UserError(f"{ref.name} has starts of its own: write {ref.name}(starts={request.restarts})")
    if request.restarts > 1 and isinstance(made, Attack) and not made.random:
        raise UserError(f"{ref.name} draws nothing at random, so all starts are one; leave --restarts out")
    return made


def chosen_threat(request: Request, made: Attack | Ensemble | None, ref: Ref | None) -> tuple[Ref, ThreatSet]:
    """The set of changes: that of --threat, else the ball of the attack's norm.

    Raises UserError where the attack does not work in this set, or where the set cannot change the images of --move.
    """
    own = "l2" if made is None else made.norm
    if request.threat is not None and isinstance(made, Adaptive):
        # It has no set of its own: its parts are chosen for the one that is asked for.
        own = None
    if request.threat is None and own is None:
        raise UserError(f"{ref} works in any set: say in which by --threat; see: bench list threats")
    name = Ref.parse(request.threat or str(own))
    threat.resolve(name)
    if made is not None and own is not None and own != name.name:
        raise UserError(
            f"{ref} works in the {own} ball, got --threat {name}; use an attack without a norm, such as pgd"
        )
    built = threat.build(name)
    if request.move not in built.moves:
        raise UserError(f"--threat {name} moves {', '.join(built.moves)}, got --move {request.move}")
    if request.eps_left is not None and request.eps_right is not None:
        built = separate(built, request.eps_left, request.eps_right)
    channels = chosen_channels(request)
    if not channels:
        return name, built
    if channels == EIGHT_BIT:
        return name, rounded(built)
    if request.move == "all":
        raise UserError("--through sends one image, and --move all changes three; leave one of them out")
    return name, Sent(built, chain(named([channels])))


def chosen_channels(request: Request) -> str | None:
    """The channels of `--through` with every argument, or 8bit for `--quantize 8bit` too; None where nothing is sent.

    A run keeps this text as `quantize`, whatever it was asked by.
    """
    return ",".join(map(str, named(request.through))) if request.through else request.quantize


def chosen_task(request: Request, made: Attack | Ensemble | None, ref: Ref | None, source: Source) -> tuple[Ref, str]:
    """The task and the goal: as named, else what the goal, the attack or the data imply, in this order.

    Raises UserError for a goal that the task does not have, and for options that it does not declare.
    """
    embeds = isinstance(made, Attack) and made.by_embedding
    named = Ref.parse(request.task) if request.task else Ref(_implied(request.goal, embeds, source.kind))
    known = scores.resolve(named)
    if unknown := set(request.declared) - set(known):
        option = "--" + min(unknown).replace("_", "-")
        raise UserError(f"--task {named.name} has no option {option}; leave it out")
    goals = declared(named.name).goals
    goal = request.goal or goals[0]
    if goal not in goals:
        raise UserError(f"--task {named.name} has the goals {', '.join(goals)}, got --goal {goal}")
    return Ref(named.name, None, tuple({**dict(named.args), **request.declared}.items())), goal


def _implied(goal: str | None, embeds: bool, kind: str) -> str:
    """The first task that has the goal, of those that read this kind of data if there is one."""
    names = sorted(tasks(), key=lambda name: kind not in declared(name).kinds)
    if goal is not None:
        return next(name for name in names if goal in declared(name).goals)
    return next(name for name in names if declared(name).endless == embeds or (embeds and declared(name).by_embedding))


def attack_on(
    made: Attack | Ensemble, ref: Ref, gradient: bool, surrogate: Metric | None = None
) -> tuple[Attack | Ensemble, tuple[str, ...]]:
    """What of an attack runs on a metric, and the names of the parts that do not, for want of a gradient.

    Args:
        gradient: whether the metric has one.
        surrogate: the metric whose gradient is followed where it has none.

    Raises UserError where no part can run, and for an attack that solves metrics of another kind.
    """
    solves = made.solves if isinstance(made, Attack) else None
    if solves is not None and not isinstance(surrogate, solves):
        raise UserError(f"{ref} solves perceptual hashes and no other metrics; use --metric pdq or phash, or l2-aa")
    if gradient or surrogate is not None:
        return made, ()
    usable = without_gradients(made, str(ref))
    left = {name for name, _, starts in parts_of(usable, str(ref)) if starts}
    return usable, tuple(name for name, _, starts in parts_of(made, str(ref)) if starts and name not in left)


def check_followed(question: Task[Any], ref: Ref | None, within: ThreatSet) -> None:
    """Raises UserError where something is fitted on one metric, which says nothing of those an attack follows, and
    where images are sent through a channel.
    """
    if isinstance(within, Sent):
        raise UserError(f"{ref} finds images for other metrics, and --through sends them on; leave one of them out")
    if type(within).learn is not ThreatSet.learn:
        raise UserError(f"{ref} follows other metrics, and this --threat is fitted on that of the run; use another one")
    if type(question).fit is not Task.fit:
        raise UserError(
            f"{ref} follows other metrics, and --task {question.name} fits what it needs on one; use --task preference"
        )


def check_climbed(climber: Attack, name: str, other: Metric) -> None:
    """Raises UserError for a metric to be followed that has not the gradient that is climbed."""
    if climber.needs_gradient and not other.differentiable and other.surrogate() is None:
        raise UserError(f"{name} has no gradient to follow; take by=l2-square, or follow another metric")


def check_fit(
    request: Request, question: Task[Any], goal: str, made: Attack | Ensemble | None, ref: Ref | None, built: Metric
) -> None:
    """Raises UserError where attack, metric or --move do not fit the task and its goal."""
    embeds = isinstance(made, Attack) and made.by_embedding
    if made is not None and not question.attacked:
        raise UserError(f"--task {question.name} is answered and never attacked; leave --attack out: bench ladder")
    if embeds:
        with_embedding(built)
        if not question.endless and not question.by_embedding:
            raise UserError(f"{ref} moves embeddings and flips no answer; use --goal push or pull, or another attack")
    if request.move not in question.moves:
        if question.moves == ("reference",):
            raise UserError(f"--goal {goal} moves the reference, got --move {request.move}; leave --move out")
        raise UserError(f"--task {question.name} moves {', '.join(question.moves)}, got --move {request.move}")
    if request.eps_left is not None and "triplets" not in question.kinds:
        raise UserError(
            f"--eps-left and --eps-right are budgets of triplets, and --task {question.name} reads "
            f"{' or '.join(question.kinds)}; leave them out"
        )
    if not question.endless:
        return
    if isinstance(made, Adaptive):
        return
    if not isinstance(made, Attack) or made.minimal or made.flips_only:
        raise UserError(f"--goal {goal} has no boundary to look for, so {ref} cannot serve; use l2-pgd or l2-apgd-ce")
    if made.literal and (goal == "pull" or not embeds):
        raise UserError(f"--protocol paper has no {ref} for --goal {goal}; it has l2-mse for push")


def chosen_certifier(
    request: Request, ref: Ref | None, question: Task[Any], goal: str, threat_ref: Ref, within: ThreatSet, built: Metric
) -> Certifier | None:
    """The certifier of a name; None where the default one does not apply.

    Raises UserError where a certifier that was asked for does not apply to this task, threat, metric or --move.
    """
    if ref is None:
        return None
    default = ref == Ref("margin")
    if not question.provable:
        # This task has no answer to certify.
        if not default:
            raise UserError(f"--goal {goal} flips no answer, so {ref} has nothing to certify; leave it out")
        return None
    if not within.provable:
        if not default:
            what = f"--through {chosen_channels(request)}" if isinstance(within, Sent) else f"--threat {threat_ref}"
            raise UserError(f"no certificate covers {what}; leave --certifier {ref} out")
        return None
    if within.bounded and type(question).prove_at is not Task.prove_at:
        # Its bound is one of each image, and this task proves at one l2 norm for all.
        if not default:
            raise UserError(f"nothing is proved of --task {question.name} under --threat {threat_ref}; leave {ref} out")
        return None
    made = certifier.build(ref)
    made.sound(built)
    sides, quantized = (request.eps_left, request.eps_right), chosen_channels(request) == EIGHT_BIT
    made.admit(Threat(cast(Move, request.move), within.proof or "l2", *sides, quantized))
    return made
