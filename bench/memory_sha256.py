"""The SHA-256 of a thing that exists in this process alone, so that a stored answer is never served for another one.

It covers the code and all that the thing holds: attributes, tensors, closures, the globals that its functions name.
Code of `__main__` (a notebook, a script) is taken from its byte code, so that unrelated cells and lines do not matter;
code of any other module from the file, with the files beside it that it imports.
"""

import builtins
import hashlib
import secrets
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from perceptbench.bench.fingerprints import sources

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_INSTALLED = tuple(Path(place).resolve() for place in (torch.__file__, hashlib.__file__))
"""A file of an installed package, and one of Python itself."""


def memory_sha256(thing: object) -> str:
    """64 hex digits; random ones where something cannot be read, so that nothing stored is taken for the answer."""
    walk = _Walk()
    try:
        walk(thing)
    except Exception:  # whatever the attributes of a user's object raise
        return secrets.token_hex(32)
    return walk.digest.hexdigest()


class _Walk:
    """Everything that can be reached from a thing, once."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self._numbers: dict[int, int] = {}
        self._alive: list[object] = []
        """What was seen stays alive, or another object could get its number."""

    def __call__(self, thing: Any) -> None:
        if isinstance(thing, _PLAIN):
            return self._note(type(thing).__name__, repr(thing))
        if id(thing) in self._numbers:
            return self._note("again", self._numbers[id(thing)])
        self._numbers[id(thing)] = len(self._numbers)
        self._alive.append(thing)
        read = next((read for kinds, read in self._readers() if isinstance(thing, kinds)), self._object)
        self._note(type(thing).__name__)
        return read(thing)

    def _readers(self) -> Iterable[tuple[Any, Callable[[Any], None]]]:
        return (
            (Tensor, self._tensor), (np.ndarray, self._array), (dict, lambda one: self._all(*one.items())),
            ((list, tuple), lambda one: self._all(len(one), *one)), ((set, frozenset), self._set),
            (partial, lambda one: self._all(one.func, one.args, one.keywords)),
            (MethodType, lambda one: self._all(one.__func__, one.__self__)),
            (FunctionType, self._function), (CodeType, self._code), (type, self._class), (ModuleType, self._module),
        )  # fmt: skip

    def _note(self, *words: object) -> None:
        self.digest.update("\0".join(map(str, words)).encode() + b"\n")

    def _all(self, *things: Any) -> None:
        for thing in things:
            self(thing)

    def _set(self, one: Any) -> None:
        self._note(*sorted(memory_sha256(item) for item in one))

    def _tensor(self, one: Tensor) -> None:
        self._note(one.dtype, *one.shape)
        self.digest.update(one.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())

    def _array(self, one: np.ndarray) -> None:
        self._note(one.dtype, *one.shape)
        self._all(one.tolist()) if one.dtype.hasobject else self.digest.update(one.tobytes())

    def _function(self, one: FunctionType) -> None:
        self._note(one.__module__, one.__qualname__)
        self._all(one.__defaults__, one.__kwdefaults__, [cell.cell_contents for cell in one.__closure__ or ()])
        if self._by_file(one.__module__):
            return
        self(one.__code__)
        for name in _names(one.__code__):
            if name in one.__globals__:
                self._all(name, one.__globals__[name])
            elif not hasattr(builtins, name):
                self._note("no global", name)

    def _code(self, one: CodeType) -> None:
        self.digest.update(one.co_code)
        self._all(one.co_names, one.co_varnames, one.co_freevars, one.co_consts)

    def _class(self, one: type) -> None:
        self._note(one.__module__, one.__qualname__)
        if one.__module__ != "builtins" and not self._by_file(one.__module__):
            self._all(*one.__bases__)
            for name, value in vars(one).items():
                if name not in ("__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__"):
                    self._all(name, value)

    def _module(self, one: ModuleType) -> None:
        if not self._by_file(one.__name__):
            self._note(one.__name__)

    def _by_file(self, name: str) -> bool:
        """Whether the code of a module is known by its file; it is then noted."""
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if module is None or name == "__main__":
            return False
        self._note(name)
        if file is not None and not _installed(Path(file)):
            for path in sources(module, beside=Path(file).parent):
                self.digest.update(path.read_bytes())
        return True

    def _object(self, one: Any) -> None:
        """Anything else: its class, and what it holds."""
        if isinstance(one, staticmethod | classmethod | property):
            return self._all(*(getattr(one, name, None) for name in ("__func__", "fget", "fset")))
        slots = [name for base in type(one).__mro__ for name in _slots(base)]
        if hasattr(one, "__dict__") or slots:
            self(type(one))
            self._all(*((name, getattr(one, name)) for name in slots if hasattr(one, name)))
            # Whether a module is in training mode makes no difference: it is evaluated.
            return self._all(*(item for item in getattr(one, "__dict__", {}).items() if item[0] != "training"))
        if callable(one) and hasattr(one, "__qualname__"):
            return self._note(getattr(one, "__module__", ""), one.__qualname__)
        return self._note(secrets.token_hex(32))


def _names(code: CodeType) -> list[str]:
    """The names that a function and those inside it use."""
    inner = [name for const in code.co_consts if isinstance(const, CodeType) for name in _names(const)]
    return list(dict.fromkeys((*code.co_names, *inner)))


def _slots(base: type) -> tuple[str, ...]:
    found = vars(base).get("__slots__", ())
    names = (found,) if isinstance(found, str) else tuple(found)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def _installed(file: Path) -> bool:
    """Whether a file belongs to Python or to an installed package, whose version is noted elsewhere."""
    path = file.resolve()
    return any(path.is_relative_to(place) for place in (_INSTALLED[0].parents[1], _INSTALLED[1].parent))
