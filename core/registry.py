"""Components by name: a decorator registers one, a call builds it, and a misspelt name gets a hint."""

import difflib
import importlib
import inspect
import math
import pkgutil
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from perceptbench.core.card import About, Card
from perceptbench.core.errors import LeftOutWarning, UserError
from perceptbench.core.number import MOST_SEED
from perceptbench.core.others import contained, is_ours, know_plugin
from perceptbench.core.ref import Ref, Scalar

_MOST = 1_000_000
"""What an argument may be at most: steps, draws or votes that a machine can do, and factors that float32 can square."""
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


class Registry(Generic[T]):
    """Factories by name. Discovery imports every module of `package`, so a new component is one new file.

    A plug-in that cannot be used is left out with a warning, and whoever asks for it by name is told why.

    Args:
        kind: what one is called in messages: "metric".
        package: where the components are.
        word: what `bench list` calls them; by default the last word of `package`.
        group: the entry points through which plug-ins register; by default `bench.<word>`.
        of: the class of every component, or several; `build` refuses anything else. None where no class says it.
        accept: raises TypeError or ValueError for a factory that cannot be registered.
        aliases: whether users may give one a name of their own, `Ours=NAME`.
    """

    def __init__(
        self, kind: str, package: str, *, word: str | None = None, group: str | None = None, of: Any = None,
        accept: Callable[[Any], object] = callable, aliases: bool = False,
    ) -> None:  # fmt: skip
        self.kind = kind
        self.package = package
        self.word = word or package.rpartition(".")[2]
        self.group = group or f"bench.{self.word}"
        self.of = of
        self.accept = accept
        self.aliases = aliases
        self._factories: dict[str, Callable[..., T]] = {}
        self._cards: dict[str, Card] = {}
        self._broken: dict[str, str] = {}
        """Why a plug-in is left out, by the names of its entry point and of what it would have registered."""
        self._imported = False
        self._discovered = False
        _REGISTRIES.add(self)

    def __call__(
        self,
        name: str,
        *,
        source: str,
        licence: str = "Apache-2.0",
        needs: tuple[str, ...] = (),
        about: About | None = None,
    ) -> Callable[[F], F]:
        """Register a factory. Its signature gives the arguments, the first line of its docstring the summary.

        Raises ValueError when the name is taken or cannot be typed, TypeError for what is no factory or no card.
        """
        card = Card(name, "", source, licence, needs, about)
        card.check()

        def register(factory: F) -> F:
            if not callable(factory):
                raise TypeError(f"the {self.kind} {name!r} must be a class or a function, got {factory!r}")
            inspect.signature(factory)
            self.accept(factory)
            if _is_theirs(factory):
                # Names of ours are known first, whatever is imported first.
                self._import()
            if name in self._factories:
                taken = getattr(self._factories[name], "__module__", "another one")
                raise ValueError(f"the {self.kind} {name!r} is registered twice: the name is taken by {taken}")
            summary = (inspect.getdoc(factory) or "").partition("\n")[0]
            self._factories[name] = factory  # type: ignore[assignment]
            self._cards[name] = replace(card, summary=summary)
            return factory

        return register

    def names(self) -> list[str]:
        """All registered names, sorted."""
        self._discover()
        return sorted(self._factories)

    def card(self, name: str) -> Card:
        """What is known of a registered name. Raises UserError for an unknown one."""
        self._factory(name)
        return self._cards[name]

    def factory(self, name: str) -> Callable[..., T]:
        """The class or function behind a name. Raises UserError for an unknown one."""
        return self._factory(name)

    def inputs(self, name: str) -> tuple[str, ...]:
        """The parameters without a default, which a user must give."""
        parameters = inspect.signature(self._factory(name)).parameters.values()
        return tuple(p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind is not p.VAR_KEYWORD)

    def resolve(self, ref: Ref) -> dict[str, Scalar]:
        """Every argument of the component under its name, defaults filled in.

        Raises UserError for an unknown name or argument, or a value of the wrong type.
        """
        return self._bind(ref)

    def build(self, ref: Ref) -> T:
        """Make the component. Raises UserError as `resolve` does, when a package is missing, and where a plug-in fails
        or gives something else."""
        bound = self._bind(ref)
        missing = self._cards[ref.name].missing
        if missing:
            raise UserError(
                f"the {self.kind} {ref.name!r} needs the Python package {', '.join(missing)}, "
                f"which is not installed; run: pip install {' '.join(missing)}"
            )
        factory = self._factories[ref.name]
        with contained(f"the {self.kind} {ref} cannot be made", surely=_is_theirs(factory)):
            made = factory(**bound)
        if self.of is not None and not isinstance(made, self.of):
            raise UserError(
                f"the {self.kind} {ref} cannot be used: expected {_words(self.of)} of its factory, "
                f"got {type(made).__name__}; mend it there"
            )
        return made

    def _factory(self, name: str) -> Callable[..., T]:
        self._discover()
        if name in self._broken and name not in self._factories:
            raise UserError(f"the {self.kind} {name!r} cannot be used: {self._broken[name]}")
        if name not in self._factories:
            close = difflib.get_close_matches(name, self._factories, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"see: bench list {self.word}"
            raise UserError(f"unknown {self.kind} {name!r}; {hint}")
        return self._factories[name]

    def _target_parameter(self, ref: Ref) -> str:
        parameters = list(inspect.signature(self._factory(ref.name)).parameters)
        if not parameters:
            raise UserError(f"the {self.kind} {ref.name!r} takes nothing behind a colon, got {str(ref)!r}")
        return parameters[0]

    def _bind(self, ref: Ref) -> dict[str, Scalar]:
        self._check_alias(ref)
        parameters = dict(inspect.signature(self._factory(ref.name)).parameters)
        given = dict(ref.args)
        if ref.target is not None:
            target = self._target_parameter(ref)
            if target in given:
                raise UserError(f"the {self.kind} {ref.name!r} got {target!r} twice, behind the colon and by name")
            given[target] = ref.target
        # A factory with **words takes every argument, and what it makes says which it knows.
        words = [key for key, one in parameters.items() if one.kind is one.VAR_KEYWORD]
        for key in words:
            del parameters[key]
        for key in given:
            if key not in parameters and not words:
                known = ", ".join(parameters) or "none"
                raise UserError(f"the {self.kind} {ref.name!r} has no argument {key!r}; it has: {known}")
        bound = {}
        for key, parameter in parameters.items():
            if key not in given and parameter.default is inspect.Parameter.empty:
                raise UserError(f"the {self.kind} {ref.name!r} needs {key!r}: write {ref.name}:{key.upper()}")
            value = given.get(key, parameter.default)
            bound[key] = _checked(value, parameter, f"{ref.name}({key}=...)")
        return {**bound, **{key: value for key, value in given.items() if key not in bound}}

    def _check_alias(self, ref: Ref) -> None:
        if ref.alias is None and "=" in ref.name and ref.name not in self.names():
            raise UserError(
                "expected before = a name of 1 to 80 letters without comma, colon and parentheses, got "
                f"{ref.name[:80]!r}"
            )
        if ref.alias is None:
            return
        if not self.aliases:
            raise UserError(f"a name of your own stands before a metric alone, got {str(ref)[:80]!r}; leave it out")
        if ref.alias in self.names():
            raise UserError(f"{ref.alias} is the name of a registered {self.kind}; give {ref.name} another one")

    def _discover(self) -> None:
        if self._discovered:
            return
        self._import()
        # A plug-in may ask for names while it is imported.
        self._discovered = True
        for entry in entry_points(group=self.group):
            self._load(entry)

    def _import(self) -> None:
        """Every module of the package."""
        if self._imported:
            return
        package = importlib.import_module(self.package)
        for module in pkgutil.walk_packages(package.__path__, f"{self.package}."):
            importlib.import_module(module.name)
        self._imported = True

    def _load(self, entry: EntryPoint) -> None:
        """Import a plug-in. One that fails leaves nothing behind but a warning."""
        before = {one: set(one._factories) for one in _REGISTRIES}
        know_plugin(entry.value)
        try:
            # Standard output is for answers.
            with redirect_stdout(sys.stderr), contained("its import failed", surely=True, seconds=_IMPORT_SECONDS):
                entry.load()
        except UserError as error:
            package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"
            why = f"{error}; mend or uninstall {package}"
            for one, known in before.items():
                for name in [name for name, made in one._factories.items() if name not in known and _is_theirs(made)]:
                    del one._factories[name], one._cards[name]
                    one._broken[name] = why
            self._broken[entry.name] = why
            warnings.warn(
                f"left out the plug-in {entry.name!r} of {package}, entry point {self.group}: {why}",
                LeftOutWarning,
                stacklevel=2,
            )


def _is_theirs(factory: object) -> bool:
    return not is_ours(getattr(factory, "__module__", None))


_REGISTRIES: WeakSet[Registry[Any]] = WeakSet()
"""Every one: a plug-in that fails half-way may have registered in several."""
_IMPORT_SECONDS = 120
"""How long the import of a plug-in may take."""


def _words(of: Any) -> str:
    several = of if isinstance(of, tuple) else (of,)
    return " or ".join(one.__name__ for one in several)


def _checked(value: Scalar, parameter: inspect.Parameter, where: str) -> Scalar:
    """Refuse a value of the wrong type; an integer may stand for a float."""
    wanted = parameter.annotation
    is_default = value == parameter.default and type(value) is type(parameter.default)
    if is_default or wanted not in (int, float, bool, str):
        return value
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise UserError(f"{where} wants {wanted.__name__}, got {value!r}")
    if isinstance(value, int | float) and not 0 <= value < math.inf:
        raise UserError(f"{where} wants a finite number of at least 0, got {value!r}")
    most = MOST_SEED if parameter.name.endswith("seed") else _MOST
    if isinstance(value, int | float) and value > most:
        raise UserError(f"{where} wants at most {most}, got {value:.3g}")
    return value
