"""A run folder that somebody else prepared: what it names is checked before anything is built."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torchvision

from engine.jobs.child import execute
from engine.jobs.queue import Queue
from engine.pipeline import run as pipeline
from engine.storage.store import Store


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


@pytest.mark.parametrize("model", ["torchvision/fasterrcnn_resnet50_fpn"])
def test_a_run_that_goes_on_from_such_a_plan_ends_with_the_sentence_and_builds_nothing(
    finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    built: list[Any] = []
    results, run_id = tmp_path / "copy", finished[1]
    shutil.copytree(finished[0], results)
    store = Store(results, gallery=tmp_path / "none")
    run = store.run(run_id)
    first = (run.path / "points.jsonl").read_text().splitlines(keepends=True)[0]
    (run.path / "points.jsonl").write_text(first)
    for file in (run.path / "models").glob("*.plan.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "model": model}))
    run.update(state="interrupted")
    Queue(store).resume(run_id)
    monkeypatch.setattr(torchvision.models, "get_model", lambda *arguments, **_: built.append(arguments))
    assert execute(store.run(run_id), pipeline.run) == "failed"
    message = str(run.status().error)
    assert "unknown model" in message and model in message and "\n" not in message
    assert built == []
