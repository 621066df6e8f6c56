"""Generated files mean what the OpenSSH client of this machine says with `ssh -G`."""

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.boards.registry import Address
from engine.boards.ssh_config.lookup import look_up
from engine.boards.ssh_config.tokens import local_user
from engine.errors import WorkError

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed (apt-get install ssh)")

HOSTS = ("lab", "lab-7", "gate", "tx2.example.org", "10.0.0.7", "127.1", "Lab")
USERS = ("nvidia", "me", "root")
PATTERNS = ("*", "lab", "lab-*", "lab-?", "gate", "*.example.org", "10.0.0.*", "127.*", "!gate", "!lab-7", "127.0.0.1")
VALUES = {
    "HostName": ("10.0.0.2", "%h.example.org", "gate", "100%%", "LAB-7", "127.1", "lab", "::0001"),
    "User": ("nvidia", "me", "Root"),
    "Port": ("22", "2222", "1"),
    "IdentityFile": (
        *("~/.ssh/id_%h", '"~/a key"', "/keys/%n-%r@%h:%p", "/keys/%i/%u", "/keys/%L.%l", "%d/%%k/%k"),
        *("${KEY_FOLDER}/id", "none", "'/keys/with quotes'", "/keys/back\\ slash", "relative/key"),
    ),
    "IdentitiesOnly": ("yes", "no", "true"),
    "IdentityAgent": ("none", "~/agent-%h", "SSH_AUTH_SOCK", "${KEY_FOLDER}/%n"),
    "ProxyJump": ("gate", "me@gate:2222", "a,b", "ssh://me@gate:22", "ssh://gate", "none", "a,ssh://b:7", "[::1]:22"),
    "ProxyCommand": ("none",),
    "HostKeyAlias": ("tx2", "Alias", "board-1"),
    "UserKnownHostsFile": ("~/.ssh/known-%h", '"/a b/known" /c/%k', "none", "${KEY_FOLDER}/%n"),
    "GlobalKnownHostsFile": ("/etc/known", "none", "~/all /b"),
    "CanonicalizeHostname": ("yes", "no", "always"),
    "CanonicalizeMaxDots": ("0",),
    "UpdateHostKeys": ("yes", "ask"),
    "StrictHostKeyChecking": ("no", "accept-new"),
    "ServerAliveInterval": ("30",),
    "SetEnv": ('A=1 "B=2 3"',),
    "LocalForward": ("8000 localhost:8000",),
}
CRITERIA = ("host", "originalhost", "user", "localuser")


def option() -> st.SearchStrategy[str]:
    """One line: a keyword in any case, blanks or = between, perhaps a comment behind."""
    line = st.sampled_from(sorted(VALUES)).flatmap(lambda key: st.tuples(st.just(key), st.sampled_from(VALUES[key])))
    return st.builds(
        lambda pair, case, between, margin: f"{margin}{case(pair[0])}{between}{pair[1]}",
        line,
        st.sampled_from([str, str.lower, str.upper]),
        st.sampled_from([" ", "=", " = ", "\t", "  "]),
        st.sampled_from(["", "  ", "\t"]),
    )


def criterion() -> st.SearchStrategy[str]:
    names = (*HOSTS, *USERS, *PATTERNS, local_user(), "lab,gate", "*,!gate", "l*,!lab")
    valued = st.tuples(st.sampled_from(["", "!"]), st.sampled_from(CRITERIA), st.sampled_from(names))
    plain = st.sampled_from(["final", "!final", "canonical", "!canonical", 'exec "test %h = lab"', 'exec "false"'])
    return st.one_of(valued.map(lambda parts: "{}{} {}".format(*parts)), plain)


def heading() -> st.SearchStrategy[str]:
    patterns = st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3).map(" ".join)
    criteria = st.lists(criterion(), min_size=1, max_size=2).map(" ".join)
    return st.one_of(patterns.map("Host {}".format), criteria.map("Match {}".format), st.just("Match all"))


def block() -> st.SearchStrategy[str]:
    return st.tuples(heading(), st.lists(option(), max_size=4)).map(lambda parts: "\n".join([parts[0], *parts[1]]))


