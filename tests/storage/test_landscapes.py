"""Landscapes: their folders, their place in the index and in the queue, and files of theirs that are damaged."""

import pytest

from engine.doctor.examine import examine, fix
from engine.errors import RequestError, WorkError
from engine.jobs.queue import Queue
from engine.spec.landscape.request import LandscapeRequest, parse
from engine.storage.landscapes.grid import Accuracy, Cell, Grid, Shares, Untouched
from engine.storage.landscapes.job import Landscape
from engine.storage.store import Store
from tests.support.standin import make_spec

REQUEST = parse({"grid": 2, "spec": {"data": {"name": "digits"}, "criterion": "l1"}})


def empty_grid(request: LandscapeRequest = REQUEST) -> Grid:
    untouched = Untouched(accuracy=Accuracy.of(9, 10), macs=1000, params=100, widths={"conv1": (8, 8)})
    return Grid(
        request=request.model_dump(mode="json"),
        conditions={"seed": 0},
        notes=("a note",),
        metric="macs",
        depths=request.shares(),
        widths=request.shares(),
        split="val",
        images=10,
        untouched=untouched,
    )


def test_a_landscape_is_a_job_beside_the_runs_and_never_among_them(store: Store) -> None:
    job = store.create_landscape(REQUEST)
    assert store.runs() == [] and store.points() == [] and store.reindex() == 0
    (summary,) = store.landscapes()
    assert (summary["run_id"], summary["kind"], summary["state"]) == (job.id, "landscape", "queued")
    assert (summary["grid"], summary["criterion"], summary["data"]) == (2, "l1", "digits")
    again = store.job(job.id)
    assert isinstance(again, Landscape) and again.spec() == REQUEST and again.grid() is None
    with pytest.raises(RequestError, match="there is no run"):
        store.run(job.id)
    store.delete(job.id)
    assert store.landscapes() == []


def test_landscapes_go_one_after_the_other_with_runs(store: Store) -> None:
    queue = Queue(store)
    run, landscape = queue.submit(make_spec()), queue.submit_landscape(REQUEST)
    first = queue.next()
    assert first is not None and first.job.id == run.id and queue.next([first.lane]) is None
    assert queue.queued_ids() == [run.id, landscape.id]
    queue.cancel(landscape.id)
    assert landscape.status().state == "cancelled"
    queue.resume(landscape.id)
    assert landscape.status().message == "waiting; goes on from its last finished cell"


def test_a_grid_comes_back_as_it_was_written(store: Store) -> None:
    job = store.create_landscape(REQUEST)
    shares = Shares(depth=1.0, width=0.2)
    cell = Cell(asked=shares, why="at least 0.3× of the MACs remains when every layer keeps as few channels as it may")
    grid = empty_grid()
    job.write_grid(grid)
    assert job.grid() == grid and job.steps() == 1
    more = Grid(**{**vars(grid), "cells": (cell,)})
    job.write_grid(more)
    assert job.grid() == more and more.cell(1.0, 0.2) == cell and more.cell(0.2, 1.0) is None and job.steps() == 2


def test_damaged_figures_are_said_and_put_aside_so_that_the_landscape_can_go_on(store: Store) -> None:
    job = store.create_landscape(REQUEST)
    job.write_grid(empty_grid())
    job.end("done", "done")
    job.file.write_text('{"landscape_version": 1}')
    with pytest.raises(WorkError, match=r"landscape.json is damaged: it lacks request"):
        job.grid()
    (finding,) = [finding for finding in examine(store) if finding.kind == "damage"]
    assert finding.where == str(job.file) and "it lacks request" in finding.sentence
    assert [outcome.refusal for outcome in fix(store) if outcome.finding.where == str(job.file)] == [None]
    assert job.grid() is None and job.status().state == "failed"
    Queue(store).resume(job.id)
    assert not [finding for finding in examine(store) if finding.kind in ("damage", "index")]


def test_a_shipped_landscape_is_read_and_is_nobodys_to_change(store: Store) -> None:
    job = store.create_landscape(REQUEST)
    job.write_grid(empty_grid())
    job.end("done", "done")
    store.gallery.joinpath("landscapes").mkdir(parents=True)
    shipped = job.path.rename(store.gallery / "landscapes" / job.id)
    assert store.landscapes() == [] and store.runs() == []
    assert [summary["run_id"] for summary in store.shipped_landscapes()] == [shipped.name]
    again = store.job(shipped.name)
    assert isinstance(again, Landscape) and again.gallery and again.grid() == empty_grid()
    for change in (store.delete, Queue(store).cancel, Queue(store).resume):
        with pytest.raises(RequestError, match="is a gallery landscape, shipped with the project"):
            change(shipped.name)
    for unknown in ("20260101-000000-00000000", "../landscapes"):
        with pytest.raises(RequestError):
            store.landscape(unknown)


def test_a_landscape_whose_request_is_damaged_is_listed_as_failed_beside_the_others(store: Store) -> None:
    damaged, whole = store.create_landscape(REQUEST), store.create_landscape(REQUEST)
    (damaged.path / "spec.json").write_text('{"spec": 3}')
    states = {summary["run_id"]: summary["error"] for summary in store.landscapes()}
    assert states == {whole.id: None, damaged.id: "this landscape is damaged: spec of its request is 3"}
    store.delete(damaged.id)
