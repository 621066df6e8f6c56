"""What the pages read: the store's runs and points, and model summaries from a child process. All cached.

Every cached read takes the store's token, which changes whenever anything was written.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.tables.held import HeldPoints, HeldRuns
from engine.boards.registry import Board, Registry
from engine.errors import RequestError, WorkError
from engine.graph.summary import ModelSummary
from engine.jobs import worker
from engine.jobs.queue import Queue
from engine.spec import catalog
from engine.spec.networks import own_names
from engine.spec.run import RunSpec
from engine.spec.settings import columns_of, value_at
from engine.storage import directories
from engine.storage.folders.run import Run
from engine.storage.indexing.head import Head
from engine.storage.look import one_look
from engine.storage.store import Store
from engine.zoo import source
from engine.zoo.own import listing

ROOT = directories.PACKAGES
ACTIVE = ("running", "queued")
_SUMMARY_SECONDS = 300
_FIELD = "field: "  # before the name of the field that an error of the child concerns
Stamps = tuple[tuple[int, int] | None, ...]
_of_this_run: ContextVar[str | None] = ContextVar("token", default=None)
_COSTS_TIME = {column: field for column, field in columns_of(RunSpec).items() if field.setting.costs_time}
_costs_of = itemgetter(*_COSTS_TIME)  # ten thousand runs are looked through while one is shown


def results_root() -> Path:
    return directories.results().absolute()


def open_store() -> Store:
    """The store; RequestError when the results folder cannot be written to."""
    return Store(results_root())


def settled_token() -> str:
    """The store's token, which every cached read takes, once jobs whose process has died are marked as interrupted.

    A page and what refreshes itself in it begin with this, so that no dead job is shown as running.
    """
    with one_token() as token:
        return token


@contextmanager
def one_token() -> Iterator[str]:
    """Has all that is asked inside speak of the same state of the results, which are looked at once; with its token."""
    held = _of_this_run.get()
    if held is not None:
        yield held
        return
    results = open_store()
    worker.replace_lost(results)
    with one_look():
        token = results.token()
        reset = _of_this_run.set(token)
        try:
            yield token
        finally:
            _of_this_run.reset(reset)


def queue() -> Queue:
    return Queue(open_store())


def points(token: str) -> pd.DataFrame:
    """All points of all runs, as `app.tables.points.tidy` has them."""
    return points_and_version(token)[0]


def points_and_version(token: str) -> tuple[pd.DataFrame, int]:
    """The same with a number that no other table has: what is made of tables with the same one is the same."""
    return _held_points(str(results_root())).frame(open_store(), token)


def runs(token: str) -> list[dict[str, Any]]:
    """All runs as the index has them, newest first, each with a `data_label` that tells its data from all others."""
    return _held_runs(str(results_root())).rows(open_store(), token)


# What is held is brought up to date, which takes no copy of a hundred thousand points; the token says when.
@st.cache_resource(max_entries=4, show_spinner=False)
def _held_points(root: str) -> HeldPoints:
    return HeldPoints()


@st.cache_resource(max_entries=4, show_spinner=False)
def _held_runs(root: str) -> HeldRuns:
    return HeldRuns()


def timings(token: str) -> list[dict[str, Any]]:
    """All timings on boards as the index has them, newest first."""
    return _timings(str(results_root()), token)


@st.cache_data(max_entries=4, show_spinner=False)
def _timings(root: str, token: str) -> list[dict[str, Any]]:
    return Store(Path(root)).timings()


def active_runs(token: str) -> list[dict[str, Any]]:
    """The runs that still change, those that are worked on first, then in the order in which they will start."""
    active = {head.job_id for head in _open_heads(str(results_root()), token) if head.kind == "run"}
    # Mostly there are none, and then nobody needs to look at the others.
    return _by_start(run for run in runs(token) if run["run_id"] in active) if active else []


@st.cache_resource(max_entries=4, show_spinner=False)
def _open_heads(root: str, token: str) -> list[Head]:
    return open_store().open_heads()


def has_active(token: str) -> bool:
    """Whether there are runs or timings that still change."""
    store = open_store()
    heads = _open_heads(str(results_root()), token)
    return any(head.kind in ("run", "timing") and not store.is_lost(head) for head in heads)


def result_count(token: str) -> int:
    """How many points there are, and how many were timed on boards."""
    return _result_count(str(results_root()), token)


@st.cache_resource(max_entries=4, show_spinner=False)
def _result_count(root: str, token: str) -> int:
    heads = open_store().heads().values()
    has_timings = any(head.kind == "timing" for head in heads)
    timed = [timing for timing in timings(token) if timing["state"] == "done"] if has_timings else []
    return sum(head.points for head in heads) + sum(len(timing["points"]) for timing in timed)


def active_timings(token: str) -> list[dict[str, Any]]:
    """The timings that still change, in the same order."""
    return _by_start(timings(token))


def _by_start(jobs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    active = [job for job in jobs if job["state"] in ACTIVE]
    return sorted(active, key=lambda job: (ACTIVE.index(job["state"]), job["created"]))


def registry() -> Registry:
    """The boards that the user has added."""
    return Registry(results_root())


def boards() -> list[Board]:
    """The boards in the order in which they were added; WorkError when their file is damaged."""
    return registry().all()


def with_onnx(token: str) -> frozenset[str]:
    """The ids (`<run_id>.<point>`) of all points whose ONNX file is there."""
    frame = points(token)
    return frozenset(frame.loc[frame["onnx"], "id"])


def can_be_timed(point: Mapping[str, Any]) -> bool:
    """Whether a board can time a point: it is not an INT8 one, and its ONNX file is there."""
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
    """Why there is no model summary: one sentence, and the field of the spec that it concerns, if any."""

    sentence: str
    field: str | None = None


def summary(spec: RunSpec) -> ModelSummary | SummaryFailure:
    """The arithmetic of a run's network, from a child process: building it needs torch, and this process has none.

    Made again when the weights or the data have changed on the disk; a failure is believed for a few seconds only.
    """
    flags = ["--model", spec.model, "--weights", spec.weights, "--data", spec.data.name]
    flags += ["--data-root", spec.data.root] if spec.data.root else []
    if spec.data.size_asked is not None:
        flags += ["--image-size", "x".join(map(str, spec.data.size_asked))]
    flags += ["--labels", spec.data.labels] if spec.data.labels else []
    flags += ["--results", str(results_root())]
    return _summary_or_failure(tuple(flags), stamps(spec))


def _code_of(model: str) -> str:
    """The file of a network of the user's own; "" for any other, and for one that is not on the list."""
    try:
        return listing.find(model).path if own_names.is_own(model) else ""
    except (RequestError, WorkError):
        return ""