def text() -> st.SearchStrategy[str]:
    first = st.lists(option(), max_size=2).map("\n".join)
    lines = st.lists(st.one_of(block(), st.sampled_from(["# note", "", "Include INCLUDED"])), max_size=5)
    ends = st.sampled_from(["\n", "\r\n", " \n"])
    return st.builds(lambda before, rest, end: "\n".join([before, *rest, ""]).replace("\n", end), first, lines, ends)


def openssh(config: Path, asked: Address, *more: str) -> dict[str, list[str]]:
    """What ssh -G prints: keyword → its values; nothing for a host that would be reached through itself."""
    given = [*(["-l", asked.user] if asked.user else []), *(["-p", str(asked.port)] if asked.port else [])]
    command = ["ssh", "-G", "-F", str(config), *given, *more, asked.host]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.stderr.startswith("jumphost loop"):
        return {}
    assert done.returncode == 0, (done.stderr, config.read_text())
    printed: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        printed.setdefault(keyword, []).append(value)
    return printed


def jumps(printed: str) -> list[tuple[str | None, str, int | None]]:
    """The jump hosts of ssh -G as user, host and port."""
    found = []
    for part in [] if printed == "none" else printed.split(","):
        match = re.fullmatch(r"(?:ssh://)?(?:(.+)@)?(?:\[(.+)\]|([^:\[]+))(?::(\d+))?/?", part)
        assert match, printed
        user, bracketed, plain, port = match.groups()
        found.append((user, bracketed or plain, int(port) if port else None))
    return found


@pytest.fixture(scope="module")
def default_keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    empty = tmp_path_factory.mktemp("empty") / "config"
    empty.touch()
    return openssh(empty, Address("lab"))["identityfile"]


def compare(config: Path, asked: Address, default_keys: list[str]) -> None:
    theirs = openssh(config, asked)
    if not theirs:
        with pytest.raises(WorkError, match="through itself"):
            look_up(asked)
        return
    ours = look_up(asked)
    assert (ours.host, ours.user, str(ours.port)) == (*theirs["hostname"], *theirs["user"], *theirs["port"])
    assert [(a.user, a.host, a.port) for a in ours.jumps] == jumps(theirs.get("proxyjump", ["none"])[0])
    assert ours.identities_only == (theirs["identitiesonly"] == ["yes"])
    assert ours.alias == theirs.get("hostkeyalias", [None])[0]
    for keyword, files in (("user", ours.users_known_hosts), ("global", ours.global_known_hosts)):
        wanted = theirs.get(f"{keyword}knownhostsfile", ["none"])[0]
        assert " ".join(map(as_ssh_has_it, files)) == ("" if wanted == "none" else expand_home(wanted))
    agent = theirs.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    assert as_ssh_has_it(ours.agent) == {"none": "None", "SSH_AUTH_SOCK": "/run/agent"}.get(agent, str(Path(agent)))
    named = theirs["identityfile"]
    if named == default_keys:
        assert not ours.names_identities
        return
    # ssh -G leaves the tokens of a key file as they are, and replaces those of the agent's socket, which are the same.
    whole = [openssh(config, asked, "-o", f'IdentityAgent="{name}"')["identityagent"][0] for name in named]
    assert [as_ssh_has_it(file) for file in ours.identities] == [name for name in whole if name != "none"]


def as_ssh_has_it(path: Path | None) -> str:
    """A path below the home of this user as the system knows it, which is what ssh goes by; we go by HOME."""
    return str(path).replace(os.environ["HOME"], pwd.getpwuid(os.getuid()).pw_dir)


def expand_home(names: str) -> str:
    return names.replace("~", pwd.getpwuid(os.getuid()).pw_dir)


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    text=text(),
    included=text().filter(lambda lines: "INCLUDED" not in lines),
    host=st.sampled_from(HOSTS),
    user=st.sampled_from([None, None, "me"]),
    port=st.sampled_from([None, None, 4022]),
)
def test_a_generated_file_means_the_same_to_us_as_to_ssh(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    default_keys: list[str],
    text: str,
    included: str,
    host: str,
    user: str | None,
    port: int | None,
) -> None:
    ours = tmp_path / "home" / ".ssh" / "config"
    other = tmp_path / "an included file"
    ours.write_text(text.replace("INCLUDED", f'"{other}"'))
    other.write_text(included)
    monkeypatch.setenv("KEY_FOLDER", "/some/folder")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    compare(ours, Address(host, user, port), default_keys)
