"""What cannot work is refused before the first image is read."""

import re

import pytest

from perceptbench.bench.planner import make_plans
from perceptbench.bench.request import Held, Request
from perceptbench.core.errors import UserError
from perceptbench.metrics.classical.pixel import PixelL2


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


@pytest.mark.parametrize(
    ("changes", "task", "goal", "threat", "norm"),
    [
        ({"attacks": ["l2-pgd"]}, "preference", "flip", "l2", "l2"),
        ({"attacks": ["linf-pgd"]}, "preference", "flip", "linf", "linf"),
        ({"attacks": ["pgd"], "threat": "linf"}, "preference", "flip", "linf", "linf"),
        ({"attacks": ["l2-pgd"], "goal": "push"}, "drift", "push", "l2", "l2"),
        ({"attacks": ["l2-pgd"], "task": "drift"}, "drift", "push", "l2", "l2"),
        ({"attacks": ["l2-pgd"], "task": "drift", "goal": "pull"}, "drift", "pull", "l2", "l2"),
        ({"attacks": ["l2-mse"]}, "drift", "push", "l2", "l2"),
        ({"threat": "linf"}, "preference", "flip", "linf", "linf"),
    ],
)
def test_task_and_threat_are_those_named_or_those_that_goal_and_attack_suggest(changes, task, goal, threat, norm):
    (plan,) = make_plans(request(**changes))
    spec = plan.spec
    assert (str(spec.task), spec.goal, str(spec.threat), spec.norm) == (task, goal, threat, norm)
    assert "norm over all pixels and channels" in spec.eps_unit


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"attacks": ["pgd"]}, "pgd works in any set: say in which by --threat"),
        ({"attacks": ["l2-pgd"], "threat": "linf"}, "l2-pgd works in the l2 ball, got --threat linf"),
        ({"attacks": ["l2-pgd"], "threat": "l1"}, "unknown threat 'l1'"),
        ({"attacks": ["l2-pgd"], "task": "preferences"}, "unknown task 'preferences'; did you mean 'preference'"),
        ({"attacks": ["l2-pgd"], "task": "preference", "goal": "push"}, "--task preference has the goals flip, got"),
        ({"attacks": ["l2-pgd"], "task": "drift(tau=1)"}, "the task 'drift' has no argument 'tau'"),
        ({"attacks": ["l2-pgd"], "declared": {"tau": 1.0}}, "--task preference has no option --tau"),
        ({"attacks": ["l2-fab"], "task": "drift"}, "has no boundary to look for"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(changes, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        make_plans(request(**changes))


class Blind(PixelL2):
    differentiable = False


@pytest.mark.parametrize("name", ["l2-pgd", "l2-fmn", "linf-apgd-ce"])
def test_a_metric_that_says_it_has_no_gradient_meets_no_attack_that_asks_for_one(name):
    with pytest.raises(UserError, match=r"the metric has no gradient, which .* asks for; use l2-square"):
        make_plans(request(metrics=[Held("blind", Blind())], attacks=[name]))
    assert make_plans(request(metrics=[Held("blind", Blind())], attacks=["l2-square"]))


def test_of_an_ensemble_it_meets_the_parts_that_ask_for_none():
    (plan,) = make_plans(request(metrics=[Held("blind", Blind())], attacks=["l2-aa"]))
    assert [name for name, _, _ in plan.parts] == ["square"]
    assert plan.left_out == ("apgd-ce", "fmn", "fab")
    assert not plan.gradient
    (whole,) = make_plans(request(metrics=["l2"], attacks=["l2-aa"]))
    assert [name for name, _, _ in whole.parts] == ["apgd-ce", "fmn", "fab", "square"]
    assert whole.left_out == ()


def test_the_part_of_a_request_that_leads_to_one_run_leads_to_it_again():
    asked = request(metrics=["l2", "psnr"], attacks=["l2-pgd(steps=3)", "linf-pgd"], goal="push", eps=(1.0, 2.0))
    plans = make_plans(asked)
    assert len(plans) == 4
    for plan in plans:
        (again,) = make_plans(plan.request)
        assert again.spec == plan.spec
