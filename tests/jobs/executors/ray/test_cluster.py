"""Sweeps on a real Ray cluster of two nodes: killed, stopped, and the same in the end as on this computer."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from engine.errors import RequestError
from engine.jobs import child
from engine.jobs.executors.ray import cluster
from engine.jobs.executors.ray.executor import RayExecutor
from engine.jobs.queue import Queue
from engine.jobs.sweep import place
from engine.storage.folders.run import Run
from engine.storage.records.event import Epoch
from engine.storage.store import Store
from tests.support import ray_nodes, standin, sweeps
from tests.support.ray_nodes import Nodes, processes_of
from tests.support.storm import own, started, wait_for

pytestmark = pytest.mark.xdist_group("ray")
EPOCHS = 100
Drive = Callable[[int, int], subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    nodes = Nodes()
    try:
        nodes.start()
        nodes.start()
        yield nodes
    finally:
        nodes.end()


def runs_of(store: Store) -> list[Run]:
    return [store.run(row["run_id"]) for row in own(store)]


def begun(store: Store) -> bool:
    """Whether two runs have come as far as a point."""
    runs = runs_of(store)
    return len(runs) == 2 and all(run.points() for run in runs)


@pytest.fixture
def drive(store: Store, nodes: Nodes) -> Iterator[Drive]:
    """Starts the process of a sweep of so many runs of so many epochs; none is left at the end."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(count: int, epochs: int) -> subprocess.Popen[bytes]:
        words = (nodes.address, str(store.root), str(count), str(epochs))
        processes.append(started([sys.executable, "-m", "tests.support.ray_nodes", *words]))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def test_cancelling_one_run_and_then_the_whole_sweep_leaves_no_process(
    store: Store, nodes: Nodes, drive: Drive
) -> None:
    process = drive(2, 5000)
    wait_for(lambda: begun(store))
    first, second = runs_of(store)
    Queue(store).cancel(first.id)
    wait_for(lambda: first.status().state == "cancelled" and not first.is_cancel_requested())
    assert second.status().state == "running"
    assert place.stop(store, sweeps.NAME, wait=60.0) and process.wait() == 0
    assert second.status().state == "interrupted" and second.checkpoint.is_dir()
    assert not processes_of(nodes.folder) and not any(run.lock.is_taken() for run in runs_of(store))


def test_neither_a_killed_sweep_nor_a_killed_node_loses_or_repeats_anything(
    store: Store, nodes: Nodes, drive: Drive
) -> None:
    killed = drive(4, EPOCHS)
    wait_for(lambda: begun(store))
    killed.kill()
    killed.wait()
    wait_for(lambda: not processes_of(nodes.folder))

    def disturb() -> None:
        there = nodes.cache(1) / "cluster"
        wait_for(lambda: processes_of(there))
        nodes.kill(1)
        wait_for(lambda: not processes_of(there))

    thread = threading.Thread(target=disturb)
    thread.start()
    specs = [standin.make_spec(seed, EPOCHS) for seed in range(4)]
    sweeps.drive(store, specs, ray_nodes.executor_of(store, nodes.address))
    thread.join()
    runs = runs_of(store)
    assert [(run.status().state, run.status().error) for run in runs] == [("done", None)] * 4
    for run in runs:
        here = store.create(run.spec())
        child.execute(here, standin.quick)
        assert [p.without_clock() for p in run.points()] == [p.without_clock() for p in here.points()]
        assert sorted({epoch.epoch for epoch in run.events(Epoch)}) == list(range(1, EPOCHS + 1))


def test_a_cluster_that_is_not_there_is_told_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(RequestError, match=rf"no Ray cluster answers at 127\.0\.0\.1:{port} \(Connection refused\)"):
        assert RayExecutor(store, address=f"127.0.0.1:{port}").places
    with socket.create_server(("127.0.0.1", 0)) as deaf, monkeypatch.context() as patch:
        patch.setattr(cluster, "CONNECT_SECONDS", 0.2)
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(RequestError, match=rf"no Ray cluster answers at {address} \(timed out\)"):
            assert RayExecutor(store, address=address).places
    with pytest.raises(RequestError, match=r"ray://head:10001 is no address of a Ray cluster; write HOST:PORT"):
        assert RayExecutor(store, address="ray://head:10001").places
