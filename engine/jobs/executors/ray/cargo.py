"""What a run needs on a node besides its folder: this program, and the files and runs that its request names. No torch.

A path of a request is used as it is on a node that has the very same there, by names, sizes and times, as where a disk
is shared. Elsewhere what it names is sent once to each node, and the request there has its path in the node's cache.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import WorkError
from engine.measure import machine
from engine.spec import catalog
from engine.spec.messages import as_text
from engine.spec.networks import own_names
from engine.spec.run import RunSpec
from engine.spec.settings import settings_of
from engine.storage import directories, files
from engine.storage.folders.run import Run
from engine.storage.store import Store
from engine.zoo import source
from engine.zoo.own import listing
from engine.zoo.source import RunPoint, WeightsFile

MOST_SENT = 1 << 30  # bytes of one path; a larger one is to be on the nodes
_NETWORK = ("plan.json", "safetensors", "adaptation.safetensors")  # the files of a point that a run starts from
_MOST_RUNS = 100  # of which one starts from the other
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # so that the same files are the same archive


@dataclass(frozen=True)
class Cargo:
    """What a path of a request names: how it stands here, and by their digest its bytes, where they may be sent."""

    path: str
    state: str
    is_folder: bool
    digest: str | None = None
    data: bytes = b""


def program(packages: Iterable[str] = ("engine",), root: Path = directories.PACKAGES) -> tuple[bytes, str]:
    """This program as an archive, and its digest; the version comes along, as on a node nothing may be installed."""
    version = machine.version()
    about = f"espalier-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: espalier\nVersion: {version}\n"
    folders = [root / package for package in packages]
    sources = sorted(
        {path for folder in folders for path in (*folder.rglob("*.py"), *folder.parent.glob("__init__.py"))}
    )
    named = [(str(path.relative_to(root)), path.read_bytes()) for path in sources]
    data = _archive([*named, (about[0], about[1].encode())])
    return data, hashlib.sha256(data).hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    yield from folder.rglob("*.py")
    yield from folder.parent.glob("__init__.py")  # without which Python may find another folder of that name


def paths_in(request: Mapping[str, Any]) -> tuple[str, ...]:
    """The paths in a run's request that lead to something here; those of code are not among them."""
    found = [*catalog.paths_of(request["data"]["name"])]
    named = source.parse(request["weights"])
    if isinstance(named, WeightsFile):
        found.append(str(named.path))
    found += [_at(request, place) or "" for place in _path_settings()]
    return tuple(dict.fromkeys(path for path in found if path and os.path.lexists(path)))


def relocated(request: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """A request with the paths of a node in the place of its own."""
    name = request["data"]["name"]
    halves = [(catalog.prefix_of(half), half.removeprefix(catalog.prefix_of(half))) for half in catalog.halves(name)]
    data = {**request["data"], "name": ">".join(prefix + places.get(path, path) for prefix, path in halves)}
    out = {**request, "data": data}
    for path in (path for path in places if request["weights"] in (path, *_with_key(request["weights"], path))):
        out["weights"] = places[path] + request["weights"][len(path) :]
    for place in _path_settings():
        there = places.get(_at(out, place) or "")
        if there is not None:
            out = _with(out, place, there)
    return out


def load(path: str, most: int = MOST_SENT) -> Cargo:
    """What a path names, read; WorkError where it cannot be."""
    place, is_folder = Path(path), Path(path).is_dir()
    state = state_of(path)
    if state is None:
        raise WorkError(f"cannot read {as_text(path)}, which a run of the sweep needs")
    try:
        inside = list(_files(place))
        if sum(each.stat().st_size for each in inside) > most:
            return Cargo(path, state, is_folder)
        if not is_folder:
            data = place.read_bytes()
        else:
            data = _archive([(str(each.relative_to(place)), each.read_bytes()) for each in inside])
    except OSError as error:
        raise WorkError(f"cannot read {as_text(path)}: {error.strerror or error}") from None
    return Cargo(path, state, is_folder, hashlib.sha256(data).hexdigest(), data)


def state_of(path: str) -> str | None:
    """A digest of the names, sizes and times of what is at a path of this computer; None where nothing is."""
    place = Path(path)
    digest = hashlib.sha256()
    try:
        for file in _files(place):
            state = file.stat()
            digest.update(f"{file.relative_to(place)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode(errors="replace"))
    except OSError:
        return None
    return digest.hexdigest()


def runs_behind(spec: RunSpec, store: Store) -> tuple[Run, ...]:
    """The run whose pruned network a run starts from, and the one that this started from, and so on."""
    found: list[Run] = []
    while isinstance(named := source.parse(spec.weights), RunPoint) and len(found) < _MOST_RUNS:
        run = store.run(named.run_id)
        found.append(run)
        spec = run.spec()
    return tuple(found)


def packed_start(run: Run) -> bytes:
    """An archive of what of a run another one needs that starts from a point of it."""
    names = ["spec.json", "status.json", "env.json", "points.jsonl"]
    with suppress(FileNotFoundError):
        models = sorted(files.names_in(run.path / "models"))
        names += [f"models/{name}" for name in models if name.partition(".")[2] in _NETWORK]
    try:
        return _archive([(name, (run.path / name).read_bytes()) for name in names if (run.path / name).is_file()])
    except OSError as error:
        raise WorkError(f"cannot read run {run.id}: {error.strerror or error}") from None


def own_network(spec: RunSpec) -> dict[str, Any] | None:
    """The entry of the user's list that a run's model is; None of a model of the catalogue.

    A file of code is not sent, as others may belong to it: it is to be on every node as it is here.
    """
    if not own_names.is_own(spec.model):
        return None
    network = listing.find(spec.model)
    _, sha256 = listing.read_code(network.path)
    return network.model_copy(update={"sha256": sha256}).model_dump(mode="json")


def _with_key(weights: str, path: str) -> tuple[str, ...]:
    return (weights,) if weights.startswith(f"{path}#") else ()


def _path_settings() -> tuple[tuple[str, ...], ...]:
    """Where a request has paths that are settings of their own."""
    return tuple(field.place for field in settings_of(RunSpec) if field.setting.path)


def _at(request: Mapping[str, Any], place: tuple[str, ...]) -> str | None:
    value: Any = request
    for key in place:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


def _with(request: Mapping[str, Any], place: tuple[str, ...], text: str) -> dict[str, Any]:
    first, *inner = place
    return {**request, first: _with(request[first], tuple(inner), text) if inner else text}


def _files(place: Path) -> Iterator[Path]:
    """A file itself, or those in a folder, in the order of their names."""
    if not place.is_dir():
        yield place
        return
    for folder, below, names in os.walk(place, followlinks=True):
        below.sort()
        yield from (Path(folder) / name for name in sorted(names))


def _archive(members: Iterable[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, data in members:
            compression = zipfile.ZIP_DEFLATED if name.endswith(".py") else zipfile.ZIP_STORED
            file.writestr(zipfile.ZipInfo(name, _LONG_AGO), data, compression)
    return out.getvalue()
