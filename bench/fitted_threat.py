"""What a threat is fitted on: the goals of the samples that a run keeps for it, each with its images."""

from collections.abc import Iterator

from perceptbench.attacks.base import Attack, Objective
from perceptbench.bench.evaluate import guide_of, judged_images
from perceptbench.bench.plan import Plan
from perceptbench.core.errors import UserError
from perceptbench.core.noise import Noise
from perceptbench.core.tensors import Images
from perceptbench.tasks.base import State

_AT_ONCE = 8


def learned(plan: Plan, state: State) -> State:
    """What the threat of a run learns; nothing for a threat that is fitted on no samples.

    Args:
        state: what the task was fitted on.
    """
    if not plan.kept:
        return {}
    if not isinstance(plan.attack, Attack):
        raise UserError(f"--threat {plan.spec.threat} is fitted by an attack; name one, as --attack pgd")
    noise = Noise.make(plan.spec.seed, [f"fit of {plan.spec.threat.name}"])
    return dict(plan.threat.learn(plan.attack, list(_goals(plan, state)), plan.spec.eps, noise))


def _goals(plan: Plan, state: State) -> Iterator[tuple[Objective, Images]]:
    for start in range(0, len(plan.kept), _AT_ONCE):
        given = plan.data.batch(plan.kept[start : start + _AT_ONCE]).to(plan.request.where)
        batch = judged_images(plan, given)
        prepared = plan.task.prepare(plan.metric, batch, plan.aim, state)
        goal = plan.task.objective(prepared)
        unsent = plan.task.prepare(plan.metric, given, plan.aim, state) if plan.sent else prepared
        yield guide_of(plan, batch, goal, state) or goal, plan.task.moving(unsent)
