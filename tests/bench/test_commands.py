"""Options are made of the fields of requests, and nothing heavy is imported until a command runs."""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from perceptbench.bench.cli import COMMANDS, Sections, app
from perceptbench.bench.commands.options import command
from perceptbench.core.errors import UserError
from perceptbench.core.option import Declared, Follows, collected, nested, option
from perceptbench.core.ref import split_list

HEAVY = ("torch", "torchvision", "pandas", "scipy", "numpy", "matplotlib", "timm", "rich", "PIL")


@dataclass(frozen=True, kw_only=True)
class Part:
    size: int = field(metadata=option("A size.", min=1))
    rate: float = field(default=1.0, metadata=option("A rate."))
    fixed: int = 5


@dataclass(frozen=True, kw_only=True)
class Whole:
    where: str = field(metadata=option("A place.", positional=True))
    must: str | None = field(default=None, metadata=option("Typed always.", required=True))
    some: Sequence[str] = field(default=("a",), metadata=option("Names.", name="name", parse=split_list))
    shape: tuple[int, ...] = field(
        default=(1, 2), metadata=option("Its shape.", named={"flat": (1, 2), "tall": (2, 1)})
    )
    plain: bool = field(default=False, metadata=option("A flag."))
    careful: bool = field(default=True, metadata=option("Another one."))
    one: Part = field(default=Part(size=3), metadata=nested("One"))
    two: Part = field(
        default=Part(size=30, rate=0.5, fixed=6),
        metadata=nested(
            "Two",
            names={"size": "two-size"},
            follows={
                "size": Follows("ten times --size", lambda whole: 10 * whole.one.size),
                "rate": Follows("half of --rate", lambda whole: whole.one.rate / 2),
            },
        ),
    )
    extra: Mapping[str, object] = field(
        default_factory=dict,
        metadata=collected("Extra", lambda: (Declared("tau", float, 0.25, "A threshold."),)),
    )
    hidden: int = 9


@dataclass(frozen=True, kw_only=True)
class Beside:
    note: str = field(default="none", metadata=option("A note."))


