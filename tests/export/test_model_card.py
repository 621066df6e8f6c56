"""What the files say of themselves, and that it is enough to use them."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn

import engine
from engine.errors import RequestError
from engine.export.onnx import check_versions
from engine.pipeline import single_steps
from engine.pipeline.run import run
from engine.spec.run import parse
from engine.storage.folders.run import Run
from engine.storage.store import Store
from engine.surgery import serialization
from engine.surgery.model_card import KEY, ModelCard
from engine.surgery.plan import Plan
from tests.support import residual
from tests.support.places import ROOT
from tests.support.timing import short_timing

SIDE = 20  # px
ORIENTATION = 0x0112  # EXIF's tag
NAMES = ("dark 'red'", "green", "Ähre")
OUTSIDE = ("format_version", "task", "layout", "channel_order", "value_range", "resize", "software", "run", "point")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of noisy pictures, hard enough that some are taken for another; some are larger, or lie."""
    root, generator = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 14)):
        for label, name in enumerate(NAMES):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                shape = (SIDE + 9, SIDE + 14) if number % 4 == 0 else (SIDE, SIDE)
                pixels = generator.integers(0, 200, (*shape, 3))
                pixels[..., label] += 15  # reddish, greenish or bluish: the order of the channels matters
                exif = Image.Exif()
                exif[ORIENTATION] = 6 if number % 8 == 0 else 1
                Image.fromarray(pixels.astype(np.uint8)).save(root / split / name / f"{number}.png", exif=exif)
    return root


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run on them, with a mean and deviation that nobody would guess."""
    with short_timing(), residual.declared():
        spec = parse(
            {
                "model": residual.NAME,
                "data": {"name": f"folder:{photos}", "normalize": [[0.4, 0.3, 0.2], [0.2, 0.3, 0.4]]},
                "train": {"epochs": 8, "batch_size": 8, "lr": 0.02},
                "target": {"keep": [0.5]},
                "order": "channels",
                "recover": {"epochs": 1},
                "int8": True,
            }
        )
        folder = Store(tmp_path_factory.mktemp("results")).create(spec)
        run(spec, folder)
        yield folder


def documented(path: Path) -> Callable[[Path], str]:
    """The code of the documentation, for one file, with the option that INT8 needs on some processors."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    names: dict[str, Any] = {"options": options}
    code = code.replace("providers=", "sess_options=options, providers=")
    exec(code.replace('"pruned.onnx"', repr(str(path))), names)
    classify: Callable[[Path], str] = names["classify"]
    return classify


def test_the_documented_lines_are_python_3_6() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)
    ast.parse(code, feature_version=(3, 6))
    assert len(code.split("def classify")[1].splitlines()) <= 6


def right(path: Path, photos: Path) -> int:
    classify = documented(path)
    return sum(classify(file) == file.parent.name for file in sorted((photos / "test").rglob("*.png")))


def properties(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in check_versions(path).metadata_props}


def test_a_file_fed_by_its_own_metadata_gives_the_reported_accuracy(finished: Run, photos: Path) -> None:
    points = finished.points()
    assert [point.stage for point in points] == ["baseline", "reconstructed", "recovered", "quantized"]
    counts = [right(finished.model_file(point.point, "onnx"), photos) for point in points]
    reported = [point.correct for point in points]
    assert counts[:3] == reported[:3]
    # Pixels differ in the last bit of a division; where that tips an 8-bit step, an image near a tie changes sides.
    assert abs(counts[3] - (reported[3] or 0)) <= 1
    assert points[0].total == 42 and 14 < counts[0] < 42, "it is neither all nor one class"


def test_what_is_exported_later_says_the_same(finished: Run, photos: Path, tmp_path: Path) -> None:
    for out, opset, int8 in (("old.onnx", 11, False), ("int8.onnx", 13, True)):
        answer = single_steps.export(finished, 2, opset, tmp_path / out, int8=int8)
        assert "notes" not in answer
        meta = ort.InferenceSession(str(tmp_path / out), providers=["CPUExecutionProvider"]).get_modelmeta()
        assert meta.custom_metadata_map == properties(finished.model_file(2, "onnx"))


def test_all_three_files_carry_the_card_and_the_plan(finished: Run) -> None:
    plan_file, weights = finished.model_file(1, "plan.json"), finished.model_file(1, "safetensors")
    document = json.loads(plan_file.read_text())
    card = serialization.read_card(plan_file)
    assert card == ModelCard.from_json(document[KEY])
    assert (card.class_names, card.mean, card.image) == (NAMES, (0.4, 0.3, 0.2), (3, SIDE, SIDE))
    assert (card.run, card.point) == (finished.id, 1)
    with safe_open(weights, framework="pt") as file:
        in_weights = file.metadata()
    in_onnx = properties(finished.model_file(1, "onnx"))
    assert in_weights == in_onnx == card.to_text(serialization.read_plan(plan_file).to_json())
    assert Plan.from_json(json.loads(in_weights["plan"])) == serialization.read_plan(plan_file)
    assert json.loads(in_onnx["class_names"]) == list(NAMES)
    assert set(OUTSIDE) < set(in_onnx)


