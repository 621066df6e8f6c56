"""The measurement of this machine's speed gives way to a run."""

from pathlib import Path

import psutil
import pytest

from app.tables import speeds
from engine.spec import run as specs


def test_a_measurement_that_goes_on_ends_for_a_run_and_is_not_begun_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPALIER_RESULTS", str(tmp_path))
    spec, before = specs.parse({}), set(psutil.Process().children())
    assert speeds.look(spec) == speeds.Look(None, goes_on=True)
    (process,) = set(psutil.Process().children()) - before
    speeds.give_way()
    assert not process.is_running()
    assert speeds.look(spec, may_start=False) == speeds.Look(None)
    assert set(psutil.Process().children()) == before
