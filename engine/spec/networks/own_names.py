"""How a network of the user's own is named: FILE.py:FUNCTION, or my/NAME from the user's list. No torch, no files."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RequestError
from engine.spec.messages import quote

MY = "my/"
MY_NAME = "a-z0-9_.-"  # the characters of a NAME
_LONGEST_NAME = 32
_LONGEST_PATH = 4096
_FORM = "FILE.py:FUNCTION, a function or class that takes the number of classes"


@dataclass(frozen=True)
class OwnFile:
    """A file of code and the function or class in it that makes a network of a number of classes."""

    path: str
    function: str

    @property
    def text(self) -> str:
        """As `--model` takes it."""
        return f"{self.path}:{self.function}"


def is_own(model: str) -> bool:
    """Whether a model's name means a network of the user's own, well formed or not."""
    return model.startswith(MY) or model.endswith(".py") or ".py:" in model


def check(model: str) -> str:
    """`model`, which `is_own`; RequestError when it is malformed. Whether there is such a network, the list says."""
    if model.startswith(MY):
        check_name(model.removeprefix(MY))
    else:
        parse(model)
    return model


def check_name(name: str) -> str:
    """The NAME of my/NAME; RequestError when it is none."""
    if len(name) > _LONGEST_NAME or not re.fullmatch(f"[a-z0-9][{MY_NAME}]*", name):
        raise RequestError(
            f"{quote(name)} is no name for a network: lower-case letters, digits and . _ - are allowed, at most "
            f"{_LONGEST_NAME}, the first a letter or digit"
        )
    return name


def whole(path: Path) -> str:
    """The whole path of a file, the same however it is spelled; links stay what they are."""
    return os.path.normpath(path.absolute())


def parse(model: str) -> OwnFile:
    """The file and the function in FILE.py:FUNCTION; RequestError when the text is none."""
    path, colon, function = model.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise RequestError(f"{quote(model)} names no function; write {_FORM}")
    if not function.isidentifier():
        raise RequestError(f"{quote(function)} is no name of a function; write {_FORM}")
    if len(path) > _LONGEST_PATH or not path.isprintable():
        raise RequestError(f"{quote(path)} is no path that a request can hold; give the file another name")
    return OwnFile(path, function)
