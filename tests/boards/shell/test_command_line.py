"""The line for a login shell, and what is told from what the shell itself printed."""

import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.boards.shell import command_line
from engine.boards.shell.stream import Stream
from engine.boards.ssh import limits
from engine.errors import RequestError

SHELLS = (["dash"], ["bash"], ["zsh", "-o", "rcquotes"], ["fish"], ["tcsh"], ["busybox", "ash"], ["bsd-csh"])
WORD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@settings(deadline=None, max_examples=4)
@given(words=st.lists(WORD, min_size=20, max_size=60))
def test_any_words_go_through_any_shell_as_they_are(shell: list[str], words: list[str]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed (apt-get install tcsh fish zsh busybox csh)")
    line = command_line.limited(["printf", r"%s\0", *words], 60, "token")
    assert line.isascii() and line.isprintable()
    done = subprocess.run([*shell, "-c", line], capture_output=True, timeout=120, check=True)
    start, _, out = done.stdout.partition(b"\n")
    assert start.startswith(b"token ") and start[6:].isdigit()
    assert out.decode().split("\0")[:-1] == words


def test_more_words_than_a_board_takes_are_refused() -> None:
    assert len(command_line.limited(["echo", "\n" * 20_000], 60, "token")) < command_line.MOST_BYTES
    with pytest.raises(RequestError, match="shorten its words"):
        command_line.limited(["echo", "\n" * 30_000], 60, "token")


@pytest.mark.parametrize(("limit", "said"), [(0.25, "0.250"), (1, "1"), (1.2, "2"), (80.0, "80"), (86_400, "86400")])
def test_limits_are_whole_seconds_from_one_on(tmp_path: Path, limit: float, said: str) -> None:
    (tmp_path / "timeout").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "timeout").chmod(0o755)
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    line = command_line.limited(["true"], limit, "token")
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.endswith(f"\n-k 5 {said} true\n")


@given(cuts=st.lists(st.integers(0, 60), max_size=6))
def test_output_begins_behind_the_start_line_wherever_the_pieces_end(cuts: list[int]) -> None:
    data = b"Welcome, token 12x\ntoken 0\nhitoken 4711\ntoken 5\nout\n"
    stream = Stream("token", "none|[1-9][0-9]*")
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        stream.add(data[start:end])
    assert (stream.mark, stream.greeting) == (b"4711", "Welcome, token 12x\ntoken 0\nhi")
    assert (stream.line(), stream.line(), stream.line()) == ("token 5\n", "out\n", None)


def test_talk_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GREETING_BYTES", 1000)
    stream = Stream("token", "[1-9][0-9]*")
    for _ in range(30):
        stream.add(b"y\n" * 100)
    assert stream.overflowed and len(stream.greeting) <= 1200
