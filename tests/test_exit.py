"""A process that ends at once has said all that it had to say."""

import subprocess
import sys
from pathlib import Path

CODE = """
import atexit, gc, sys, tempfile
from engine.exit import leave

atexit.register(lambda: print("called", gc.get_freeze_count() > 1000))
folder = tempfile.TemporaryDirectory()
print(folder.name)
print("told", file=sys.stderr, end="")
leave(3)
"""


def test_what_is_printed_comes_out_and_who_asked_for_it_is_called() -> None:
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    folder, *others = ended.stdout.splitlines()
    assert (ended.returncode, others, ended.stderr) == (3, ["called True"], "told")
    assert not Path(folder).exists()
