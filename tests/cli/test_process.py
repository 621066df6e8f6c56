"""The command as a process of its own, with the streams and signals that only a process has."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.places import ROOT

ENGINE = [sys.executable, "-m", "engine"]
ASKED = ["--data", "digits", "--limit", "48", "--recover-epochs", "0", "--keep", "0.5"]


def engine(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ENGINE, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=180,
        check=False,
    )


def test_two_that_submit_at_once_into_a_new_folder_both_succeed(tmp_path: Path) -> None:
    call = [*ENGINE, "submit", "--no-worker", *ASKED, "--results", str(tmp_path / "r"), "--json"]
    both = [subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    answer = [process.communicate(timeout=180) for process in both]
    assert [process.returncode for process in both] == [0, 0], answer
    assert [err for _, err in answer] == [b"", b""]
    run_ids = {run_id for out, _ in answer for run_id in json.loads(out)["run_ids"]}
    assert len(run_ids) == 2 and run_ids == {path.name for path in (tmp_path / "r/runs").iterdir()}
    assert [path.name for path in (tmp_path / "r/sheets").iterdir()] == ["resnet20-none-digits.json"]


def test_a_weights_file_that_libraries_warn_about_gets_one_sentence_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(pickle.dumps(os.system, protocol=4))
    command = ("submit", "--data", "digits", "--weights", str(tmp_path / "w.pth"), "--results", str(tmp_path / "r"))
    answer = engine(*command)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1 and "weights" in answer.stderr


def test_a_refusal_takes_neither_torch_nor_scipy(tmp_path: Path) -> None:
    code = (
        "import sys; from engine.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]) + 90 * bool({'torch', 'scipy'} & set(sys.modules)))"
    )
    command = ["run", "--keep", "2", "--results", str(tmp_path / "r")]
    done = subprocess.run([sys.executable, "-c", code, *command], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 2
    assert not (tmp_path / "r").exists()


def test_a_reader_who_leaves_early_is_fine(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for flags in (["--json"], []):
        call = [*ENGINE, "criteria", *flags]
        done = subprocess.run(call, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    os.close(writer)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_an_answer_that_cannot_be_written_is_a_failure_that_says_so(flags: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        call = [*ENGINE, "criteria", *flags]
        done = subprocess.run(call, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ("" if flags else "the answer could not be written: No space left on device\n")


def test_a_terminal_that_knows_only_ascii_is_answered() -> None:
    answer = engine("criteria", PYTHONIOENCODING="ascii")
    assert answer.returncode == 0 and "bn_scale" in answer.stdout and answer.stderr == ""
    answer = engine("show", "Übung", PYTHONIOENCODING="ascii")
    assert answer.returncode == 2 and answer.stderr.endswith(
        "is not a run id; they look like 20260131-095959-0a1b2c3d\n"
    )


def test_control_c_stops_a_run_that_can_go_on_later(tmp_path: Path) -> None:
    call = [*ENGINE, "run", *ASKED, "--train-epochs", "100000", "--results", str(tmp_path)]
    process = subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 180
    while not any("epoch" in path.read_text() for path in tmp_path.glob("runs/*/events.jsonl")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=180)
    (run,) = (tmp_path / "runs").iterdir()
    assert process.returncode == 1 and out == ""
    assert err == f"run {run.name}: interrupted; resume goes on from its last finished step\n"
    assert json.loads((run / "status.json").read_text())["state"] == "interrupted"
