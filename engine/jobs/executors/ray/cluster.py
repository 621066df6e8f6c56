"""The way to a Ray cluster: connecting within some seconds or saying why not, its nodes, and tasks on them.

All that this program knows of Ray is here. Ray is imported when it is needed; without it there is no `--on ray`.
"""

import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from engine.errors import RequestError, WorkError
from engine.jobs.executors.ray import bootstrap
from engine.jobs.executors.ray.nodes import PACKAGES, Node
from engine.spec.messages import as_text

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0  # in which a node starts a process and says what it is
_WAITING = 8  # messages of a task that nobody has taken, after which it waits
_PREFACE, _SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))  # RFC 9113, 3.4 and 6.5
_START = "`ray start --head` starts one here, and `ray start --address=HOST:PORT` adds another computer"


class LostError(Exception):
    """A task has ended without saying so: its node is gone, its process was killed, or it was cancelled."""


class Task:
    """A task that tells messages until it ends."""

    def __init__(self, generator: Any, node: Node, keep: Any) -> None:
        self.generator, self.node = generator, node
        self._keep = keep  # what the order refers to stays in the cluster for so long

    def messages(self) -> Iterator[Any]:
        """The messages that are there; StopIteration is no end. LostError or WorkError where it broke off."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        while ray.wait([self.generator], timeout=0)[0]:
            try:
                yield ray.get(next(self.generator))
            except StopIteration:
                yield None
                return
            except RayTaskError as error:
                if isinstance(error.cause, KeyboardInterrupt):
                    raise LostError("it was cancelled") from None
                raise WorkError(f"on the node {self.node.host}: {as_text(error.cause)[:300]}") from None
            except RayError as error:
                raise LostError(_first_line(error)) from None

    def cancel(self, *, force: bool) -> None:
        """Ends it before it has begun; by force at any time."""
        import ray

        ray.cancel(self.generator, force=force)


class Cluster:
    """A connection to a cluster; there is one a process."""

    def __init__(self, address: str | None) -> None:
        self.address = address
        self._asked: dict[str, Any] = {}
        self._stops: list[Any] = []

    def connect(self) -> None:
        """RequestError where there is no such cluster, or this computer is none of it."""
        ray = _ray()
        if ray.is_initialized():
            return
        address = self._reachable()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        with _own_signals():
            try:
                ray.init(
                    address=address,
                    namespace=f"espalier-{uuid.uuid4().hex}",
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                )
            except Exception as error:
                raise RequestError(_why(address, error), field="address") from None
        ray._private.worker._worker_logs_enabled = False  # or messages of nodes come between ours, on stdout
        ray.cloudpickle.register_pickle_by_value(bootstrap)

    def close(self) -> None:
        """Ends all tasks that go on, and the connection."""
        _ray().shutdown()
        self._asked, self._stops = {}, []

    def put(self, value: Any) -> Any:
        """A reference to a value in the cluster, from where each node that wants it takes it once."""
        return _ray().put(value)

    def nodes(self) -> list[Node]:
        """Those that are alive, as the cluster has them."""
        try:
            listed = _ray().nodes()
        except Exception as error:
            raise WorkError(f"the Ray cluster does not answer any more: {_first_line(error)}") from None
        return [_node(each) for each in listed if each["Alive"] and each["Resources"].get("CPU", 0) >= 1]

    def ask(self, nodes: Iterable[Node]) -> None:
        """Has nodes say what they are."""
        describe = _ray().remote(bootstrap.describe)
        for node in nodes:
            self._asked[node.id] = self._on(describe, node).remote(PACKAGES), time.monotonic()

    def answers(self, seconds: float = 0.0) -> dict[str, Mapping[str, Any] | str]:
        """By its id what each node has answered since the last time: facts, or words that say what is wrong with it."""
        ray = _ray()
        from ray.exceptions import NodeDiedError, TaskUnschedulableError

        references = [reference for reference, _ in self._asked.values()]
        if references and seconds:
            ray.wait(references, num_returns=len(references), timeout=seconds)
        found: dict[str, Mapping[str, Any] | str] = {}
        for node_id, (reference, at) in list(self._asked.items()):
            if ray.wait([reference], timeout=0)[0]:
                try:
                    found[node_id] = ray.get(reference)
                except (NodeDiedError, TaskUnschedulableError):
                    found[node_id] = "is gone"
                except Exception as error:
                    found[node_id] = f"is not used: {_first_line(error)}"
            elif time.monotonic() - at > ANSWER_SECONDS:
                found[node_id] = f"is not used: it starts no process within {ANSWER_SECONDS:.0f} s"
        for node_id in found:
            del self._asked[node_id]
        return found

    def start(self, node: Node, code: Any, digest: str, order: Mapping[str, Any], cpus: int, gpus: float) -> Task:
        """Starts the work on a run on a node, when its cores are free."""
        options = {"num_returns": "streaming", "_generator_backpressure_num_objects": _WAITING}
        work = self._on(_ray().remote(bootstrap.work), node, num_cpus=cpus, num_gpus=gpus, name="espalier", **options)
        generator = work.remote(code, digest, order)
        return Task(generator, node, order)

    def stop(self, node: Node, attempt: str, word: str) -> None:
        """Has the node stop the process of a run."""
        self._stops.append(self._on(_ray().remote(bootstrap.stop), node).remote(attempt, word))

    def wait(self, tasks: Sequence[Task], seconds: float) -> None:
        """Until all tasks have something to tell, or so many seconds have passed."""
        if not tasks:
            time.sleep(seconds)
            return
        generators = [task.generator for task in tasks]
        _ray().wait(generators, num_returns=len(generators), timeout=seconds)

    def _on(self, function: Any, node: Node, num_cpus: int = 0, **options: Any) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        place = NodeAffinitySchedulingStrategy(node_id=node.id, soft=False)
        return function.options(num_cpus=num_cpus, max_retries=0, scheduling_strategy=place, **options)

    def _reachable(self) -> str:
        """HOST:PORT of the cluster, where somebody answers."""
        address = self.address or os.environ.get("RAY_ADDRESS") or "auto"
        if address == "auto":
            from ray._private.utils import read_ray_address

            known = read_ray_address()
            if not known:
                raise RequestError(f"there is no Ray cluster on this computer; {_START}", field="address")
            address = known
        host, _, port = address.rpartition(":")
        if "/" in address or not host or not port.isdecimal():
            raise RequestError(
                f"{as_text(address)} is no address of a Ray cluster; write HOST:PORT, as `ray start --head` prints it, "
                "and start the sweep on a computer that belongs to the cluster",
                field="address",
            )
        try:
            answers = _answers(host.strip("[]"), int(port))
            reason = "what does is none"
        except (OSError, OverflowError) as error:
            answers, reason = False, getattr(error, "strerror", None) or str(error)
        if not answers:
            raise RequestError(f"no Ray cluster answers at {as_text(address)} ({reason}); {_START}", field="address")
        return address


def _answers(host: str, port: int) -> bool:
    """Whether somebody speaks HTTP/2 there, as a cluster's head does: Ray itself would wait for minutes for anybody."""
    with socket.create_connection((host, port), timeout=CONNECT_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return True
        connection.sendall(_PREFACE + _SETTINGS)
        return connection.recv(9)[3:4] == _SETTINGS[3:4]


def _ray() -> Any:
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what is wrong is said here
    try:
        import ray
    except ImportError:
        raise RequestError(
            "--on ray needs Ray, which is not installed; pip install -r requirements-cluster.txt does that, on every "
            "computer of the cluster"
        ) from None
    return ray


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keeps this process's own handler of SIGTERM, in whose place Ray puts another one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _node(listed: Mapping[str, Any]) -> Node:
    resources = listed["Resources"]
    cpus, gpus, memory = (int(resources.get(name, 0)) for name in ("CPU", "GPU", "memory"))
    return Node(listed["NodeID"], listed["NodeManagerHostname"], cpus, gpus, memory)


def _why(address: str, error: Exception) -> str:
    text = _first_line(error)
    if "ersion mismatch" in str(error):
        text = "it runs another version of Ray or of Python than this computer"
    return (
        f"the Ray cluster at {address} cannot be used from here ({text}); this computer has to belong to it: "
        f"`ray start --address={address}`, with --num-cpus=0 where it is to work on no run"
    )


def _first_line(error: BaseException) -> str:
    lines = as_text(error).strip().splitlines() or [type(error).__name__]
    return f"{type(error).__name__}: {lines[0][:200]}"
