"""CIFAR through torchvision: a tiny set in its real format, and downloads that fail."""

import hashlib
import io
import pickle
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
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
    """Both sets are served from a port where nobody listens; downloads go to a folder of the test."""
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))
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
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=offline)) as server:
        monkeypatch.setattr(kind, "url", f"http://127.0.0.1:{server.server_port}/cifar.tar.gz")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield archive
        server.shutdown()
        thread.join()


def test_cifar10_is_downloaded_to_the_cache_and_held_in_memory(published: Path, offline: Path) -> None:
    data = load(DataSpec(name="cifar10", val_fraction=0.25), 0)
    assert (data.image, data.classes[:2], len(data.train), len(data.val)) == ((3, 32, 32), ("a", "b"), 6, 2)
    assert data.test.images is not None
    assert data.test.images.shape == (4, 3, 32, 32)
    assert (data.flip, data.crop, data.mean) == (True, 4, (0.4914, 0.4822, 0.4465))
    assert (offline / "cache" / "data" / "cifar-10-batches-py").is_dir()
    published.unlink()
    assert len(load(DataSpec(name="cifar10", val_fraction=0.25), 0).test) == 4, "the second time needs no download"


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_download_that_fails_is_one_sentence(name: str, offline: Path) -> None:
    with pytest.raises(
        WorkError, match=r"^cannot download CIFAR100? from http://127.0.0.1:9/[^\n]*is this machine online\?$"
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
