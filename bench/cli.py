"""The command line. The module of a command is imported only when the command is called."""

import logging
import os
import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from perceptbench.bench.answers import own_descriptor
from perceptbench.bench.faults import told
from perceptbench.core.errors import Notice
from perceptbench.core.others import leave_if_forked, place_of
from perceptbench.core.printable import never_fail, printable_lines

COMMANDS = {
    "run": ("run:run", "Attack metrics on 2AFC data and certify those that admit a proof."),
    "certify": ("certify:certify", "Certify the answers of metrics on 2AFC data, in l2."),
    "retrieve": (
        "retrieve:retrieve",
        "Search a folder of images, before and after an attack and with proof; or list its pairs that match.",
    ),
    "audit": (
        "audit:audit",
        "Measure how fast an embedding moves, beside what is proved; exit status 1 where it moves faster.",
    ),
    "distance": (
        "distance:distance",
        "The distance of two images and, where it can be proved, its interval and its decision under perturbation.",
    ),
    "doctor": (
        "doctor:doctor",
        "Look whether a metric is fit to be measured: range, direction, gradient, ...; exit status 1 where it is not.",
    ),
    "invert": (
        "invert:invert",
        "Find an image from what a metric keeps of another alone, and show how like that one it is.",
    ),
    "ladder": (
        "ladder:ladder",
        "Ask again after harmless edits of the reference, by strength: the floor that robustness may not cost.",
    ),
    "attacks": (
        "attacks:attacks",
        "Measure how near attacks come to the smallest success that there is, and what they spend.",
    ),
    "check": ("check:check", "Run the matrix of a baseline again and compare sample by sample."),
    "verify": (
        "verify:verify",
        "Compute samples of a finished run again; exit status 1 where a stored number is better than today's.",
    ),
    "report": ("report:report", "Write the report of every finished run in a folder."),
    "list": ("listing:listing", "What each is, its source, licence, and whether it can be used here."),
    "train lipsim": (
        "train_lipsim:lipsim",
        "Train a LipSim: order photographs as the teacher does, then fine-tune on triplets.",
    ),
    "train lpips": (
        "train_lpips:lpips",
        "Fit LPIPS to human answers, and compare it with the stock heads on images it never saw.",
    ),
    "new metric": (
        "new_metric:metric",
        "Write a metric of 20 lines to begin with, and its test; no file is overwritten.",
    ),
    "data prepare": ("data:prepare", "Fetch, check and unpack a data set; run again, it goes on where it stopped."),
}
"""For each command: its module in `bench/commands/` and the function in it, and the first line of its docstring."""

GROUPS = {"train": "Train metrics.", "new": "Files to begin with.", "data": "Bring data sets to this machine."}

EPILOGUE = (
    "Exit status: 0 done, 1 a check failed, 2 bad usage or input, 3 a fault of ours. "
    "A fault of a metric of yours or of a plug-in is bad input. --debug shows where in the code an error was raised."
)

_PLAIN = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}


class Sections(TyperCommand):
    """The help of a command: its arguments, then its options by section."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write them. Without types, since some versions of typer bring their own click."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            plain = "Arguments" if option.param_type_name == "argument" else "Options"
            if record is not None:
                sections.setdefault(getattr(option, "rich_help_panel", None) or plain, []).append(record)
        for name, lines in sections.items():
            with formatter.section(name):
                formatter.write_dl(lines)


class Lazy(TyperGroup):
    """Commands whose modules are imported when one is called or its own help is asked for."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, None where there is none."""
        known = self.commands.get(cmd_name)
        if known is None or isinstance(known, TyperGroup):
            return known
        place, _ = COMMANDS[f"{self.name or ''} {cmd_name}".strip()]
        module, _, function = place.partition(":")
        found = getattr(import_module(f"perceptbench.bench.commands.{module}"), function)
        made = typer.Typer(**_PLAIN)  # type: ignore[arg-type]
        made.command(cmd_name, cls=Sections, epilog=EPILOGUE)(found.for_typer())
        return typer.main.get_command(made)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write names and summaries without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help or "") for name, command in self.commands.items()])


def _version(asked: bool) -> None:
    if asked:
        print(f"bench {version('perceptbench')}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """How robust perceptual image-similarity metrics are: under attack, and with proof."""


def _application() -> typer.Typer:
    """Every command by name with its summary; `Lazy` imports the command itself."""
    names = {"context_settings": {"help_option_names": ["-h", "--help"]}, "no_args_is_help": True, "epilog": EPILOGUE}
    top = typer.Typer(cls=Lazy, **_PLAIN, **names)  # type: ignore[arg-type]
    top.callback()(_top)
    groups = {"": top}
    for path, (_, summary) in COMMANDS.items():
        group, _, name = path.rpartition(" ")
        if group not in groups:
            groups[group] = typer.Typer(cls=Lazy, help=GROUPS[group], no_args_is_help=True, rich_markup_mode=None)
            groups[group].callback()(_group)
            top.add_typer(groups[group], name=group)
        groups[group].command(name, help=summary)(_later)
    return top


def _group() -> None:
    pass


def _later() -> None:
    pass


app = _application()
_SHOW = warnings.showwarning


def main() -> None:
    """Entry point of `bench`. Exit status: 0 done, 1 a check failed, 2 bad usage or input, 3 a fault of ours."""
    never_fail(sys.stdout, sys.stderr)
    warnings.showwarning = _show
    process, log, said = os.getpid(), logging.getLogger("perceptbench"), _Sentences()
    log.addHandler(said)
    log.setLevel(logging.INFO)
    try:
        with own_descriptor():
            app()
    except SystemExit as error:
        if place_of(error) is None:
            raise
        sys.exit(told(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        sys.exit(told(error))
    finally:
        log.removeHandler(said)
        leave_if_forked(process)


class _Sentences(logging.Handler):
    """What is worth knowing and no warning, as sentences on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        print(f"bench: {printable_lines(record.getMessage())}", file=sys.stderr)


def _show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """A notice as a sentence on standard error; other warnings as Python shows them."""
    if issubclass(category, Notice):
        print(f"bench: {printable_lines(str(message))}", file=sys.stderr)
    else:
        _SHOW(message, category, *where, **more)
