"""The places in typed requests that a word fills, whoever gives it: the command line, `--config` or a Python call.

A request is a dataclass whose fields state their options (core/option.py). No typer here, and no torch.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path as FilePath
from typing import Any, Literal, get_args, get_origin, get_type_hints

from perceptbench.core.errors import UserError
from perceptbench.core.option import Collected, Declared, Follows, Nested, Option, as_path, checked, says

Path = tuple[str, ...]
"""Names of a parameter, a field of it, a field of that, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place in a request that an option fills.

    Args:
        name: of the option, without dashes; None for a field that nobody can type.
        default: of the field; MISSING where it must be typed.
        follows: the rule for a field that nobody typed.
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
        """The values that go by a name."""
        return {text: text for text in get_args(self.type)} if get_origin(self.type) is Literal else self.option.named

    @property
    def holds_paths(self) -> bool:
        """Whether its value, or each of them, is a path."""
        return FilePath in (self.type, *get_args(self.type))

    def value(self, typed: Any) -> Any:
        """The value of the field from what was typed. Raises UserError for a word that fits nothing."""
        if typed is None:
            return None
        word = str(self.name) if self.option.positional else f"{'-' if len(str(self.name)) == 1 else '--'}{self.name}"
        checked(typed, word, self.option)
        if self.holds_paths and self.option.parse is None:
            return tuple(as_path(str(one), word) for one in typed) if self.many else as_path(str(typed), word)
        if self.named is not None:
            if typed not in self.named:
                raise UserError(f"--{self.name} wants one of {', '.join(self.named)}, got {str(typed)[:80]}")
            return self.named[typed]
        if self.option.parse is not None:
            return self.option.parse(typed)
        return tuple(typed) if self.many else typed


def identifier(name: str) -> str:
    """The name of an option as Python writes it."""
    return name.replace("-", "_")


def slots_of(requests: Mapping[str, type], without: Sequence[str] = ()) -> list[Slot]:
    """All places in some dataclasses, by the name of each; fields named in `without` have none."""
    nothing = Nested(section=None, names={}, follows={})
    return [
        slot
        for name, cls in requests.items()
        for slot in _of_class(cls, (name,), None, nothing)
        if not set(slot.path) & set(without)
    ]


def _of_class(cls: type, path: Path, base: Any, within: Nested) -> Iterator[Slot]:
    """Those of one dataclass; `base` is the instance that gives the defaults, None for the class's own."""
    types = get_type_hints(cls)
    for field in fields(cls):
        said, here = says(field), (*path, field.name)
        default = _default(field) if base is None else getattr(base, field.name)
        if isinstance(said, Nested):
            yield from _of_class(types[field.name], here, default, Nested(
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
    name = one.name.replace("_", "-")
    return Slot(path=path, name=name, type=one.type | None, default=None, option=said, key=one.name)


def requests_of(requests: Mapping[str, type], slots: Sequence[Slot], words: Mapping[str, Any]) -> dict[str, Any]:
    """The dataclasses, from words by the identifier of their option; what has no word keeps its default."""
    values: dict[Path, Any] = {}
    open_rules: list[Slot] = []
    for slot in slots:
        name = "" if slot.name is None else identifier(slot.name)
        typed = words.get(name)
        if slot.follows and typed is None:
            open_rules.append(slot)
        elif name not in words:
            continue
        elif slot.key is None:
            values[slot.path] = slot.value(typed)
        else:
            values.setdefault(slot.path, {}).update({} if typed is None else {slot.key: slot.value(typed)})
    made = {name: _made(cls, None, _below(values, name)) for name, cls in requests.items()}
    for slot in open_rules:
        owner, *rest = slot.path
        value = slot.follows.rule(made[owner]) if slot.follows else None
        made[owner] = _made(type(made[owner]), made[owner], {tuple(rest): value})
    return made


def _below(values: Mapping[Path, Any], name: str) -> dict[Path, Any]:
    return {path[1:]: value for path, value in values.items() if path[0] == name}


def _made(cls: type, base: Any, values: Mapping[Path, Any]) -> Any:
    """A dataclass with some values, the others those of `base` or, where that is None, its defaults."""
    types, changes = get_type_hints(cls), {}
    for field in fields(cls):
        below = _below(values, field.name)
        if () in below:
            changes[field.name] = below[()]
        elif below:
            inner = _default(field) if base is None else getattr(base, field.name)
            changes[field.name] = _made(types[field.name], inner, below)
    return cls(**changes) if base is None else replace(base, **changes)
