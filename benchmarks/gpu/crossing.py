"""Runs that begin on one device, are stopped while they train, and go on on the other."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.gpu.findings import Section, Sizes
from engine.jobs.queue import Queue
from engine.spec import run as run_spec
from engine.storage.atomic import write_json
from engine.storage.folders.run import Run
from engine.storage.records import event
from engine.storage.store import Store

_PATIENCE = 120.0  # seconds until there is a checkpoint
_MOST_EPOCHS = 100_000  # it is stopped long before
_HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}  # the device `auto` is then the CPU


def check_crossing(device: str, sizes: Sizes) -> Section:
    """Both ways; on a machine without a card the same on one device."""
    there: dict[str, str] = {} if device.startswith("cuda") else _HIDDEN
    rows, wrong = [], []
    for name, first, second in ((f"CPU, then {device}", _HIDDEN, there), (f"{device}, then CPU", there, _HIDDEN)):
        row, ok = _cross(sizes, first, second)
        rows.append([name, *row, "as it should" if ok else "**wrong**"])
        wrong += [] if ok else [name]
    return Section(
        "Runs that change the device", ("way", "state", "devices", "points", "ended"), tuple(rows), tuple(wrong)
    )


def _cross(sizes: Sizes, first: Mapping[str, str], second: Mapping[str, str]) -> tuple[list[str], bool]:
    with tempfile.TemporaryDirectory(prefix="espalier-gpu-") as scratch:
        store = Store(Path(scratch) / "results", gallery=Path(scratch) / "none")
        file = Path(scratch) / "spec.json"
        write_json(file, run_spec.parse(_request(sizes)).model_dump(mode="json"))
        run = _begin(store, file, first)
        Queue(store).resume(run.id)
        command = [sys.executable, "-m", "engine.jobs.child", str(store.root), run.id]
        done = subprocess.run(command, env={**os.environ, **second}, capture_output=True, check=False)
        expected = ["cpu" if given else "cuda" for given in (first, second)]
        devices = [start.device for start in run.events(event.StartEvent)]
        epochs = [epoch.epoch for epoch in run.events(event.Epoch) if epoch.stage == "baseline"]
        went_on = len(epochs) == _request(sizes)["train"]["epochs"] or epochs.count(1) == 1
        state = run.status().state
        ok = done.returncode == 0 and state == "done" and devices == expected and went_on
        return [state, ", then ".join(devices), str(len(run.points()))], ok


def _request(sizes: Sizes) -> dict[str, Any]:
    return {
        "model": "resnet20",
        "data": {"name": sizes.data, "limit": sizes.images},
        "train": {"epochs": 8 if sizes.epochs > 1 else 4, "batch_size": 32},
        "order": "channels",
        "criterion": "l1",
        "target": {"keep": [0.6]},
        "recover": {"epochs": 1},
    }


def _begin(store: Store, spec: Path, environment: Mapping[str, str]) -> Run:
    """A run that was stopped after it wrote a checkpoint, or its first point where it was too quick."""
    command = [sys.executable, "-m", "engine", "run", "--spec", str(spec), "--results", str(store.root)]
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    limit = time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < limit and process.poll() is None:
            runs = [Run(path) for path in store.folder.glob("[!.]*")]
            if runs and (any(runs[0].checkpoint.glob("*")) or runs[0].points()):
                break
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE)
    (path,) = store.folder.glob("[!.]*")
    return Run(path)
