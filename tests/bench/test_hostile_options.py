"""Every option of every command with values that nobody should type: a sentence, or a request within bounds."""

import dataclasses
import io
import math
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer

from perceptbench.attacks.base import attack
from perceptbench.bench.cli import COMMANDS
from perceptbench.bench.commands.options import Command
from perceptbench.bench.request import Request, batch_size
from perceptbench.bench.slots import Slot, requests_of, slots_of
from perceptbench.bench.whole_image import say_what_covers_everything
from perceptbench.certifiers.base import certifier
from perceptbench.core.errors import Notice, UserError
from perceptbench.core.number import MOST_SEED, number
from perceptbench.core.ref import Ref, parse_budget, parse_eps
from perceptbench.core.spec import RunSpec
from perceptbench.metrics.base import metric
from perceptbench.triplets.base import triplets

HOSTILE = (
    "", " ", ",", "-1", "0", "1e150", "1e20", "1e50", "1e300", "1e999999999", "-1e300", "nan", "inf", "-inf", "1/0",
    "9" * 30, "9" * 5000, "1" + "0" * 18 + "/3", "x" * 300, "a/" * 3000, "a/" * 1500, "x" * 200_000, "a\0b", "\udcff",
    "md,", ",md", "l2-pgd(steps=1e20)", "l2-pgd(steps=" + "9" * 30 + ")", "(" * 5000, "lipsim(lift=", "\u202e", "1,2,",
    "--",
)  # fmt: skip
"""Numbers without bounds, texts without letters, names longer than any system takes, and what looks like a name."""


def command_of(name: str) -> Command:
    module, _, function = COMMANDS[name][0].partition(":")
    found: Command = getattr(import_module(f"perceptbench.bench.commands.{module}"), function)
    return found


def hints_of(command: Command) -> dict[str, type]:
    hints = get_type_hints(command.function)
    hints.pop("return", None)
    return hints


def options() -> Iterator[tuple[str, str]]:
    for name in COMMANDS:
        command = command_of(name)
        names = dict.fromkeys(slot.name for slot in slots_of(hints_of(command), command.without) if slot.name)
        yield from ((name, option) for option in names)


PLAUSIBLE = {
    "metric": "l2", "attack": "l2-pgd", "eps": "1", "first": "a.png", "second": "b.png", "baseline": "a.json",
    "run": "0123456789ab", "to": "there", "kind": "metrics", "name": "nights", "data": "photos",
    "images": "there",
}  # fmt: skip


@cache
def idle(name: str) -> tuple[Any, dict[str, Slot], list[Any]]:
    """The command as it is typed, its options, and the requests that reach it: it does nothing with them."""
    command, reached = command_of(name), []

    def nothing(*requests: Any, **named: Any) -> None:
        reached.extend([*requests, *named.values()])

    nothing.__annotations__ = command.function.__annotations__
    vars(nothing)["__wrapped__"] = command.function
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(dataclasses.replace(command, function=nothing).for_typer())
    slots = {str(s.name): s for s in slots_of(hints_of(command), command.without) if s.name}
    return typer.main.get_command(app), slots, reached


def invoked(name: str, option: str, word: str) -> tuple[list[Any], BaseException | None]:
    """The requests that reach the command, and how it ended; None for status 0."""
    command, slots, reached = idle(name)
    reached.clear()
    words = []
    for slot in slots.values():
        needed = slot.option.required or slot.default is dataclasses.MISSING
        given = word if slot.name == option else PLAUSIBLE.get(str(slot.name)) if needed else None
        if given is not None:
            words.append(given if slot.option.positional else f"{'-' if slot.name == 'k' else '--'}{slot.name}={given}")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        try:
            command.main(words, "bench")
        except (UserError, SystemExit) as error:
            return reached, None if isinstance(error, SystemExit) and not error.code else error
    raise AssertionError(f"bench {name} came back")


