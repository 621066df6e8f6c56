"""One look at the job folders for all that is asked in one go, which is how a page is drawn. No torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

_DONE: ContextVar[dict[Path, str] | None] = ContextVar("looks that were taken", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """Inside, an index looks at its folders for the first question only.

    For the others it has what it found then, and what was written to the index since, by whatever process.
    """
    if _DONE.get() is not None:
        yield
        return
    reset = _DONE.set({})
    try:
        yield
    finally:
        _DONE.reset(reset)


def is_done(index: Path, epoch: str) -> bool:
    """Whether the folders of that very index have been looked at for what is going on."""
    done = _DONE.get()
    return done is not None and done.get(index) == epoch


def note(index: Path, epoch: str) -> None:
    """They have been now."""
    done = _DONE.get()
    if done is not None:
        done[index] = epoch
