"""Downloads, against a real server on this machine: whole and with the right hash, or not at all."""

import hashlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from engine.errors import RequestError, WorkError
from engine.spec import catalog
from engine.zoo import build as zoo
from engine.zoo import hub
from engine.zoo.build import build
from engine.zoo.download import fetch
from engine.zoo.families.cifar import DEPTHS

BODY = b"weights" * 1000
HASH = hashlib.sha256(BODY).hexdigest()


class Server:
    """Serves `files` by path; `truncated` paths promise more than they send."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.truncated: set[str] = set()
        self.requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                body = outer.files.get(self.path)
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if self.path in outer.truncated else body)

            def log_message(self, *_: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def failure(url: str, sha256: str = HASH) -> str:
    with pytest.raises(WorkError) as caught:
        fetch(url, sha256)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("digest", [HASH, HASH[:8]])
def test_a_file_is_downloaded_once(server: Server, cache: Path, digest: str) -> None:
    server.files["/w.pt"] = BODY
    assert fetch(f"{server.url}/w.pt", digest) == fetch(f"{server.url}/w.pt", digest) == cache / "w.pt"
    assert (cache / "w.pt").read_bytes() == BODY
    assert server.requests == 1


def test_a_damaged_file_in_the_cache_is_downloaded_again(server: Server, cache: Path) -> None:
    server.files["/w.pt"] = BODY
    fetch(f"{server.url}/w.pt", HASH)
    (cache / "w.pt").write_bytes(BODY[:-1])
    assert fetch(f"{server.url}/w.pt", HASH).read_bytes() == BODY


def test_a_wrong_hash_is_refused_and_leaves_nothing(server: Server, cache: Path) -> None:
    server.files["/w.pt"] = BODY + b"!"
    assert f"not {HASH}, and is refused" in failure(f"{server.url}/w.pt")
    assert "is refused" in failure(f"{server.url}/w.pt", HASH[:8])
    assert list(cache.iterdir()) == []


def test_a_truncated_body_is_refused_and_leaves_nothing(server: Server, cache: Path) -> None:
    server.files["/w.pt"] = BODY
    server.truncated.add("/w.pt")
    assert "broke off after 3,500 of 7,000 bytes" in failure(f"{server.url}/w.pt")
    assert list(cache.iterdir()) == []


def test_a_file_that_is_not_there_says_so(server: Server, cache: Path) -> None:
    assert "the server answers 404" in failure(f"{server.url}/w.pt")
    assert list(cache.iterdir()) == []


def test_offline_is_one_sentence() -> None:
    """Nobody listens on port 9."""
    assert "is this machine online?" in failure("http://127.0.0.1:9/w.pt")


def test_an_unusable_cache_is_one_sentence(cache: Path) -> None:
    cache.parent.write_text("a file where the cache should be")
    assert "cannot use the cache folder" in failure("http://127.0.0.1:9/w.pt")


def test_the_table_has_every_cifar_resnet_and_names_agree_with_hashes() -> None:
    assert {f"resnet{n}" for n in DEPTHS} == set(hub.CIFAR)
    for entry in hub.CIFAR.values():
        assert entry.url.startswith("https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/")
        assert entry.url.rsplit("-", 1)[1] == f"{entry.sha256[:8]}.th"


@pytest.mark.parametrize("name", ["resnet20", "resnet56"])
def test_the_tables_hashes_are_those_of_the_real_files(shared, name: str) -> None:  # type: ignore[no-untyped-def]
    entry = hub.published(name)
    content = shared(f"weights/{entry.url.rsplit('/', 1)[1]}").read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry.sha256


@pytest.mark.parametrize("name", catalog.TORCHVISION_MODELS)
def test_every_torchvision_model_has_published_weights_with_a_hash(name: str) -> None:
    entry = hub.published(f"torchvision/{name}")
    assert entry.url.startswith("https://download.pytorch.org/models/")
    assert len(entry.sha256) >= 8
    assert len(entry.normalize[0]) == len(entry.normalize[1]) == 3


def test_networks_that_nobody_published_are_refused() -> None:
    with pytest.raises(RequestError, match="no hub weights for vgg16_bn; give a file or none"):
        build("vgg16_bn", 10, (3, 32, 32), "hub")


def test_hub_weights_are_downloaded_loaded_and_bring_their_normalisation(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = zoo.construct("resnet20-a", 10)
    buffer = io.BytesIO()
    torch.save({"state_dict": {f"module.{key}": value for key, value in source.state_dict().items()}}, buffer)
    server.files["/resnet20.th"] = buffer.getvalue()
    entry = hub.Published(f"{server.url}/resnet20.th", hashlib.sha256(buffer.getvalue()).hexdigest(), hub.IMAGENET)
    monkeypatch.setitem(hub.CIFAR, "resnet20", entry)
    built = build("resnet20", 4, (3, 32, 32), "hub")
    assert built.notes == ("option A shortcuts, as in the checkpoint", "head replaced: 10 → 4 classes")
    assert built.normalize == hub.IMAGENET
    assert torch.equal(built.module.get_parameter("conv1.weight"), source.get_parameter("conv1.weight"))