def test_the_same_network_gives_the_same_bytes(finished: Run, tmp_path: Path) -> None:
    plan_file, weights = finished.model_file(1, "plan.json"), finished.model_file(1, "safetensors")
    module, plan = serialization.read(plan_file, weights)
    card = serialization.read_card(plan_file)
    for _ in range(3):  # the library's own order of metadata differs from one time to the next
        serialization.write(module, plan, card, tmp_path / "plan.json", tmp_path / "w.safetensors")
        assert (tmp_path / "w.safetensors").read_bytes() == weights.read_bytes()
        assert (tmp_path / "plan.json").read_bytes() == plan_file.read_bytes()


def test_a_point_of_an_earlier_version_is_exported_with_what_is_known(finished: Run, tmp_path: Path) -> None:
    plan_file = finished.model_file(1, "plan.json")
    written = plan_file.read_bytes()
    document = json.loads(written)
    del document[KEY]
    plan_file.write_text(json.dumps(document))
    try:
        answer = single_steps.export(finished, 1, 13, tmp_path / "old.onnx")
    finally:
        plan_file.write_bytes(written)
    known = properties(tmp_path / "old.onnx")
    assert "class_names" not in known and json.loads(known["mean"]) == [0.4, 0.3, 0.2]
    assert (known["run"], known["point"]) == (finished.id, "1") and "no class names" in answer["notes"][0]


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"format_version": 2}, "format_version 2; this version reads 1"),
        ({"image": [3, 0, 4]}, "0 is no whole number"),
        ({"image": None}, "is not one this program wrote"),
        ({"mean": [0, "a", 1]}, "'a' is no finite number"),
        ({"mean": [0.5]}, "is not one this program wrote"),
        ({"std": {"a": 1}}, "is no list"),
        ({"class_names": ["a\nb"]}, "is no name"),
        ({"class_names": "abc"}, "is no list"),
        ({"class_names": ["a"] * 100_001}, "at most 100,000 are taken"),
        ({"run": ["x"]}, "is no name"),
        ({"point": -1}, "is no whole number"),
        ({"software": 3}, "is no name"),
    ],
)
def test_a_card_that_somebody_prepared_is_refused_in_one_sentence(change: dict[str, Any], fragment: str) -> None:
    raw = ModelCard((3, 4, 4), (0.0, 0.5, 1.0), (1.0, 1.0, 1.0), ("a", "b"), "run", 1).to_json()
    assert ModelCard.from_json(json.loads(json.dumps(raw))).to_json() == raw
    with pytest.raises(RequestError, match=re.escape(fragment)) as caught:
        ModelCard.from_json(raw | change)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    with pytest.raises(RequestError):
        ModelCard.from_json([raw])


def tiny() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 2))


def test_a_module_of_ones_own_is_written_with_what_the_caller_says(tmp_path: Path) -> None:
    said: dict[str, Any] = {"class_names": ["cat", "dog"], "mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)}
    engine.export(tiny(), tmp_path / "said.onnx", image=(3, 8, 8), **said)
    engine.export(tiny(), tmp_path / "bare.onnx", image=(3, 8, 8))
    folder = engine.prune(tiny(), image=(3, 8, 8), keep=0.5).save(tmp_path / "half", **said)
    of_export, of_pruned = properties(tmp_path / "said.onnx"), properties(folder / "model.onnx")
    assert of_export == {key: value for key, value in of_pruned.items() if key != "plan"}
    assert json.loads(of_export["class_names"]) == ["cat", "dog"] and of_export["mean"] == "[0.5,0.5,0.5]"
    assert not {"mean", "std", "class_names", "run", "point", "plan"} & set(properties(tmp_path / "bare.onnx"))
    assert serialization.read_card(folder / "plan.json").class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("said", "fragment"),
    [
        ({"class_names": "ab"}, "must be a list of names"),
        ({"class_names": ["a", "b", "c"]}, "has 3 names and the network 2 classes"),
        ({"class_names": [1, 2]}, "class_names must be a list of names"),
        ({"mean": (0, 0, 0)}, "belong together"),
        ({"mean": (0, 0), "std": (1, 1)}, "mean must be three finite numbers"),
        ({"mean": (0, 0, 0), "std": (1, 0, 1)}, "above 0"),
    ],
)
def test_what_the_caller_says_is_checked(said: dict[str, Any], fragment: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=fragment):
        engine.export(tiny(), tmp_path / "no.onnx", image=(3, 8, 8), **said)
    assert list(tmp_path.iterdir()) == []
