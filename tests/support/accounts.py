"""Accounts of this machine with login shells and start-up files of their own, which log in to a real sshd."""

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import NO_USER

ASH = "ash"  # BusyBox under this name


@dataclass(frozen=True)
class Account:
    """What an account is made with: `shell` is a program by name or path, or the text of a script that is one.

    `files` lie in its home, `config` stands in the server's Match block for it.
    """

    shell: str = "sh"
    files: Mapping[str, str] = field(default_factory=dict)
    config: Sequence[str] = ()

    def installed(self, folder: Path) -> Path:
        """The path of its shell, made in `folder` where it is a script; a skipped test where it is not installed."""
        if self.shell.startswith("#!"):
            return _script(folder / "shell", self.shell)
        program = shutil.which("busybox" if self.shell == ASH else self.shell)
        if program is None:
            pytest.skip(f"{self.shell} is not installed (apt-get install tcsh csh fish zsh busybox)")
        if self.shell != ASH:
            return Path(program)
        (folder / ASH).symlink_to(program)
        return folder / ASH


@contextmanager
def made(folder: Path, account: Account) -> Iterator[str]:
    """The name of an account that is on this machine for so long; `folder` is one that everybody may reach.

    Its home is `folder/NAME`. Only root can make one.
    """
    if os.geteuid() != 0 or shutil.which("useradd") is None:
        pytest.skip(NO_USER + "only root makes accounts, with useradd")
    name = f"espalier-{secrets.token_hex(4)}"
    home = folder / name
    home.mkdir()
    shell = account.installed(home)
    for file, text in account.files.items():
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_text(text)
    # A password that nobody can type is no lock, which sshd would refuse.
    subprocess.run(["useradd", "-M", "-N", "-d", str(home), "-s", str(shell), "-p", "*", name], check=True)
    try:
        for path in (home, *home.rglob("*")):
            os.lchown(path, pwd.getpwnam(name).pw_uid, -1)
        yield name
    finally:
        subprocess.run(["userdel", "-f", name], check=True, capture_output=True)


def match(name: str, account: Account) -> list[str]:
    """The lines of a server's configuration for the account."""
    return [f"Match User {name}", *account.config] if account.config else []


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path
