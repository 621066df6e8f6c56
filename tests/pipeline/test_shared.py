"""What runs take from one another: a training that was stopped, and samples of a reference."""

from pathlib import Path

import pytest
import torch

from engine.data.split import Split
from engine.graph.summarize import summarize
from engine.measure import code
from engine.pipeline.network import Network
from engine.pipeline.shared import digests
from engine.pipeline.shared.baseline import trained
from engine.pipeline.shared.entry import Entry
from engine.pipeline.shared.samples import SampleMemory
from engine.pipeline.shared.sharing import Sharing
from engine.storage.cache.cache import Cache, Key
from engine.storage.store import Store
from engine.surgery.plan import Plan
from engine.surgery.reconstruction.reference import Reference
from engine.train import checkpoint
from tests.support import tiny
from tests.support.stores import make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", gallery=tmp_path / "gallery")


def sharing(store: Store, seed: int = 0) -> Sharing:
    return Sharing(Cache(store.root, 10_000_000), {"threads": 1}, store.create(make(seed)))


def network(seed: int = 0) -> Network:
    return Network(tiny.network(seed).eval(), Plan("tiny", 4, (3, 16, 16)))


def test_a_training_that_was_stopped_is_gone_on_with_by_whichever_run_is_next(store: Store) -> None:
    first, second, third = (sharing(store) for _ in range(3))
    key, module = Key.of("baselines", {}), tiny.network()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def stops() -> tuple[str, Network]:
        checkpoint.save(first.run.checkpoint_file(0), module, optimizer, 3, {"recipe": 1})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(first, key, network(), stops)

    def goes_on() -> tuple[str, Network]:
        assert checkpoint.epochs_done(second.run.checkpoint_file(0)) == 3
        assert checkpoint.restore(second.run.checkpoint_file(0), module, optimizer, {"recipe": 1}) == 3
        return second.run.id, network(seed=7)

    made = trained(second, key, network(), goes_on)
    assert isinstance(made, Network)
    taken = trained(third, key, network(), stops)
    assert isinstance(taken, tuple) and taken[0] == second.run.id
    assert tiny.same(taken[1].module.state_dict(), tiny.network(7).state_dict())
    assert not third.run.checkpoint_file(0).exists()


def test_samples_of_a_reference_are_there_for_the_next_one_bit_for_bit(store: Store) -> None:
    untouched, images = network(), torch.randn(32, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    structure = summarize(untouched.module, (3, 16, 16), "tiny")
    nodes = [(node, False) for node in structure.trace.graph.graph.nodes if node.op == "call_module"][:3]
    alone = Reference(structure, images, count=64)
    alone.compute(nodes)
    for seed in range(2):
        memory = SampleMemory.of(sharing(store, seed), untouched, images, 0, 64)
        shared = Reference(structure, images, 0, 64, memory)
        shared.compute(nodes)
        assert all(torch.equal(shared.samples(node), alone.samples(node)) for node, _ in nodes)
        assert torch.equal(shared.outputs(16), alone.outputs(16))
        assert memory.sharing.cache.usage()[0] == len(nodes) + 1
    other = SampleMemory.of(sharing(store), network(seed=1), images, 0, 64)
    assert other.key != memory.key and SampleMemory.of(sharing(store), untouched, images, 1, 64).key != memory.key


def test_images_are_told_apart_by_their_bytes_and_files_by_name_size_and_time(tmp_path: Path) -> None:
    one, other = tiny.split(8, seed=1), tiny.split(8, seed=2)
    again = Split(one.images, one.labels)
    assert digests.of_split(one) == digests.of_split(again) != digests.of_split(other)
    assert digests.of_split(one.with_labels(1 - one.labels)) != digests.of_split(one)
    assert len(code.digest()) == 64

    class Elsewhere:
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            raise AssertionError("no image is read to tell")

    assert digests.of_split(Split(None, torch.zeros(1, dtype=torch.int64), Elsewhere())) is None


def test_numbers_come_back_as_they_went_in() -> None:
    facts = {"loss": 0.1 + 0.2, "names": ["a", "ß"]}
    entry = Entry.from_bytes(
        Entry({"x": torch.tensor([1 / 3], dtype=torch.float64), "n": torch.arange(2)}, facts).to_bytes()
    )
    assert entry is not None and entry.facts == facts and entry.tensors["x"].item() == 1 / 3
    assert entry.tensors["n"].dtype == torch.int64
