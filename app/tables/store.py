"""What the pages read: the store's runs and points, and model sheets from a child process. All cached.

Every cached read takes the store's token, which changes whenever anything was written.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.tables import points as tables
from engine.boards.registry import Device, Registry
from engine.errors import RequestError, WorkError
from engine.graph.summary import ModelSummary
from engine.jobs import worker
from engine.jobs.queue import Queue
from engine.spec.run import RunSpec
from engine.storage import directories
from engine.storage.job_folder import Run
from engine.storage.store import Store

ROOT = Path(__file__).resolve().parents[2]
ACTIVE = ("running", "queued")
_SHEET_SECONDS = 300


def results_root() -> Path:
    return directories.results().absolute()


def open_store() -> Store:
    """The store; RequestError when the results folder cannot be written to."""
    return Store(results_root())


def settled_token() -> str:
    """The store's token, which every cached read takes, once jobs whose process is gone are known as such.

    A page and what refreshes itself in it begin with this, so that nothing dead is drawn as running.
    """
    results = open_store()
    worker.settle_lost(results)
    return results.token()


def queue() -> Queue:
    return Queue(open_store())


def points(token: str) -> pd.DataFrame:
    """All points of all runs, as `app.tables.points.tidy` has them."""
    return _points(str(results_root()), token)


def runs(token: str) -> list[dict[str, Any]]:
    """All runs as the index has them, newest first."""
    return _runs(str(results_root()), token)


@st.cache_data(max_entries=4, show_spinner=False)
def _points(root: str, token: str) -> pd.DataFrame:
    return tables.tidy(Store(Path(root)).points())


@st.cache_data(max_entries=4, show_spinner=False)
def _runs(root: str, token: str) -> list[dict[str, Any]]:
    return Store(Path(root)).runs()


def timings(token: str) -> list[dict[str, Any]]:
    """All timings on devices as the index has them, newest first."""
    return _timings(str(results_root()), token)


@st.cache_data(max_entries=4, show_spinner=False)
def _timings(root: str, token: str) -> list[dict[str, Any]]:
    return Store(Path(root)).timings()


def active_runs(token: str) -> list[dict[str, Any]]:
    """The runs that still change, those that are worked on first, then in the order in which they will start."""
    return _by_start(run for run in runs(token) if not run["gallery"])


def active_timings(token: str) -> list[dict[str, Any]]:
    """The timings that still change, in the same order."""
    return _by_start(timings(token))


def _by_start(jobs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    unended = [job for job in jobs if job["state"] in ACTIVE]
    return sorted(unended, key=lambda job: (ACTIVE.index(job["state"]), job["created"]))


def registry() -> Registry:
    """The devices that the user has added."""
    return Registry(results_root())


def devices() -> list[Device]:
    """The devices in the order in which they were added; WorkError when their file is damaged."""
    return registry().all()


def with_onnx(token: str) -> frozenset[str]:
    """The ids (`<run_id>.<point>`) of everything whose ONNX file is there."""
    return _with_onnx(str(results_root()), token)


@st.cache_data(max_entries=4, show_spinner=False)
def _with_onnx(root: str, token: str) -> frozenset[str]:
    store = Store(Path(root))
    folders = [store.run(run["run_id"]).path for run in store.runs()]
    return frozenset(f"{folder.name}.{file.stem[1:]}" for folder in folders for file in folder.glob("models/p*.onnx"))


def can_be_timed(point: Mapping[str, Any]) -> bool:
    """Whether a device can be asked to time a point: it is not an INT8 one, and its ONNX file is there."""
    run = None if point["int8"] else run_or_none(str(point["run_id"]))
    return run is not None and (run.path / "models" / f"p{point['point']}.onnx").is_file()


def run_or_none(run_id: str) -> Run | None:
    """A run folder, or None when it is not there (any more)."""
    try:
        return open_store().run(run_id)
    except RequestError:
        return None


@dataclass(frozen=True)
class SummaryFailure:
    """Why no sheet could be made: one sentence."""

    sentence: str


def summary(spec: RunSpec) -> ModelSummary | SummaryFailure:
    """The arithmetic of a run's network, from a child process: building it needs torch, and this process has none.

    Made again when the weights or the data have changed on the disk; a failure is believed for a few seconds only.
    """
    source = spec.data.root or spec.data.name.partition(":")[2]
    call = ["--model", spec.model, "--weights", spec.weights, "--data", spec.data.name]
    call += ["--data-root", spec.data.root] if spec.data.root else []
    call += ["--results", str(results_root())]
    return _sheet_or_failure(tuple(call), (_stamp(spec.weights), _stamp(source)))


Stamps = tuple[tuple[int, int] | None, ...]


@st.cache_data(max_entries=64, ttl="15s", show_spinner=False)
def _sheet_or_failure(call: tuple[str, ...], stamps: Stamps) -> ModelSummary | SummaryFailure:
    try:
        return _sheet(call, stamps)
    except WorkError as error:
        return SummaryFailure(str(error))


@st.cache_data(max_entries=64, show_spinner=False)
def _sheet(call: tuple[str, ...], stamps: Stamps) -> ModelSummary:
    """The child's answer; `stamps` only make the cache tell changed files from unchanged ones."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "engine", "sheet", *call, "--json"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SHEET_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise WorkError(f"building the network took longer than {_SHEET_SECONDS // 60} minutes") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().rsplit("\n", 1)[-1]
        raise WorkError(f"building the network failed: {last or f'exit code {done.returncode}'}") from None
    if "error" in answer:
        raise WorkError(answer["error"])
    return ModelSummary.from_json(answer)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        seen = Path(path).stat()
    except (OSError, ValueError):
        return None
    return seen.st_mtime_ns, seen.st_size


def expected_seconds(past: Sequence[Mapping[str, Any]], spec: RunSpec) -> float | None:
    """How long such a run took on this machine before (the median of like ones); None when there is none to go by.

    Alike is: the same model, weights, data, methods, epochs and number of targets. Shipped runs are of another machine.
    """
    took = [run["finished"] - run["started"] for run in past if _alike(run, spec)]
    return float(np.median(took)) if took else None


def _alike(run: Mapping[str, Any], spec: RunSpec) -> bool:
    return (
        run["state"] == "done"
        and not run["gallery"]
        and bool(run["started"] and run["finished"])
        and run["model"] == spec.model
        and run["weights"] == spec.weights
        and run["data"] == spec.data.name
        and run["limit"] == spec.data.limit
        and run["train_epochs"] == spec.train.epochs
        and run["recover_epochs"] == spec.recover.epochs
        and _same_methods(run, spec)
        and len(run["keep"]) == len(spec.target.keep)
    )


def _same_methods(run: Mapping[str, Any], spec: RunSpec) -> bool:
    """Whether what costs time besides the epochs is the same."""
    settings = {
        "depth_method": spec.depth.method,
        "width_method": spec.width.method,
        "measure": spec.attempt.measure,
        "race": spec.attempt.race,
        "distil": spec.recover.distil,
        "between_steps_batches": spec.recover.between_steps_batches,
        "int8": spec.int8,
    }
    alternates = (run["order"] == "alternate") == (spec.order == "alternate")
    return alternates and all(run[key] == value for key, value in settings.items())
