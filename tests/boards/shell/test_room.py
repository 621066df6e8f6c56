"""Why a board has no room, by what its disk and its commands say."""

import pytest

from engine.boards.shell import room
from engine.boards.shell.room import Room

FULL, QUOTA = "cat: write error: No space left on device\n", "cat: write error: Disk quota exceeded\n"


@pytest.mark.parametrize(
    ("needed", "there", "err", "why"),
    [
        (20_000_000, Room(12_000_000, 5), "", "it needs 20.0 MB, and 12.0 MB are free; free some space there"),
        (5, Room(0, None), FULL, "it needs 5 B, and 0 B are free; free some space there"),
        (5, Room(12_000_000, 0), FULL, "its disk has no inodes left, and so takes no new file (12.0 MB are free)"),
        (5, Room(12_000_000, 5), QUOTA, "the quota of the account is used up (12.0 MB are free on the disk)"),
        (5, Room(12_000_000, 5), FULL, "its disk says that it is full (cat: write error: No space left on device)"),
    ],
    ids=["too large", "full", "no inodes", "quota", "full without a reason"],
)
def test_the_cause_is_told_that_the_numbers_bear_out(needed: int, there: Room, err: str, why: str) -> None:
    assert room.is_full(err or FULL)
    said = room.full("tx2", "m.onnx", needed, there, err)
    assert str(said).startswith(f"tx2 has no room for m.onnx: {why}") and str(said).endswith(" and try again")
    assert (said.needed, said.free) == (needed, there.free)


def test_a_disk_that_does_not_count_files_takes_any_number() -> None:
    assert room.read("noise\nroom 100 4096 0 0\nbye\n") == Room(409_600, None)
    assert room.read("room 100 4096 0 1000\n") == Room(409_600, 0)
    room.refuse_full("tx2", "m", 409_600, Room(409_600, None))
