"""CIFAR and digits through torchvision: tiny sets in their real formats, and downloads that fail."""

import bz2
import gzip
import hashlib
import io
import pickle
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from scipy.io import savemat
from torchvision import datasets

from engine.data.load import load
from engine.errors import RequestError, WorkError
from engine.spec.run import DataSpec


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without writing to stderr."""

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every set is served from a port where nobody listens; downloads go to a folder of the test."""
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/mnist/"])
    for other in (datasets.USPS, datasets.SVHN):
        files = {name: [f"http://127.0.0.1:9/{file}", file, md5] for name, (_, file, md5) in other.split_list.items()}
        monkeypatch.setattr(other, "split_list", files)
    for kind in (datasets.CIFAR10, datasets.CIFAR100):
        monkeypatch.setattr(kind, "url", "http://127.0.0.1:9/cifar.tar.gz")
    return tmp_path


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, offline: Path) -> Iterator[Path]:
    """A CIFAR-10 of twelve images in an archive of the real form, behind a real server."""
    rng = np.random.default_rng(0)

    def batch(size: int) -> bytes:
        return pickle.dumps({"data": rng.integers(256, size=(size, 3072), dtype=np.uint8), "labels": list(range(size))})

    files = {
        "data_batch_1": batch(8),
        "test_batch": batch(4),
        "batches.meta": pickle.dumps({"label_names": list("abcdefghij")}),
    }
    archive = offline / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    kind = datasets.CIFAR10
    monkeypatch.setattr(kind, "filename", "cifar.tar.gz")
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(kind, "train_list", [["data_batch_1", md5["data_batch_1"]]])
    monkeypatch.setattr(kind, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(kind, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5["batches.meta"]})
    with served(offline) as url:
        monkeypatch.setattr(kind, "url", f"{url}/cifar.tar.gz")
        yield archive


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a real server of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def idx(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """An array of bytes in MNIST's format, compressed."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def usps_lines(images: np.ndarray) -> bytes:  # type: ignore[type-arg]
    """Images of label 0, 1, … in USPS's format, compressed."""
    rows = [
        " ".join([str(label + 1), *(f"{place + 1}:{value / 127.5 - 1:.6f}" for place, value in enumerate(image.flat))])
        for label, image in enumerate(images)
    ]
    return bz2.compress("\n".join(rows).encode())


@pytest.fixture
def digit_sets(monkeypatch: pytest.MonkeyPatch, offline: Path) -> Iterator[Path]:
    """MNIST, USPS and SVHN of twenty training and ten test images each, in their real formats behind a real server."""
    web, files = offline / "web", {}
    web.mkdir()
    rng = np.random.default_rng(0)
    for split, mnist, usps, count in (("train", "train", "usps.bz2", 20), ("test", "t10k", "usps.t.bz2", 10)):
        labels = np.arange(count, dtype=np.uint8) % 10
        files[f"{mnist}-images-idx3-ubyte.gz"] = idx(rng.integers(256, size=(count, 28, 28), dtype=np.uint8))
        files[f"{mnist}-labels-idx1-ubyte.gz"] = idx(labels)
        files[usps] = usps_lines(np.full((10, 16, 16), 200))
        content = io.BytesIO()
        colours = np.stack([np.full((32, 32, count), value, np.uint8) for value in (10, 20, 30)], axis=2)
        savemat(content, {"X": colours, "y": np.where(labels == 0, 10, labels)[:, None]})
        files[f"{split}_32x32.mat"] = content.getvalue()
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    for name, content in files.items():
        (web / name).write_bytes(content)
    with served(web) as url:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{url}/"])
        monkeypatch.setattr(datasets.MNIST, "resources", [(n, md5[n]) for n in files if n.endswith("ubyte.gz")])
        for kind in (datasets.USPS, datasets.SVHN):
            entries = {key: [f"{url}/{n}", n, md5.get(n, "")] for key, (_, n, _) in kind.split_list.items()}
            monkeypatch.setattr(kind, "split_list", entries)
        yield web


@pytest.mark.parametrize(("name", "side", "train"), [("mnist", 28, 20), ("usps", 16, 10), ("svhn", 32, 20)])
def test_digits_are_downloaded_once(name: str, side: int, train: int, digit_sets: Path) -> None:
    data = load(DataSpec(name=name), 0)
    assert (data.image, data.classes, data.flip, data.crop) == ((3, side, side), tuple("0123456789"), False, 2)
    assert (len(data.train) + len(data.val), len(data.test)) == (train, 10)
    assert sorted(data.test.labels.tolist()) == list(range(10))
    assert data.test.images is not None
    first = data.test.images[0, :, 0, 0].tolist()
    assert first == {"svhn": [10, 20, 30], "usps": [199] * 3}.get(name, [first[0]] * 3)
    for file in digit_sets.iterdir():
        file.unlink()
    assert len(load(DataSpec(name=name), 0).test) == 10, "the second time needs no download"


def test_two_sets_of_digits_are_a_pair(digit_sets: Path, offline: Path) -> None:
    data = load(DataSpec(name="svhn>mnist", root=str(offline / "here")), 0)
    assert data.target is not None and data.target.train.images is not None
    assert (data.image, data.target.train.images.shape) == ((3, 32, 32), (20, 3, 32, 32))
    assert (offline / "here" / "MNIST").is_dir() and (offline / "here" / "train_32x32.mat").is_file()


@pytest.mark.parametrize("name", ["mnist", "usps", "svhn"])
def test_digits_that_come_damaged_are_one_sentence_and_are_fetched_again(name: str, digit_sets: Path) -> None:
    whole = {file: file.read_bytes() for file in digit_sets.iterdir()}
    for file, content in whole.items():
        file.write_bytes(content[:-20])
    with pytest.raises(WorkError, match=rf"^the download of {name.upper()} from [^\n]* came damaged; try again$"):
        load(DataSpec(name=name), 0)
    for file, content in whole.items():
        file.write_bytes(content)
    assert len(load(DataSpec(name=name), 0).test) == 10


def test_a_file_that_was_cut_off_is_named_by_its_folder(digit_sets: Path, offline: Path) -> None:
    load(DataSpec(name="mnist"), 0)
    file = offline / "cache" / "data" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(WorkError, match=r"^a file of MNIST in [^\n]* is damaged \([^\n]*\); remove it, try again$"):
        load(DataSpec(name="mnist"), 0)


def test_cifar10_is_downloaded_to_the_cache_and_held_in_memory(published: Path, offline: Path) -> None:
    data = load(DataSpec(name="cifar10", val_fraction=0.25), 0)
    assert (data.image, data.classes[:2], len(data.train), len(data.val)) == ((3, 32, 32), ("a", "b"), 6, 2)
    assert data.test.images is not None
    assert data.test.images.shape == (4, 3, 32, 32)
    assert (data.flip, data.crop, data.mean) == (True, 4, (0.4914, 0.4822, 0.4465))
    assert (offline / "cache" / "data" / "cifar-10-batches-py").is_dir()
    published.unlink()
    assert len(load(DataSpec(name="cifar10", val_fraction=0.25), 0).test) == 4, "the second time needs no download"


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "usps", "svhn"])
def test_a_download_that_fails_is_one_sentence(name: str, offline: Path) -> None:
    title = name.upper()
    with pytest.raises(
        WorkError, match=rf"^cannot download {title} from http://127.0.0.1:9/[^\n]*is this machine online\?$"
    ):
        load(DataSpec(name=name), 0)


def test_a_damaged_download_is_one_sentence(published: Path) -> None:
    published.write_bytes(published.read_bytes()[:-20])
    with pytest.raises(WorkError, match=r"^the download of CIFAR10 from [^\n]* came damaged; try again$"):
        load(DataSpec(name="cifar10"), 0)


def test_a_root_that_is_a_file_is_refused(offline: Path) -> None:
    (offline / "file").touch()
    with pytest.raises(RequestError, match="is not a folder"):
        load(DataSpec(name="cifar10", root=str(offline / "file")), 0)
