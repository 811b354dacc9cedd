"""`--config`: options from a TOML file, which those on the command line overrule."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import typer

from perceptbench.core.errors import UserError


def take_config(context: typer.Context, value: str | None) -> str | None:
    """Make a file's values the defaults of this command. For an option that is read before the others.

    Raises UserError for a file that is missing or no TOML, a name that is no option, and a value that cannot be typed.
    """
    if value is not None:
        named = {word.removeprefix("--"): option for option in context.command.params for word in option.opts}
        del named["config"]
        context.default_map = _defaults(named, value, _read(value))
    return value


def _read(name: str) -> dict[str, Any]:
    """The values of a file, or of one that came with the program."""
    shipped = resources.files("perceptbench.training") / "configs"
    own, known = Path(name), sorted(entry.name.removesuffix(".toml") for entry in shipped.iterdir())
    if name in known:
        content = (shipped / f"{name}.toml").read_bytes()
    elif own.is_file():
        content = own.read_bytes()
    else:
        raise UserError(f"--config wants a TOML file or one of {', '.join(known)}, got {name}")
    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{name} is not a TOML file ({error})") from error


def _defaults(options: Mapping[str, Any], file: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """As if typed, by the name of the parameter: so it is checked as what is typed is."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key not in options:
            near = get_close_matches(key, options, 1)
            raise UserError(f"{file}: no option is called {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        option = options[key]
        items = value if isinstance(value, list) and option.multiple else [value]
        if not all(isinstance(item, str | int | float) for item in items):
            raise UserError(f"{file}: expected a number, a text or true for {key!r}, got {value!r}")
        found[option.name] = [str(item) for item in items] if option.multiple else str(value)
    return found
