"""A run folder that somebody else prepared: what it names is checked before anything is built."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torchvision


@pytest.mark.parametrize("model", ["torchvision/fasterrcnn_resnet50_fpn", "torchvision/deeplabv3_resnet50"])
def test_a_plan_of_a_network_outside_the_catalogue_is_not_built(
    refused: Callable[..., str],
    finished: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
) -> None:
    calls: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        calls.append(arguments)
        raise OSError("this test is offline")

    results, run = tmp_path / "copy", finished[1]
    shutil.copytree(finished[0], results)
    for file in (results / "runs" / run / "models").glob("*.plan.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "model": model}))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(torchvision.models, "get_model", refuse)
    sentence = refused("export", run, "--point", "1", "--out", str(tmp_path / "net.onnx"), results=results)
    assert "unknown model" in sentence and model in sentence
    assert calls == []
