"""The one line that a login shell is given, which every shell reads alike: sh, dash, ash, bash, zsh, fish, csh, tcsh.

Our own program for `sh` goes through it in single quotes, in letters that no shell changes there: neither quotes nor
backslashes before them (fish), no exclamation mark and no newline (tcsh), nothing but ASCII (locales). `printf %b`
undoes that.
"""

import math
import re
import shlex
from collections.abc import Sequence

from engine.errors import RequestError

MOST_BYTES = 130_000  # of the line, which is one argument there: Linux takes 131,071
NO_TIMEOUT = b"none"  # stands for the number of the process

_CHANGED = re.compile(rb"[^ -~]|[!'\\]")
_PART = re.compile(r"(?:\\0[0-7]{3}|[^\\]){1,150}")  # the csh of BSD takes words of less than 1,024 bytes
_DECODE = 'eval "$(printf %b "$@")"'
# The start line goes to both streams, first to standard error: where a shell joins them, both stand before the output.
# A channel that was given up takes no start line, and then nothing is to start. `timeout` becomes the leader of a group
# with the number of this shell, or is one already where sshd made it one.
_PROGRAM = """\
if ! command -v timeout >/dev/null 2>&1; then printf '%s {none}\\n' {token}; exit 127; fi
printf '%s 0\\n' {token} >&2
printf '%s %s\\n' {token} "$$" || exit 1
exec timeout -k 5 {limit} {command}
"""


def limited(argv: Sequence[str], limit: float, token: str) -> str:
    """Runs `argv` for at most `limit` seconds; before it the line `TOKEN PID` is on stdout, and `TOKEN 0` on stderr.

    From a second on the limit is in whole ones, the next: not every `timeout` reads others. A board without `timeout`
    prints `TOKEN none`. Raises RequestError for more words than a board takes.
    """
    seconds = math.ceil(limit) if limit >= 1 else f"{limit:.3f}"
    program = _PROGRAM.format(none=NO_TIMEOUT.decode(), token=token, limit=seconds, command=shlex.join(argv))
    return _line(program)


def unlimited(script: str, *arguments: str) -> str:
    """Runs a script for `sh` with these arguments, which must print something that tells that it ran."""
    return _line(f"set -- {shlex.join(arguments)}\n{script}")


def _line(program: str) -> str:
    parts = [f"'{part}'" for part in (_DECODE, "sh", *_PART.findall(_encoded(program)))]  # even those that need not be
    text = f"sh -c {' '.join(parts)}"
    if len(text) > MOST_BYTES:
        raise RequestError(f"a command for a board may take {MOST_BYTES} bytes, not {len(text)}; shorten its words")
    return text


def _encoded(text: str) -> str:
    """In letters that are themselves in every shell's single quotes, for `printf %b`."""
    return _CHANGED.sub(lambda found: b"\\0%03o" % found[0][0], text.encode()).decode("ascii")
