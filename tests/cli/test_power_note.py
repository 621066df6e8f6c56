"""Below the table of a timing: what its power is of, or why there is none."""

from typing import Any

import pytest

from engine.cli import device_tables
from tests.support.runs import timing


def lines_below(capsys: pytest.CaptureFixture[str], *measured: dict[str, Any]) -> list[str]:
    run = "20260131-095959-0a1b2c3d"
    entries = [{**timing(number, "tx2", **more).to_json(), "run_id": run} for number, more in enumerate(measured)]
    device_tables.measurements({"measurements": entries})
    return capsys.readouterr().out.splitlines()[1 + len(measured) :]


def test_power_above_ten_watts_has_all_its_digits(capsys: pytest.CaptureFixture[str]) -> None:
    device_tables.measurements({"measurements": [{**timing(1, power_mw=12760.4).to_json(), "run_id": "r"}]})
    assert " 12760 " in capsys.readouterr().out


def test_the_sum_of_rails_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    of_rails = {"power_rail": "sum of GPU, CPU, SOC"}
    assert lines_below(capsys, of_rails, of_rails) == ["power: sum of GPU, CPU, SOC"]


def test_why_there_is_no_power_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    without: dict[str, Any] = {"power_mw": None, "energy_mj": None, "why_no_power": "its rail CV could not be read"}
    assert lines_below(capsys, without) == ["no power: its rail CV could not be read"]


def test_timings_of_before_say_neither(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_below(capsys, {}) == []
