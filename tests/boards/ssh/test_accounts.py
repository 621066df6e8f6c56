"""Real accounts of every login shell, and of those that print, wait, leave or let nobody in: it works, or says why."""

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.boards.agent import session
from engine.boards.registry import parse
from engine.boards.ssh import connection as ssh
from engine.boards.ssh import limits
from engine.errors import WorkError
from tests.support import accounts
from tests.support.accounts import Account
from tests.support.hostile import common_ground
from tests.support.sshd import Sshd

pytestmark = pytest.mark.xdist_group("ssh-accounts")

SHELLS = ["sh", "dash", accounts.ASH, "bash", "rbash", "zsh", "fish", "tcsh", "bsd-csh"]
WORDS = [
    "'",
    '"',
    "\\",
    "\\\\'",
    "!!",
    "a!b",
    "x\nrm -rf ~",
    "\r",
    "$HOME",
    "`id`",
    "*",
    "~",
    "",
    "ünï☃",
    "{a,b}",
    "-n",
]

Login = Callable[..., ssh.Connection]


@pytest.fixture
def ground() -> Iterator[Path]:
    with common_ground() as folder:
        yield folder


@pytest.fixture
def login(ground: Path, key: Path, home: Path, results: Path, trusted: Callable[[Sshd], None]) -> Iterator[Login]:
    """Makes an account and logs in to it; `server` is then the sshd, and `at` the account's home."""
    with ExitStack() as stack:

        def log_in(account: Account, *config: str) -> ssh.Connection:
            name = stack.enter_context(accounts.made(ground, account))
            lines = [*config, *accounts.match(name, account)]
            server = stack.enter_context(Sshd(ground / "sshd", config=lines, real_homes=True))
            server.authorize(key.with_suffix(".pub"))
            trusted(server)
            (home / ".ssh" / "id_ed25519").write_bytes(key.read_bytes())
            (home / ".ssh" / "id_ed25519").chmod(0o600)
            return stack.enter_context(ssh.connect(parse("tx2", f"{name}@127.0.0.1:{server.port}"), results))

        yield log_in


def works(board: ssh.Connection, *, exactly: bool = True) -> None:
    """Words arrive as they are, files too, the agent answers, and what is stopped has ended.

    Unless `exactly`, the shell prints more when a command has ended.
    """
    answer = board.run(["printf", "%s|", *WORDS], limit=120)
    expected = "".join(f"{word}|" for word in WORDS)
    assert answer.status == 0
    assert answer.out.startswith(expected)
    assert not exactly or (answer.out, answer.err) == (expected, "")
    fed = board.run(["sh", "-c", "cat; echo bad >&2; exit 3"], limit=120, stdin=b"in\n")
    assert (fed.status, fed.out[:3]) == (3, "in\n")
    content = bytes(range(256)) * 500
    assert board.upload(content, "models/m.onnx", sha256=hashlib.sha256(content).hexdigest())
    assert not board.upload(content, "models/m.onnx", sha256=hashlib.sha256(content).hexdigest())
    begun = f"{board.folder}/begun"
    with pytest.raises(ssh.Stopped, match=r"was stopped on tx2$"):
        board.run(["sh", "-c", 'echo $$ >"$0"; exec sleep 301', begun], limit=600, stop=Path(begun).exists)
    assert board.run(["sh", "-c", 'kill -0 "$(cat "$0")"', begun], limit=120).status != 0


@pytest.mark.parametrize("shell", SHELLS)
def test_an_account_with_any_login_shell_works(login: Login, shell: str) -> None:
    works(login(Account(shell)))


TALK = "echo Welcome to the lab; printf 'no newline' >&2; printf 'nor here'"
NOISY = {
    "bash": Account("bash", {".bashrc": f"{TALK}; set -xv\n"}),
    "zsh": Account("zsh", {".zshenv": f"{TALK}\nsetopt rc_quotes verbose\n"}),
    "fish": Account("fish", {".config/fish/config.fish": f"{TALK}\n"}),
    "tcsh": Account("tcsh", {".tcshrc": "echo Welcome\nset echo verbose backslash_quote\n"}),
    "one that becomes another": Account('#!/bin/sh\necho going on; exec fish "$@"\n'),
    "one that takes its time": Account('#!/bin/sh\nsleep 0.2\nexec /bin/sh "$@"\n'),
    "a forced command": Account("bash", config=['ForceCommand echo Welcome; eval "$SSH_ORIGINAL_COMMAND"']),
}


