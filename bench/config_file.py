"""`--config`: options from a TOML file, which those on the command line overrule."""

import tomllib
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import click

from core.errors import UserError

_KINDS: dict[type, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,)}


def take_config(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Make a file's values the defaults of this command. For an option that is read before the others.

    Raises UserError for a file that is missing or no TOML, a name that is no option, and a value of another kind.
    """
    if value is not None:
        context.default_map = _defaults(context.command, *_read(value))
    return value


def _read(name: str) -> tuple[str, dict[str, Any]]:
    """Its name for messages, and its values: a file, or one that came with the program."""
    shipped = resources.files("training") / "configs"
    own, known = Path(name), sorted(entry.name.removesuffix(".toml") for entry in shipped.iterdir())
    if name in known:
        content = (shipped / f"{name}.toml").read_bytes()
    elif own.is_file():
        content = own.read_bytes()
    else:
        raise UserError(f"--config wants a TOML file or one of {', '.join(known)}, got {name}")
    try:
        return name, tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{name} is not a TOML file ({error})") from error


def _defaults(command: click.Command, file: str, values: dict[str, Any]) -> dict[str, Any]:
    options = {
        option.opts[0].removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option) and not option.is_eager
    }
    return {_named(options, file, key).name or "": _fitting(options[key], file, value) for key, value in values.items()}


def _named(options: dict[str, click.Option], file: str, key: str) -> click.Option:
    if key not in options:
        near = get_close_matches(key, options, 1)
        raise UserError(f"{file}: no option is called {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return options[key]


def _fitting(option: click.Option, file: str, value: object) -> object:
    """Of the kind the command line would have made of it; click itself would take 3.7 for a whole number."""
    items = value if option.multiple and isinstance(value, list) else [value]
    wanted = {"integer": int, "integer range": int, "float": float, "boolean": bool}.get(option.type.name, str)
    if not all(type(item) in _KINDS[wanted] for item in items):
        raise UserError(f"{file}: {option.opts[0].removeprefix('--')} wants {option.type.name}, got {value!r}")
    return items if option.multiple else value
