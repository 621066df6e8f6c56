"""timm's networks: the smallest of each family is cut and counted, attention is refused by the name of its operation.

`python -m benchmarks.timm_networks` cuts one of each family whole, at the price of minutes. Here those of at most 30 M
MACs at the smallest images that they take are cut and compared in every way, the others of a family that has no such
one are traced and counted by their shapes alone; but for the five largest, which take a second or more each for that.
Of those that are only counted or refused there is one of each kind here; all with ESPALIER_WHOLE_ZOO=1.
"""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import nn

import engine
from benchmarks.timm_networks import FAMILIES, difference, macs_of, smallest_side
from engine.errors import RequestError, WorkError
from engine.graph.summarize import summarize
from engine.graph.trace import trace
from engine.spec import catalog
from engine.spec.networks import timm_names
from engine.zoo import build as zoo
from engine.zoo import timm_networks
from engine.zoo.build import build
from tests.support.places import WHOLE_ZOO

_CUT = """
    cspnext_tiny efficientnet_lite0 ghostnet_050 hardcorenas_b lcnetv2_small mobilenetv3_small_050 regnetx_002
    repghostnet_050 starnet_s050 test_byobnet test_convnext test_efficientnet test_mambaout test_nfnet test_resnet
"""
CUT = _CUT.split()
ATTENTION = {
    "cpubone_nano": "matmul",
    "csatv2": "linear",
    "ecaresnet26t": "Conv1d",
    "edgenext_xx_small": "zeros",
    "efficientvit_b0": "matmul",
    "halonet_h1": "unfold",
    "iformer_t": "matmul",
    "lowformer_b0": "matmul",
    "mobilenetv5_base": "matmul",
    "nextvit_small": "matmul",
    "shvit_s1": "matmul",
    "swiftformer_xs": "matmul",
    "visformer_tiny": "matmul",
}
_LARGE = {"inception_resnet_v2", "inception_v3", "inception_v4", "nasnetalarge", "pnasnet5large"}
_DONE = {timm_names.family_of(f"timm/{name}") for name in (*CUT, *ATTENTION)}
COUNTED = {
    timm_names.family_of(f"timm/{name}"): name for name in reversed(FAMILIES) if name not in {*ATTENTION, *_LARGE}
}
COUNTED = {family: name for family, name in COUNTED.items() if family not in _DONE}
# What the others are made of as well: plain stacks, sums, concatenations and depthwise convolutions are cut above.
_UNLIKE = {
    *("convmixer", "cspnet", "dla", "dpn", "fasternet", "inception_next", "metaformer", "repvit", "res2net", "resnest"),
    *("sknet", "vovnet"),
}
_OPERATIONS = {operation: name for name, operation in ATTENTION.items()}  # one network for each


@pytest.mark.parametrize("name", CUT)
def test_a_small_network_of_a_family_is_cut_counted_and_written(name: str) -> None:
    torch.manual_seed(0)
    side = smallest_side(name)
    module = zoo.construct(f"timm/{name}", 10).eval()
    pruned = engine.prune(module, image=(3, side, side), keep=0.6)
    assert pruned.cost.macs_share <= 0.6
    assert difference(pruned) == ""


@pytest.mark.parametrize("name", [name for family, name in COUNTED.items() if WHOLE_ZOO or family in _UNLIKE])
def test_the_arithmetic_of_a_family_is_torchs(name: str) -> None:
    side = smallest_side(name)
    shapes = zoo.on_meta(f"timm/{name}", 10)
    summary = summarize(shapes, (3, side, side)).summary
    assert summary.params == sum(parameter.numel() for parameter in shapes.parameters())
    assert summary.macs == macs_of(shapes, summary.image)
    assert any(group.removable for group in summary.channel_groups)


@pytest.mark.parametrize(
    ("name", "operation"), [item for item in ATTENTION.items() if WHOLE_ZOO or item[0] in _OPERATIONS.values()]
)
def test_what_no_rule_knows_is_refused_by_the_name_of_its_operation(name: str, operation: str) -> None:
    image = timm_networks.published_for(f"timm/{name}")[0]
    with pytest.raises(RequestError, match=f"{operation}.*timm/(models|layers)/\\w+\\.py:\\d+") as caught:
        trace(zoo.on_meta(f"timm/{name}", 10), image)
    assert "\n" not in str(caught.value)