def values_in(thing: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(thing):
        for field in dataclasses.fields(thing):
            yield from values_in(getattr(thing, field.name))
    elif isinstance(thing, Mapping):
        yield from (value for one in thing.values() for value in values_in(one))
    elif isinstance(thing, list | tuple):
        yield from (value for one in thing for value in values_in(one))
    else:
        yield thing


@pytest.mark.parametrize(("name", "option"), list(options()))
def test_a_hostile_word_is_refused_or_within_bounds(name: str, option: str) -> None:
    for word in HOSTILE:
        reached, error = invoked(name, option, word)
        if isinstance(error, UserError):
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
        else:
            assert error is None or (isinstance(error, SystemExit) and error.code == 2), (word[:40], error)
        for value in values_in(reached):
            if isinstance(value, int | float) and not isinstance(value, bool):
                assert math.isfinite(value)
                assert abs(value) <= MOST_SEED
            if isinstance(value, str | Path):
                assert str(value).strip()
                assert "\0" not in str(value)
                str(value).encode("utf-8", "surrogateescape")
            if isinstance(value, Path):
                assert not value.exists() or value.is_dir() or value.is_file()  # no error of the system


@pytest.mark.parametrize("registry", [metric, attack, certifier, triplets], ids=lambda one: one.word)
def test_arguments_between_parentheses_are_bounded(registry: Any) -> None:
    """Every argument of every component, with values of its own type."""
    import inspect

    for name in registry.names():
        for key, parameter in inspect.signature(registry.factory(name)).parameters.items():
            if parameter.annotation not in (int, float):
                continue
            for value in ("9" * 30, "1e20", "1e150", "inf", "nan", "-1", "1e999999999", "9" * 5000):
                if value == str(parameter.default):
                    continue
                target = None if not registry.inputs(name) else "x"
                with pytest.raises(UserError):
                    registry.resolve(Ref.parse(f"{name}{'' if target is None else ':' + target}({key}={value})"))


@pytest.mark.parametrize(
    "text", ["1e999999999", "9" * 5000, "1/" + "9" * 5000, "nan", "-inf", "1e400", "1/0", "0x1", ""]
)
def test_what_is_no_number_is_said_at_once(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        number(text)
    with pytest.raises(UserError, match="--eps-left wants"):
        parse_budget(text, "--eps-left")


def test_numbers_are_those_of_fractions() -> None:
    assert [number(text) for text in ("2", "2.5e-3", "36/255", " 8/255 ", "1e-5")] == [
        2,
        0.0025,
        36 / 255,
        8 / 255,
        1e-5,
    ]
    assert parse_eps(["36/255,0.5"]) == (36 / 255, 0.5)
    for text in ("1e150", "1e-150", ",".join(map(str, range(1, 1002)))):
        with pytest.raises(UserError, match="--eps wants"):
            parse_eps([text])


def test_a_batch_has_a_bounded_size() -> None:
    assert batch_size("auto") is None
    assert batch_size("999999") == 999999
    for text in ("9" * 7, "9" * 5000, "1e50", "-1", "", "²"):
        with pytest.raises(UserError, match="--batch-size wants"):
            batch_size(text)


def test_python_calls_are_bounded_as_words_are() -> None:
    slots = slots_of({"request": Request})
    for words in ({"seed": 2**63}, {"restarts": 10**9}, {"limit": 10**30}, {"data": ["a\0b"]}, {"data": [""]}):
        with pytest.raises(UserError, match="--"):
            requests_of({"request": Request}, slots, {"metric": ["l2"], "eps": ["1"], **words})


@pytest.mark.parametrize(
    ("threat", "more", "eps", "said"),
    [
        ("l2", {}, 387.0, False),
        ("l2", {}, 389.0, True),
        ("l2", {"move": "all"}, 389.0, False),
        ("l2", {"move": "all"}, 673.0, True),
        ("l2", {"move": "all", "eps_left": 1.0, "eps_right": 1.0}, 389.0, True),
        ("linf", {}, 0.99, False),
        ("linf", {}, 1.0, True),
        ("shift", {}, 1000.0, False),
    ],
)
def test_a_budget_that_covers_everything_is_said(
    threat: str, more: dict[str, Any], eps: float, said: bool, recwarn: pytest.WarningsRecorder
) -> None:
    spec = RunSpec(metric=Ref("l2"), data=Ref("photos"), threat=Ref(threat), eps=(0.5, eps), **more)
    say_what_covers_everything(spec, 224, 224)
    found = [str(one.message) for one in recwarn if issubclass(one.category, Notice)]
    assert bool(found) == said
    assert all(sentence.startswith(f"--eps {eps:g} covers everything") for sentence in found)


def test_the_loop_says_it(bench: Any, data: str, tmp_path: Path) -> None:
    with pytest.warns(Notice, match=r"--eps 400 covers everything: no two images of 224 x 224"):
        bench.json(
            "run", "--metric", "l2", "--data", data, "--attack", "l2-pgd(steps=1)", "--eps", "400", "--limit", "1",
            "--runs", tmp_path / "runs",
        )  # fmt: skip
