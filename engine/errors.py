"""The two ways a request can end badly, and the exit code each one has."""

from collections.abc import Iterator
from contextlib import contextmanager


class RequestError(Exception):
    """The request was wrong: one sentence that says what, and what is allowed. Exit code 2.

    `field` is the dotted path of the spec's field that it concerns, such as `target.keep`; None where it concerns none.
    """

    exit_code = 2

    def __init__(self, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.field = field


class WorkError(Exception):
    """The request was fine and the work failed: one sentence that says why. Exit code 1."""

    exit_code = 1


@contextmanager
def concerns(field: str) -> Iterator[None]:
    """A RequestError raised inside concerns `field`, unless it says itself what it concerns.

    For rooms that know a path or a name, and not which field of a spec it came from.
    """
    try:
        yield
    except RequestError as error:
        error.field = error.field or field
        raise
