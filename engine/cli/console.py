"""How the command line speaks: an answer on stdout, or one sentence that says what is wrong."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from engine.errors import WorkError

LONGEST_SENTENCE = 1000
_outputs: list[TextIO] = []  # where answers go while stdout is turned away


def complain(sentence: str, as_json: bool, code: int) -> int:
    """Say what is wrong: one line on stderr, or with --json the one document on stdout. Returns `code`."""
    sentence = "".join(c if c.isprintable() else "?" for c in " ".join(sentence.split()))
    if len(sentence) > LONGEST_SENTENCE:  # somebody's megabyte is quoted in it
        sentence = f"{sentence[: LONGEST_SENTENCE // 2]} … {sentence[-LONGEST_SENTENCE // 2 :]}"
    if as_json:
        with _reader():
            print(json.dumps({"error": sentence}))
    else:
        print(sentence, file=sys.stderr)
    return code


def describe_bug(error: Exception) -> str:
    """A mistake of the program: what a report of it needs, on one line."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    return f"this should not have happened, please report it: {type(error).__name__} in {where}: {error}"


@contextmanager
def answers_only(as_json: bool) -> Iterator[None]:
    """With --json only answers reach stdout: what the user's own code or a library prints goes to stderr."""
    if not as_json:
        yield
        return
    _outputs.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _outputs.pop()


def answer(document: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print a command's result on stdout: as JSON, or as `show` prints it for people."""
    with _reader():
        if as_json:
            print(_dumps(document))
        else:
            show(document)


def _dumps(document: Any) -> str:
    """ASCII, as a lone surrogate is no text that could be printed."""
    try:
        return json.dumps(document, allow_nan=False)
    except ValueError:
        raise WorkError(
            "the answer holds a number that is infinite, or none: a file that it is read from is damaged"
        ) from None


@contextmanager
def _reader() -> Iterator[None]:
    """What is printed inside reaches whoever reads it; a reader that has closed its end is fine."""
    try:
        with redirect_stdout(_outputs[-1] if _outputs else sys.stdout):
            yield
            sys.stdout.flush()
    except OSError as error:
        # What could not be written would be tried again when Python ends.
        output = _outputs[-1] if _outputs else sys.stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
        if not isinstance(error, BrokenPipeError):
            raise WorkError(f"the answer could not be written: {error.strerror or error}") from None
