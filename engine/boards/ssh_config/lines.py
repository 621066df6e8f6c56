"""The lines of an ssh_config file and the words in them, split as OpenSSH splits them."""

import grp
import os
import pwd
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import WorkError
from engine.spec.messages import quote
from engine.storage import files
from engine.texts import printable

# A keyword, which may stand in quotes; then blanks, with one = among them; then its arguments.
_LINE = re.compile(r'[ \t\r]*(?:"([^"]*)"|([^ \t\r"=]+))[ \t\r]*=?[ \t\r]*(.*)', re.DOTALL)
_ESCAPED = ("'", '"', "\\")


@dataclass(frozen=True)
class Line:
    """One line that says something: where it stands, its keyword in lower case, and the text after that."""

    path: Path
    number: int
    keyword: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"line {self.number} of {shown(self.path)}"

    def words(self) -> list[str]:
        """Its arguments. Raises WorkError for a quote that does not end, and for none at all."""
        try:
            found = split_words(self.text)
        except ValueError:
            raise WorkError(f"{self.place} opens a quote and does not close it; correct it") from None
        if not found:
            raise WorkError(f"{self.place} says {quote(self.keyword)} and nothing after it; correct it or remove it")
        return found


def shown(path: Path) -> str:
    """A path for messages, with ~ for the home folder."""
    home = Path.home()
    return printable(f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path))


def split_words(text: str) -> list[str]:
    """The words of a text: blanks part them, quotes of either kind hold them together, # ends them.

    Source: OpenSSH's argv_split (misc.c). Raises ValueError for a quote that does not end.
    """
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
        elif text[at] == "#":
            break
        else:
            word, at = _next_word(text, at)
            words.append(word)
    return words


def _next_word(text: str, at: int) -> tuple[str, int]:
    """The word that begins at a place, and the place behind it."""
    letters: list[str] = []
    opened = ""
    while at < len(text) and (opened or text[at] not in " \t"):
        letter = text[at]
        following = text[at + 1 : at + 2]
        if letter == "\\" and following and (following in _ESCAPED or (not opened and following == " ")):
            letters.append(following)
            at += 1
        elif not opened and letter in "'\"":
            opened = letter
        elif letter == opened:
            opened = ""
        else:
            letters.append(letter)
        at += 1
    if opened:
        raise ValueError("a quote does not end")
    return "".join(letters), at


def read_lines(path: Path, *, of_user: bool) -> Iterator[Line]:
    """The lines of a file that say something; none when it is not there.

    `of_user` says that the file must be the user's or root's and closed to other writers, as OpenSSH wants it.
    Raises WorkError when it cannot be read, or is not.
    """
    try:
        data = files.read_bytes(path, links=True)
        if of_user:
            _refuse_strangers(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WorkError(f"cannot read {shown(path)}: {error.strerror or error}") from None
    for number, line in enumerate(data.decode(errors="surrogateescape").split("\n"), 1):
        found = _LINE.fullmatch(line.partition("\0")[0].rstrip(" \t\r\f"))
        if found is None:
            continue
        quoted, plain, text = found.groups()
        keyword = (quoted or plain or "").lower()
        if keyword and not keyword.startswith("#"):
            yield Line(path, number, keyword, text)


def _refuse_strangers(path: Path) -> None:
    """Raises WorkError when others may write a file that says where to log in, and by which command to find out."""
    facts = path.stat()
    if facts.st_uid not in (0, os.getuid()):
        raise WorkError(f"{shown(path)} belongs to somebody else, so neither ssh nor we follow it; run: chown")
    if facts.st_mode & stat.S_IWOTH or (facts.st_mode & stat.S_IWGRP and not _is_own_group(facts.st_gid)):
        raise WorkError(
            f"others may write {shown(path)}, so neither ssh nor we follow it; run: chmod go-w {shown(path)}"
        )


def _is_own_group(number: int) -> bool:
    """Whether a group is the user's alone, as Debian and Fedora make one for each."""
    try:
        user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(number)
    except KeyError:
        return False
    return number == user.pw_gid and set(group.gr_mem) <= {user.pw_name}
