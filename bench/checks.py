"""What goes with what in a request: refused before anything is computed."""

from typing import cast

from perceptbench.attacks.base import Attack, Ensemble, attack
from perceptbench.attacks.literal import literal
from perceptbench.attacks.objectives import with_embedding
from perceptbench.attacks.task import AIMS, Aim
from perceptbench.bench.request import Request, refs
from perceptbench.certifiers.base import Certifier, certifier
from perceptbench.core.errors import UserError
from perceptbench.core.spec import Norm, Ref, split_list
from perceptbench.core.threat import MOVES
from perceptbench.metrics.base import Metric
from perceptbench.results.images import MAX_EPS, MOST
from perceptbench.triplets.base import TripletSource


def check(request: Request) -> None:
    """Raises UserError for what is wrong whatever metric and data it is asked of."""
    if not split_list(request.metrics):
        raise UserError("name at least one metric: --metric lipsim; see: bench list metrics")
    if not request.eps:
        raise UserError("name at least one budget: --eps 2.0, or --eps 36/255,72/255")
    if request.limit is not None and request.limit < 1:
        raise UserError(f"--limit wants at least 1, got {request.limit}")
    for ref in refs(request.attacks):
        attack.resolve(ref)
    for ref in refs(request.certifiers):
        certifier.resolve(ref)
    if request.attacks and len(refs(request.certifiers)) > 1:
        raise UserError("bench run takes one --certifier; for several, use bench certify")
    if not refs(request.attacks) and not refs(request.certifiers):
        raise UserError("name at least one certifier: --certifier margin; see: bench list certifiers")
    for option, value, known in (
        ("--goal", request.goal, AIMS), ("--move", request.move, MOVES),
        ("--quantize", request.quantize, ("8bit",)), ("--protocol", request.protocol, ("ours", "paper")),
    ):  # fmt: skip
        if value is not None and value not in known:
            raise UserError(f"{option} wants one of {', '.join(known)}, got {value!r}")
    if request.restarts < 1:
        raise UserError(f"--restarts wants at least 1, got {request.restarts}")
    _check_images(request)
    request.threat("l2")
    if request.protocol == "paper" and (request.move, request.restarts, request.quantize) != ("reference", 1, None):
        raise UserError(
            "--protocol paper moves the reference, from one start, and rounds nothing; leave the others out"
        )


def _check_images(request: Request) -> None:
    if not 0 <= request.save_images <= MOST:
        raise UserError(f"--save-images wants a number of triplets from 0 to {MOST}, got {request.save_images}")
    if request.save_images and len(request.eps) > MAX_EPS:
        raise UserError(f"--save-images keeps the images of up to {MAX_EPS} eps, got {len(request.eps)}; ask for fewer")
    if request.save_images and request.move == "all":
        raise UserError(
            "--save-images keeps one changed image a triplet, --move all changes three; leave one of them out"
        )


def chosen_attack(request: Request, ref: Ref) -> Attack | Ensemble:
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


def chosen_certifier(request: Request, ref: Ref, built: Metric, norm: Norm) -> Certifier:
    """The certifier of a name. Raises UserError where it cannot answer for this metric or these moves."""
    made = certifier.build(ref)
    made.sound(built)
    made.admit(request.threat(norm))
    return made


def chosen_aim(
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
