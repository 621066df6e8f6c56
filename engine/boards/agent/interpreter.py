"""Which Python a board has, asked once the agent's script has not answered."""

import re

from engine.boards.ssh import connection as ssh
from engine.boards.ssh import limits

LEAST = (3, 6)
_NAMES = ("python3", "python")
_ASK = """
for name in "$@"; do
  if command -v "$name" >/dev/null 2>&1; then printf '%s: %s\\n' "$name" "$("$name" -V 2>&1 </dev/null | tail -n 1)"; fi
done
"""


def objection(connection: ssh.Connection) -> str | None:
    """Why the script cannot run there, in a sentence; None where `python3` is one that it runs on.

    Raises what `Connection.run` raises.
    """
    result = connection.run(["sh", "-c", _ASK, "sh", *_NAMES], limit=limits.ASK_S, stdin=b"")
    found = {name: version for name in _NAMES if (version := _version(result.out, name)) is not None}
    board, least = connection.board.name, ".".join(map(str, LEAST))
    advice = f"Python {least} or later is needed there under the name python3"
    if "python3" in found:
        version = found["python3"]
        if tuple(map(int, version.split(".")[:2])) >= LEAST:
            return None
        return f"the python3 of {board} is Python {version}; {advice}"
    if "python" in found:
        return f"{board} has no python3 that starts, only Python {found['python']} under the name python; {advice}"
    return f"{board} has no Python that starts; {advice}"


def _version(out: str, name: str) -> str | None:
    """What `NAME -V` said; None where there is none, or one that only fails."""
    found = re.search(rf"^{name}: Python ([0-9]{{1,3}}\.[0-9]{{1,3}}[0-9.]{{0,20}})", out, re.MULTILINE)
    return found[1] if found else None
