"""What `auto` chooses: by what is declared alone, the same each time, plain parts first."""

from dataclasses import replace
from typing import ClassVar

import pytest

from perceptbench.attacks.adaptive import Situation
from perceptbench.attacks.auto import Auto
from perceptbench.attacks.base import Attack, attack
from perceptbench.attacks.other_gradients.along import Along
from perceptbench.attacks.other_gradients.by_differences import ByDifferences
from perceptbench.attacks.running.sweep import parts_of
from perceptbench.attacks.square import L2Square
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Norm, Ref

PLAIN = Situation()


def names(situation: Situation, **numbers: int) -> list[str]:
    return [name for name, _, _ in Auto(**numbers).on(situation).parts()]


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_metric_with_gradients_meets_the_ensemble_of_the_norm(norm: Norm) -> None:
    ensemble = parts_of(attack.build(Ref(f"{norm}-aa")), "aa")
    assert list(Auto().on(Situation(norm=norm)).parts())[: len(ensemble)] == list(ensemble)
    assert next(iter(Auto(steps=7).parts()))[1].steps == 7  # type: ignore[attr-defined]


def test_parts_have_names_of_their_own_and_one_norm_in_every_situation() -> None:
    for norm in ("l2", "linf", None):
        for sign in ({}, {"masked": True}, {"random": True}, {"gradient": False}, {"endless": True}):
            chosen = Auto().on(Situation(norm=norm, **sign))  # type: ignore[arg-type]
            parts = chosen.parts()
            assert len({name for name, _, _ in parts}) == len(parts)
            assert all(member.norm == norm and starts >= 1 for _, member, starts in parts)
            assert parts or (norm is None and sign == {"gradient": False})


def test_masked_gradients_bring_straight_through_differences_and_longer_queries_after_the_plain_parts() -> None:
    plain, masked = names(PLAIN), names(replace(PLAIN, masked=True))
    assert masked[: len(plain)] == plain
    added = masked[len(plain) :]
    assert {"apgd-ce straight-through", "fmn straight-through", "fab straight-through"} <= set(added)
    assert [name for name in added if name.endswith(" longer")]
    assert [name for name in added if name.endswith(" differences")]
    starts = {name: n for name, _, n in Auto(starts=9).on(replace(PLAIN, masked=True)).parts()}
    assert starts["apgd-ce straight-through"] == 9
    assert starts["fmn straight-through"] == 1


def test_queries_of_longer_parts_are_those_of_auto_and_plain_ones_keep_theirs() -> None:
    parts = {name: member for name, member, _ in Auto(queries=700).on(replace(PLAIN, masked=True)).parts()}
    assert parts["square"] == L2Square()
    assert parts["l2-square longer"] == L2Square(queries=700)


def test_draws_bring_averages_and_no_queries() -> None:
    added = names(replace(PLAIN, random=True))[len(names(PLAIN)) :]
    assert added
    assert all(name.endswith(" averaged") for name in added)


def test_both_signs_bring_what_each_of_them_brings() -> None:
    masked, random, both = (
        set(names(replace(PLAIN, **sign)))
        for sign in ({"masked": True}, {"random": True}, {"masked": True, "random": True})
    )
    assert both == masked | random
    assert masked - random
    assert random - masked


@pytest.mark.parametrize(("norm", "query"), [("l2", "l2-square longer"), ("linf", "linf-square longer")])
def test_masked_gradients_bring_as_much_where_a_goal_has_no_end(norm: Norm, query: str) -> None:
    parts = {name: member for name, member, _ in Auto().on(Situation(norm, endless=True, masked=True)).parts()}
    added = {f"{norm}-pgd straight-through", f"{norm}-apgd-ce straight-through", f"{norm}-apgd-ce differences", query}
    assert added <= set(parts)
    assert not any(member.minimal or member.flips_only for member in parts.values())


def test_masked_gradients_bring_as_much_in_another_set() -> None:
    added = set(names(Situation(norm=None, masked=True))) - set(names(Situation(norm=None)))
    assert {"pgd straight-through", "apgd-ce straight-through", "apgd-ce differences", "query longer"} <= added


def test_estimated_gradients_have_the_draws_and_steps_of_auto() -> None:
    chosen = Auto(draws=5, steps=7).on(replace(PLAIN, gradient=False))
    (estimated,) = (member for name, member, _ in chosen.parts() if name.endswith(" differences"))
    assert isinstance(estimated, Along)
    assert estimated.by == ByDifferences(5)
    assert estimated.inner.steps == 7  # type: ignore[attr-defined]


def test_what_runs_already_is_not_added_again() -> None:
    parts = Auto(queries=L2Square().queries).on(replace(PLAIN, masked=True)).parts()
    assert [name for name, member, _ in parts if member == L2Square()] == ["square"]


def test_without_a_gradient_only_what_needs_none_runs_and_the_rest_is_named() -> None:
    chosen = Auto().on(replace(PLAIN, gradient=False))
    assert not any(member.needs_gradient for _, member, _ in chosen.parts())
    assert set(chosen.left_out()) == {"apgd-ce", "fmn", "fab"}
    assert {"square", "l2-square longer"} <= {name for name, _, _ in chosen.parts()}
    assert Auto().on(PLAIN).left_out() == ()


def test_a_hash_is_solved_first_then_climbed_by_its_surrogate_and_asked() -> None:
    from perceptbench.metrics.base import metric

    pytest.importorskip("imagehash", reason="the extra hashes is not installed")
    surrogate = metric.build(Ref("phash")).surrogate()
    found = names(replace(PLAIN, gradient=False, surrogate=surrogate))
    assert found[0] == "l2-hash"
    assert {"apgd-ce", "fmn", "l2-square longer"} <= set(found)
    assert "l2-hash" not in names(PLAIN)
    # It looks for a flip, and a goal without end has none.
    endless = Auto().on(Situation(gradient=False, surrogate=surrogate, endless=True))
    assert "l2-hash" not in [name for name, _, _ in endless.parts()]
    assert "l2-hash" not in endless.left_out(), "it is not left out for want of a gradient"


def test_another_set_meets_every_attack_that_works_in_it_with_restarts() -> None:
    parts = {name: starts for name, _, starts in Auto(starts=4).on(replace(PLAIN, norm=None)).parts()}
    assert {"apgd-ce": 4, "pgd": 4}.items() <= parts.items()
    assert "mse" not in parts


def test_an_endless_goal_meets_no_search_for_a_boundary() -> None:
    parts = Auto().on(replace(PLAIN, endless=True)).parts()
    assert not any(member.minimal or member.flips_only for _, member, _ in parts)
    assert {"l2-apgd-ce", "l2-pgd", "l2-square"} <= {name for name, _, _ in parts}


def test_a_new_query_attack_is_taken_up_by_what_it_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asks(Attack):
        """Asks."""

        norm: ClassVar[Norm] = "l2"
        needs_gradient: ClassVar[bool] = False

    monkeypatch.setitem(attack._factories, "l2-asks", Asks)
    monkeypatch.setitem(attack._cards, "l2-asks", attack.card("l2-pgd"))
    assert "l2-asks longer" in names(replace(PLAIN, masked=True))
    assert "l2-asks longer" in names(replace(PLAIN, gradient=False))
    assert "l2-asks longer" not in names(PLAIN)
    assert any(isinstance(one, Asks) for one in Auto().members())


def test_a_number_below_one_is_refused() -> None:
    with pytest.raises(UserError, match="auto wants numbers of at least 1, got draws=0"):
        Auto(draws=0)
