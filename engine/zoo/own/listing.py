"""The user's own list of networks: the files of code that this user named at a terminal, and nothing else is ever run.

It is `networks.json` in the folder of the user's settings, outside any results folder: what a link, a form, a spec, a
plan or a run that somebody else prepared names is built only when it stands here. No torch.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import RequestError, WorkError, concerns
from engine.spec.messages import as_text, quote
from engine.spec.networks import own_names
from engine.spec.networks.own_names import MY, OwnFile
from engine.storage import atomic, directories, files
from engine.storage.locks import Lock

MOST_CODE = 4 * files.MIB  # bytes of a file of code
_MOST_BYTES = 8 * files.MIB  # of the list
_MOST_NETWORKS = 1000
_ENV_KEY = "network"  # in a run's record of its conditions


class OwnNetwork(BaseModel):
    """A network of the user's own: where its code is, what the file held when it was named, and its name if it has one.

    `function` takes the number of classes; `sha256` is of the file, 64 hex digits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    path: str = Field(max_length=4096)
    function: str = Field(max_length=300)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    name: str | None = Field(None, pattern=f"^[a-z0-9][{own_names.MY_NAME}]{{0,31}}$")

    @property
    def source(self) -> OwnFile:
        return OwnFile(self.path, self.function)

    @property
    def model(self) -> str:
        """What a spec calls it: my/NAME, or FILE.py:FUNCTION where it has no name."""
        return self.source.text if self.name is None else MY + self.name


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    networks: tuple[OwnNetwork, ...] = Field((), max_length=_MOST_NETWORKS)


def listed() -> tuple[OwnNetwork, ...]:
    """Every network of the list, in the order in which they were named; WorkError when the file is damaged."""
    path = _path()
    if not path.exists():
        return ()
    try:
        return _Document.model_validate_json(files.read_bytes(path, _MOST_BYTES, links=True)).networks
    except OSError as error:
        raise WorkError(f"cannot read {path}: {error.strerror or error}; correct it or remove it") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise WorkError(f"{path} is damaged: {as_text(where)[:60]} is not as expected; correct or remove it") from None


def names() -> tuple[str, ...]:
    """The networks that have a name, as my/NAME."""
    return tuple(network.model for network in listed() if network.name is not None)


@concerns("model")
def find(model: str) -> OwnNetwork:
    """The network that my/NAME or FILE.py:FUNCTION means; RequestError unless this user has named it at a terminal."""
    networks = listed()
    if model.startswith(MY):
        for network in networks:
            if network.model == model:
                return network
        known = ", ".join(names()) or "none yet"
        raise RequestError(
            f"there is no network {quote(model)} in your list ({known}); "
            f"espalier models add FILE.py:FUNCTION --name NAME adds one"
        )
    source = own_names.parse(model)
    for network in networks:
        if network.source == source:
            return network
    raise RequestError(
        f"{as_text(model)} is not in your list of networks, and code is run from there only; "
        f"if you trust that file, say so in a terminal: espalier models add {as_text(model)}"
    )


@concerns("model")
def enter(model: str) -> str:
    """Enter a network that the user names at a terminal, and return it with its whole path.

    Any other model comes back as it is. RequestError when there is no such file.
    """
    if not own_names.is_own(model) or model.startswith(MY):
        return model
    return _entered(model, None).source.text


def whole_path(model: str) -> str:
    """FILE.py:FUNCTION with the whole path of the file; RequestError when it is malformed."""
    return _with_whole_path(model).text


@concerns("model")
def add(model: str, name: str | None = None) -> OwnNetwork:
    """Enter FILE.py:FUNCTION under a name, as which Launch lists it; RequestError when another file has that name."""
    if name is not None:
        own_names.check_name(name)
    return _entered(model, name)


def remove(model: str) -> OwnNetwork:
    """Take my/NAME or FILE.py:FUNCTION off the list; its file and its runs stay. RequestError when it is not there."""
    if own_names.is_own(model) and not model.startswith(MY):
        model = _with_whole_path(model).text
    with _changing():
        network = find(model)
        _write([other for other in listed() if other != network])
    return network


