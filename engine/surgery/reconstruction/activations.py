"""The values of a traced network's nodes for a set of images: few are stored, the rest is computed from those.

Stored are what layers read and what is read more than once, unless it is large; each is dropped after its last use, so
that a network of any depth takes the memory of a few layers.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor, fx

from engine.graph.channel_ids import Trace
from engine.graph.patterns import layer_nodes
from engine.surgery.reconstruction.execution import execute
from engine.surgery.reconstruction.samples import join

CHUNK_NUMBERS = 64 * 3 * 32 * 32  # of the images that pass through the nodes between two stored ones at a time
MOST_STORED = 1 << 30  # bytes of one node's values for all images; larger ones are computed anew at each use


def chunk_of(images: Tensor) -> int:
    """How many images pass at a time: 64 small ones, at least 4."""
    return max(4, min(64, CHUNK_NUMBERS * 16 // images[0].numel()))


class Activations:
    """Values by node, for all images. What will be read is announced by `announce`, once for each reading."""

    def __init__(self, trace: Trace, images: Tensor) -> None:
        self._graph, self._images, self.chunk = trace.graph, images, chunk_of(images)
        self._stored: dict[fx.Node, Tensor] = {}
        self._kept = _worth_storing(trace, len(images))
        self._sources = {node: self._sources_of([node]) for node in self._kept}
        self._uses = Counter(source for sources in self._sources.values() for source in sources)

    def announce(self, nodes: Sequence[fx.Node]) -> None:
        """Say that these nodes will be read together, once."""
        self._uses.update(self._needed(nodes))

    def read(self, nodes: Sequence[fx.Node]) -> Iterator[tuple[Tensor, ...]]:
        """The values of announced nodes, a chunk of images at a time."""
        needed = self._needed(nodes)
        for node in needed:
            self._store(node)
        yield from self._chunks(nodes)
        self._release(needed)

    def _needed(self, nodes: Sequence[fx.Node]) -> set[fx.Node]:
        """The stored nodes that the values of `nodes` are computed from."""
        return self._sources_of([n for n in nodes if n not in self._kept]) | {n for n in nodes if n in self._kept}

    def _sources_of(self, nodes: Iterable[fx.Node]) -> set[fx.Node]:
        """The stored nodes that are read on the way to `nodes`, themselves left out."""
        inside = {inner for node in nodes for inner in _between(node, self._kept)}
        return {n for inner in inside for n in inner.all_input_nodes if n in self._kept}

    def _store(self, node: fx.Node) -> None:
        pending = [node]
        while pending:
            last = pending[-1]
            missing = [n for n in self._sources[last] if n not in self._stored] if last not in self._stored else []
            if missing:
                pending += missing
                continue
            pending.pop()
            if last not in self._stored:
                self._stored[last] = join((value for (value,) in self._chunks([last])), len(self._images))
                self._release(self._sources[last])

    def _release(self, nodes: Iterable[fx.Node]) -> None:
        for node in nodes:
            self._uses[node] -= 1
            if self._uses[node] <= 0:
                self._stored.pop(node, None)

    def _chunks(self, nodes: Sequence[fx.Node]) -> Iterator[tuple[Tensor, ...]]:
        inside = {n for node in nodes if node not in self._stored for n in _between(node, self._kept)}
        order = [n for n in self._graph.graph.nodes if n in inside]
        for start in range(0, len(self._images), self.chunk):
            part = slice(start, start + self.chunk)
            values: dict[fx.Node, Any] = {n: value[part] for n, value in self._stored.items()}
            for node in order:
                values[node] = execute(self._graph, node, values, self._images[part])
            yield tuple(values[node] for node in nodes)


def _worth_storing(trace: Trace, images: int) -> frozenset[fx.Node]:
    """What layers read, and tensors that several nodes read, unless they are large."""
    read_by_layers = {node.all_input_nodes[0] for node in layer_nodes(trace).values()}
    of_images: set[fx.Node] = set()  # what is made of parameters alone is the same for every image
    for node in trace.graph.graph.nodes:
        if (node.op == "placeholder" and not node.args) or of_images.intersection(node.all_input_nodes):
            of_images.add(node)
    shared = {node for node in of_images if len(node.users) > 1}
    return frozenset(
        node
        for node in (read_by_layers | shared) & of_images
        if node.op != "placeholder" and node.name in trace.values and _bytes(trace, node, images) <= MOST_STORED
    )


def _bytes(trace: Trace, node: fx.Node, images: int) -> int:
    return 4 * images * trace.values[node.name][0].numel()


def _between(node: fx.Node, stored: frozenset[fx.Node]) -> set[fx.Node]:
    """The node and those that its value is computed through, back to stored ones."""
    inside, pending = {node}, [node]
    while pending:
        for read in pending.pop().all_input_nodes:
            if read not in stored and read not in inside:
                inside.add(read)
                pending.append(read)
    return inside
