"""What went wrong where a login shell did not do what it was told, in one sentence."""

import re

from engine.boards.shell.stream import Stream
from engine.boards.ssh import limits
from engine.texts import one_line

REFUSED = (1, 125, 127)  # the statuses of a `timeout` that does not take its options
_MOST = 300  # characters of what it printed that are quoted: its end, where programs put why
_OLD_TIMEOUT = re.compile(
    r"\Atimeout: (?:invalid|unrecognized|unknown) option|\ABusyBox v[^\n]*\n\nUsage: timeout ", re.IGNORECASE
)


def not_run(label: str, out: Stream, err: Stream, status: int | None, seconds: float) -> str:
    """Why nothing ran: a shell that ended with `status`, or None for one that has been busy for `seconds`."""
    said = one_line(" ".join((out.greeting + "\n" + err.greeting).split())[-_MOST:], _MOST)
    ended = f"was still busy after {seconds:.0f} s" if status is None else f"ended with status {status}"
    printed = f"printed: {said} (it {ended})" if said else f"printed nothing and {ended}"
    return (
        f"{label}: the login shell of the account did not run the command; it {printed}; "
        "run `true` over ssh by hand to see why: it takes a shell (chsh -s /bin/sh), start-up files that neither wait "
        "nor exit, and no ForceCommand that does something else"
    )


def talks_on(label: str) -> str:
    """For a shell that prints without an end."""
    return (
        f"{label}: the login shell of the account did not run the command; it printed more than "
        f"{limits.GREETING_BYTES >> 10} KiB by itself and was stopped; look at its start-up files"
    )


def without_timeout(label: str) -> str:
    """For a board without the command `timeout`."""
    return f"{label} has no command `timeout`, with which what runs there ends for sure; install coreutils there"


def lacks_kill_after(err: str) -> bool:
    """Whether a `timeout` that ended with one of REFUSED did not take our options, as that of BusyBox before 1.34."""
    return _OLD_TIMEOUT.search(err) is not None


def old_timeout(label: str) -> str:
    """For a board whose `timeout` cannot kill what does not end when asked to."""
    return f"the command `timeout` of {label} knows no -k, which ends what does not listen; install coreutils there"
