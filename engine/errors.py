"""The two ways a request can end badly, and the exit code each one has."""


class RequestError(Exception):
    """The request was wrong: one sentence that says what, and what is allowed. Exit code 2."""

    exit_code = 2


class WorkError(Exception):
    """The request was fine and the work failed: one sentence that says why. Exit code 1."""

    exit_code = 1
