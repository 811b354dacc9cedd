"""Registering, finding and building by name."""

from dataclasses import dataclass

import pytest

from perceptbench.attacks.base import attack
from perceptbench.core.errors import UserError
from perceptbench.core.ref import Ref
from perceptbench.core.registry import Registry


@dataclass(frozen=True)
class Thing:
    """A thing.

    More of it.
    """

    target: str
    steps: int = 10
    share: float = 0.5
    whole: float = 1.0
    once: int = 1
    full: bool = False


@pytest.fixture
def registry() -> Registry[object]:
    made: Registry[object] = Registry("thing", "perceptbench.core")
    made("thing-one", source="here")(Thing)
    made("absent", source="here", needs=("no_such_module_anywhere",))(lambda: None)
    return made


def test_names_and_cards(registry: Registry[object]) -> None:
    assert registry.names() == ["absent", "thing-one"]
    card = registry.card("thing-one")
    assert (card.summary, card.source, card.licence, card.missing) == ("A thing.", "here", "Apache-2.0", ())
    assert registry.inputs("thing-one") == ("target",)
    assert registry.factory("thing-one") is Thing


def test_a_name_taken_is_refused(registry: Registry[object]) -> None:
    with pytest.raises(ValueError, match="'thing-one' is registered twice"):
        registry("thing-one", source="there")(Thing)


def test_misspelt_names_get_a_hint(registry: Registry[object]) -> None:
    with pytest.raises(UserError, match="unknown thing 'thing-oen'; did you mean 'thing-one'"):
        registry.build(Ref("thing-oen"))
    with pytest.raises(UserError, match="see: bench list core"):
        registry.card("zzzzzz")
    with pytest.raises(UserError, match="did you mean 'l2-pgd'"):
        attack.build(Ref("l2-pdg"))


def test_arguments_are_bound_by_name_with_defaults(registry: Registry[object]) -> None:
    ref = Ref("thing-one", "x", (("steps", 3), ("share", 1), ("full", True)))
    wanted = {"target": "x", "steps": 3, "share": 1.0, "whole": 1.0, "once": 1, "full": True}
    resolved = registry.resolve(ref)
    assert resolved == wanted
    assert [type(v) for v in resolved.values()] == [type(v) for v in wanted.values()]
    assert registry.build(ref) == Thing(**wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"step": 3}, "has no argument 'step'; it has: target, steps, share"),
        ({"steps": "many"}, "wants int, got 'many'"),
        ({"steps": 2.5}, "wants int, got 2.5"),
        ({"steps": 10.0}, "wants int, got 10.0"),
        ({"steps": True}, "wants int, got True"),
        ({"once": True}, "wants int, got True"),
        ({"share": "half"}, "wants float"),
        ({"share": True}, "wants float"),
        ({"full": 1}, "wants bool"),
        ({"full": 0}, "wants bool"),
    ],
)
def test_wrong_arguments_are_refused(registry: Registry[object], args: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        registry.resolve(Ref("thing-one", "x", tuple(args.items())))  # type: ignore[arg-type]


def test_the_same_number_has_one_form(registry: Registry[object]) -> None:
    """1 and 1.0 would be two runs with the same numbers."""
    whole = registry.resolve(Ref("thing-one", "x", (("whole", 1),)))["whole"]
    assert type(whole) is float


def test_needed_input_and_unwanted_target(registry: Registry[object]) -> None:
    with pytest.raises(UserError, match="needs 'target': write thing-one:TARGET"):
        registry.resolve(Ref("thing-one"))
    with pytest.raises(UserError, match="takes nothing behind a colon"):
        registry.resolve(Ref("absent", "x"))


def test_a_missing_package_is_named_with_the_command(registry: Registry[object]) -> None:
    with pytest.raises(UserError, match="run: pip install no_such_module_anywhere"):
        registry.build(Ref("absent"))


def test_a_registry_may_share_its_word_but_not_its_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("perceptbench.core.registry.entry_points", lambda group: asked.append(group) or [])
    usual: Registry[object] = Registry("thing", "perceptbench.core.fetch")
    named: Registry[object] = Registry("thing", "perceptbench.core.fetch", word="things", group="bench.half-things")
    for made in (usual, named):
        made.names()
    assert asked == ["bench.fetch", "bench.half-things"]
    with pytest.raises(UserError, match="see: bench list things"):
        named.card("x")
