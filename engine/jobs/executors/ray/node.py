"""A run on a node: its folder is built in the node's cache, its process started, and what it writes told in pieces.

This is carried out by a worker process of Ray, by the very code that the sweep's own process runs. No torch, no Ray.
"""

import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import RequestError, WorkError
from engine.jobs.child_process import Child, start
from engine.jobs.executors.ray import bootstrap, cargo, pieces
from engine.jobs.executors.ray.pieces import Outbox
from engine.spec.ids import digest_of
from engine.spec.messages import as_text
from engine.storage import atomic, leftovers
from engine.storage.folders.run import Run
from engine.storage.store import Store
from engine.zoo.own import listing

POLL_SECONDS = 0.1
_LEAVING = 20.0  # seconds in which an earlier process of the same run has left this node, or is ended
_STALE = 86_400.0  # seconds after which nobody looks for a mark to stop any more

Message = tuple[str, Any]  # ("begun", name of the node) | ("pieces", pieces) | ("problem", sentence)
Get = Callable[[Any], Any]  # what an order refers to, from wherever the cluster has it


def work(order: Mapping[str, Any], get: Get | None = None) -> Iterator[Message]:
    """Works on a run until its process has ended; what changes in its folder meanwhile, and why it could not begin."""
    get = get or _from_ray
    yield "begun", platform.node()
    root = bootstrap.home() / order["root"]
    mark = bootstrap.mark_of(order["attempt"])
    try:
        run, translate = _built(root, order, get)
    except (RequestError, WorkError, OSError) as error:
        yield "problem", str(error)
        return
    outbox = Outbox(run.path, translate)
    try:
        child = start(run, _command(order, root, run), _environment(order, root), stdin=subprocess.PIPE)
    except (WorkError, OSError) as error:
        yield "problem", str(error)
        return
    try:
        told = time.monotonic()
        while not child.has_ended():
            _mind(mark, run, child, order["grace"])
            if time.monotonic() - told >= order["beat"]:
                yield from _batches(outbox)
                told = time.monotonic()
            time.sleep(POLL_SECONDS)
        yield from _batches(outbox, last=True)
    finally:
        _end(child, order["grace"])
        mark.unlink(missing_ok=True)
        shutil.rmtree(run.path, ignore_errors=True)


def _batches(outbox: Outbox, *, last: bool = False) -> Iterator[Message]:
    for batch in pieces.batches(outbox.pieces(last=last)):
        yield "pieces", batch


def _mind(mark: Path, run: Run, child: Child[Run], grace: float) -> None:
    """Stops the process where the sweep has asked for that."""
    try:
        word = mark.read_text()
    except OSError:
        return
    if word == bootstrap.CANCEL:
        run.ask_to_cancel()
    child.stop(grace)


def _end(child: Child[Run], grace: float) -> None:
    """Ends the process where it has not ended, as when the task itself is ended in the middle."""
    while not child.has_ended():
        child.stop(grace)
        time.sleep(POLL_SECONDS)


def _command(order: Mapping[str, Any], root: Path, run: Run) -> list[str]:
    return [sys.executable, "-m", *order["command"], str(root), run.id]


def _environment(order: Mapping[str, Any], root: Path) -> dict[str, str]:
    return {**order["environment"], "ESPALIER_CONFIG": str(_settings(root, order["network"]))}


# -- what the run needs


def _built(root: Path, order: Mapping[str, Any], get: Get) -> tuple[Run, Callable[[bytes], bytes]]:
    """The run's folder on this node, and what makes of this node's paths in a text those of the request."""
    Store(root, gallery=root / "gallery").prepare()
    _sweep(root)
    run = Run(root / "runs" / order["run_id"])
    _clear(run)
    places = {each["path"]: str(_place_of(each, get)) for each in order["cargo"]}
    for start_run in order["starts"]:
        _add_run(root, start_run, get)
    _list_network(root, order["network"])
    draft = leftovers.new_path(run.path.parent)
    draft.mkdir()
    for name, data in get(order["folder"]):
        path = draft / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    request = json.loads((draft / "spec.json").read_bytes())
    atomic.write_json(draft / "spec.json", cargo.relocated(request, places))
    draft.rename(run.path)
    back = {there: path for path, there in places.items() if there != path}
    return run, pieces.translation(back)


def _clear(run: Run) -> None:
    """Ends what an earlier try has left of the same run on this node, and removes its folder."""
    deadline = time.monotonic() + _LEAVING
    while run.path.is_dir() and not run.lock.acquire(1.0):
        owner = run.lock.owner()
        if owner is not None and time.monotonic() > deadline - _LEAVING / 2:
            owner.signal(9)
        if time.monotonic() > deadline:
            raise WorkError(f"an earlier process of run {run.id} does not leave the node {platform.node()}")
    run.lock.release()
    shutil.rmtree(run.path, ignore_errors=True)


def _place_of(each: Mapping[str, Any], get: Get) -> Path:
    """Where this node has what a path of the request names: there, or in its cache."""
    path = Path(each["path"])
    if cargo.state_of(str(path)) == each["state"]:
        return path
    if each["digest"] is None:
        raise WorkError(
            f"the node {platform.node()} has no copy of {as_text(str(path))}, which is too large to be sent; put it "
            "there under the same path, as `rsync -a` does, which keeps the times that it is known by"
        )
    folder: Path = bootstrap.home() / "data" / each["digest"]
    if not folder.is_dir():
        _unpack(folder, path.name, each["is_folder"], get(each["data"]))
    return folder / path.name


def _unpack(folder: Path, name: str, is_folder: bool, data: bytes) -> None:
    draft = leftovers.new_path(folder.parent)
    draft.mkdir(parents=True)
    if is_folder:
        bootstrap.unpacked(draft / name, data)
    else:
        (draft / name).write_bytes(data)
    try:
        draft.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(draft, ignore_errors=True)


def _add_run(root: Path, start_run: Mapping[str, Any], get: Get) -> None:
    """Has a run here that others start from; its folder stays."""
    folder = root / "runs" / start_run["run_id"]
    if not folder.is_dir():
        bootstrap.unpacked(folder, get(start_run["data"]))


def _settings(root: Path, entry: Mapping[str, Any] | None) -> Path:
    """The folder of settings of a run's process, of which each network of the user's own has another."""
    return root / "settings" / ("none" if entry is None else f"{entry['sha256'][:16]}-{digest_of(dict(entry))}")


def _list_network(root: Path, entry: Mapping[str, Any] | None) -> None:
    """Has the user's own network in the list of this node, where its file is the same as on the user's computer."""
    if entry is None:
        return
    try:
        _, sha256 = listing.read_code(entry["path"])
    except RequestError:
        sha256 = ""
    if sha256 != entry["sha256"]:
        raise WorkError(
            f"the node {platform.node()} has {'another' if sha256 else 'no'} file {as_text(entry['path'])}; code is "
            "not sent: put it there as it is here, with what it imports"
        )
    folder = _settings(root, entry)
    atomic.prepare_folder(folder)
    atomic.write_json(folder / "networks.json", {"schema_version": 1, "networks": [dict(entry)]})


def _sweep(root: Path) -> None:
    """Removes marks that nobody looks for any more."""
    leftovers.sweep((root / "runs", bootstrap.home() / "data"))
    with suppress(FileNotFoundError):
        for mark in (bootstrap.home() / "stops").iterdir():
            with suppress(FileNotFoundError):
                if time.time() - mark.stat().st_mtime > _STALE:
                    mark.unlink()


def _from_ray(reference: Any) -> Any:
    import ray

    return ray.get(reference)