@pytest.mark.parametrize("account", NOISY.values(), ids=NOISY.keys())
def test_what_a_login_shell_prints_or_becomes_is_no_hindrance(login: Login, account: Account) -> None:
    works(login(account))


@pytest.mark.parametrize("joined", ["", " 2>&1"], ids=["apart", "joined streams"])
def test_what_a_login_shell_prints_afterwards_is_no_hindrance(login: Login, joined: str) -> None:
    script = f'#!/bin/sh\n{TALK}\n/bin/sh "$@"{joined}\nstatus=$?\necho bye; echo bye >&2\nexit $status\n'
    board = login(Account(script))
    works(board, exactly=False)
    assert session.install(board).probe().machine


REFUSING = {
    "nologin": (Account("nologin"), "This account is currently not available"),
    "false": (Account("false"), "printed nothing and ended with status 1"),
    "true": (Account("true"), "printed nothing and ended with status 0"),
    "one that leaves early": (Account("bash", {".bashrc": "echo see you; exit 0\n"}), "printed: see you .* status 0"),
    "a forced command": (Account("sh", config=["ForceCommand echo only backups here >&2"]), "only backups here"),
    "a restriction to SFTP": (
        Account("sh", config=["ForceCommand internal-sftp"]),
        "printed: This service allows sftp connections only",
    ),
    "one that waits": (Account('#!/bin/sh\nprintf "Your name: "\nread name\nexec sh "$@"\n'), "Your name: .*busy"),
    "one that becomes a shell without the command": (Account("#!/bin/sh\necho hi; exec bash\n"), "printed: hi .*busy"),
    "one that is no program": (Account("#!/nowhere/shell\n"), "not run the command"),
}


@pytest.mark.parametrize(("account", "said"), REFUSING.values(), ids=REFUSING.keys())
def test_a_login_shell_that_runs_no_command_is_told_with_what_it_printed(
    login: Login, monkeypatch: pytest.MonkeyPatch, account: Account, said: str
) -> None:
    assert limits.START_S + limits.CONFIRM_S < 20  # seconds, after which a person knows
    monkeypatch.setattr(limits, "START_S", 1.0)
    board = login(account)
    for attempt in (
        lambda: board.run(["cat"], limit=120, stdin=b"data"),
        lambda: board.start(["cat"], limit=120).readline(60),
        lambda: board.upload(b"x", "models/m", sha256=hashlib.sha256(b"x").hexdigest()),
    ):
        with pytest.raises(ssh.ShellRefusal, match="the login shell of the account did not run the command") as refusal:
            attempt()
        assert re.search(said, str(refusal.value))


def test_a_login_shell_that_hands_no_input_on_is_told_where_a_file_does_not_arrive(login: Login) -> None:
    board = login(Account('#!/bin/sh\nexec /bin/sh "$@" </dev/null\n'))
    with pytest.raises(WorkError, match=r"tx2 did not take m\.onnx: only 0 of its 5 bytes arrived"):
        board.upload(b"bytes", "models/m.onnx", sha256=hashlib.sha256(b"bytes").hexdigest())
    assert board.run(["ls", f"{board.folder}/models"], limit=120).out == ""


# -- one session at a time


@pytest.mark.parametrize("config", [["MaxSessions 1"], ["MaxSessions 2"]])
def test_an_account_of_few_sessions_is_talked_to_on_several_connections(login: Login, config: list[str]) -> None:
    board = login(Account(config=config))
    with board.start(["cat"], limit=600) as first, board.start(["cat"], limit=600) as second:
        works(board)
        for remote in (first, second):
            remote.write(b"still there\n")
            assert remote.readline(60) == "still there\n"
    assert (first.status, second.status) == (0, 0)


def test_a_board_of_few_sessions_is_left_by_all_connections(login: Login) -> None:
    board = login(Account(config=["MaxSessions 1"]))
    with board.start(["cat"], limit=600):
        assert board.run(["true"], limit=120).status == 0
    before = threading.active_count()
    board.close()
    end = time.monotonic() + 60
    while threading.active_count() > before - 2 and time.monotonic() < end:
        time.sleep(0.02)
    assert threading.active_count() <= before - 2  # a connection has one at least, and there were two
    with pytest.raises(ssh.ConnectionCut, match="is closed"):
        board.run(["true"], limit=120)


