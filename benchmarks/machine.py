"""Where it was measured: facts that a table of times is worthless without."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch


def facts() -> dict[str, str | int]:
    """Processor, cores, threads, versions and date; the graphics card where there is one."""
    found: dict[str, str | int] = {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "memory_gib": round(_memory() / 2**30),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": version("timm"),
        "pyautoattack": version("pyautoattack"),
        "load": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "date": datetime.now(UTC).date().isoformat(),
    }
    if torch.cuda.is_available():
        found |= {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
    return found


def slug(known: dict[str, str | int]) -> str:
    """The machine as a file name: processor and cores, or the graphics card."""
    text = str(known.get("gpu") or f"{known['cpu']} {known['cores']} cores")
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("(r)", "").replace("(tm)", "")).strip("-")


def wait() -> None:
    """Until the device has done what it was told: a clock read earlier measures the telling."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _cpu() -> str:
    """The model as Linux names it, with its number where the name alone says little (virtual machines)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    known: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        known.setdefault(key.strip(), value.strip())
    name = known.get("model name", platform.machine())
    return f"{name}, family {known['cpu family']} model {known['model']}" if "cpu family" in known else name


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
