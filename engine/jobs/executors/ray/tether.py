"""A run's process on a node: `python -m engine.jobs.executors.ray.tether RESULTS RUN_ID`, with a pipe to read from.

It is `engine.jobs.child`, and ends where the other end of the pipe is gone: the process of the cluster that started it
has died then, however it died, and nobody takes what it writes to where it belongs. No torch.
"""

import os
import signal
import sys
import threading
import time

from engine.exit import leave
from engine.jobs import child

GRACE_SECONDS = 10.0  # from SIGTERM to SIGKILL


def tie(grace: float = GRACE_SECONDS) -> None:
    """Has this process stopped politely when its standard input ends, and by force `grace` seconds later."""
    threading.Thread(target=_watch, args=(grace,), daemon=True).start()


def _watch(grace: float) -> None:
    while os.read(0, 1):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    tie()
    leave(child.main(sys.argv[1:]))
