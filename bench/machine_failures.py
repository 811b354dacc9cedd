"""What the machine refuses - a full disk, a file without rights, too little memory - as one sentence with advice."""

import errno
import os

_ADVICE = {
    errno.ENOSPC: "free some space, or choose another place; what was there before is whole",
    errno.EDQUOT: "free some space, or choose another place; what was there before is whole",
    errno.EFBIG: "choose another place; what was there before is whole",
    errno.EIO: "the disk or the network behind it fails: choose another place",
    errno.EROFS: "choose a place that can be written to",
    errno.EACCES: "choose another place, or change who may read and write it",
    errno.EPERM: "choose another place, or change who may read and write it",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENFILE: "close other programs: the machine has too many files open",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path: a part of it is a file",
    errno.EISDIR: "check the path: it is a folder",
    errno.EEXIST: "check the path: there is a file of this name",
    errno.ELOOP: "check the path: its links lead in a circle",
    errno.ENAMETOOLONG: "choose a shorter path",
}
_MEMORY = "close other programs, or give a smaller --batch-size; whatever was finished is kept"
_SHORT = ("allocate memory", "out of memory", "failed to map segment", "not enough memory", "std::bad_alloc")
"""How torch, the loader of libraries and C++ say that memory is short."""


_NOBODYS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def is_of_the_machine(error: BaseException) -> bool:
    """Whether the machine failed, in whoever's code: a full disk, too many open files, too little memory."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _NOBODYS)


def refusal(error: Exception) -> str:
    """What the machine refused, where, and what to do; "" for an error that is not of the machine."""
    words = str(error).partition("\n")[0]
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        words = str(error.strerror)
    if isinstance(error, MemoryError) or any(word in words for word in _SHORT):
        return f"there is too little memory ({words or type(error).__name__}): {_MEMORY}"
    if not isinstance(error, OSError):
        return ""
    file = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "the output"
    shown = file if len(file) < 400 else f"{file[:400]}..."
    advice = _ADVICE.get(error.errno or 0)
    return f"{shown}: {error.strerror or words}" + (f"; {advice}" if advice else "")
