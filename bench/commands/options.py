"""Makes the options of every command from its requests, and the requests from what was typed.

    @command()
    def run(request: Request, execution: Execution) -> None:
        '''Attack metrics on 2AFC data.'''

The options are `--config` and those that the fields of the parameters' dataclasses state (core/option.py).
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from perceptbench.bench.commands.config_file import config_option
from perceptbench.core.errors import UserError
from perceptbench.core.option import Collected, Declared, Follows, Nested, Option, says

Path = tuple[str, ...]
"""Names of a parameter, a field of it, a field of that, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A field of a request that an option fills.

    Args:
        name: of the option, without dashes; None for a field without an option.
        default: of the field; MISSING where the option is required.
        follows: the rule for the value where nothing was typed.
        key: for a declared option, its key in the mapping at `path`.
    """

    path: Path
    name: str | None
    type: Any
    default: Any
    option: Option
    follows: Follows | None = None
    key: str | None = None

    @property
    def many(self) -> bool:
        """Whether several values may be typed."""
        return self.named is None and get_origin(self.type) in (tuple, Sequence)

    @property
    def named(self) -> Mapping[str, Any] | None:
        """The values that are typed by a name; None where values are typed themselves."""
        return {text: text for text in get_args(self.type)} if get_origin(self.type) is Literal else self.option.named

    def value(self, typed: Any) -> Any:
        """The value of the field from what typer parsed. Raises UserError for an unknown name."""
        if typed is None:
            return None
        if self.named is not None:
            if typed not in self.named:
                raise UserError(f"--{self.name} wants one of {', '.join(self.named)}, got {typed}")
            return self.named[typed]
        if self.option.parse is not None:
            return self.option.parse(typed)
        return tuple(typed) if self.many else typed


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
        slots = _slots(requests, self.without)

        def typed(**words: Any) -> None:
            self.function(**_requests(requests, slots, words))

        parameters = [*_parameters(slots), config_option(self.configs)]
        typed.__name__, typed.__doc__ = self.function.__name__, inspect.getdoc(self.function)
        typed.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return typed


def command(*, without: Sequence[str] = (), configs: str | None = None) -> Callable[[Callable[..., None]], Command]:
    """Make a command of a function; see `Command` for the arguments."""
    return lambda function: Command(function=function, without=without, configs=configs)


def _slots(requests: Mapping[str, type], without: Sequence[str]) -> list[Slot]:
    nothing = Nested(section=None, names={}, follows={})
    return [
        slot
        for name, cls in requests.items()
        for slot in _slots_of(cls, (name,), None, nothing)
        if not set(slot.path) & set(without)
    ]


def _slots_of(cls: type, path: Path, base: Any, within: Nested) -> Iterator[Slot]:
    """The slots of one dataclass. `base` is an instance that gives the defaults; None for those of the class."""
    types = get_type_hints(cls)
    for field in fields(cls):
        said, here = says(field), (*path, field.name)
        default = _default(field) if base is None else getattr(base, field.name)
        if isinstance(said, Nested):
            yield from _slots_of(types[field.name], here, default, Nested(
                section=said.section or within.section,
                names={**said.names, **within.names},
                follows={**said.follows, **within.follows},
            ))  # fmt: skip
        elif isinstance(said, Option):
            yield _slot(field.name, here, types[field.name], default, said, within)
        elif isinstance(said, Collected):
            yield from (_declared(one, here, said.section) for one in said.declared())


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _slot(field: str, path: Path, type: Any, default: Any, said: Option, within: Nested) -> Slot:
    follows = within.follows.get(field)
    name = within.names.get(field) or (None if follows else said.name or field.replace("_", "-"))
    said = replace(said, section=said.section or within.section)
    return Slot(path=path, name=name, type=type, default=default, option=said, follows=follows)


def _declared(one: Declared, path: Path, section: str) -> Slot:
    shown = one.help if one.default is None else f"{one.help}  [default: {one.default}]"
    said = Option(help=shown, section=section)
    return Slot(path=path, name=one.name, type=one.type | None, default=None, option=said, key=one.name)


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
    one = str if said.parse is not None or slot.named is not None else _typed(slot)
    type = list[one] if slot.many else one | None if default is None else one  # type: ignore[valid-type]
    help = f"{said.help} Default: {slot.follows.words}." if slot.follows else said.help
    words = f"--{name}/--no-{name}" if slot.type is bool and default is True else f"--{name}"
    choices = f"[{'|'.join(slot.named)}]" if slot.named else None
    info = (
        typer.Argument(help=help)
        if said.positional
        else typer.Option(words, help=help, min=said.min, metavar=choices, rich_help_panel=said.section)
    )
    return inspect.Parameter(_identifier(name), _KEYWORD, default=default, annotation=Annotated[type, info])


def _typed(slot: Slot) -> Any:
    """The type of one value. Of several types the first: the others can be given in Python only."""
    one = get_args(slot.type)[0] if slot.many else slot.type
    return (get_args(one) or (one,))[0] if isinstance(one, UnionType) and slot.many else one


_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def _identifier(name: str) -> str:
    return name.replace("-", "_")


def _as_typed(slot: Slot) -> Any:
    """The default as it would be typed."""
    if slot.follows:
        return None
    if slot.named is not None:
        return next(name for name, value in slot.named.items() if value == slot.default)
    return list(slot.default) if slot.many else slot.default


def _requests(requests: Mapping[str, type], slots: Sequence[Slot], words: Mapping[str, Any]) -> dict[str, Any]:
    """The dataclasses that a command is called with, from what was typed."""
    values: dict[Path, Any] = {}
    open_rules: list[Slot] = []
    for slot in slots:
        typed = None if slot.name is None else words[_identifier(slot.name)]
        if slot.follows and typed is None:
            open_rules.append(slot)
        elif slot.key is None:
            values[slot.path] = slot.value(typed)
        else:
            values.setdefault(slot.path, {}).update({} if typed is None else {slot.key: typed})
    made = {name: _made(cls, None, _below(values, name)) for name, cls in requests.items()}
    for slot in open_rules:
        owner, *rest = slot.path
        value = slot.follows.rule(made[owner]) if slot.follows else None
        made[owner] = _made(type(made[owner]), made[owner], {tuple(rest): value})
    return made


def _below(values: Mapping[Path, Any], name: str) -> dict[Path, Any]:
    return {path[1:]: value for path, value in values.items() if path[0] == name}


def _made(cls: type, base: Any, values: Mapping[Path, Any]) -> Any:
    """A dataclass with some values given; the others are those of `base`, or the defaults where that is None."""
    types, changes = get_type_hints(cls), {}
    for field in fields(cls):
        below = _below(values, field.name)
        if () in below:
            changes[field.name] = below[()]
        elif below:
            inner = _default(field) if base is None else getattr(base, field.name)
            changes[field.name] = _made(types[field.name], inner, below)
    return cls(**changes) if base is None else replace(base, **changes)
