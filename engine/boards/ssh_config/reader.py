"""Reading ssh_config files for one host: of each option the first value that applies. Source: OpenSSH's readconf.c."""

import glob
from functools import partial
from pathlib import Path

from engine.boards.ssh_config import patterns
from engine.boards.ssh_config.jumps import last_jump
from engine.boards.ssh_config.lines import Line, read_lines, shown
from engine.boards.ssh_config.match import Circumstances, judge
from engine.boards.ssh_config.options import Options, expand_host_name
from engine.boards.ssh_config.tokens import BadToken, client_tokens, expand, expand_home, local_user
from engine.errors import WorkError
from engine.spec.messages import quote

_DEEPEST = 16  # levels of Include
_MOST_IDENTITIES = 100
# The options that say where to log in, as whom, and whom to trust; every other one is passed over.
_SINGLE = {
    *("hostname", "user", "port", "identityagent", "identitiesonly", "hostkeyalias", "tag"),
    *("canonicalizehostname", "canonicalizemaxdots", "canonicalizefallbacklocal"),
}
_LISTS = {
    *("userknownhostsfile", "globalknownhostsfile", "revokedhostkeys"),
    *("canonicaldomains", "canonicalizepermittedcnames"),
}


class Reader:
    """One reading of the files for `host`, which was asked for as `original`; `options` grow with it.

    A second reading (`final`) goes on with the options of the first. `wants_final` says that a line asked for one.
    """

    def __init__(self, options: Options, host: str, original: str, *, final: bool) -> None:
        self.options = options
        self.host = host
        self.original = original
        self.final = final
        self.wants_final = False
        self._local_user = local_user()

    def read(self, path: Path, *, of_user: bool) -> None:
        """Reads the user's file, or the system's. Raises WorkError for what ssh refuses, too."""
        self._read(path, of_user, active=True, may_match=True, depth=0)

    def _read(self, path: Path, of_user: bool, *, active: bool, may_match: bool, depth: int) -> None:
        if depth > _DEEPEST:
            raise WorkError(
                f"{shown(path)} is included more than {_DEEPEST} levels deep; an Include of ~/.ssh/config leads in a "
                "circle"
            )
        for line in read_lines(path, of_user=of_user):
            if line.keyword == "host":
                active = may_match and _names_host(line, self.host)
            elif line.keyword == "match":
                active = may_match and self._judge(line)
                self.wants_final |= not may_match and "final" in line.text.lower().split()  # ssh hears it there, too
            elif line.keyword == "include":
                for included in self._included_files(line, of_user):
                    self._read(included, of_user, active=active, may_match=may_match and active, depth=depth + 1)
            elif active:
                _take(line, self.options)

    def _judge(self, line: Line) -> bool:
        verdict = judge(line, self._circumstances())
        self.wants_final |= verdict.wants_final
        return verdict.matches

    def _circumstances(self) -> Circumstances:
        """What is known at this line, with defaults for what is not."""
        options = self.options
        host = self.host
        if (name := options.get("hostname")) is not None:
            host = name if self.final else expand_host_name(options, self.host)
        user = options.get("user") or self._local_user
        return Circumstances(
            host=host,
            original=self.original,
            user=user,
            tag=options.get("tag") or "",
            final=self.final,
            tokens=partial(self._tokens, host, user),
        )

    def _tokens(self, host: str, user: str) -> dict[str, str]:
        options = self.options
        return client_tokens(
            host=host,
            original=self.original,
            port=options.port(),
            user=user,
            alias=options.get("hostkeyalias") or host,
            jump=last_jump(options),
        )

    def _included_files(self, line: Line, of_user: bool) -> list[Path]:
        """The files that an Include names: wildcards, `~`, tokens, and relative to the folder of the user or system."""
        folder = Path.home() / ".ssh" if of_user else Path("/etc/ssh")
        found: list[Path] = []
        for word in line.words():
            try:
                pattern = str(folder / expand_home(self._expanded(word)))
                found += [file for file in _glob(pattern) if not file.is_dir()]
            except BadToken as error:
                raise WorkError(f"{line.place} includes {quote(word)}, but {error}; correct it") from None
            except (OSError, ValueError) as error:  # such as a name that is too long for any file
                raise WorkError(
                    f"an Include of {shown(line.path)} names {quote(word)}, which cannot be looked for: "
                    f"{error.args[-1]}; correct it"
                ) from None
        return found

    def _expanded(self, word: str) -> str:
        if "%" not in word and "$" not in word:
            return word
        return expand(word, self._circumstances().tokens(), variables=True)


def _glob(pattern: str) -> list[Path]:
    """The files of a pattern, whose wildcards name no file that begins with a dot, as those of glob(3)."""
    if glob.has_magic(pattern):
        return [Path(name) for name in sorted(glob.glob(pattern))]  # noqa: PTH207
    try:
        Path(pattern).stat()
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [Path(pattern)]


def _names_host(line: Line, host: str) -> bool:
    """Whether a Host line speaks of the host: any pattern of it does, and none with a `!` before it."""
    named = False
    for word in _filled(line):
        if patterns.matches(word.removeprefix("!"), host):
            if word.startswith("!"):
                return False
            named = True
    return named


def _take(line: Line, options: Options) -> None:
    """Takes what an active line says, where it says anything that we use."""
    if line.keyword == "identityfile":
        word = _only_word(line)
        if word not in options.identities:
            options.identities.append(word)
        if len(options.identities) > _MOST_IDENTITIES:
            raise WorkError(f"{line.place} is one IdentityFile too many; {_MOST_IDENTITIES} are allowed")
    elif line.keyword in ("proxyjump", "proxycommand"):
        _take_proxy(line.keyword, line.text.lstrip(" \t="), line.place, options)
    elif line.keyword in _SINGLE:
        options.set(line.keyword, (_only_word(line),), line.place)
    elif line.keyword in _LISTS:
        options.set(line.keyword, tuple(_filled(line)), line.place)


def _filled(line: Line) -> list[str]:
    """The words of a line, none of which may be empty."""
    words = line.words()
    if not all(words):
        raise WorkError(f"{line.place} gives {line.keyword} as nothing; correct it or remove it")
    return words


def _only_word(line: Line) -> str:
    words = _filled(line)
    if len(words) > 1:
        raise WorkError(f"{line.place} gives {line.keyword} more than one value; put one with blanks in quotes")
    return words[0]


def _take_proxy(keyword: str, text: str, place: str, options: Options) -> None:
    """ProxyJump and ProxyCommand: whichever comes first applies, and a first `ProxyJump none` leaves commands be."""
    if keyword == "proxycommand":
        options.set(keyword, (text,), place)
        return
    jumps = text if text.lower() == "none" else text.partition("#")[0].strip(" \t\"'")
    if not jumps:
        raise WorkError(f"{place} says proxyjump and nothing after it; correct it or remove it")
    if jumps.lower() == "none":
        options.set(keyword, ("none",), place)
    elif "proxycommand" not in options.values and keyword not in options.values:
        options.set(keyword, (jumps,), place)
        options.set("proxycommand", ("none",), place)
