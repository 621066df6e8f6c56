"""How trtexec ended where it did not end by itself: crashed, killed, or ended from outside. Pure."""

import re

from engine.boards.trtexec.complaints import Complaints, quote, unwrap

_KILL = 9
_FROM_OUTSIDE = {1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 15: "SIGTERM", 24: "SIGXCPU"}
_CRASHES = {  # by the number that the signal has on Linux
    4: "an illegal instruction",
    5: "a trap",
    6: "an abort",
    7: "a bus error",
    8: "an arithmetic exception",
    11: "a segmentation fault",
    31: "a forbidden system call",
}
_WORDS = (  # of the shell, the C library and C++, the surest first
    (re.compile(r"(?i)\bsegmentation fault\b|\bSIGSEGV\b"), 11),
    (re.compile(r"(?i)\bbus error\b|\bSIGBUS\b"), 7),
    (re.compile(r"(?i)\billegal instruction\b|\bSIGILL\b"), 4),
    (re.compile(r"(?i)\bfloating point exception\b|\bSIGFPE\b"), 8),
    (
        re.compile(
            r"(?m)^Aborted\b|\bcore dumped\b|^terminate called |stack smashing detected|double free or corruption"
            r"|^(?:free|malloc|realloc|munmap_chunk)\(\): |corrupted (?:size|double-linked)|: Assertion [`'].+' failed"
        ),
        6,
    ),
)
_THROWN = re.compile(r"^terminate called after throwing an instance of '(.+)'", re.MULTILINE)
_WHAT = re.compile(r"^ {0,9}what\(\): {1,9}(.+)$", re.MULTILINE)
_ASSERTION = re.compile(r": (Assertion [`'].+' failed)")
_EMPTY = ("std::exception", "")


def describe_crash(said: Complaints, code: int | None) -> str | None:
    """ "trtexec crashed with a segmentation fault (status -11)", by the exit status or what was printed; else None."""
    number = _signal(code)
    if number is None:
        number = next((number for words, number in _WORDS if words.search(said.text)), None)
    elif number not in _CRASHES and (number in _FROM_OUTSIDE or number == _KILL):
        return None
    if number is None:
        return None
    how = _CRASHES.get(number, f"signal {number}")
    return f"trtexec crashed with {how}" + ("" if code is None else f" (status {code})")


def describe_reason(said: Complaints) -> str | None:
    """The last that a program that crashed had to say: its first error, what it threw, or what it asserted."""
    what = next((each for each in _WHAT.findall(said.text) if each.strip() not in _EMPTY), None)
    for found in (said.first_error, what, *_THROWN.findall(said.text)[:1], *_ASSERTION.findall(said.text)[:1]):
        if found:
            return quote(unwrap(found))
    return None


def find_end_from_outside(code: int | None) -> str | None:
    """Killed, which a kernel out of memory does, or ended by somebody."""
    number = _signal(code)
    if number == _KILL:
        return "it was killed, which a board does when its memory runs out: close what else runs there"
    if number in _FROM_OUTSIDE:
        return f"somebody ended trtexec on the board ({_FROM_OUTSIDE[number]}, status {code}): time it again"
    return None


def _signal(code: int | None) -> int | None:
    """The signal that ended a process, which a shell in between tells as 128 more."""
    if code is None:
        return None
    return -code if code < 0 else code - 128 if 128 < code < 128 + 65 else None
