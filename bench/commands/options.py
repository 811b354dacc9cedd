"""Makes the options of every command from its requests, and the requests from what was typed.

    @command()
    def run(request: Request, execution: Execution) -> None:
        '''Attack metrics on 2AFC data.'''

The options are `--config`, `--debug` and those that the fields of the parameters' dataclasses state (core/option.py).
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass
from types import UnionType
from typing import Annotated, Any, get_args, get_type_hints

import typer

from perceptbench.bench.answers import only_answers
from perceptbench.bench.commands.config_file import config_option
from perceptbench.bench.faults import debug_option
from perceptbench.bench.slots import Slot, identifier, requests_of, slots_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command: a function whose parameters are dataclasses.

    Args:
        without: fields with a default for which this command has no option.
        configs: a package whose folder `configs` has files that `--config` takes by name.
    """

    function: Callable[..., None]
    without: Sequence[str] = ()
    configs: str | None = None

    def __call__(self, *requests: Any) -> None:
        """Run it on requests that were made in Python."""
        self.function(*requests)

    def for_typer(self) -> Callable[..., None]:
        """A function with one parameter for each option, from whose signature typer reads everything."""
        requests = get_type_hints(self.function)
        requests.pop("return", None)
        slots = slots_of(requests, self.without)

        def typed(**words: Any) -> None:
            with only_answers():
                self.function(**requests_of(requests, slots, words))

        parameters = [*_parameters(slots), config_option(self.configs), debug_option()]
        typed.__name__, typed.__doc__ = self.function.__name__, inspect.getdoc(self.function)
        typed.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return typed


def command(*, without: Sequence[str] = (), configs: str | None = None) -> Callable[[Callable[..., None]], Command]:
    """Make a command of a function; see `Command` for the arguments."""
    return lambda function: Command(function=function, without=without, configs=configs)


def _parameters(slots: Sequence[Slot]) -> list[inspect.Parameter]:
    """One for each name, the required ones first."""
    first = {slot.name: slot for slot in reversed(slots) if slot.name is not None}
    ordered = [first[name] for name in dict.fromkeys(slot.name for slot in slots) if name is not None]
    return [_parameter(slot) for slot in sorted(ordered, key=lambda slot: not _required(slot))]


def _required(slot: Slot) -> bool:
    return slot.option.required or slot.default is MISSING


def _parameter(slot: Slot) -> inspect.Parameter:
    name, said = str(slot.name), slot.option
    default = inspect.Parameter.empty if _required(slot) else _as_typed(slot)
    # An empty text and the folder `.` are one path, so that paths are read after the texts were looked at.
    one = str if said.parse is not None or slot.named is not None or slot.holds_paths else _typed(slot)
    type = list[one] if slot.many else one | None if default is None else one  # type: ignore[valid-type]
    help = f"{said.help} Default: {slot.follows.words}." if slot.follows else said.help
    dashes = "-" if len(name) == 1 else "--"
    words = f"{dashes}{name}"
    if slot.type == bool | None or (slot.type is bool and default is True):
        words = f"--{name}/--no-{name}"
    choices = f"[{'|'.join(slot.named)}]" if slot.named else None
    info = (
        typer.Argument(help=help)
        if said.positional
        else typer.Option(words, help=help, min=said.min, metavar=choices, rich_help_panel=said.section)
    )
    return inspect.Parameter(identifier(name), _KEYWORD, default=default, annotation=Annotated[type, info])


def _typed(slot: Slot) -> Any:
    """The type of one value. Of several types the first: the others can be given in Python only."""
    one = get_args(slot.type)[0] if slot.many else slot.type
    return (get_args(one) or (one,))[0] if isinstance(one, UnionType) and slot.many else one


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _as_typed(slot: Slot) -> Any:
    """The default as it would be typed."""
    if slot.follows:
        return None
    if slot.named is not None:
        return next(name for name, value in slot.named.items() if value == slot.default)
    if slot.holds_paths:
        return [str(one) for one in slot.default] if slot.many else slot.default and str(slot.default)
    return list(slot.default) if slot.many else slot.default
