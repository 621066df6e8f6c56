"""A run on a node, with real processes and no cluster: what comes back, how it is stopped, and that nothing stays."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.jobs import child
from engine.jobs.child_process import start
from engine.jobs.executors.ray import bootstrap, node
from engine.jobs.executors.ray.pieces import Inbox, folder_of
from engine.storage.folders.run import Run
from engine.storage.records.event import Epoch
from engine.storage.store import Store
from tests.support import standin, tethered
from tests.support.storm import wait_for


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "node"))
    return bootstrap.home()


def order_of(run: Run, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "attempt": "one",
        "root": "results-test",
        "command": tethered.command(kind),
        "environment": {},
        "grace": 2.0,
        "beat": 0.1,
        "cargo": [],
        "starts": [],
        "network": None,
        "folder": folder_of(run),
        **more,
    }


def messages_of(order: dict[str, Any]) -> Iterator[Any]:
    return node.work(order, lambda reference: reference)


def ended(run: Run, messages: Iterator[Any]) -> Run:
    inbox = Inbox(run)
    for kind, content in messages:
        assert kind != "problem", content
        if kind == "pieces":
            inbox.put(content)
    return run


def test_a_run_on_a_node_comes_back_as_it_would_have_been_here(store: Store, home: Path) -> None:
    run = store.create(standin.make_spec(epochs=12), foreground=True)
    ended(run, messages_of(order_of(run, "quick")))
    here = store.create(standin.make_spec(epochs=12))
    child.execute(here, standin.quick)
    assert run.status().state == "done" and len(run.points()) == 2
    assert [p.without_clock() for p in run.points()] == [p.without_clock() for p in here.points()]
    assert list((home / "results-test" / "runs").iterdir()) == []


def test_a_cancelled_run_ends_on_its_node_and_goes_on_on_another_from_what_came_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = store.create(standin.make_spec(epochs=60), foreground=True)
    inbox, stopped = Inbox(run), False
    for kind, content in messages_of(order_of(run, "steady")):
        if kind == "pieces":
            inbox.put(content)
        if run.points() and not stopped:
            stopped = True
            bootstrap.stop("one", bootstrap.CANCEL)
    assert run.status().state == "cancelled" and 0 < len(run.events(Epoch)) < 60
    run.update(state="queued", foreground=True)
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "another node"))
    ended(run, messages_of(order_of(run, "quick")))
    assert run.status().state == "done" and len(run.points()) == 12
    epochs = [epoch.epoch for epoch in run.events(Epoch)]
    assert sorted(set(epochs)) == list(range(1, 61)), "an epoch is missing"
    assert len(epochs) <= 61, "more was repeated than the epoch in which the run was stopped"


def test_a_task_that_is_ended_in_the_middle_takes_its_process_along(store: Store, home: Path) -> None:
    run = store.create(standin.make_spec(epochs=5000), foreground=True)
    messages = messages_of(order_of(run, "steady"))
    there = Run(home / "results-test" / "runs" / run.id)
    owner = wait_for(lambda: next(messages) and there.lock.owner())
    messages.close()  # type: ignore[attr-defined]
    assert not owner.alive() and not there.path.exists()


def test_a_process_ends_when_whoever_started_it_is_gone(store: Store) -> None:
    run = store.create(standin.make_spec(epochs=5000))
    command = [sys.executable, "-m", *tethered.command("steady"), str(store.root), run.id]
    begun = start(run, command, stdin=subprocess.PIPE)
    assert begun.popen is not None and begun.popen.stdin is not None
    wait_for(run.points)
    begun.popen.stdin.close()
    wait_for(begun.has_ended, 20)
    assert run.status().state == "interrupted"


def test_a_run_that_cannot_begin_on_a_node_says_why(store: Store) -> None:
    run = store.create(standin.make_spec(), foreground=True)
    missing = {"path": "/images", "state": "other", "is_folder": True, "digest": None, "data": None}
    order = order_of(run, "quick", cargo=[missing])
    (kind, _), (problem, sentence) = messages_of(order)
    assert (kind, problem) == ("begun", "problem") and "has no copy of /images, which is too large" in sentence
    network = {"path": "/none/net.py", "function": "make", "sha256": "0" * 64, "name": None}
    _, (problem, sentence) = messages_of(order_of(run, "quick", network=network))
    assert problem == "problem" and "has no file /none/net.py; code is not sent" in sentence
