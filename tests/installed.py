"""A package of plug-ins as its users have it: installed in a folder of its own, and run in processes of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


class Installed:
    """A plug-in in a folder of its own, found through PYTHONPATH."""

    def __init__(self, plugin: Path, folder: Path) -> None:
        self.source = folder / "source"
        self.site = folder / "site"
        shutil.copytree(plugin, self.source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        pip = ("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--no-compile")
        self.python("-m", *pip, "--disable-pip-version-check", "--target", self.site, self.source)

    def process(self, *words: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """A process that finds the plug-in, at its end."""
        path = os.pathsep.join(filter(None, (str(self.site), os.environ.get("PYTHONPATH"))))
        command = [sys.executable, *map(str, words)]
        env = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        cwd = cwd or (self.source if self.site.exists() else None)
        return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)

    def python(self, *words: object) -> str:
        """What a process prints that finds the plug-in. Fails where it fails."""
        done = self.process(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def bench(self, *words: object) -> str:
        """`bench WORDS`."""
        return self.python("-m", "perceptbench", *words)
