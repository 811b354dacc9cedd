"""What cannot work is refused before the first image is read."""

import pytest

from perceptbench.bench.plan import make_plans
from perceptbench.bench.request import Request
from perceptbench.core.errors import UserError


def request(**changes) -> Request:
    usual = {"metrics": ["l2"], "data": ["photos"], "attacks": [], "certifiers": ["margin"], "eps": (1.0,), "limit": 2}
    return Request(**{**usual, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": ["ssim"]},
        {"metrics": ["l2", "ssim"]},
        {"certifiers": ["paper"], "move": "left"},
        {"certifiers": ["center-smoothing"], "move": "all"},
    ],
)
def test_a_certifier_that_cannot_answer_is_refused_while_planning(changes):
    with pytest.raises(UserError):
        make_plans(request(**changes))


def test_what_was_asked_for_is_in_the_spec():
    (plan,) = make_plans(request(attacks=["l2-pgd"], seed=3, restarts=2, quantize="8bit", skip_certified=False))
    spec = plan.spec
    assert (spec.seed, spec.restarts, spec.quantize, spec.skip_certified, spec.limit) == (3, 2, "8bit", False, 2)
    assert (spec.goal, spec.move, spec.protocol) == ("flip", "reference", "ours")
