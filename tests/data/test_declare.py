"""A dataset is one file: dropped into `engine/data/`, it is listed, checked, offered, trained on and measured."""

import pytest

from tests.support.dropped_in import QUICK, Checkout, checkout

STRIPES = '''
"""Stripes that run one way or the other."""

from engine.data.declare import dataset
from engine.data.split import Parts, Split, in_memory


@dataset(
    "stripes",
    image=(3, 16, 16),
    classes=2,
    summary="stripes that run one way or the other",
    normalize=((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    flip=False,
    crop=1,
)
def stripes() -> Parts:
    return Parts(split(120), None, split(60), ("across", "down"), (16, 16))


def split(size: int) -> Split:
    import torch

    across = torch.zeros(16, 16, dtype=torch.uint8)
    across[::2] = 255
    labels = torch.arange(size) % 2
    return in_memory(torch.stack([across.T if label else across for label in labels]), labels)
'''
PATHS = '''
"""Blank images, as many as a path says."""

from pathlib import Path

from engine.data.declare import dataset_at_path
from engine.data.split import Parts, in_memory


@dataset_at_path("blank:", form="blank:NUMBER, so many blank images")
def blank(path: Path) -> Parts:
    import torch

    split = in_memory(torch.zeros(int(path.name), 16, 16, dtype=torch.uint8), torch.arange(int(path.name)) % 2)
    return Parts(split, None, split, ("a", "b"), (16, 16))
'''
LOADED = """
import json
from engine.data.load import load
from engine.spec.run import parse
data = load(parse({"data": {"name": "stripes"}}).data, 0)
print(json.dumps([data.mean, data.flip, data.crop, data.image, data.classes, len(data.test)]))
"""


@pytest.fixture(scope="module")
def with_stripes(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    files = {"engine/data/stripes.py": STRIPES, "engine/data/blank.py": PATHS}
    return checkout(tmp_path_factory.mktemp("checkout"), files)


def test_a_dataset_in_a_file_of_its_own_is_trained_on_and_pruned_on(with_stripes: Checkout) -> None:
    done = with_stripes.espalier("run", "--data", "stripes", "--criterion", "l1", *QUICK)
    assert (done["status"]["state"], done["spec"]["data"]["name"]) == ("done", "stripes")
    assert done["points"][-1]["final"]


def test_it_is_as_it_was_declared(with_stripes: Checkout) -> None:
    assert with_stripes.evaluate(LOADED) == [[0.5, 0.5, 0.5], False, 1, [3, 16, 16], ["across", "down"], 60]
    listed = {entry["name"]: entry for entry in with_stripes.espalier("datasets")}
    assert (listed["stripes"]["classes"], listed["stripes"]["image"]) == (2, [3, 16, 16])


def test_a_dataset_that_takes_a_path_is_one_file_too(with_stripes: Checkout) -> None:
    assert "blank:PATH" in [entry["name"] for entry in with_stripes.espalier("datasets")]
    assert with_stripes.evaluate(LOADED.replace("stripes", "blank:40"))[3:] == [[3, 16, 16], ["a", "b"], 40]


def test_a_root_is_refused_where_none_is_declared(with_stripes: Checkout) -> None:
    done = with_stripes.command("submit", "--data", "stripes", "--data-root", ".", "--no-worker")
    assert done.returncode == 2
    assert "dataset stripes takes no data.root; only cifar10, cifar100, mnist, usps, svhn, imagenet do" in done.stderr
