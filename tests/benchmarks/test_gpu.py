"""The script for a GPU, tried out on the CPU: what runs on neither is no use to somebody who has one."""

from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import agreement
from benchmarks.gpu.findings import Finding, compared


@pytest.mark.parametrize("part", ["reconstruction", "providers", "speed"])
def test_a_section_comes_out_as_a_table(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "IMAGES", 32)
    out = tmp_path / "gpu.md"
    assert gpu.main(["--device", "cpu", "--tiny", "--only", part, "--out", str(out)]) == 0
    text = out.read_text()
    assert "## " in text and "Failed" not in text and "All is as it should be." in text


def test_what_differs_by_more_than_allowed_is_named() -> None:
    findings = [Finding("near", "1", "1", 1e-4, 1e-3), Finding("far", "1", "2", 0.1, 1e-3)]
    assert compared("Scores", [*findings, Finding("none", "1", "?", float("nan"), 1e-3)]).wrong == ("far", "none")


def test_a_check_that_fails_leaves_the_others_theirs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr("benchmarks.gpu.agreement.train_subject", lambda device, sizes: None)
    monkeypatch.setattr("benchmarks.gpu.agreement.check_reconstruction", fail)
    monkeypatch.setattr("benchmarks.gpu.speed.measure_wide_reconstruction", lambda d, s: compared("Large", []))
    out = tmp_path / "gpu.md"
    assert gpu.main(["--device", "cpu", "--tiny", "--only", "reconstruction", "--out", str(out)]) == 1
    assert "no such kernel" in out.read_text() and "## Large" in out.read_text()


def test_no_section_begins_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.gpu.agreement.train_subject", lambda device, sizes: None)
    out = tmp_path / "gpu.md"
    assert gpu.main(["--device", "cpu", "--tiny", "--minutes", "0", "--out", str(out)]) == 0
    assert out.read_text().count("Left out: no time was left.") == 7