def stamps(spec: RunSpec) -> Stamps:
    """What changes when the code, the weights or the data of a request do."""
    data = [*([spec.data.root] if spec.data.root else []), *catalog.paths_of(spec.data.name)]
    weights = str(source.parse_file(spec.weights).path)
    return stamp(_code_of(spec.model)), stamp(weights), *map(stamp, data)


@st.cache_data(max_entries=64, ttl="15s", show_spinner=False)
def _summary_or_failure(flags: tuple[str, ...], stamps: Stamps) -> ModelSummary | SummaryFailure:
    try:
        return _summary(flags, stamps)
    except WorkError as error:
        return SummaryFailure(str(error))
    except RequestError as error:
        return SummaryFailure(str(error), error.field)


@st.cache_data(max_entries=64, show_spinner=False)
def _summary(flags: tuple[str, ...], stamps: Stamps) -> ModelSummary:
    """The child's output; `stamps` only make the cache tell changed files from unchanged ones."""
    return ModelSummary.from_json(ask_engine("sheet", *flags))


def ask_engine(*arguments: str) -> dict[str, Any]:
    """The JSON document that a command of the engine answers with, from a process with torch, which this one has not.

    RequestError and WorkError are those of the command.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-m", "engine", *arguments, "--name-field", "--json"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SUMMARY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise WorkError(f"building the network took longer than {_SUMMARY_SECONDS // 60} minutes") from None
    try:
        document: dict[str, Any] = json.loads(child.stdout)
    except ValueError:
        last = child.stderr.strip().rsplit("\n", 1)[-1]
        raise WorkError(f"building the network failed: {last or f'exit code {child.returncode}'}") from None
    if "error" in document and child.returncode == RequestError.exit_code:
        raise RequestError(document["error"], field=_field_of(child.stderr))
    if "error" in document:
        raise WorkError(document["error"])
    return document


def _field_of(log: str) -> str | None:
    """The field that the child named on its standard error; None where it named none."""
    lines = log.splitlines()
    return next((line.removeprefix(_FIELD) for line in reversed(lines) if line.startswith(_FIELD)), None)


def stamp(path: str | Path) -> tuple[int, int] | None:
    """What tells a changed file from an unchanged one; None where there is none."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


def expected_seconds(history: Sequence[Mapping[str, Any]], spec: RunSpec) -> float | None:
    """How long such a run took on this machine before (the median of like ones); None when there is none to go by.

    Alike is: the same in every setting that costs time, one after the other or alternating, and as many targets.
    Shipped runs are of another machine.
    """
    request = spec.model_dump(mode="json")
    costs = tuple(value_at(request, field.place) for field in _COSTS_TIME.values())
    durations = [
        run["finished"] - run["started"] for run in history if _has_duration(run) and _is_alike(run, spec, costs)
    ]
    return float(np.median(durations)) if durations else None


def _has_duration(run: Mapping[str, Any]) -> bool:
    return run["state"] == "done" and not run["gallery"] and bool(run["started"] and run["finished"])


def _is_alike(run: Mapping[str, Any], spec: RunSpec, costs: tuple[Any, ...]) -> bool:
    return (
        _costs_of(run) == costs
        and (run["order"] == "alternate") == (spec.order == "alternate")
        and len(run["keep"]) == len(spec.target.keep)
    )
