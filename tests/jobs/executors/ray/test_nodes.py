"""Which nodes of a cluster are used, and which gets the next run."""

import pytest

from engine.jobs.executors.ray import bootstrap
from engine.jobs.executors.ray.nodes import PACKAGES, Node, choose, gpu_share, processors, refusal, too_small

GIB = 1 << 30
VERSIONS = {"Python": "3.11.9", "torch": "2.12.0", "numpy": "2.4.6"}
HERE = {"host": "desk", "versions": VERSIONS, "cpu": "A", "gpu_mib": []}


def test_a_node_with_the_same_versions_is_used_whatever_its_processor() -> None:
    assert refusal({**HERE, "host": "n1", "cpu": "B"}, HERE) is None
    described = bootstrap.describe(PACKAGES)
    assert described["versions"]["torch"] and refusal(described, bootstrap.describe(PACKAGES)) is None


def test_a_node_with_other_versions_is_refused_by_name() -> None:
    facts = {**HERE, "host": "n1", "versions": {"Python": "3.11.8", "torch": "2.11.0"}}
    assert refusal(facts, HERE) == (
        "the node n1 is not used, as other versions give other numbers: it has Python 3.11.8 and not 3.11.9, "
        "numpy missing and not 2.4.6, torch 2.11.0 and not 2.12.0"
    )


def test_different_processors_are_told() -> None:
    nodes = [Node(str(n), f"n{n}", 8, facts={"cpu": cpu}) for n, cpu in enumerate(("Xeon", "EPYC", "Xeon"))]
    sentence = processors(nodes)
    assert sentence is not None and sentence.endswith("EPYC (n1); Xeon (n0, n2)")
    assert processors(nodes[:1]) is None


def test_a_run_goes_where_most_cores_are_free_and_nowhere_without_room() -> None:
    nodes = (Node("a", "a", 4, memory=100 * GIB), Node("b", "b", 2, memory=100 * GIB))
    assert choose(nodes, {}, 1) is nodes[0]
    assert choose(nodes, {"a": [1, 2]}, 1) is nodes[1]
    assert choose(nodes, {"a": [1, 2], "b": [1]}, 2) is None
    assert too_small(nodes, 4) is None
    assert too_small(nodes, 5) == "it computes with 5 threads, and the largest node has 4 cores"


def test_memory_and_gpus_bound_how_many_go_on_at_once() -> None:
    assert Node("a", "a", 8, memory=100 * GIB).room(2) == 4 and Node("a", "a", 8, memory=5 * GIB).room(1) == 2
    assert Node("a", "a", 8, memory=GIB).room(1) == 1 and Node("a", "a", 1).room(2) == 0
    card = Node("a", "a", 8, gpus=1, memory=100 * GIB, facts={"gpu_mib": [10_240]})
    share = gpu_share([3 * GIB, GIB], [card, Node("b", "b", 8)])
    assert share == 0.3 and card.room(1, share) == 3
    assert choose((card,), {"a": [1, 1, 1]}, 1, share) is None and choose((card,), {"a": [1, 1]}, 1, share) is card


@pytest.mark.parametrize(
    ("needs", "node", "share"),
    [([], Node("a", "a", 8, 1), 0.0), ([GIB], Node("a", "a", 8), 0.0), ([GIB], Node("a", "a", 8, 1), 1.0)],
)
def test_a_gpu_is_shared_as_far_as_it_is_known(needs: list[int], node: Node, share: float) -> None:
    assert gpu_share(needs, [node]) == share
