"""The command line, called in this process: what it returned, said and left behind."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from tests.support.timing import short_timing

QUICK = ("--data", "digits", "--limit", "48", "--train-epochs", "0", "--recover-epochs", "0")


@dataclass(frozen=True)
class Said:
    """One call: its exit code, and both streams."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def leftovers(results: Path) -> list[str]:
    """Run folders, half-made ones and unfinished files in a results folder."""
    if not os.path.isdir(results):  # noqa: PTH112 - a name that is too long is no folder, and no error
        return []
    runs = [path for path in results.glob("runs/*") if path.is_dir()]
    return sorted(str(path.relative_to(results)) for path in [*runs, *results.rglob(".~*"), *results.rglob("*.part")])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def espalier(capsys: pytest.CaptureFixture[str], results: Path) -> Callable[..., Said]:
    def call(*arguments: str, results: Path = results) -> Said:
        capsys.readouterr()
        code = main([*arguments, "--results", str(results)])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture
def refused(espalier: Callable[..., Said], results: Path) -> Callable[..., str]:
    """Calls a command that must be refused, for people and with --json; the sentence, the same both ways."""

    def call(*arguments: str, code: int = 2, results: Path = results) -> str:
        before = leftovers(results)
        people, program = espalier(*arguments, results=results), espalier(*arguments, "--json", results=results)
        assert (people.code, program.code) == (code, code), people.err + program.out
        assert people.out == "", "stdout carries answers only"
        assert program.err == "", "with --json the error is on stdout"
        assert program.out.count("\n") == 1 and set(program.json()) == {"error"}
        sentence: str = program.json()["error"]
        assert people.err == sentence + "\n", "one sentence, on one line"
        assert "Traceback" not in sentence and "should not have happened" not in sentence
        assert leftovers(results) == before, "nothing is left behind"
        return sentence

    return call


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A results folder with one finished run in it, made by `run`; and the run's id."""
    results = tmp_path_factory.mktemp("finished")
    with short_timing():
        assert main(["run", *QUICK, "--no-reconstruct", "--keep", "0.5", "--json", "--results", str(results)]) == 0
    return results, next(path.name for path in (results / "runs").iterdir())