def read_code(path: str) -> tuple[bytes, str]:
    """What a file of code holds and its SHA-256; RequestError when it cannot be read."""
    shown = as_text(path)
    try:
        code = files.read_bytes(Path(path), MOST_CODE, links=True)
    except FileNotFoundError:
        raise RequestError(f"there is no file {shown}; give the path of the file that your network is in") from None
    except OSError as error:
        raise RequestError(f"cannot read {shown}: {error.strerror or error}") from None
    return code, hashlib.sha256(code).hexdigest()


def condition(network: OwnNetwork, sha256: str) -> dict[str, Any]:
    """What a run's record of its conditions says of its network, whose file had this SHA-256."""
    return {_ENV_KEY: {"path": network.path, "function": network.function, "sha256": sha256}}


def change_since(conditions: Mapping[str, Any]) -> str | None:
    """In a sentence, how the file of a run's own network differs from when the run was made; None where it does not.

    Nothing of the file is run, and only one that stands in the user's list is read.
    """
    recorded = conditions.get(_ENV_KEY)
    if not isinstance(recorded, Mapping) or not isinstance(recorded.get("path"), str):
        return None
    path, then = recorded["path"], str(recorded.get("sha256"))[:8]
    if not any(network.path == path for network in listed()):
        return f"its network is {as_text(path)} (SHA-256 {as_text(then)}…), which is not in your list of networks"
    try:
        _, now = read_code(path)
    except RequestError:
        return f"its network was {as_text(path)}, which cannot be read any more"
    if now == recorded.get("sha256"):
        return None
    return f"{as_text(path)} has changed since this run was made (SHA-256 {as_text(then)}… then, {now[:8]}… now)"


def _entered(model: str, name: str | None) -> OwnNetwork:
    source = _with_whole_path(model)
    _, sha256 = read_code(source.path)
    with _changing():
        networks = listed()
        if name is not None:
            taken = next((other for other in networks if other.name == name and other.source != source), None)
            if taken is not None:
                raise RequestError(
                    f"{MY}{name} is {as_text(taken.source.text)} already; choose another name, or remove that first"
                )
        known = next((other for other in networks if other.source == source), None)
        name = name or (known.name if known else None)
        network = OwnNetwork(path=source.path, function=source.function, sha256=sha256, name=name)
        if known is None:
            _write([*_with_room(networks), network])
        elif known != network:
            _write([network if other == known else other for other in networks])
    return network


def _with_room(networks: Sequence[OwnNetwork]) -> list[OwnNetwork]:
    """The list with room for one more: the oldest without a name goes first."""
    if len(networks) < _MOST_NETWORKS:
        return list(networks)
    oldest = next((network for network in networks if network.name is None), None)
    if oldest is None:
        raise RequestError(f"your list has {len(networks):,} networks, which is all that it takes; remove one first")
    return [network for network in networks if network != oldest]


def _with_whole_path(model: str) -> OwnFile:
    source = own_names.parse(model)
    try:
        path = own_names.whole(Path(source.path).expanduser())
    except RuntimeError:  # ~somebody, who has no home here
        raise RequestError(f"{quote(source.path)} names no home folder of this computer") from None
    return own_names.parse(f"{path}:{source.function}")


def _path() -> Path:
    return directories.settings() / "networks.json"


@contextmanager
def _changing() -> Iterator[None]:
    """No other process changes the list; WorkError when one does not end."""
    folder = Path(os.path.realpath(_path().parent))
    atomic.prepare_folder(folder)
    with Lock(folder / ".networks.lock").holding(wait=10.0) as mine:
        if not mine:
            raise WorkError(f"{_path()} is being changed by another process; try again")
        yield


def _write(networks: Sequence[OwnNetwork]) -> None:
    document = _Document(networks=tuple(networks)).model_dump(mode="json")
    atomic.write_json(atomic.behind_links(_path()), document)