@pytest.fixture
def ask():
    """What a command is called with, by the words typed."""
    got = {}

    def noted(whole: Whole, beside: Beside) -> None:
        """Note both."""
        got.update(whole=whole, beside=beside)

    def run(*words, without=()):
        made = typer.Typer(add_completion=False, rich_markup_mode=None)
        made.command(cls=Sections)(command(without=without)(noted).for_typer())
        result = CliRunner().invoke(made, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return (got.get("whole"), got.get("beside")) if result.exit_code == 0 and got else result.output

    return run


def test_what_nobody_types_is_the_default_of_the_dataclass(ask):
    whole, beside = ask("here", "--must", "x")
    assert whole == Whole(where="here", must="x", some=["a"])
    assert beside == Beside()


def test_every_kind_of_option_reaches_its_field(ask):
    whole, beside = ask(
        "here", "--must", "x", "--name", "b,c", "--name", "d", "--shape", "tall", "--plain", "--no-careful",
        "--size", 4, "--rate", 8, "--tau", 0.5, "--note", "n",
    )  # fmt: skip
    assert whole.some == ["b", "c", "d"]
    assert (whole.shape, whole.plain, whole.careful, whole.hidden) == ((2, 1), True, False, 9)
    assert whole.one == Part(size=4, rate=8.0, fixed=5)
    assert whole.two == Part(size=40, rate=4.0, fixed=6)
    assert whole.extra == {"tau": 0.5}
    assert beside == Beside(note="n")


def test_what_follows_another_option_can_be_typed_where_it_has_a_name(ask):
    assert ask("here", "--must", "x", "--size", 4, "--two-size", 7)[0].two.size == 7
    assert "No such option: --two-rate" in ask("here", "--must", "x", "--two-rate", 7)


def test_wrong_words_are_refused(ask):
    assert "Missing option '--must'" in ask("here")
    assert "Missing argument 'where'" in ask("--must", "x")
    assert "Invalid value for '--size'" in ask("here", "--must", "x", "--size", 0)
    assert "No such option: --hidden" in ask("here", "--must", "x", "--hidden", 1)
    assert "No such option: --tau" not in ask("here", "--help")
    with pytest.raises(UserError, match="--shape wants one of flat, tall, got round"):
        ask("here", "--must", "x", "--shape", "round")


def test_the_help_has_sections_defaults_and_rules(ask):
    told = " ".join(ask("--help").split())
    assert "Note both." in told
    for words in ("Arguments: where", "One: --size", "Two: --two-size", "Extra: --tau", "Options: --must"):
        assert words in told
    for words in ("[default: flat]", "[default: 3; x>=1]", "Default: ten times --size.", "[default: 0.25]"):
        assert words in told


def test_a_command_may_leave_fields_out(ask):
    whole, _ = ask("here", without=("must", "extra", "two"))
    assert whole == Whole(where="here", some=["a"])
    assert "No such option: --two-size" in ask("here", "--two-size", 1, without=("must", "two"))


def test_a_file_gives_options_of_every_kind_and_the_command_line_overrules_it(ask, tmp_path):
    file = tmp_path / "a.toml"
    file.write_text(
        'where = "there"\nmust = "y"\nname = ["b", "c"]\nplain = true\ncareful = false\nsize = 6\ntau = 1\n'
    )
    whole, _ = ask("--config", file, "--size", 7)
    assert (whole.where, whole.must, whole.some, whole.plain, whole.careful) == ("there", "y", ["b", "c"], True, False)
    assert (whole.one.size, whole.two.size, whole.extra) == (7, 70, {"tau": 1.0})
    with pytest.raises(UserError, match="--config wants a TOML file, got shipped"):
        ask("here", "--config", "shipped")


def test_the_summaries_are_the_first_lines_of_the_docstrings():
    for name, (place, summary) in COMMANDS.items():
        module, _, function = place.partition(":")
        made = getattr(import_module(f"perceptbench.bench.commands.{module}"), function)
        assert summary == inspect.getdoc(made.function).splitlines()[0], name


def test_run_reads_a_file(bench, data, tmp_path):
    """The row is the one of the same words typed."""
    file = tmp_path / "run.toml"
    file.write_text(
        f'metric = ["l2"]\nattack = "l2-pgd(steps=1)"\neps = [1, "360/255"]\ndata = "{data}"\njson = true\n'
    )
    rows = json.loads(bench("run", "--config", file, "--runs", tmp_path))["rows"]
    typed = bench.json(
        "run", "--metric", "l2", "--attack", "l2-pgd(steps=1)", "--eps", "1,360/255", "--data", data, "--runs", tmp_path
    )
    assert rows == typed
    assert "no option is called 'epz'" in bench.refusal("certify", "--config", write(tmp_path, "epz = 1"))


def write(folder, text):
    file = folder / "wrong.toml"
    file.write_text(text)
    return file


# Each is answered in one process, so that what is imported for one is seen at the next at the latest.
QUICK = [
    ["--help"], ["-h"], [], ["--version"], ["rnu"], ["train"], ["train", "lpisim"],
    *([*name.split(), word] for name in COMMANDS for word in ("--help", "--nosuch")),
]  # fmt: skip

PROGRAM = """
import json, sys
import perceptbench
heavy = set(sys.argv[1].split(","))
seen = [[["import perceptbench"], sorted(heavy & set(sys.modules)), 0]]
from perceptbench.bench.cli import app
for words in json.loads(sys.argv[2]):
    try:
        app(words, prog_name="bench")
        status = 0
    except SystemExit as end:
        status = end.code
    seen.append([words, sorted(heavy & set(sys.modules)), status])
print("\\n" + json.dumps(seen))
"""


def test_help_version_and_typos_import_nothing_heavy():
    """Time depends on the machine; what is imported does not."""
    command = [sys.executable, "-c", PROGRAM, ",".join(HEAVY), json.dumps(QUICK)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | {"COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    for words, imported, status in json.loads(done.stdout.splitlines()[-1]):
        assert imported == [], words
        right = not words or {"import perceptbench", "--help", "-h", "--version"} & set(words)
        assert status == (0 if right and words not in ([], ["train"]) else 2), words


def test_the_version_is_that_of_the_package(bench):
    import perceptbench

    assert bench("--version") == f"bench {perceptbench.__version__}\n"


def test_a_misspelt_command_is_told_what_is_near():
    result = CliRunner().invoke(app, ["reprot"])
    assert result.exit_code == 2
    assert "No such command 'reprot'. Did you mean 'report'?" in result.output


def test_an_option_of_one_name_has_one_help_text_where_it_means_the_same():
    texts: dict[str, set[str]] = {}
    top = typer.main.get_command(app)
    for name in ("run", "certify", "check", "audit", "report"):
        for parameter in top.get_command(None, name).params:
            for word in ("--seed", "--device", "--runs", "--json", "--move", "--batch-size", "--eps"):
                if word in parameter.opts:
                    texts.setdefault(word, set()).add(parameter.help)
    assert len(texts) == 7
    assert all(len(found) == 1 for found in texts.values()), texts