def test_an_account_of_no_session_says_so(login: Login) -> None:
    board = login(Account(config=["MaxSessions 0"]))
    with pytest.raises(WorkError, match=r"opens no session for a command.*MaxSessions"):
        board.run(["true"], limit=120)


# -- programs that are not there


def path_of(folder: Path, *programs: str, **scripts: str) -> str:
    """A configuration of sshd for a board with only these programs on its PATH, and some scripts."""
    folder.mkdir()
    for program in programs:
        (folder / program).symlink_to(str(shutil.which(program)))
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return f"SetEnv PATH={folder}"


BASICS = ("sh", "cat", "mkdir", "chmod", "stat", "sha256sum", "cut", "touch", "wc", "mv", "rm", "tail", "dirname")


def test_a_board_without_timeout_says_so(login: Login, ground: Path) -> None:
    board = login(Account(), path_of(ground / "bin", *BASICS))
    for attempt in (lambda: board.run(["true"], limit=120), lambda: board.folder):
        with pytest.raises(WorkError, match=r"tx2 has no command `timeout`, .*; install coreutils"):
            attempt()


OLD_TIMEOUTS = {
    "BusyBox 1.27": "timeout: invalid option -- 'k'\nBusyBox v1.27.2 multi-call binary.\n\nUsage: timeout [-t SECS]\n",
    "another": "timeout: Unknown option 'k' (see \"timeout --help\")\n",
}


@pytest.mark.parametrize("text", OLD_TIMEOUTS.values(), ids=OLD_TIMEOUTS.keys())
def test_a_timeout_that_cannot_kill_is_told(login: Login, ground: Path, text: str) -> None:
    script = f"#!/bin/sh\ncat >&2 <<'END'\n{text}END\nexit 1\n"
    board = login(Account(), path_of(ground / "bin", *BASICS, timeout=script))
    with pytest.raises(WorkError, match="`timeout` of tx2 knows no -k"):
        board.run(["true"], limit=120)


def test_a_board_of_busybox_alone_works(login: Login, ground: Path) -> None:
    config = path_of(ground / "bin")
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed (apt-get install busybox)")
    for program in (*BASICS, "timeout", "printf", "grep", "sed", "sleep", "kill"):
        (ground / "bin" / program).symlink_to(busybox)
    works(login(Account(accounts.ASH), config))


PYTHONS = {
    "none": ({}, "tx2 has no Python that starts; Python 3.6 or later is needed there"),
    "2.7 only": (
        {"python": "#!/bin/sh\necho Python 2.7.17 >&2\n"},
        "tx2 has no python3 that starts, only Python 2.7.17 under the name python; Python 3.6 or later",
    ),
    "2.7 under both names": (
        dict.fromkeys(("python", "python3"), '#!/bin/sh\n[ "$1" = -V ] && echo Python 2.7.17 >&2\n'),
        "the python3 of tx2 is Python 2.7.17; Python 3.6 or later",
    ),
    "3.5": (
        {"python3": '#!/bin/sh\n[ "$1" = -V ] && echo Python 3.5.2 && exit\necho "SyntaxError: bad" >&2; exit 1\n'},
        "the python3 of tx2 is Python 3.5.2; Python 3.6 or later",
    ),
    "one that cannot start": (
        {"python3": "#!/bin/sh\necho 'pyenv: python3: command not found' >&2; exit 127\n"},
        "tx2 has no Python that starts",
    ),
}


@pytest.mark.parametrize(("pythons", "sentence"), PYTHONS.values(), ids=PYTHONS.keys())
def test_a_board_without_our_python_is_told_in_one_sentence(
    login: Login, ground: Path, pythons: dict[str, str], sentence: str
) -> None:
    agent = session.install(login(Account(), path_of(ground / "bin", *BASICS, "timeout", **pythons)))
    with pytest.raises(WorkError) as refusal:
        agent.probe()
    assert str(refusal.value).startswith(sentence)
    with (
        pytest.raises(WorkError) as refusal,
        agent.hold("me", on_wait=lambda holder: None, on_restore_failure=lambda why: None),
    ):
        raise AssertionError("held")
    assert str(refusal.value).startswith(sentence)
