"""The criteria of a Match line: whether its block speaks of a host. Source: OpenSSH's match_cfg_line (readconf.c)."""

import ipaddress
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from engine.boards.ssh import limits
from engine.boards.ssh_config import patterns
from engine.boards.ssh_config.lines import Line
from engine.boards.ssh_config.tokens import BadToken, expand, local_user
from engine.errors import WorkError
from engine.spec.messages import quote

_SESSION, _COMMAND, _VERSION = "exec", "", "paramiko"  # what we are: commands of our own, none that a file can know


@dataclass(frozen=True)
class Circumstances:
    """What criteria are held against: the host as far as it is known at this line, and how it was asked for.

    `final` says that the files are read a second time, for a host name that is settled.
    """

    host: str
    original: str
    user: str
    tag: str
    final: bool
    tokens: Callable[[], Mapping[str, str]]


@dataclass(frozen=True)
class Verdict:
    """Whether a block speaks of the host, and whether its line asks for a second reading (`Match final`)."""

    matches: bool
    wants_final: bool = False


def judge(line: Line, about: Circumstances) -> Verdict:
    """What a Match line comes to. A criterion that we do not know matches nothing, nor does its negation.

    `exec` runs the command, as ssh does, once every criterion before it has matched. Raises WorkError for a line that
    ssh refuses, and for a command that does not end.
    """
    words = line.words()
    matches, wants_final, count = True, False, 0
    while words:
        word = words.pop(0)
        if word.startswith("#"):
            break
        name, equals, value = word.removeprefix("!").partition("=")
        name, is_negated = name.lower(), word.startswith("!")
        if name == "all":
            if count > 1 or words:
                raise _bad(line, "all stands by itself")
            return Verdict(matches and not is_negated, wants_final)
        count += 1
        if name in ("canonical", "final"):
            wants_final |= name == "final" and not is_negated
            matches &= about.final != is_negated
            continue
        criterion = _CRITERIA.get(name)
        if criterion is None:
            return Verdict(False, wants_final)
        if not equals and not words:
            raise _bad(line, f"{name} needs an argument")
        argument = value if equals else words.pop(0)
        if (not argument and name not in ("tagged", "command")) or argument.startswith("#"):
            raise _bad(line, f"{name} needs an argument")
        if matches or name != "exec":
            matches &= criterion(argument, about, line) != is_negated
    if not count:
        raise _bad(line, "it needs a criterion")
    return Verdict(matches, wants_final)


def _bad(line: Line, why: str) -> WorkError:
    return WorkError(f"{line.place} is no Match line that ssh takes: {why}; correct it")


def _is_host(argument: str, about: Circumstances, line: Line) -> bool:
    return patterns.list_matches(argument.lower(), about.host.lower())


def _is_original_host(argument: str, about: Circumstances, line: Line) -> bool:
    return patterns.list_matches(argument.lower(), about.original.lower())


def _is_user(argument: str, about: Circumstances, line: Line) -> bool:
    return patterns.list_matches(argument, about.user)


def _is_local_user(argument: str, about: Circumstances, line: Line) -> bool:
    return patterns.list_matches(argument, local_user())


def _is_tag(argument: str, about: Circumstances, line: Line) -> bool:
    return _is_text(argument, about.tag)


def _is_command(argument: str, about: Circumstances, line: Line) -> bool:
    return _is_text(argument, _COMMAND)


def _is_text(argument: str, text: str) -> bool:
    return patterns.list_matches(argument, text) if text else not argument


def _is_session(argument: str, about: Circumstances, line: Line) -> bool:
    return patterns.list_matches(argument, _SESSION)


def _is_version(argument: str, about: Circumstances, line: Line) -> bool:
    return patterns.list_matches(argument, _VERSION)


def _is_local_network(argument: str, about: Circumstances, line: Line) -> bool:
    """Whether an interface that is up has an address in one of the networks."""
    try:
        networks = [ipaddress.ip_network(text) for text in argument.split(",")]
    except ValueError:
        raise _bad(line, f"{quote(argument)} is no list of networks such as 192.168.1.0/24") from None
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    for name, addresses in psutil.net_if_addrs().items():
        for address in addresses if name in up else ():
            try:
                found = ipaddress.ip_address(address.address.partition("%")[0])
            except ValueError:
                continue  # the address of the card itself
            if any(found in network for network in networks):
                return True
    return False


def _is_success(argument: str, about: Circumstances, line: Line) -> bool:
    """Whether a command of the user's own ends with 0, in the user's shell, with its output thrown away."""
    try:
        command = expand(argument, about.tokens())
    except BadToken as error:
        raise _bad(line, f"of its command {quote(argument)} {error}") from None
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        process = subprocess.Popen(
            [shell, "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise WorkError(f"{line.place} asks a command, and the shell {quote(shell)} does not start: {error}") from None
    try:
        status = process.wait(limits.MATCH_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise WorkError(
            f"{line.place} asks the command {quote(command)}, which did not end within {limits.MATCH_S:g} s; "
            "make it end sooner"
        ) from None
    if status < 0:
        raise WorkError(f"{line.place} asks the command {quote(command)}, which signal {-status} ended; correct it")
    return status == 0


_CRITERIA: dict[str, Callable[[str, Circumstances, Line], bool]] = {
    "host": _is_host,
    "originalhost": _is_original_host,
    "user": _is_user,
    "localuser": _is_local_user,
    "localnetwork": _is_local_network,
    "tagged": _is_tag,
    "command": _is_command,
    "sessiontype": _is_session,
    "version": _is_version,
    "exec": _is_success,
}
