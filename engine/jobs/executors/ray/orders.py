"""What a node is told of a run; what of it goes into the cluster is put there once, as long as a sweep goes on."""

import hashlib
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from engine.jobs.executors.ray import cargo, pieces
from engine.jobs.executors.ray.cluster import Cluster
from engine.spec.run import RunSpec
from engine.storage.cache import cache
from engine.storage.folders.run import Run
from engine.storage.store import Store

_PASSED_ON = (cache.LIMIT,)  # of the environment


class Orders:
    """Orders of a sweep for `engine.jobs.executors.ray.node`, in plain values and references into the cluster.

    `command` is the module of a run's process and its first arguments, `packages` are what of this program is sent,
    `grace` the seconds between asking a process to stop and making it.
    """

    def __init__(
        self, store: Store, cluster: Cluster, grace: float, command: Sequence[str], packages: Sequence[str]
    ) -> None:
        self._store, self._cluster, self._grace = store, cluster, grace
        self._command, self._packages = command, packages
        self._sent: dict[str, Mapping[str, Any]] = {}  # by path, and by run
        self._code: tuple[Any, str] | None = None

    def code(self) -> tuple[Any, str]:
        """The archive of this program in the cluster, and its digest."""
        if self._code is None:
            code, digest = cargo.program(self._packages)
            self._code = self._cluster.put(code), digest
        return self._code

    def order_of(self, run: Run, spec: RunSpec, attempt: str, beat: float) -> Mapping[str, Any]:
        """What a node is to do for one attempt at a run, telling what is new every `beat` seconds.

        WorkError or RequestError for what cannot be read here.
        """
        return {
            "run_id": run.id,
            "attempt": attempt,
            "root": _root_name(self._store),
            "command": self._command,
            "environment": {name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            "grace": self._grace,
            "beat": beat,
            "cargo": [self._cargo(path) for path in cargo.paths_in(spec.model_dump(mode="json"))],
            "starts": [self._start(each) for each in cargo.runs_behind(spec, self._store)],
            "network": cargo.own_network(spec),
            "folder": self._cluster.put(pieces.folder_of(run)),
        }

    def forget(self) -> None:
        """What was put into a cluster is there no more."""
        self._sent, self._code = {}, None

    def _cargo(self, path: str) -> Mapping[str, Any]:
        """What a path of a request names."""
        if path not in self._sent:
            loaded = cargo.load(path)
            self._sent[path] = {
                "path": path,
                "state": loaded.state,
                "is_folder": loaded.is_folder,
                "digest": loaded.digest,
                "data": None if loaded.digest is None else self._cluster.put(loaded.data),
            }
        return self._sent[path]

    def _start(self, run: Run) -> Mapping[str, Any]:
        """A run that others start from."""
        if run.id not in self._sent:
            self._sent[run.id] = {"run_id": run.id, "data": self._cluster.put(cargo.packed_start(run))}
        return self._sent[run.id]


def _root_name(store: Store) -> str:
    """The name that this results folder has on the nodes."""
    return f"results-{hashlib.sha256(f'{socket.gethostname()} {store.root}'.encode()).hexdigest()[:16]}"
