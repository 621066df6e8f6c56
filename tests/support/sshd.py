"""A real sshd on loopback with its own keys, port and config; nothing of the machine's own SSH is read or written.

As root it serves root, and users made for a test; as anybody else only that user, by key. Needs /usr/sbin/sshd.
"""

import base64
import getpass
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

SSHD = Path("/usr/sbin/sshd")


class Sshd:
    """One server. `environment` is set in its sessions; by default their home and cache lie in `folder`.

    With `real_homes` each account has its own, and everybody may read who is let in. `config` may end in Match blocks.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        password: bool = False,
        config: Sequence[str] = (),
        real_homes: bool = False,
    ) -> None:
        if not SSHD.exists():
            pytest.skip(f"{SSHD} is not installed (apt-get install openssh-server)")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        places = {} if real_homes else {"HOME": str(self.home), "XDG_CACHE_HOME": str(folder / "cache")}
        self.environment = {**places, **(environment or {})}
        self.password = password
        self.config = list(config)
        self.user = getpass.getuser()
        self.port = 0
        self._authorized = folder / "authorized_keys"
        self._authorized.touch(mode=0o644 if real_homes else 0o600)
        self._process: subprocess.Popen[bytes] | None = None

    # -- what a client needs

    @property
    def target(self) -> str:
        return f"{self.user}@127.0.0.1:{self.port}"

    @property
    def cache(self) -> Path:
        """Where the board's cache folder will be."""
        return Path(self.environment["XDG_CACHE_HOME"]) / "espalier"

    @property
    def public_key(self) -> tuple[str, str]:
        """The host key: its type and base64."""
        kind, blob = (self.folder / "host_key.pub").read_text().split()[:2]
        return kind, blob

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(base64.b64decode(self.public_key[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def known_hosts_line(self) -> str:
        return f"[127.0.0.1]:{self.port} {' '.join(self.public_key)}\n"

    def authorize(self, public: Path) -> None:
        """Lets in whoever has the private half of this public key."""
        with self._authorized.open("a") as file:
            file.write(public.read_text())

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- its life

    def start(self) -> "Sshd":
        """Starts it with the host key it has, or a new one, on the port it had, or a free one."""
        if not (self.folder / "host_key").exists():
            make_key(self.folder / "host_key")
        for _ in range(5):
            self.port = self.port or free_port()
            self._launch()
            if self._is_up():
                return self
            self.stop()
            self.port = 0  # somebody else was faster
        raise AssertionError(f"sshd does not start:\n{self.log()}")

    def stop(self) -> None:
        """Ends it, every connection, and what still runs in those."""
        if self._process is None:
            return
        family = [*_family(self._process.pid), psutil.Process(self._process.pid)]
        for process in family:
            _signal(process, signal.SIGKILL)
        self._process.wait(60)
        end = time.monotonic() + 60
        while time.monotonic() < end and any(map(alive, family)):
            time.sleep(0.01)
        self._process = None

    def restart(self, *, new_key: bool = False) -> None:
        """On the same port, with another host key if asked."""
        self.stop()
        if new_key:
            for name in ("host_key", "host_key.pub"):
                (self.folder / name).unlink()
        self.start()

    def __enter__(self) -> "Sshd":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- faults

    def signal_sessions(self, number: int) -> int:
        """Signals the sshd processes that serve connections, not the commands in them; how many there were."""
        assert self._process is not None
        sessions = [child for child in _family(self._process.pid) if alive(child) and _is_sshd(child)]
        for session in sessions:
            _signal(session, number)
        return len(sessions)

    def commands(self) -> list[psutil.Process]:
        """What runs in its sessions now, sshd's own processes aside."""
        assert self._process is not None
        return [child for child in _family(self._process.pid) if alive(child) and not _is_sshd(child)]

    def _launch(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        setenv = " ".join(f'{name}="{value}"' for name, value in self.environment.items())
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host_key'}",
            f"PidFile {self.folder / 'pid'}",
            f"AuthorizedKeysFile {self._authorized}",
            f"PasswordAuthentication {'yes' if self.password else 'no'}",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "UsePAM no",
            "StrictModes no",
            "UseDNS no",
            "PrintMotd no",
            "MaxStartups 100",
            "LogLevel VERBOSE",
            "" if any(line.startswith("Subsystem") for line in self.config) else "Subsystem sftp internal-sftp",
            f"SetEnv {setenv}" if setenv else "",
            *self.config,
        ]
        path = self.folder / "sshd_config"
        path.write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(SSHD), "-D", "-e", "-f", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _is_up(self, seconds: float = 60.0) -> bool:
        assert self._process is not None
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
                    if sock.recv(4) == b"SSH-":
                        return True
            except OSError:
                time.sleep(0.02)
        return False


def make_key(path: Path, passphrase: str = "", kind: str = "ed25519") -> Path:
    """A new private key at `path`, its public half beside it."""
    size = ["-b", "2048"] if kind == "rsa" else []  # larger ones take seconds to make
    command = ["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def agent(folder: Path, *keys: Path) -> Iterator[Path]:
    """A real ssh-agent that holds `keys`; its socket."""
    path = folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < end, "ssh-agent does not start"
            time.sleep(0.01)
        for key in keys:
            environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environment, stdin=subprocess.DEVNULL)
        yield path
    finally:
        process.kill()
        process.wait(60)


@contextmanager
def temporary_user(folder: Path) -> Iterator[tuple[str, str]]:
    """A user of this machine with a password, both random, removed at the end; only root can make one."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a user with a password that sshd can check")
    if shutil.which("useradd") is None:
        pytest.skip("useradd is not installed (apt-get install passwd)")
    name, password = f"espalier-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
    folder.mkdir(parents=True, exist_ok=True)
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password.encode(), capture_output=True, check=True
    ).stdout.decode()
    subprocess.run(["useradd", "-M", "-N", "-d", str(folder), "-s", "/bin/sh", "-p", hashed.strip(), name], check=True)
    try:
        yield name, password
    finally:
        subprocess.run(["userdel", "-f", name], check=True, capture_output=True)


def alive(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and was not yet asked how does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _family(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _is_sshd(process: psutil.Process) -> bool:
    try:
        return bool(process.name().startswith("sshd"))
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return  # it ended in between
