"""A landscape whose process is killed in the middle goes on in the queue, and no cell is measured twice."""

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.jobs.queue import Queue
from engine.jobs.worker import start_detached, worker_of
from engine.storage.landscapes.job import Landscape
from engine.storage.records.event import PhaseEvent
from engine.storage.store import Store
from tests.support.landscapes import small_network
from tests.support.storm import cleaned, started, wait_for

FLAGS = ("--criterion", "l1", "--data", "digits", "--limit", "160", "--train-epochs", "1", "--grid", "3")


def cells_of(store: Store) -> list[dict[str, Any]]:
    """The cells so far of the only landscape, in the order in which they were measured."""
    jobs = [store.job(row["run_id"]) for row in store.landscapes()]
    grids = [job.grid() for job in jobs if isinstance(job, Landscape)]
    return [cell.to_json() for grid in grids if grid is not None for cell in grid.cells]


@pytest.mark.timeout(600)
def test_a_killed_landscape_is_resumed_without_measuring_a_cell_twice(store: Store, tmp_path: Path) -> None:
    where = ("--model", small_network(tmp_path), "--least", "0.25", "--results", str(store.root))
    process = started([sys.executable, "-m", "engine", "landscape", *FLAGS, *where])
    with cleaned(store):
        wait_for(lambda: len(cells_of(store)) >= 2, 240)
        process.send_signal(signal.SIGKILL)
        process.wait()
        (row,) = store.landscapes()
        before, job = cells_of(store), store.job(row["run_id"])
        assert row["state"] == "interrupted" and 2 <= len(before) < 9
        Queue(store).resume(job.id)
        start_detached(store)
        wait_for(lambda: job.status().state == "done", 240)
        wait_for(lambda: worker_of(store) is None, 60)
    after = cells_of(store)
    assert after[: len(before)] == before and len(after) == 9  # with the seconds that each of them took
    begun = [event.message for event in job.events(PhaseEvent) if event.phase == "cells"]
    assert len(set(begun)) == 9 and len(begun) <= 10  # the one that was under way at the signal
    assert [line["kind"] for line in job.event_lines() if line["kind"] == "epoch"] == ["epoch"]
