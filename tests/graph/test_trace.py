"""What operations do to identities, and that an unknown one stops the trace with its name and place."""

import inspect

import pytest
import torch
from torch import Tensor, nn

from engine.graph.channel_ids import UnsupportedOperation
from engine.graph.trace import trace

IMAGE = (3, 8, 8)


class Model(nn.Module):
    """Two convolutions and a head; what is done with both in between is each test's own."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, width, 3, padding=1)
        self.b = nn.Conv2d(3, width, 3, padding=1)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.join(self.a(x), self.b(x)).mean((2, 3)))

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return a


class Added(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return a + 0.5 * b


class Gated(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return a * torch.sigmoid(b)


class Chunked(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        first, second = a.chunk(2, dim=1)
        return torch.cat([second, first], dim=1)


class Softmaxed(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.softmax(a, dim=1)


class Averaged(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return b * a.mean(1, keepdim=True)


class Numbered(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a[:, :2], b[:, 2:]], dim=1)


class Viewed(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return a.view(-1, 4, 8, 8)


class Counted(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return a / int(a.shape[1])


class Decided(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return a * 2 if a.shape[1] == 4 else a


class Summed(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return a.cumsum(1)


class Attended(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.matmul(a, b)


class Contracted(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.einsum("nchw,ndhw->ncdh", a, b).flatten(3)


class Neighbours(Model):
    def join(self, a: Tensor, b: Tensor) -> Tensor:
        return nn.functional.local_response_norm(a, 3)


@pytest.mark.parametrize("kind", [Added, Gated])
def test_what_is_added_or_multiplied_is_one_and_the_same(kind: type[Model]) -> None:
    layers = trace(kind(), IMAGE).layers
    assert layers["a"].outs.tolist() == layers["b"].outs.tolist()
    assert layers["head"].ins.tolist() == layers["a"].outs.tolist()


def test_only_sums_count_as_shared() -> None:
    assert trace(Added(), IMAGE).added
    assert not trace(Gated(), IMAGE).added


def test_chunks_that_are_recombined_are_tied_position_by_position() -> None:
    a = trace(Chunked(), IMAGE).layers["a"].outs.tolist()
    assert a[:2] == a[2:]
    assert a[0] != a[1]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Summed, "cumsum"),
        (Attended, "matmul"),
        (Contracted, "the equation nchw,ndhw->ncdh|every channel with every other"),
        (Neighbours, "local_response_norm"),
    ],
)
def test_what_no_rule_can_follow_stops_with_its_name_its_place_and_the_line_of_its_code(
    kind: type[Model], said: str
) -> None:
    model = nn.Sequential(kind())
    with pytest.raises(UnsupportedOperation, match=said) as stopped:
        trace(model, IMAGE)
    line = inspect.getsourcelines(kind.join)[1] + 1
    assert " in 0: " in str(stopped.value)
    assert f"test_trace.py:{line})" in str(stopped.value)


@pytest.mark.parametrize(("kind", "dim"), [(Softmaxed, 1), (Averaged, 1)])
def test_what_reads_all_channels_at_once_is_known_as_a_reader(kind: type[Model], dim: int) -> None:
    traced = trace(kind(), IMAGE)
    (reader,) = traced.readers.values()
    assert (reader.dim, reader.ids.tolist()) == (dim, traced.layers["a"].outs.tolist())
    assert traced.frozen.isdisjoint(reader.ids.tolist())


@pytest.mark.parametrize(
    ("kind", "layers"), [(Numbered, ["a", "b"]), (Viewed, ["a"]), (Counted, ["a"]), (Decided, ["a"])]
)
def test_channels_whose_number_the_code_names_stay_and_a_note_says_where(kind: type[Model], layers: list[str]) -> None:
    traced = trace(kind(), IMAGE)
    line = inspect.getsourcelines(kind.join)[1] + 1
    for layer in layers:
        assert traced.frozen.issuperset(traced.layers[layer].outs.tolist())
    assert len(traced.notes) == len(layers)
    assert all("stay" in note and f"test_trace.py:{line}" in note for note in traced.notes)


def test_a_layer_that_is_called_twice_reads_and_writes_the_same_channels() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.again = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return self.again(self.again(self.stem(x))).mean((2, 3))

    layers = trace(Twice(), IMAGE).layers
    assert layers["again"].ins.tolist() == layers["again"].outs.tolist() == layers["stem"].outs.tolist()
    assert layers["again"].positions == 2 * 64


def test_the_mode_of_every_module_is_left_as_found() -> None:
    model = Added().train()
    model.a.eval()
    trace(model, IMAGE)
    assert model.training
    assert model.b.training
    assert not model.a.training
