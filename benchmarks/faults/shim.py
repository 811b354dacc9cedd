"""The preloaded library that makes system calls fail: built with gcc, armed in a forked process."""

import ctypes
import errno
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from perceptbench.core.errors import UserError

SOURCE = Path(__file__).with_name("shim.c")


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the n-th call. `code` is an errno, or a signal below 0; `sticky` fails all later calls too.

    `every`: it is tried at every such call; more than 1 where another fault does nearly the same.
    """

    name: str
    code: int
    sticky: bool = False
    every: int = 1

    @property
    def kills(self) -> bool:
        """Whether the process ends there."""
        return self.code < 0


FAULTS = (
    Fault("disk full", errno.ENOSPC, sticky=True),
    Fault("broken disk", errno.EIO),
    Fault("read-only folder", errno.EROFS, sticky=True, every=4),
    Fault("killed", -signal.SIGKILL),
)
NOTHING = Fault("nothing", 0)


def build(folder: Path) -> Path:
    """Compile the library into a folder. Raises UserError without gcc, and where it does not compile."""
    if shutil.which("gcc") is None:
        raise UserError("expected gcc to build the library that makes calls fail, found none; install gcc")
    made = folder / "fault_shim.so"
    words = ("gcc", "-shared", "-fPIC", "-O1", "-w", "-o", str(made), str(SOURCE), "-ldl")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{SOURCE.name} does not compile: {done.stderr.strip()[:300]}")
    return made


def preloaded() -> bool:
    """Whether this process was started with the library."""
    return hasattr(ctypes.CDLL(None), "fault_arm")


def environment(library: Path) -> dict[str, str]:
    """That of a process with the library in it."""
    return {**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}


def arm(folder: Path, n: int, fault: Fault) -> None:
    """From now on calls below the folder are counted, and the n-th fails."""
    ctypes.CDLL(None).fault_arm(os.fsencode(folder.resolve()), ctypes.c_long(n), fault.code, int(fault.sticky))


def counted() -> int:
    """Calls since it was armed."""
    count = ctypes.CDLL(None).fault_count
    count.restype = ctypes.c_long
    return int(count())