def test_the_names_are_timms_own_and_transformers_are_not_among_those_to_pick() -> None:
    import timm

    registered = {f"timm/{name}" for name in timm.list_models()}
    assert set(catalog.TIMM_MODELS) < registered
    assert {f"timm/{name}" for name in FAMILIES} <= set(catalog.TIMM_MODELS)
    assert all(catalog.check_model(name) == name for name in ("timm/vit_tiny_patch16_224", "timm/resnet18.a1_in1k"))
    assert len(registered) - len(catalog.TIMM_MODELS) > 300


def test_images_and_normalisation_are_those_of_timms_configuration() -> None:
    assert timm_networks.published_for("timm/nasnetalarge") == ((3, 331, 331), 1000)
    assert timm_networks.normalization_of("timm/test_resnet") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    with pytest.raises(RequestError, match=r"timm has no weights timm/test_resnet\.nope; of test_resnet it has"):
        zoo.construct("timm/test_resnet.nope", 10)


def test_layers_in_disguise_are_the_same_function_as_plain_ones() -> None:
    import timm

    for name, notes in (("test_nfnet", 1), ("resnetblur18", 0), ("mixnet_s", 0)):
        written = timm.create_model(name, num_classes=4, exportable=True).eval()
        with torch.no_grad():
            before = written(torch.ones(1, 3, 64, 64))
            assert len(zoo.simplify(written)) == notes
            torch.testing.assert_close(written(torch.ones(1, 3, 64, 64)), before)


class Hub:
    """Serves one file of weights as the Hugging Face hub does."""

    def __init__(self, path: str, body: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                if self.path != path:
                    self.send_error(404)
                    return
                self.send_response(200)
                for name, value in (("Content-Length", len(body)), ("ETag", '"1"'), ("X-Repo-Commit", "a" * 40)):
                    self.send_header(name, str(value))
                self.end_headers()

            def do_GET(self) -> None:
                self.do_HEAD()
                if self.path == path:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[nn.Module]:
    """test_resnet with weights that a server on this machine publishes."""
    from huggingface_hub import constants

    network = zoo.construct("timm/test_resnet", 1000)
    hub = Hub("/timm/test_resnet.r160_in1k/resolve/main/model.safetensors", save(dict(network.state_dict())))
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    thread = threading.Thread(target=hub.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield network
    hub.http.shutdown()
    hub.http.server_close()
    thread.join()


def test_weights_come_from_the_hub_with_what_they_were_trained_with(published: nn.Module) -> None:
    built = build("timm/test_resnet", 1000, (3, 64, 64), "hub")
    assert built.pretrained
    assert built.normalize == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert built.conditions["timm"]
    for name, tensor in published.state_dict().items():
        assert torch.equal(built.module.state_dict()[name], tensor)
    assert not build("timm/test_resnet", 10, (3, 64, 64), "hub").pretrained
    with pytest.raises(WorkError, match=r"cannot download model\.safetensors of timm/test_convnext"):
        build("timm/test_convnext", 10, (3, 64, 64), "hub")


def test_what_the_hub_answers_is_said_without_the_secrets_in_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: object, **__: object) -> None:
        raise OSError("403 Forbidden for url: https://me:secret@hub.example/timm/x?signature=secret")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(WorkError, match=r"403 Forbidden for url: https://hub\.example/timm/x$") as refused:
        timm_networks.download("timm/x")
    assert "secret" not in str(refused.value), "a run's log keeps it"


def test_weights_that_nobody_published_as_safetensors_are_refused() -> None:
    with pytest.raises(RequestError, match="timm has none of it as safetensors"):
        build("timm/mobilenetv5_base", 10, (3, 64, 64), "hub")


def test_a_state_dict_by_file_is_loaded_and_the_normalisation_said(tmp_path: Path) -> None:
    written = zoo._as_written("timm/test_nfnet", 10)  # with the gains that plain convolutions do not have
    plain = zoo.construct("timm/test_nfnet", 10)
    for network, file in ((written, tmp_path / "written.pt"), (plain, tmp_path / "plain.pt")):
        torch.save(network.state_dict(), file)
        built = build("timm/test_nfnet", 10, (3, 64, 64), os.fspath(file))
        assert built.pretrained
        assert any("own weights expect mean and deviation 0.5" in note for note in built.notes)
