"""A plug-in for pytest: the run fails where one file was imported under two names.

Such a file has two registries, two versions of each class, and an `isinstance` that fails for no visible reason.
Installed packages are not looked at: statsmodels does it to itself, and torch has several modules in one file. Each
process of pytest-xdist looks at its own modules, and the first process reports what they found.
"""

import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_FOUND: list[str] = []
_INSTALLED = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}


def twice(modules: Mapping[str, ModuleType]) -> list[str]:
    """One sentence for each file, links resolved, from which two different modules were made."""
    names: dict[Path, dict[int, str]] = {}
    for name, module in modules.items():
        file = Path(getattr(module, "__file__", None) or ".").resolve()
        if file.suffix == ".py" and not _INSTALLED & set(file.parents):
            names.setdefault(file, {}).setdefault(id(module), name)
    return [
        f"expected one module a file, got {' and '.join(sorted(found.values()))} from {file}; import it under one name"
        for file, found in names.items()
        if len(found) > 1
    ]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run, or hand what was found to the process that started this one."""
    found = twice(dict(sys.modules))
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["twice"] = found
        return
    _FOUND.extend(one for one in found if one not in _FOUND)
    if _FOUND:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what another process found. pytest-xdist calls this before the first process finishes."""
    _FOUND.extend(one for one in getattr(node, "workeroutput", {}).get("twice", []) if one not in _FOUND)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was found."""
    for one in _FOUND:
        terminalreporter.write_line(f"ERROR {one}", red=True)
