"""What the zoo exports fits a Jetson TX2: opset 13, an old IR version, one file, operators that TensorRT 8.2 lists.

ESPALIER_WHOLE_ZOO=1 exports every network (some ten minutes, 10 GiB of memory) instead of the small ones.
"""

from pathlib import Path

import onnx
import pytest

from engine.boards.onnx_support import network, operators
from engine.boards.onnx_support.check import image_shape, refuse_unfit
from engine.errors import WorkError
from engine.export import onnx as exporter
from engine.spec.catalog import FAMILIES, MODELS
from engine.zoo.build import construct
from tests.support.onnx_graphs import TX2
from tests.support.places import WHOLE_ZOO

# The smallest of each family that can be had in a few seconds; a VGG for large images is half a gigabyte.
SMALLEST = (
    *("resnet20", "resnet20-a", "vgg16_bn", "mobilenet_v2"),
    *(
        f"torchvision/{name}"
        for name in (
            *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet"),
            *("inception_v3", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf"),
            *("resnet18", "shufflenet_v2_x0_5", "squeezenet1_1"),
        )
    ),
)
TOO_LARGE = ("torchvision/regnet_y_128gf",)  # 2.4 GiB


def own_image(name: str) -> tuple[int, int, int]:
    return FAMILIES[name].image_of(name)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", MODELS if WHOLE_ZOO else SMALLEST)
def test_a_network_of_the_zoo_fits_a_jetson_tx2_or_cannot_be_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = construct(name, FAMILIES[name].classes if WHOLE_ZOO and "/" in name else 10).eval()
    if not WHOLE_ZOO:  # that it computes the same is shown for all families where exporting is tested
        monkeypatch.setattr(exporter, "verify", lambda module, image, path, opset: exporter.check_versions(path, opset))
    if name in TOO_LARGE:
        with pytest.raises(WorkError, match="more than 2 GiB of weights"):
            exporter.export(module, own_image(name), tmp_path / "p0.onnx")
        assert not list(tmp_path.iterdir())
        return
    exporter.export(module, own_image(name), tmp_path / "p0.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["p0.onnx"]
    written_one = onnx.load(str(tmp_path / "p0.onnx"), load_external_data=False)
    assert [(entry.domain, entry.version) for entry in written_one.opset_import] == [("", 13)]
    assert written_one.ir_version <= 8
    listed = {name for name, since in operators.LISTED_FROM.items() if since <= (8, 2)}
    assert {node.op_type for node in written_one.graph.node} <= listed
    refuse_unfit(tmp_path / "p0.onnx", tensorrt=TX2, onnxruntime=None, jetson="tx2")
    refuse_unfit(tmp_path / "p0.onnx", tensorrt=None, onnxruntime=(1, 10, 0), jetson="tx2")
    assert image_shape(tmp_path / "p0.onnx") == own_image(name)
    (tmp_path / "p0.onnx").unlink()  # pytest keeps folders, and these files are large


def test_what_is_stored_once_for_several_is_read_directly_as_old_tensorrt_asks(tmp_path: Path) -> None:
    """Equal vectors, as a fresh network has, come out of torch's exporter handed on through an Identity."""
    exporter.export(construct("resnet20", 10).eval(), own_image("resnet20"), tmp_path / "p3.onnx")
    found = network.read_network(tmp_path / "p3.onnx")
    assert "Identity" not in found.operators()
    biases = [node.input[2] for node in found.nodes if node.op_type == "Conv"]
    assert len(set(biases)) < len(biases) and set(biases) <= set(found.stored)
