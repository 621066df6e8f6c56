"""Hostile inputs, a hundred of each kind, by the very code that tries ten thousand: see docs/benchmarks.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import damage, trial
from benchmarks.fuzz.inputs import SPECIALS, VICTIM, Input
from benchmarks.fuzz.kinds import KINDS
from benchmarks.fuzz.trial import LIMIT_MIB, LIMIT_SECONDS, Kind, attempt, run_batch
from engine.errors import RequestError, WorkError
from tests.support.places import ROOT

COUNT = 100
FEWER = {
    "links": 10,
    "jobs": 50,
}  # a page takes a quarter of a second, a folder and all that lists it a twentieth


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_inputs_are_taken_or_refused_in_one_sentence(kind: str, tmp_path: Path) -> None:
    count = FEWER.get(kind, COUNT)
    arguments = ["--kind", kind, "--count", str(count), "--seed", "1", "--keep", str(tmp_path), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    tally = json.loads(done.stdout)[kind]
    assert tally["inputs"] == count and tally["refused"] < count, "some are to be taken"
    assert tally["slowest"] <= LIMIT_SECONDS and tally["memory"] <= LIMIT_MIB


@pytest.fixture(autouse=True)
def small_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried in the process of the tests is not charged for what they take."""
    monkeypatch.setattr(trial, "peak_memory", lambda: 0.0)


def kind_of(reader: object) -> Kind:
    """A kind of one file, read by `reader`, that always holds the same."""
    return Kind("test", st.just(Input({"file": b"content"})), reader)  # type: ignore[arg-type]


def fails(_: Path, tried: Input) -> None:
    raise KeyError("a traceback")


def writes(folder: Path, tried: Input) -> None:
    (folder / VICTIM).write_text("changed")


def babbles(_: Path, tried: Input) -> None:
    raise WorkError("two lines\nof text")


def refuses(_: Path, tried: Input) -> None:
    raise RequestError("this is refused; give something else")


@pytest.mark.parametrize(
    ("reader", "what"), [(fails, "KeyError"), (writes, "a link was followed"), (babbles, "no printable")]
)
def test_what_goes_wrong_is_counted_and_kept(reader: object, what: str, tmp_path: Path) -> None:
    tally = run_batch(kind_of(reader), 0, 1, tmp_path / "current")
    ((place, failure),) = tally.failures.items()
    assert tally.failed == tally.inputs == 1 and what in place + failure.report
    assert Input.loads(failure.input) == Input({"file": b"content"})


def test_a_refusal_is_no_failure_unless_the_rest_is_to_be_seen(tmp_path: Path) -> None:
    assert run_batch(kind_of(refuses), 0, 1, tmp_path / "current").refused == 1
    whole = Kind("test", st.just(Input({})), refuses, refuses=False)
    assert run_batch(whole, 0, 1, tmp_path / "current").failed == 1


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    tried: list[list[str]] = [[], [], []]
    for inputs, seed in zip(tried, (1, 1, 2), strict=True):
        documents = damage.damaged_files(
            {"a": damage.damaged_document({"x": [1, 2]}), "b": damage.damaged_bytes(b"abc")}
        )
        kind = Kind("test", documents, lambda _, each, inputs=inputs: inputs.append(each.dumps()))  # type: ignore[misc]
        run_batch(kind, seed, 50, tmp_path / "current")
    assert tried[0] == tried[1] != tried[2]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["a", "b/c"]), st.sampled_from(SPECIALS) | st.binary(max_size=9)))
def test_an_input_comes_back_from_its_file_and_can_be_written_twice(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / VICTIM).touch()
    tried = Input(files)
    assert Input.loads(tried.dumps()) == tried
    tried.write(tmp_path)
    tried.write(tmp_path)
    assert attempt(Kind("test", st.just(tried), lambda folder, each: each.write(folder)), tried) is False
