"""Torch's functions without torch's compiler, which nothing here uses."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

_MARK = "__dynamo_disable"  # where torch keeps what it calls instead of a function that is not to be compiled


@contextmanager
def uncompiled(*owners: type) -> Iterator[None]:
    """Inside, methods of `owners` that torch keeps from being compiled are called as they are.

    Torch imports its whole compiler at the first call of such a one, more than a second of every process that trains.
    Where the compiler is loaded already, it may be in use, and nothing is changed.
    """
    marked = [] if "torch._dynamo" in sys.modules else [raw for owner in owners for raw in _kept_from_compiler(owner)]
    for raw in marked:
        setattr(raw, _MARK, raw)
    try:
        yield
    finally:
        for raw in marked:
            delattr(raw, _MARK)


def _kept_from_compiler(owner: type) -> list[Callable[..., Any]]:
    """The methods inside torch's wrappers, but for those that are marked."""
    wrappers = [each for each in vars(owner).values() if isinstance(each, FunctionType)]
    inside = [vars(each)["__wrapped__"] for each in wrappers if each.__globals__["__name__"] == "torch._compile"]
    return [raw for raw in inside if not hasattr(raw, _MARK)]
