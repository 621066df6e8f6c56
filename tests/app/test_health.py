"""Every page says in one line what is wrong with the results folder, when something is."""

import pytest

from engine.spec import run as specs
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app


def lines(page: str) -> list[str]:
    at = app(page)
    assert not at.exception
    return [element.value for element in at.caption if "espalier doctor" in element.value]


@pytest.mark.parametrize("page", ["explore", "launch", "runs", "devices"])
def test_a_damaged_run_is_one_line_on_every_page(results: Store, submitted: list[Store], page: str) -> None:
    good, bad = (runs.finished(results, specs.parse({"seed": seed})) for seed in (0, 1))
    assert lines(page) == []
    (bad.path / "status.json").write_text("*no* status")
    [line] = lines(page)
    assert bad.id in line and r"this run is damaged" in line and "it is not JSON" in line
    assert good.id not in line


def test_a_queue_without_a_worker_is_said(results: Store, submitted: list[Store]) -> None:
    results.create(specs.parse({}))
    [line] = lines("launch")
    assert "no worker is running, and 1 job waits for one" in line
