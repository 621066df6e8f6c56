"""The nodes that a sweep uses: those that are there, that have answered, and that compute as this computer does."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import RequestError
from engine.jobs.executors.ray import bootstrap, nodes
from engine.jobs.executors.ray.cluster import ANSWER_SECONDS, Cluster
from engine.jobs.executors.ray.nodes import PACKAGES, Node

LOOK_SECONDS = 2.0  # between two looks at which nodes there are
PATIENCE_SECONDS = 60.0  # without any node


class Fleet:
    """The nodes of a cluster; `say` hears, in sentences, of those that are not used, and of those that are lost."""

    def __init__(self, cluster: Cluster, say: Callable[[str], None]) -> None:
        self._cluster, self._say = cluster, say
        self._used: dict[str, Node] = {}
        self._refused: dict[str, str] = {}
        self._asked: dict[str, Node] = {}
        self._looked = self._had_node = 0.0

    @property
    def used(self) -> tuple[Node, ...]:
        """Those that runs may go to."""
        return tuple(self._used.values())

    def connect(self) -> None:
        """Connects, and waits until the nodes have said what they are; RequestError where none can be used."""
        if self._used:
            return
        self._cluster.connect()
        deadline = time.monotonic() + ANSWER_SECONDS
        self.look(wait=1.0)
        while self._asked and not (self._used and time.monotonic() > deadline):
            self.look(wait=1.0)
        if not self._used:
            reasons = "; ".join(self._refused.values()) or "it has none with a core"
            self.leave()
            raise RequestError(f"no node of the Ray cluster can be used: {reasons}")
        if sentence := nodes.processors(self.used):
            self._say(sentence)

    def leave(self) -> None:
        """Ends the connection, and with it all that goes on."""
        self._cluster.close()
        self._used, self._refused, self._asked = {}, {}, {}

    def look(self, wait: float = 0.0) -> None:
        """Looks which nodes there are, has new ones say what they are, and minds what they answer in `wait` seconds."""
        now = time.monotonic()
        if wait or now - self._looked >= LOOK_SECONDS:
            self._looked = now
            alive = {node.id: node for node in self._cluster.nodes()}
            for node_id in [each for each in self._used if each not in alive]:
                self._say(f"the node {self._used.pop(node_id).host} is gone")
            new = [node for node_id, node in alive.items() if not self._has_heard_of(node_id)]
            self._asked.update({node.id: node for node in new})
            self._cluster.ask(new)
        if self._asked:
            for node_id, answer in self._cluster.answers(wait).items():
                self._mind(self._asked.pop(node_id), answer)
        if self._used:
            self._had_node = now

    def doubt(self, node: Node) -> None:
        """Something was lost on a node: nothing goes there any more until it has said once more what it is."""
        if self._used.pop(node.id, None) is not None:
            self._asked[node.id] = node
            self._cluster.ask([node])

    def is_given_up(self) -> bool:
        """Whether there has been no node for so long that nobody waits for one."""
        return time.monotonic() - self._had_node > PATIENCE_SECONDS

    def _has_heard_of(self, node_id: str) -> bool:
        return node_id in self._used or node_id in self._refused or node_id in self._asked

    def _mind(self, node: Node, answer: Mapping[str, Any] | str) -> None:
        if isinstance(answer, str):
            reason: str | None = f"the node {node.host} {answer}"
        else:
            reason = nodes.refusal(answer, bootstrap.describe(PACKAGES))
            if reason is None:
                self._used[node.id] = Node(node.id, node.host, node.cpus, node.gpus, node.memory, answer)
        if reason is not None:
            self._refused[node.id] = reason
            self._say(reason)
