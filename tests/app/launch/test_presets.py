"""The form filled in by one click, or from a run; and what it offers of this computer and of published weights."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.launch import request as forms
from app.launch.presets import buttons, fill
from app.tables import gpu
from engine.measure import machine
from engine.spec import run as specs
from engine.spec.run import RunSpec
from engine.storage.folders.run import Run
from engine.storage.store import GALLERY, Store
from engine.surgery import serialization
from tests.support.screen import app, captions, errors, launch

# Requests that between them change every setting, each with what the form has no field for.
REQUESTS: list[dict[str, Any]] = [
    {},
    {
        "model": "torchvision/resnet18",
        "weights": "hub",
        "data": {
            "name": "npz:/a b/c.npz",
            "limit": 500,
            "val_fraction": 0.25,
            "image_size": [160, 224],
            "labels": "from-1",
            "normalize": "cifar10",
        },
        "train": {"epochs": 7, "lr": 0.05, "batch_size": 64, "weight_decay": 0.001, "label_smoothing": 0.1},
        "order": "channels",
        "criterion": "l1+taylor",
        "width": {"scope": "uniform", "round_to": 8, "least_share": 0.15},
        "keep_layers": ["conv1", "layer1.*=0.5"],
        "target": {"metric": "params", "keep": [0.65, 0.5]},
        "recover": {"epochs": 0, "reconstruct": False, "lr": 0.02, "reestimate_bn": True},
        "int8": True,
        "seed": 7,
        "device": "cpu",
    },
    {
        "weights": "/w/x.pth",
        "data": {"name": "mnist5k>folder:/photos"},
        "transfer": {"adapt_epochs": 2, "confidence": 0.7, "refresh": 3, "balance": False},
        "order": "layers-channels",
        "depth": {"method": "direct", "floor": 0.55},
        "width": {"method": "progressive", "attempt_fraction": 0.2, "layers_per_step": 0.5, "select": "rise"},
        "attempt": {"measure": "divergence", "race": True},
        "target": {"depth_share": 0.35, "keep": [0.9]},
        "recover": {
            "epochs": 2,
            "distil": True,
            "temperature": 2,
            "distil_weight": 0.5,
            "between_steps_batches": 10,
            "between_phases": False,
            "calibration_images": 512,
            "ridge": 0.01,
        },
        "train": {"epochs": 0},
    },
    {"order": "layers", "depth": {"method": "direct"}, "attempt": {"measure": "cka"}, "criterion": "cka"},
    {
        "target": {"at_least": 0.885, "also_criteria": ["l2"], "depth_share": 0.0, "also_depth_shares": [0.3]},
        "criterion": "obs",
        "width": {"rank": "score"},
        "data": {"name": "imagenet", "root": "/images"},
    },
]


def edited(at: AppTest, run: Run) -> AppTest:
    at.query_params["run"] = run.id
    at.run()
    assert not at.exception, at.exception
    return at


def test_a_run_that_is_edited_fills_the_form_in_and_what_has_no_field_is_kept_and_said(
    results: Store, submitted: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.launch.preview.preflight.check_request", lambda _: None)
    monkeypatch.setattr("app.launch.preview.shapes_of", lambda runs, _: [shape_of(runs)])
    at = app("launch")
    for raw in REQUESTS:
        spec = specs.parse(raw)
        at = edited(at, results.create(spec))
        assert not errors(at), (raw, errors(at))
        assert at.code[0].value == forms.commands([spec]), raw
        assert ("Kept from it, without a field here" in captions(at)) == bool(fill.without_field(spec))
    at.text_input(key="launch_recover").set_value("4").run()
    assert "--recover-epochs 4" in at.code[0].value, "a later change stays"
    at.query_params["run"] = "20000101-000000-00000000"
    at.run()
    assert not at.exception and "there is no run 20000101-000000-00000000" in captions(at)
    assert "--recover-epochs 4" in at.code[0].value, "and the rest is as it was"


def shape_of(runs: list[RunSpec]) -> Any:
    from app.launch.plan import Shape

    return Shape("", tuple(runs), ())


def test_a_preset_fills_the_form_in_by_one_click(results: Store, submitted: list[Store]) -> None:
    at = app("launch")
    for preset in buttons.PRESETS:
        next(button for button in at.button if button.label == preset.label).click().run()
        assert not at.exception and not errors(at), preset.label
        assert preset.help.split(".")[0] in captions(at)
    labels = [button.label for button in at.button]
    assert labels[: len(buttons.PRESETS)] == [preset.label for preset in buttons.PRESETS], "on top"
    press(at, "Does it run?")
    assert "--limit 200" in at.code[0].value
    press(at, "No training: reconstruct only")
    assert not at.exception and at.button(key="prune").label == "Prune"
    (line,) = at.code[0].value.splitlines()
    assert f"--weights {buttons.TRAINED}" in line and "--recover-epochs 0" in line and "--limit" not in line
    at.button(key="prune").click().run()
    (row,) = results.runs()
    assert results.run(row["run_id"]).spec() == buttons.PRESETS[1].spec(), "three clicks from Explore to a queued run"


def press(at: AppTest, label: str) -> None:
    next(button for button in at.button if button.label == label).click().run()


def test_a_preset_of_methods_leaves_the_network_and_the_images_as_they_are(submitted: list[Store]) -> None:
    at = launch(model="vgg16_bn")
    at.selectbox(key="launch_data").set_value("digits").run()
    press(at, "Three seeds with a band")
    assert "--model vgg16_bn --data digits" in at.code[0].value and "--seed 0,1,2" in at.code[0].value
    press(at, "Two-minute demo")
    assert "--model resnet20 --data clutter" in at.code[0].value


def test_the_network_that_needs_no_training_is_shipped_and_trained_on_the_presets_images() -> None:
    run_id, _, point = buttons.TRAINED.partition(":")
    run = Run(GALLERY / run_id, gallery=True)
    plan = serialization.read_plan(run.path / "models" / f"p{point}.plan.json")
    spec = buttons.PRESETS[1].spec()
    assert (plan.model, run.spec().data.name) == (spec.model, spec.data.name)
    assert (run.path / "models" / f"p{point}.safetensors").is_file()
    (measured,) = [each for each in run.points() if each.point == int(point)]
    assert measured.final and measured.top1 is not None and measured.top1 > 0.93, "worth cutting further"


def test_a_gpu_is_offered_only_where_there_is_one(submitted: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "may_have_gpu", lambda: False)
    monkeypatch.setattr(gpu, "ask_engine", lambda *_: pytest.fail("torch is not asked where there is no card"))
    at = app("launch")
    assert list(at.segmented_control(key="launch_device").options) == ["Best there is", "CPU"]
    monkeypatch.setattr(machine, "may_have_gpu", lambda: True)
    for answer, offered in (({"gpu": None}, False), ({"gpu": "H200"}, True)):
        gpu.is_there.clear()  # type: ignore[attr-defined]
        monkeypatch.setattr(gpu, "ask_engine", lambda *_, answer=answer: answer)
        assert gpu.is_there() is offered


def test_published_weights_say_which_images_they_know(submitted: list[Store]) -> None:
    at = app("launch")
    at.segmented_control(key="launch_weights").set_value("hub").run()
    assert any(w.value.startswith("Trained on CIFAR-10; this run's images are clutter") for w in at.warning)
    at.selectbox(key="launch_data").set_value("cifar10").run()
    assert not at.warning and "Trained on CIFAR-10, as these images are." in captions(at)
    at.selectbox(key="launch_model").set_value("vgg16_bn").run()
    weights = at.segmented_control(key="launch_weights")
    assert weights.value == "none" and "Pretrained" not in weights.options, "nobody published any"
    assert not at.exception
