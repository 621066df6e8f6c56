"""The size of a network's images: what the data mostly is, never more than the network is made for unless asked."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.data.images.sizing import USUAL_SIDE, Fit, Sizing, choose, describe
from engine.data.load import classes_and_image, load
from engine.spec.run import DataSpec
from engine.zoo.makers import made_for
from tests.data.test_folder import root, write  # noqa: F401 - a fixture

NETWORKS = {name: made_for(name) for name in ("resnet20", "torchvision/resnet18", "own.py:build")} | {None: None}
SIZES = st.dictionaries(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)), st.integers(1, 50), min_size=1, max_size=8
).map(Counter)


@given(sizes=SIZES, model=st.sampled_from([None, "resnet20", "torchvision/resnet18", "own.py:build"]))
def test_no_side_is_above_what_the_network_is_made_for(sizes: Counter[tuple[int, int]], model: str | None) -> None:
    sizing = Sizing(None, NETWORKS[model])
    assert sizing.own == {"resnet20": (32, 32), "torchvision/resnet18": (224, 224)}.get(model or "")
    most = sizing.own or (USUAL_SIDE, USUAL_SIDE)
    choice = choose(sizes, sizing)
    assert choice.height <= most[0] and choice.width <= most[1]
    if len(sizes) == 1 and next(iter(sizes))[0] <= most[0] and next(iter(sizes))[1] <= most[1]:
        assert choice.size == next(iter(sizes))


@given(sizes=SIZES, asked=st.tuples(st.integers(1, 8192), st.integers(1, 8192)))
def test_what_is_asked_for_is_taken(sizes: Counter[tuple[int, int]], asked: tuple[int, int]) -> None:
    assert choose(sizes, Sizing(asked, NETWORKS["resnet20"])).size == asked


def test_small_images_of_no_common_size_are_not_enlarged_for_a_network_of_unknown_size() -> None:
    sizes = Counter({(20, 30): 1, (31, 25): 1, (40, 41): 1})
    assert choose(sizes, Sizing()).size == (25, 25)
    assert choose(sizes, Sizing(None, NETWORKS["torchvision/resnet18"])).size == (224, 224)


def test_the_note_says_how_many_were_resized_and_cut() -> None:
    sizes = Counter({(600, 4032): 1, (300, 400): 2, (448, 448): 1})
    choice = choose(sizes, Sizing(None, NETWORKS["torchvision/resnet18"]))
    assert describe(choice, sizes) == (
        "images are 224×224 px, which torchvision/resnet18 is made for; 4 of 4 were resized to it, "
        "from 300×400 to 600×4032 px, and 3 were cut at the centre"
    )
    assert describe(choose(Counter({(8, 10): 3}), Sizing()), Counter({(8, 10): 3})) == "images are 8×10 px"


def test_an_image_keeps_its_aspect_and_loses_what_is_beyond_the_centre() -> None:
    stripes = np.zeros((30, 90, 3), np.uint8)
    stripes[:, 30:60] = 255  # the middle third
    assert np.asarray(Fit(10, 10)(Image.fromarray(stripes)))[:, 1:-1].min() == 255
    panorama = Fit(224, 224)(Image.new("RGB", (10_000, 1), (7, 8, 9)))
    assert panorama.size == (224, 224) and panorama.getpixel((0, 0)) == (7, 8, 9)


def test_a_panorama_among_photos_does_not_make_a_large_network(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for index, side in enumerate((40, 50, 60)):
            write(tmp_path / part / "a" / f"{index}.png", size=(side, side + 8), grey=9)
            write(tmp_path / part / "b" / f"{index}.png", size=(side + 8, side), grey=200)
    write(tmp_path / "train" / "b" / "panorama.jpg", size=(4032, 600))
    spec = DataSpec(name=f"folder:{tmp_path}")
    data = load(spec, 0, NETWORKS["resnet20"])
    assert data.image == (3, 32, 32)
    assert data.test.images is not None and data.test.images.unique().tolist() == [9, 200]
    for model in ("torchvision/resnet18", None):
        assert classes_and_image(spec, NETWORKS[model]) == (2, (3, 224, 224) if model else (3, 50, 50))


@pytest.mark.parametrize(("asked", "image"), [(12, (3, 12, 12)), ((6, 12), (3, 6, 12)), ("6x12", (3, 6, 12))])
def test_every_kind_of_data_takes_the_size_that_is_asked_for(
    root: Path,  # noqa: F811
    asked: object,
    image: tuple[int, int, int],
    tmp_path: Path,
) -> None:
    images = np.full((8, 9, 9, 3), 77, np.uint8)
    np.savez(
        tmp_path / "d.npz", train_images=images, train_labels=np.arange(8) % 2, test_images=images, test_labels=[0] * 8
    )
    for name in (f"folder:{root}", f"npz:{tmp_path / 'd.npz'}", "digits"):
        spec = DataSpec(name=name, image_size=asked)  # type: ignore[arg-type]
        data = load(spec, 0, NETWORKS["resnet20"])
        assert data.image == classes_and_image(spec, NETWORKS["resnet20"])[1] == image
        assert data.test.images is not None and data.test.images.shape[1:] == image
        assert any("×".join(map(str, image[1:])) + " px" in note for note in data.notes)
