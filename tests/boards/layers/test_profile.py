"""A layer profile in the format of each TensorRT, by the stand-in for trtexec: nearly all of it has a module's name."""

import json
import subprocess
from pathlib import Path

import pytest
from torch import nn

from engine.boards.layers.names import read_names
from engine.boards.layers.profile import read_profile
from engine.boards.trtexec.commands import build_command, profile_command
from engine.export import onnx as exporter
from engine.storage.store import GALLERY
from engine.storage.timings.layers import LayerProfile
from engine.zoo.build import construct
from tests.support.board import Board
from tests.support.board_rig import gallery_points
from tests.support.engine_layers import VERSIONS, EngineLayer, Version, engine_layers, rows

NETWORKS = {"resnet20": (3, 32, 32), "mobilenet_v2": (3, 32, 32)}
MADE = LayerProfile(run="20260131-095959-0a1b2c3d", point=1, tool="trtexec", precision="fp32")
Exported = tuple[Path, nn.Module]


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The file of a network, and its module; that both compute the same is shown where exporting is tested."""
    path = tmp_path_factory.mktemp("onnx") / "p1.onnx"
    module = construct(request.param, 10).eval()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporter, "verify", lambda module, image, path, opset: exporter.check_versions(path, opset))
        exporter.export(module, NETWORKS[request.param], path)
    return path, module


def profiled(folder: Path, onnx: Path, version: Version, layers: list[EngineLayer], **board: str) -> LayerProfile:
    """What is read of the file that the stand-in writes when its engine has these layers."""
    made = Board(folder, tensorrt=".".join(map(str, version)), build_s=0.0, measure_s=0.0, **board)  # type: ignore[arg-type]
    made.layers(onnx, rows(layers))
    engine, profile, image = str(folder / "m.engine"), folder / "layers.json", (3, 32, 32)
    for argv in (
        build_command(version, str(made.trtexec), str(onnx), engine, image),
        profile_command(version, str(made.trtexec), engine, image, profile=str(profile), seconds=0.1, least=10),
    ):
        subprocess.run(argv, check=True, capture_output=True, env=made.environment())
    return read_profile(MADE, profile.read_text(), onnx)


def test_every_convolution_and_linear_layer_of_the_network_is_known_by_its_module(exported: Exported) -> None:
    path, module = exported
    layers = [name for name, part in module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert sorted(each.label for each in read_names(path).operations if each.weights) == sorted(layers)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
def test_at_least_95_percent_of_the_time_is_of_named_layers(
    version: Version, exported: Exported, tmp_path: Path
) -> None:
    path, module = exported
    layers = engine_layers(path, version)
    found = profiled(tmp_path, path, version, layers)
    assert found.named is not None and found.named >= 0.95
    assert found.total_ms == pytest.approx(sum(layer.ms for layer in layers), rel=1e-4)
    assert [row.name for row in found.layers] == [layer.name for layer in layers]
    assert [row.median_ms is None for row in found.layers] == [version < (8, 4)] * len(layers)
    modules = dict(module.named_modules())
    labels = {name: own[0].label for name, own in read_names(path).known.items()}
    for layer, row in zip(layers, found.layers, strict=True):
        own = [labels[node] for node in layer.nodes]
        weighted = [name for name in own if isinstance(modules.get(name), nn.Conv2d | nn.Linear)]
        assert not layer.nodes or list(row.layers) == (weighted or own), layer.name
    convolutions = {name for name, part in modules.items() if isinstance(part, nn.Conv2d | nn.Linear)}
    assert convolutions <= {name for row in found.layers if row.kind == "layer" for name in row.layers}


@pytest.mark.parametrize(("mode", "count"), [("uncounted", True), ("unprofiled", False)])
def test_without_a_count_and_with_one_of_0_the_times_are_what_they_are(mode: str, count: bool, tmp_path: Path) -> None:
    layers = [EngineLayer('/conv1/Conv + /"Relu"', 0.5 if count else 0.0), EngineLayer("[HostToDeviceCopy 0]", 0.0)]
    found = profiled(tmp_path, gallery_file(), (8, 2, 1), layers, trtexec=mode)
    assert [row.name for row in found.layers] == [layer.name for layer in layers]
    assert [row.ms for row in found.layers] == [layer.ms for layer in layers]
    assert (found.count is not None) == count and found.named == (1.0 if count else None)
    assert [row.kind for row in found.layers] == ["layer", "copy"] and found.layers[0].layers == ("conv1",)


def test_a_profile_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    made = profiled(tmp_path, gallery_file(), (8, 6, 1), engine_layers(gallery_file(), (8, 6, 1)))
    assert LayerProfile.from_json(json.loads(json.dumps(made.to_json()))) == made
    shares = {kind: sum(row.share for row in made.layers if row.kind == kind) for kind in ("layer", "copy")}
    assert shares["layer"] > 0.8 and 0 < shares["copy"] < 0.1
    assert sum(row.share for row in made.layers) == pytest.approx(1.0, abs=1e-4)


def gallery_file() -> Path:
    point = gallery_points()[0]
    return GALLERY / point.run / "models" / f"p{point.point}.onnx"
