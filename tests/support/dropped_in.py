"""The program with files added to it, as a user adds them: a copy of the checkout, run as processes of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.places import ROOT

QUICK = ("--model", "resnet20", "--limit", "48", "--train-epochs", "0", "--recover-epochs", "0", "--keep", "0.6")


@dataclass(frozen=True)
class Checkout:
    """A copy of the program in a folder of the test."""

    root: Path

    def espalier(self, *arguments: str) -> Any:
        """What a command answers as JSON, once it has succeeded."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        results = ("--results", str(self.root / "results"))
        return self._python("-m", "timing" if arguments[0] == "run" else "engine", *arguments, *results)

    def evaluate(self, code: str) -> Any:
        """The JSON that a Python program prints."""
        done = self._python("-c", code)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def change(self, file: str, before: str, after: str) -> None:
        """Puts something else in the place of what stands once in one of its files."""
        path = self.root / file
        text = path.read_text()
        assert text.count(before) == 1, file
        path.write_text(text.replace(before, after))

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
        )


def checkout(root: Path, files: Mapping[str, str]) -> Checkout:
    """A copy in `root` with some files more; nothing that is there is changed. Runs there are timed in no time."""
    for package in ("app", "engine"):
        # With the bytecode, which is that of the copies, too; but for what another process is just writing.
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copy(ROOT / "tests" / "support" / "timing.py", root)
    for path, text in files.items():
        assert not (root / path).exists()
        (root / path).write_text(text)
    return Checkout(root)
