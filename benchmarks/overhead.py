"""What a timing on a device costs beside the tool that times: connecting, locking, probing, sending, reading back.

    python -m benchmarks.overhead [--timings N]

Against a real sshd on loopback and the stand-in for a TX2 that the tests use (Python 3.6 where this machine has one).
Subtracted is what `trtexec` itself took on the board, building and measuring. Exit code 1 when the slowest of the
timings, the first of which also sends the network and our script, spends more than 3 s of its own.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from engine.storage.records.event import DurationsEvent
from tests.support.board_rig import own_home, rigged
from tests.support.sshd import SSHD

MOST_SECONDS = 3.0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", allow_abbrev=False)
    parser.add_argument("--timings", type=int, default=5)
    options = parser.parse_args(arguments)
    if not SSHD.exists():
        print(f"{SSHD} is not installed (apt-get install openssh-server)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="espalier-overhead-") as folder:
        key = own_home(Path(folder))
        os.environ["HOME"] = str(key.parents[1])
        os.environ.pop("SSH_AUTH_SOCK", None)
        own = _own_seconds(Path(folder) / "rig", key, options.timings)
    listing = ", ".join(f"{seconds:.2f}" for seconds in own)
    print(f"seconds of our own in {len(own)} timings: {listing}; median {statistics.median(own):.2f}")
    return 0 if max(own) <= MOST_SECONDS else 1


def _own_seconds(folder: Path, key: Path, timings: int) -> list[float]:
    own = []
    with rigged(folder, key) as rig:
        for number in range(timings):
            timing = rig.timed(seconds=0.2 + 0.01 * number)
            assert timing.status().state == "done", timing.status().message
            own += [spent.own for spent in timing.events(DurationsEvent)]
    return own


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
