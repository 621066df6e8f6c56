"""Boards for timings: a home of its own for whoever connects, and a rig for each test that asks for one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import python36
from tests.support.board_files import TX2, tree
from tests.support.board_rig import Rig, own_home, rigged


@pytest.fixture(params=python36.EITHER, scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    """Each Python that bench.py is tried under: 3.6, and the one that runs the tests."""
    return python36.either(request.param)


@pytest.fixture(scope="module")
def oldest() -> Path:
    """The Python 3.6 where there is one, as boards have it."""
    return python36.oldest()


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private key in the ~/.ssh of a new home; no agent."""
    made = own_home(tmp_path)
    monkeypatch.setenv("HOME", str(made.parents[1]))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return made


@pytest.fixture
def rig(tmp_path: Path, key: Path) -> Iterator[Callable[..., Rig]]:
    """Sets a board up: the arguments are those of `tests.support.board.Board`."""
    with ExitStack() as stack:
        yield lambda **board: stack.enter_context(rigged(tmp_path / "rig", key, **board))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of a TX2, as `bench.py` reads a board."""
    return tree(tmp_path / "board", TX2)
