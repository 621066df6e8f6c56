"""How much room the disk of a board has, and why it takes no more: bytes, inodes, a quota."""

import re
from dataclasses import dataclass

from engine.boards.ssh.errors import BoardFull
from engine.errors import WorkError
from engine.texts import last_line
from engine.units import si

# `room FOLDER` prints one line for the disk that the folder lies on, or would. In English, which is understood here.
MEASURE = """
export LC_ALL=C
room() {
  place=$1
  until [ -d "$place" ]; do place=$(dirname -- "$place"); done
  printf 'room %s\\n' "$(stat -f -c '%a %S %d %c' -- "$place")"
}
"""
_LINE = re.compile(r"^room ([0-9]{1,18}) ([0-9]{1,9}) ([0-9]{1,20}) ([0-9]{1,20})$", re.MULTILINE)


@dataclass(frozen=True)
class Room:
    """The bytes that are free for this account, and how many files; None where the disk takes any number."""

    free: int
    files: int | None


def read(out: str) -> Room:
    """From what `room` printed; WorkError when that says nothing."""
    numbers = _LINE.search(out)
    if numbers is None:
        raise WorkError(
            f"the board did not say how much room its disk has: {last_line(out, 200) or 'it printed nothing'}; "
            "its `stat -f` must work"
        )
    blocks, size, files, most_files = map(int, numbers.groups())
    return Room(blocks * size, files if most_files else None)


def is_full(err: str) -> bool:
    """Whether a command failed for want of room."""
    return "No space left" in err or "quota exceeded" in err


def refuse_full(label: str, name: str, needed: int, room: Room) -> None:
    """Raises BoardFull when a new file of so many bytes cannot fit."""
    if room.free < needed or room.files == 0:
        raise full(label, name, needed, room)


def full(label: str, name: str, needed: int, room: Room, err: str = "") -> BoardFull:
    """Why the board has no room for something: what its disk lacks, or its own words `err` where it lacks nothing."""
    free = si(room.free, "B")
    if room.files == 0:
        why = f"its disk has no inodes left, and so takes no new file ({free} are free); remove some files there"
    elif "quota exceeded" in err:
        why = f"the quota of the account is used up ({free} are free on the disk); raise it, or remove some files there"
    elif room.free < needed:
        why = f"it needs {si(needed, 'B')}, and {free} are free; free some space there"
    else:
        why = f"its disk says that it is full ({last_line(err, 200)}), though {free} are free; free some space there"
    return BoardFull(f"{label} has no room for {name}: {why} and try again", needed=needed, free=room.free)
