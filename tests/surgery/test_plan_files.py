"""Plans that somebody prepared: only networks of the catalogue, checked before anything is built."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from engine.errors import RequestError, WorkError
from engine.spec import catalog
from engine.surgery import plan as plans
from engine.surgery import serialization
from engine.surgery.plan import Plan, Step
from engine.zoo import build

CUT = {"layer1.0.conv1": [1, 2]}
PLAN: dict[str, Any] = {
    "plan_version": 1,
    "model": "resnet20",
    "classes": 10,
    "image": [3, 16, 16],
    "steps": [{"remove_blocks": ["layer1.1"]}, {"drop_channels": CUT}, {"drop_channels": {}}],
}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was looked up or connected to."""
    calls: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        calls.append(arguments)
        raise OSError("this test is offline")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield calls
    assert calls == []


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Those of the cut network."""
    module = plans.replay(Plan.from_json(PLAN), build.construct("resnet20", 10).eval())
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def read(raw: Any, folder: Path, weights: Path) -> nn.Module:
    text = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    (folder / "plan.json").write_bytes(text)
    return serialization.read(folder / "plan.json", weights)[0]


def refusal(raw: Any, folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(serialization, "replay", None)  # nothing may be built
    with pytest.raises((RequestError, WorkError)) as caught:
        read(raw, folder, weights)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    return str(caught.value)


def test_a_plan_and_its_weights_are_read_whatever_steps_are_empty(tmp_path: Path, weights: Path) -> None:
    assert read(PLAN, tmp_path, weights).get_submodule("layer1.0.conv1").weight.shape[0] == 14


@pytest.mark.parametrize(
    "model",
    [
        "torchvision/fasterrcnn_resnet50_fpn",
        "torchvision/deeplabv3_resnet50",
        "torchvision/raft_large",
        "torchvision/vit_b_16",
        "torchvision/quantized_resnet18",
        "fasterrcnn_resnet50_fpn",
        "Sequential",
        "a" * 301,
        "two\nlines",
        "\ud800",
        "",
        3,
        None,
        ["resnet20"],
    ],
)
def test_only_networks_of_the_catalogue_are_built(
    model: Any, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, offline: list[Any]
) -> None:
    sentence = refusal({**PLAN, "model": model}, tmp_path, weights, monkeypatch)
    assert any(words in sentence for words in ("unknown model", "is no name", "is not JSON"))
    if isinstance(model, str):
        with pytest.raises(RequestError, match="unknown model"):
            build.construct(model, 10)


def test_no_network_of_the_catalogue_fetches_anything(offline: list[Any]) -> None:
    for name in (*catalog.CIFAR_MODELS, *(f"torchvision/{name}" for name in catalog.TORCHVISION_FAMILIES)):
        assert build.head_name(name)


HUGE = 10**3999
WRONG: dict[str, tuple[Any, str]] = {
    "a list": ([], "no JSON object"),
    "a number": (b"3", "no JSON object"),
    "nested": (b"[" * 5000, "is not JSON"),
    "nested steps": (b'{"plan_version": 1, "steps": ' + b"[" * 5000, "is not JSON"),
    "thousands of digits": (b'{"plan_version": ' + b"9" * 5000 + b"}", "is not JSON"),
    "another version": ({**PLAN, "plan_version": HUGE}, "plan_version is a whole number of very many digits"),
    "no steps": ({key: PLAN[key] for key in PLAN if key != "steps"}, "it lacks 'steps'"),
    "many steps": ({**PLAN, "steps": [{"drop_channels": {}}] * 2001}, "has 2,001 steps; at most 2,000"),
    "no class": ({**PLAN, "classes": 0}, "0 is no whole number"),
    "half a class": ({**PLAN, "classes": 2.5}, "2.5 is no whole number"),
    "true classes": ({**PLAN, "classes": True}, "true is no whole number"),
    "very many classes": ({**PLAN, "classes": 10**6}, "takes 1 to 100,000 classes (got 1000000)"),
    "endless classes": ({**PLAN, "classes": HUGE}, "many digits is no whole number"),
    "other classes": ({**PLAN, "classes": 90_000}, "they are not of 90,000 classes"),
    "two sides": ({**PLAN, "image": [3, 16]}, "not one this program wrote"),
    "a grey image": ({**PLAN, "image": [1, 16, 16]}, "images of 3 channels, these have 1"),
    "a small image": ({**PLAN, "model": "torchvision/alexnet"}, "needs images of at least 63×63 px"),
    "a large image": ({**PLAN, "image": [3, 10**9, 16]}, "1000000000 is no whole number of 1 to 65,536"),
    "another step": ({**PLAN, "steps": [{"paint\n": 1}]}, "not 'paint\\n'"),
    "two in a step": ({**PLAN, "steps": [{"remove_blocks": [], "drop_channels": {}}]}, "not 'remove_blocks'"),
    "a step of text": ({**PLAN, "steps": ["remove_blocks"]}, "a plan's step is"),
    "a block of text": ({**PLAN, "steps": [{"remove_blocks": "layer1.1"}]}, "is no list"),
    "a numbered block": ({**PLAN, "steps": [{"remove_blocks": [1]}]}, "1 is no name"),
    "channels of text": ({**PLAN, "steps": [{"drop_channels": {"conv1": "12"}}]}, "is no list"),
    "channels without end": ({**PLAN, "steps": [{"drop_channels": {"conv1": [HUGE]}}]}, "is no whole number"),
    "channels below zero": ({**PLAN, "steps": [{"drop_channels": {"conv1": [-1]}}]}, "-1 is no whole number"),
    "a channel twice": ({**PLAN, "steps": [{"drop_channels": {"conv1": [1, 1]}}]}, "must ascend"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_plan_that_is_none_is_refused(
    name: str, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, sentence = WRONG[name]
    assert sentence in refusal(raw, tmp_path, weights, monkeypatch)


def test_what_is_no_regular_file_or_too_large_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WorkError, match="it is a named pipe"):
        serialization.read_plan(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 31)
    with pytest.raises(WorkError, match="it is larger than 16 MiB"):
        serialization.read_plan(tmp_path / "large")
    with pytest.raises(RequestError, match="there is no plan file"):
        serialization.read_plan(tmp_path / "none")


@pytest.mark.parametrize("step", [{"remove_blocks": ["layer9"]}, {"drop_channels": {"conv9": [1]}}])
def test_a_step_that_does_not_fit_is_refused(step: Any, tmp_path: Path, weights: Path) -> None:
    with pytest.raises(RequestError, match="the plan"):
        read({**PLAN, "steps": [step]}, tmp_path, weights)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.dictionaries(
        st.sampled_from(list(PLAN)),
        JSON
        | st.lists(st.dictionaries(st.sampled_from(["remove_blocks", "drop_channels"]), JSON, max_size=2), max_size=3),
        min_size=1,
        max_size=2,
    )
)
def test_any_value_in_a_plan_is_taken_or_refused_in_one_sentence(changes: dict[str, Any]) -> None:
    try:
        plan = Plan.from_json({**PLAN, **changes})
    except RequestError as error:
        assert "\n" not in str(error)
    else:
        assert Plan.from_json(plan.to_json()) == Plan(
            plan.model, plan.classes, plan.image, tuple(s if s.removes_something() else Step() for s in plan.steps)
        )
