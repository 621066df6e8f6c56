"""What somebody else wrote, a board, a server or whoever made a results folder, made fit for a screen."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

_MOST_LAST = 1 << 16  # characters at the end of an output among which its last line is looked for

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*@")
_QUERY = re.compile(r"(\w://[^\s?#]*)[?#][^\s'\")>]*")


def printable(text: str, most: int = 4096) -> str:
    """Without what would break a line or a terminal, and not endless: whoever is at the other end may say anything."""
    begin = text[: 2 * most]
    if not begin.isprintable():  # as hardly any
        begin = "".join(filter(str.isprintable, begin))
    return begin[:most]


def without_credentials(text: str) -> str:
    """A text whose addresses name no user, no password, and nothing behind a `?`, such as a signature."""
    return _QUERY.sub(r"\1", _CREDENTIALS.sub("", text))


def last_line(text: str, most: int = 500) -> str:
    """The last line of an output that says something, which is where programs put why they failed; "" for none."""
    end = text.rstrip()[-_MOST_LAST:].lstrip()
    return printable((end.splitlines() or [""])[-1], most)


def one_line(text: str, most: int) -> str:
    """The whole on one line, cut to `most` characters with an ellipsis."""
    line = " ".join(printable(" ".join(text[: 4 * most].split()), most + 1).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def few(names: Sequence[str], most: int) -> str:
    """The first `most` names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def short_names(names: Iterable[str]) -> dict[str, str]:
    """For each name the shortest that tells it from the others: of `folder:PATH` as much of the path's end as it takes.

    A name without a path is its own short name.
    """
    whole = dict.fromkeys(names)
    short: dict[str, str] = {}
    depth, unclear = 1, list(whole)
    while unclear:
        tried = {name: _end_of_path(name, depth) for name in whole}
        holders = Counter(tried.values())
        clear = [name for name in unclear if holders[tried[name]] == 1 or tried[name] == name]
        short |= {name: tried[name] for name in clear}
        unclear = [name for name in unclear if name not in short]
        depth += 1
    return short


def _end_of_path(name: str, parts: int) -> str:
    """The last so many parts of the path in a name, after its kind; the name where it has no more, or no path."""
    kind, colon, path = name.partition(":")
    pieces = path.rstrip("/").split("/")
    if not colon or parts >= len(pieces):
        return name
    return f"{kind}:{'/'.join(pieces[-parts:])}"
