"""The agent's script under an emulated arm64 Python: what it asks of the system by number or by C is the same there."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.boards.agent.session import SCRIPT
from tests.support.arm64 import emulated_python


@pytest.fixture
def answer(tmp_path: Path, root: Path) -> Any:
    """The document of a command of the script on a TX2."""
    python = emulated_python(tmp_path)

    def ask(*arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [python, SCRIPT, *arguments],
            env={**os.environ, "ESPALIER_ROOT": str(root)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    return ask


def test_probe_and_run_work_on_arm64(answer: Any) -> None:
    board = answer("probe")
    assert (board["machine"], board["jetson"]) == ("aarch64", "tx2")
    assert board["problems"] == []
    tool = answer("run", "--limit", "60", "--hz", "20", "--", "sh", "-c", "sleep 0.2; echo out; echo err >&2; exit 3")
    assert (tool["status"], tool["out"], tool["err"], tool["timed_out"]) == (3, "out\n", "err\n", False)
    assert tool["sensors"]["total_rail"] == "VDD_IN" and len(tool["sensors"]["t"]) >= 2
