"""What a run keeps of each point's predictions and layers, and files there that are damaged or somebody's trick."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from engine.errors import WorkError
from engine.graph.cost import Cost
from engine.storage.outcomes import images, layers, predictions
from tests.support import outcomes


@pytest.mark.parametrize(("classes", "largest"), [(10, 10_128), (1000, 20_128)])
def test_predictions_come_back_and_take_a_byte_or_two_an_image(tmp_path: Path, classes: int, largest: int) -> None:
    named = np.random.default_rng(0).integers(classes, size=10_000)
    file = tmp_path / "p3.predictions.npy"
    predictions.write(file, named)
    assert file.stat().st_size <= largest
    assert np.array_equal(predictions.read(file), named) and np.array_equal(np.load(file), named)


def test_without_a_file_there_are_no_predictions_images_and_layers(tmp_path: Path) -> None:
    assert predictions.read(tmp_path / "p3.predictions.npy") is None
    assert images.read(tmp_path) is None and layers.read(tmp_path / "p3.layers.json") == ()


def test_a_damaged_list_of_predictions_is_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    file = tmp_path / "p3.predictions.npy"
    predictions.write(file, np.arange(40))
    whole = file.read_bytes()
    np.save(file, np.array([print], dtype=object))
    pickled = file.read_bytes()
    np.save(file, np.zeros((2, 3), np.uint8))
    table = file.read_bytes()
    longer = whole.replace(b"(40,)", b"(99,)")
    for data in (whole[:-1], whole + b"x", whole[:20], b"", pickled, pickle.dumps([1]), table, longer):
        file.write_bytes(data)
        with pytest.raises(WorkError, match="no list of classes"):
            predictions.read(file)


def test_the_image_list_comes_back(tmp_path: Path) -> None:
    images.write(tmp_path, outcomes.image_list())
    assert images.read(tmp_path) == outcomes.image_list()


@pytest.mark.parametrize(
    "change",
    [
        {"labels": [0, 3]},
        {"labels": []},
        {"thumbnails": [{"image": 0, "picture": "javascript:alert(1)"}]},
        {"thumbnails": [{"image": 0, "picture": "data:image/svg+xml;base64,AAAA"}]},
        {"classes": [1, 2, 3]},
    ],
)
def test_an_image_list_that_does_not_fit_or_holds_other_than_pictures_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    document = outcomes.image_list().to_json() | change
    (tmp_path / images.FILE).write_text(json.dumps(document))
    with pytest.raises(WorkError, match="damaged"):
        images.read(tmp_path)


def test_the_costs_of_layers_come_back_in_their_order(tmp_path: Path) -> None:
    layers.write(tmp_path / "p0.layers.json", {"b": Cost(params=5, macs=7), "a": Cost(params=1, macs=2)})
    assert [(x.name, x.macs, x.params) for x in layers.read(tmp_path / "p0.layers.json")] == [("b", 7, 5), ("a", 2, 1)]
