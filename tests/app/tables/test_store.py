import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.tables import store
from engine.spec import run as specs
from engine.storage.indexing import watch
from engine.storage.store import Store
from tests.support import runs
from tests.support.screen import app

PAST = {
    "state": "done", "gallery": False, "started": 100.0, "finished": 190.0, "model": "resnet20", "weights": "none",
    "data": "clutter", "limit": None, "train_epochs": 20, "recover_epochs": 5, "keep": [0.8, 0.6, 0.4],
    "order": "layers-channels", "depth_method": "one-shot", "width_method": "one-shot", "measure": None, "race": False,
    "distil": False, "between_steps_batches": 0, "int8": False, "run_on": "auto", "image_size": None,
    "also_criteria": [], "also_depth_shares": [], "reconstruct": True, "calibration_images": None, "adversarial": True,
    "adapt_epochs": 5,
}  # fmt: skip


def test_the_expected_time_is_that_of_like_runs() -> None:
    spec = specs.parse({"criterion": "taylor"})
    slower = PAST | {"finished": 210.0}
    assert store.expected_seconds([PAST, slower], spec) == 100.0


@pytest.mark.parametrize(
    "other",
    [
        {"model": "resnet56"},
        {"gallery": True},
        {"state": "failed"},
        {"keep": [0.5]},
        {"train_epochs": 1},
        {"limit": 9},
        {"image_size": 32},
        {"order": "alternate"},
        {"depth_method": "direct"},
        {"distil": True},
        {"run_on": "cuda"},
    ],
)
def test_no_time_is_expected_from_runs_that_were_different(other: dict[str, Any]) -> None:
    assert store.expected_seconds([PAST | other], specs.parse({})) is None


def test_a_read_is_fresh_as_soon_as_the_store_has_changed(results: Store) -> None:
    runs.finished(results, specs.parse({"target": {"keep": [0.5]}}))
    assert len(store.points(results.token())) == 3
    runs.finished(results, specs.parse({"target": {"keep": [0.4]}}))
    assert len(store.points(results.token())) == 6
    assert len(store.runs(results.token())) == 2


def answer(stdout: str, stderr: str = "", code: int = 0) -> Any:
    return lambda call, **_: subprocess.CompletedProcess(call, code, stdout, stderr)


@pytest.mark.parametrize(
    ("child", "sentence"),
    [
        (answer(json.dumps({"error": "no such file"}), code=2), "no such file"),
        (answer("", "Traceback\nMemoryError: too large\n", 1), "building the network failed: MemoryError: too large"),
        (answer("", "", -9), "building the network failed: exit code -9"),
    ],
)
def test_a_summary_that_cannot_be_made_says_why(
    monkeypatch: pytest.MonkeyPatch, results: Store, child: Any, sentence: str
) -> None:
    monkeypatch.setattr(store.subprocess, "run", child)
    assert store.summary(specs.parse({})) == store.SummaryFailure(sentence)


@pytest.mark.parametrize(
    ("settings", "field"),
    [({"weights": "/nowhere/w.pth"}, "weights"), ({"data": {"name": "npz:/nowhere/d.npz"}}, "data.name")],
)
def test_a_summary_that_cannot_be_made_says_which_field_it_is_about(
    results: Store, settings: dict[str, Any], field: str
) -> None:
    failure = store.summary(specs.parse(settings))
    assert isinstance(failure, store.SummaryFailure) and failure.field == field and "/nowhere/" in failure.sentence


def test_a_summary_is_made_again_when_the_weights_have_changed(
    monkeypatch: pytest.MonkeyPatch, results: Store, tmp_path: Path
) -> None:
    calls: list[list[str]] = []

    def fail(call: list[str], **_: Any) -> Any:
        calls.append(call)
        return subprocess.CompletedProcess(call, 2, json.dumps({"error": "damaged"}), "")

    monkeypatch.setattr(store.subprocess, "run", fail)
    weights = tmp_path / "w.pth"
    weights.write_bytes(b"1")
    for _ in range(2):
        store.summary(specs.parse({"weights": str(weights)}))
    assert len(calls) == 1
    weights.write_bytes(b"22")
    store.summary(specs.parse({"weights": str(weights)}))
    assert len(calls) == 2


_IMPORT_ALL = """
import ast, importlib, pathlib, sys
for path in sorted(pathlib.Path("app").glob("*.py")):
    if path.stem != "main":
        importlib.import_module(f"app.{path.stem}")
for path in sorted(pathlib.Path("pages").glob("*.py")):
    page = ast.parse(path.read_text())
    page.body = [node for node in page.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    exec(compile(page, str(path), "exec"))
print({"torch", "onnxruntime", "onnx", "paramiko"} & set(sys.modules))
"""


def test_the_server_process_imports_neither_torch_nor_what_only_boards_need() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL], cwd=store.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("page", ["explore", "runs", "launch", "landscape", "devices"])
def test_a_page_is_drawn_after_one_look_at_the_results(
    results: Store, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.underway(results, runs.spec())
    looks: list[bool] = []
    look = watch.Watch.look
    monkeypatch.setattr(watch.Watch, "look", lambda *a: looks.append(True) or look(*a))
    with run.lock.holding():
        app(page)
    assert len(looks) == 1
