"""`--config`: options from a TOML file. Options on the command line take precedence."""

import inspect
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

from perceptbench.core.errors import UserError
from perceptbench.core.files import is_file


def config_option(package: str | None) -> inspect.Parameter:
    """The option `--config` of a command.

    It raises UserError for a file that is missing or not TOML, a name that is no option, and a value of a wrong type.

    Args:
        package: a package whose folder `configs` has files that are taken by name; None for none.
    """
    known = _shipped(package)

    def take(context: typer.Context, value: str | None) -> str | None:
        """Make the values of a file the defaults of this command; this option is read before all others."""
        if value is not None:
            named = {word.removeprefix("--"): option for option in context.command.params for word in option.opts}
            del named["config"], named["debug"]
            context.default_map = _defaults(named, value, _read(value, known))
        return value

    more = f", or {', '.join(known)}" if known else ""
    info = typer.Option("--config", help=f"Options from a .toml file{more}.", is_eager=True, callback=take)
    annotation = Annotated[str | None, info]
    return inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _shipped(package: str | None) -> dict[str, Any]:
    """The files that come with a package, by name."""
    if package is None:
        return {}
    files = (resources.files(package) / "configs").iterdir()
    return {name.removesuffix(".toml"): file for name, file in sorted((file.name, file) for file in files)}


def _read(name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a file, or of one that came with the program."""
    file = known.get(name, Path(name))
    if not is_file(file):
        words = f"a TOML file or one of {', '.join(known)}" if known else "a TOML file"
        raise UserError(f"--config wants {words}, got {name}")
    try:
        return tomllib.loads(file.read_bytes().decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{name} is not a TOML file ({error})") from error


def _defaults(options: Mapping[str, Any], file: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values by parameter, as text, so that they are checked like typed ones."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key not in options:
            near = get_close_matches(key, options, 1)
            raise UserError(f"{file}: no option is called {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        option = options[key]
        many = getattr(option, "multiple", False)
        items = value if isinstance(value, list) and many else [value]
        if not all(isinstance(item, str | int | float) for item in items):
            raise UserError(f"{file}: expected a number, a text or true for {key!r}, got {value!r}")
        found[option.name] = [str(item) for item in items] if many else str(value)
    return found
